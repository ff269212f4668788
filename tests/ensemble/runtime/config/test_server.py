"""zoo.cfg as operators write it, and every way it can be wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from ensemble.errors import ConfigError
from ensemble.replica.config import SessionSettings
from ensemble.runtime.config import keys as config_keys
from ensemble.runtime.config import properties
from ensemble.runtime.config import server as config
from ensemble.runtime.config.keys import Effect, effect_of
from ensemble.runtime.host import replica_config

THREE = """\
# The number of milliseconds of each tick
tickTime=2000
initLimit=10
syncLimit=5
dataDir={dir}
clientPort=2181
server.1=zoo1:2888:3888
server.2=zoo2:2888:3888
server.3=zoo3:2888:3888:participant;2183
"""


def load(tmp_path: Path, text: str, myid: str | None = "1") -> config.ServerConfig:
    if myid is not None:
        (tmp_path / "myid").write_text(myid)
    path = tmp_path / "zoo.cfg"
    path.write_text(text.replace("{dir}", str(tmp_path)))
    return config.load(path)


def test_an_ensemble(tmp_path: Path) -> None:
    loaded = load(tmp_path, THREE, "2\n")
    assert (loaded.sid, loaded.membership.voters, loaded.client_port) == (2, (1, 2, 3), 2181)
    assert (loaded.tick_ms, loaded.init_limit_ticks, loaded.sync_limit_ticks) == (2000, 10, 5)
    assert (loaded.session_timeout_ms_min, loaded.session_timeout_ms_max) == (4000, 40000)
    assert loaded.log_dir == loaded.data_dir == tmp_path
    assert loaded.words_allowed == {
        "ruok",
        "srvr",
        "stat",
        "mntr",
        "cons",
        "dump",
        "wchs",
        "conf",
        "isro",
        "envi",
    }
    assert loaded.connections_per_address_max == 60
    assert not loaded.faults_allowed
    assert loaded.admin_port is None
    assert loaded.warnings == ()
    assert loaded.membership.text() == (
        "server.1=zoo1:2888:3888:participant\n"
        "server.2=zoo2:2888:3888:participant\n"
        "server.3=zoo3:2888:3888:participant;0.0.0.0:2183\n"
        "version=0"
    )


def test_standalone_needs_neither_myid_nor_limits(tmp_path: Path) -> None:
    loaded = load(tmp_path, "dataDir={dir}\nclientPort=2181\n", myid=None)
    assert (loaded.membership.servers, loaded.sid) == ((), 1)
    assert loaded.tick_ms == 3000
    assert loaded.me is None


def test_a_role_that_is_none_is_refused_of_a_server_that_stands_alone(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="peerType=king does not exist; write participant or observer"):
        load(tmp_path, "dataDir={dir}\nclientPort=2181\npeerType=king\n", None)


def test_a_key_that_resembles_none_is_left_without_advice(tmp_path: Path) -> None:
    (warning,) = load(tmp_path, THREE + "myCompany.rack=7\n").warnings
    assert warning == "myCompany.rack is not a key this server knows; it is ignored"


def test_one_server_line_stands_alone_unless_told_otherwise(tmp_path: Path) -> None:
    text = "dataDir={dir}\nclientPort=2181\ninitLimit=10\nsyncLimit=5\nserver.7=localhost:2888:3888\n"
    assert load(tmp_path, text, myid=None).membership.servers == ()
    assert load(tmp_path, text + "standaloneEnabled=false\n", myid="7").membership.voters == (7,)


def test_an_observer_does_not_vote(tmp_path: Path) -> None:
    text = THREE.replace("clientPort=2181", "peerType=observer")
    loaded = load(tmp_path, text + "server.4=[fd00::4]:2888:3888:observer;[::1]:2184\n", "4")
    assert loaded.membership.voters == (1, 2, 3)
    assert loaded.me is not None
    assert loaded.me.line() == "[fd00::4]:2888:3888:observer;[::1]:2184"


def test_the_client_address_may_stand_in_the_server_line(tmp_path: Path) -> None:
    loaded = load(tmp_path, THREE.replace("clientPort=2181\n", ""), "3")
    assert (loaded.client_host, loaded.client_port) == (None, 2183)


def test_a_dynamic_file_holds_the_server_lines(tmp_path: Path) -> None:
    dynamic = tmp_path / "zoo.cfg.dynamic"
    dynamic.write_text("server.1=a:1:2;2181\nserver.2=b:1:2;2181\nserver.3=c:1:2;2181\nversion=100000000\n")
    text = f"dataDir={{dir}}\ninitLimit=10\nsyncLimit=5\ndynamicConfigFile={dynamic}\n"
    assert load(tmp_path, text).membership.voters == (1, 2, 3)


def test_values_of_optional_keys(tmp_path: Path) -> None:
    loaded = load(
        tmp_path,
        "dataDir={dir}\ndataLogDir=/logs\nclientPort=2181\nclientPortAddress=127.0.0.1\nmaxClientCnxns=0\n"
        "minSessionTimeout=1000\nmaxSessionTimeout=9000\nsnapCount=50\nautopurge.purgeInterval=24\n"
        "autopurge.snapRetainCount=5\n4lw.commands.whitelist=stat, ruok,*\nzookeeper.jute.maxbuffer=0x200000\n"
        "coordinator.adminPort=9181\ncoordinator.faults=true\nquorumListenOnAllIPs=true\n",
    )
    assert loaded.log_dir == Path("/logs")
    assert loaded.client_host == "127.0.0.1"
    assert loaded.connections_per_address_max == 0
    assert (loaded.session_timeout_ms_min, loaded.session_timeout_ms_max) == (1000, 9000)
    assert (loaded.snap_count, loaded.snapshots_kept, loaded.purge_interval_hours) == (50, 5, 24)
    assert loaded.words_allowed == {"stat", "ruok", "*"}
    assert loaded.frame_bytes_max == 0x200000
    assert (loaded.admin_port, loaded.faults_allowed) == (9181, True)
    assert loaded.cluster.listen_on_all_addresses
    assert loaded.warnings == ()


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("clientport=2181", "clientport is not a key this server knows; it is ignored; write clientPort if"),
        (
            "tickTiem=3000",
            "tickTiem is not a key this server knows; it is ignored; write tickTime if that is meant",
        ),
        ("4lw.commands.whitelist=stat,rouk,*", "names rouk, which no server answers; there are conf"),
        (
            "DigestAuthenticationProvider.superDigest=secret",
            "superDigest is not of the form super:<hash>, so nobody is let in by it",
        ),
        ("kerberos.removeRealmFromPrincipal=true", "kerberos.removeRealmFromPrincipal has no effect"),
        ("autopurge.snapRetainCount=1", "autopurge.snapRetainCount=1 is too few; 3 are kept"),
        ("peerType=observer", "peerType=observer is ignored"),
    ],
)
def test_what_has_no_effect_is_said_by_name(tmp_path: Path, line: str, said: str) -> None:
    (warning,) = load(tmp_path, THREE + line + "\n").warnings
    assert said in warning


@pytest.mark.parametrize(
    "line",
    [
        "nio.numWorkerThreads=4",
        "commitProcessor.numWorkerThreads=2",
        "flushDelay=0",
        "jvm.pause.monitor=true",
        "netty.x=y",
        "admin.enableServer=false",
        "reconfigEnabled=false",
        "sslQuorum=false",
    ],
)
def test_what_cannot_matter_is_accepted_in_silence(tmp_path: Path, line: str) -> None:
    assert load(tmp_path, THREE + line + "\n").warnings == ()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("tickTime=2000", "tickTime=fast"), "tickTime=fast is not a number of milliseconds"),
        (("tickTime=2000", "tickTime=0"), "tickTime=0 is out of range"),
        (
            ("clientPort=2181", "clientPort=70000"),
            "clientPort=70000 is not a port; write clientPort=<1 to 65535>",
        ),
        (
            ("clientPort=2181", "clientPort=abc"),
            "clientPort=abc is not a port; write clientPort=<1 to 65535>",
        ),
        (("clientPort=2181\n", ""), "clientPort is not set"),
        (("initLimit=10\n", ""), "initLimit is not set"),
        (("syncLimit=5\n", ""), "syncLimit is not set"),
        (("dataDir={dir}\n", ""), "dataDir is not set"),
        (("zoo1:2888:3888", "zoo1:2888"), "server.1=zoo1:2888 is not of the form"),
        (("zoo1:2888:3888", "zoo1:2888:2888"), "uses port 2888 twice"),
        (("zoo1:2888:3888", "zoo1:2888:388888"), "server.1 names the port 388888"),
        (("zoo1:2888:3888", "zoo1:2888:3888:king"), "the role king"),
        (("zoo1:2888:3888", "a:1:2|b:1:2"), "several addresses"),
        (("server.2", "server.99999999999999999999"), "server.99999999999999999999 does not name a server"),
        (("server.2", "server.x"), "server.x does not name a server"),
        (("server.2", "server.01"), "server.01 names server 1 a second time"),
        (("syncLimit=5", "syncLimit=5\nelectionAlg=0"), "electionAlg=0"),
        (("syncLimit=5", "syncLimit=5\nsslQuorum=true"), "ssl.quorum.keyStore.location is not set"),
        (
            ("syncLimit=5", "syncLimit=5\nquorum.auth.enableSasl=true"),
            "quorum.auth.enableSasl=true needs to know who is who",
        ),
        (("syncLimit=5", "syncLimit=5\noraclePath=/oracle"), "asks no oracle"),
        (("syncLimit=5", "syncLimit=5\nminSessionTimeout=90000"), "minSessionTimeout=90000 is greater"),
        (
            ("syncLimit=5", "syncLimit=5\ncoordinator.faults=1"),
            "coordinator.faults=1 is neither true nor false",
        ),
        (("syncLimit=5", "syncLimit=5\npeerType=king"), "peerType=king does not exist"),
        (
            ("syncLimit=5", "syncLimit=5\ndynamicConfigFile=/nowhere/x"),
            "dynamicConfigFile /nowhere/x does not exist; correct the path, or write the server lines into it",
        ),
    ],
)
def test_a_wrong_file_is_one_sentence(tmp_path: Path, change: tuple[str, str], said: str) -> None:
    text = THREE.replace(*change)
    assert text != THREE
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("myid", "said"),
    [
        (None, "myid does not exist; write this server's id"),
        ("one", "holds 'one', not a server id"),
        ("9" * 5000, "not a server id"),
        ("", "holds '', not a server id"),
        ("9", "says 9, but there is no server.9 line"),
    ],
)
def test_a_wrong_myid_is_one_sentence(tmp_path: Path, myid: str | None, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        load(tmp_path, THREE, myid)


def test_the_second_client_port_must_agree(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="clientPort=2181 contradicts ;2183"):
        load(tmp_path, THREE, "3")


def test_a_missing_file_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nothing\.cfg does not exist; give the path"):
        config.load(tmp_path / "nothing.cfg")


def test_every_known_key_has_one_effect() -> None:
    groups = [config_keys.USED, config_keys.IRRELEVANT, config_keys.WITHOUT]
    assert sum(map(len, groups)) == len(frozenset().union(*groups))
    assert effect_of("server.1") is Effect.USED
    assert effect_of("weight.1") is Effect.USED
    assert effect_of("zookeeper.nio.maxThreads") is Effect.IRRELEVANT
    assert effect_of("dataDri") is Effect.UNKNOWN


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a=b", {"a": "b"}),
        ("a = b = c ", {"a": "b = c"}),
        ("a:b\nc d", {"a": "b", "c": "d"}),
        ("# no\n! no\n\n  a=1", {"a": "1"}),
        ("a=1\r\nb=2\rc=3", {"a": "1", "b": "2", "c": "3"}),
        ("dir=C:\\\\data\\\\zk", {"dir": "C:\\data\\zk"}),
        ("a=one \\\n   two\nb=x\\\\\nc=y", {"a": "one two", "b": "x\\", "c": "y"}),
        ("a\\=b=c\\u0041", {"a=b": "cA"}),
        ("a=1\na=2", {"a": "2"}),
        ("a", {"a": ""}),
        ("a=b\\", {"a": "b"}),
    ],
)
def test_java_properties(text: str, expected: dict[str, str]) -> None:
    assert properties.parse(text) == expected


def test_ttl_znodes_are_enabled_by_name(tmp_path: Path) -> None:
    assert not load(tmp_path, THREE).znodes.extended_types
    loaded = load(tmp_path, THREE + "extendedTypesEnabled=true\nzookeeper.emulate353TTLNodes=true\n")
    assert (loaded.znodes.extended_types, loaded.znodes.emulate_353_ttl) == (True, True)
    assert loaded.warnings == ()


def test_a_server_id_beyond_a_byte_is_taken_with_a_warning(tmp_path: Path) -> None:
    text = THREE.replace("clientPort=2181\n", "").replace("server.3", "server.1003")
    config = load(tmp_path, text, "1003")
    assert config.sid == 1003
    assert any("low byte, 235" in warning for warning in config.warnings)
    with pytest.raises(ConfigError, match="does not name a server"):
        load(tmp_path, THREE.replace("server.3", f"server.{2**63}"), "1")


def test_ttl_znodes_do_not_go_with_server_255(tmp_path: Path) -> None:
    text = THREE.replace("clientPort=2181\n", "").replace("server.3", "server.255")
    assert load(tmp_path, text, "255").sid == 255
    with pytest.raises(ConfigError, match=r"at most 254"):
        load(tmp_path, text + "extendedTypesEnabled=true\n", "255")


def test_how_containers_are_deleted(tmp_path: Path) -> None:
    znodes = load(tmp_path, THREE).znodes
    assert (znodes.container_check_ms, znodes.containers_per_minute_max) == (60_000, 10_000)
    assert znodes.container_unused_ms_max == 0
    loaded = load(
        tmp_path,
        THREE + "znode.container.checkIntervalMs=500\nznode.container.maxPerMinute=60\n"
        "zookeeper.znode.container.maxNeverUsedIntervalMs=7000000000\n",
    )
    assert (loaded.znodes.container_check_ms, loaded.znodes.containers_per_minute_max) == (500, 60)
    assert loaded.znodes.container_unused_ms_max == 7_000_000_000
    assert loaded.warnings == ()
    with pytest.raises(ConfigError, match="maxPerMinute=0 is out of range"):
        load(tmp_path, THREE + "znode.container.maxPerMinute=0\n")


def test_the_keys_about_sessions(tmp_path: Path) -> None:
    text = (
        "localSessionsEnabled=true\nlocalSessionsUpgradingEnabled=true\nreadonlymode.enabled=true\n"
        "nio.sessionlessCnxnTimeout=500\n4lw.commands.whitelist=ruok\n"
    )
    loaded = load(tmp_path, THREE + text)
    assert loaded.sessions == SessionSettings(
        local=True, upgrading=True, read_only_mode=True, sessionless_ms=500
    )
    assert loaded.words_allowed == {"ruok", "isro"}, "a client finds its way back by isro"
    assert loaded.warnings == ()
    assert replica_config(loaded).sessions == loaded.sessions


def test_sessions_are_as_apaches_when_the_file_does_not_say(tmp_path: Path) -> None:
    assert load(tmp_path, THREE).sessions == SessionSettings()


def test_quotas_are_enforced_where_the_file_says_so(tmp_path: Path) -> None:
    assert not load(tmp_path, THREE).znodes.enforce_quota
    assert load(tmp_path, THREE + "zookeeper.enforceQuota=true\n").znodes.enforce_quota


@pytest.mark.parametrize("directory", ["data", "~/data", '"/data"', "${HOME}/data"])
def test_a_directory_that_is_relative_without_saying_so_is_named(tmp_path: Path, directory: str) -> None:
    (warning,) = load(tmp_path, f"dataDir={directory}\nclientPort=2181\n", None).warnings
    assert warning.startswith(f"dataDir={directory} is a path relative to where this server was started")


@pytest.mark.parametrize("directory", ["./data", "../data", "/data"])
def test_a_directory_that_says_what_it_is_passes_in_silence(tmp_path: Path, directory: str) -> None:
    assert load(tmp_path, f"dataDir={directory}\nclientPort=2181\n", None).warnings == ()


def test_a_comment_behind_a_value_is_named(tmp_path: Path) -> None:
    (warning,) = load(tmp_path, "dataDir={dir}/data # the disk\nclientPort=2181\n", None).warnings
    assert "has its # taken for a part of the value; put comments on lines of their own" in warning


def test_a_byte_order_mark_is_no_part_of_the_first_key(tmp_path: Path) -> None:
    assert load(tmp_path, "\N{BYTE ORDER MARK}dataDir={dir}\nclientPort=2181\n", None).client_port == 2181
