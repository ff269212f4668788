"""Four-letter words: the texts scripts and exporters read."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from ensemble.membership import parse
from ensemble.replica.agreement import application
from ensemble.replica.monitoring.four_letter.texts import date_text
from ensemble.storage.settings import StorageSettings
from ensemble.tree.operations import CreateMode
from ensemble.wire.four_letter import WORDS
from tests.ensemble.replica.harness import Client, World, client


def ask(world: World, word: str) -> str:
    """Ask one word on a connection of its own, which is closed behind the answer."""
    asking = Client(world)
    answer = asking.ask_word(word.encode())
    assert asking.closed
    return answer


def test_ruok() -> None:
    assert ask(World(), "ruok") == "imok"


def test_a_word_may_come_in_pieces() -> None:
    world = World()
    asking = Client(world)
    asking.xid = -1
    asking.send(b"ru")
    assert asking.received == b""
    asking.send(b"ok\n")
    assert asking.received == b"imok"


def test_srvr_and_stat() -> None:
    world = World()
    user = client(world)
    user.create("/a")
    text = ask(world, "srvr")
    assert re.match(r"Zookeeper version: 3\.9\.\d+-\w+, built on .+\n", text)
    lines = dict(line.split(": ", 1) for line in text.splitlines())
    assert lines["Mode"] == "standalone"
    assert lines["Zxid"] == hex(world.only.replica.tree.zxid)
    assert lines["Node count"] == "6"
    assert re.fullmatch(r"\d+/\d+\.\d+/\d+", lines["Latency min/avg/max"])
    stat = ask(world, "stat")
    assert re.search(r"\nClients:\n /127\.0\.0\.1:50000\[1\]\(queued=0,recved=2,sent=2\)\n", stat)
    assert stat.endswith("Node count: 6\n")


def test_mntr_is_a_table() -> None:
    world = World()
    user = client(world)
    user.create("/e", mode=CreateMode.EPHEMERAL)
    user.get("/e", watch=True)
    rows = [line.split("\t") for line in ask(world, "mntr").splitlines()]
    assert [row[0] for row in rows[:2]] == ["zk_version", "zk_server_state"]
    table = dict(rows)
    assert table["zk_znode_count"] == "6"
    assert table["zk_watch_count"] == "1"
    assert table["zk_ephemerals_count"] == "1"
    assert table["zk_num_alive_connections"] == "2"
    assert table["zk_global_sessions"] == "1"


def test_cons_and_dump_name_sessions() -> None:
    world = World()
    user = client(world)
    user.create("/e", mode=CreateMode.EPHEMERAL)
    cons = ask(world, "cons")
    session = hex(user.session_id)
    assert f"sid={session},lop=CREA,est=" in cons
    assert ",to=4000,lcxid=0x1,lzxid=0x" in cons
    dump = ask(world, "dump")
    assert "Session Sets (1)/(1):" in dump
    assert f"{session}:\n\t/e\n" in dump
    assert re.search(r"1 expire at Tue Nov 14 \d\d:\d\d:\d\d UTC 2023:\n\t" + session, dump)
    assert "Connections dump:\nConnections Sets (2)/(2):\n1 expire at " in dump
    assert f":\n\tip: /127.0.0.1:50000 sessionId: {session}\n" in dump


def test_watches_by_session_and_by_path() -> None:
    world = World(words_allowed=frozenset(WORDS))
    user = client(world)
    user.get("/", watch=True)
    user.children("/", watch=True)
    session = hex(user.session_id)
    assert ask(world, "wchs") == "1 connections watching 1 paths\nTotal watches:2\n"
    assert ask(world, "wchc") == f"{session}\n\t/\n\n"
    assert ask(world, "wchp") == f"/\n\t{session}\n\n"


def test_conf_names_the_settings() -> None:
    world = World(data_dir="/data", client_port=2199)
    lines = ask(world, "conf").splitlines()
    assert lines[0] == "clientPort=2199"
    assert "dataDir=/data/version-2" in lines
    assert lines[-1] == "serverId=0"
    assert "tickTime=1000" in lines
    assert "initLimit=10" not in lines


def test_conf_of_an_ensemble_names_its_members_and_the_own_ports() -> None:
    text = "server.1=[::1]:2888:3888:participant;0.0.0.0:2181\nserver.2=b:2889:3889:participant\nversion=0"
    lines = ask(World(voters=2, membership=parse(text)), "conf").splitlines()
    begin = lines.index("initLimit=10")
    assert lines[begin - 1] == "serverId=1"
    assert lines[begin:] == [
        "initLimit=10",
        "syncLimit=5",
        "electionAlg=3",
        "electionPort=3888",
        "quorumPort=2888",
        "peerType=0",
        "membership: ",
        *text.splitlines(),
    ]


def test_resets() -> None:
    world = World(words_allowed=frozenset(WORDS))
    user = client(world)
    user.create("/a")
    assert ask(world, "srst") == "Server stats reset.\n"
    assert ask(world, "crst") == "Connection stats reset.\n"
    assert "\nReceived: 2\n" in ask(world, "srvr")  # crst and srvr themselves
    assert user.connection is not None
    assert user.connection.received == 0


def test_isro_and_envi() -> None:
    world = World(words_allowed=frozenset(WORDS), environment={"host.name": "here"})
    assert ask(world, "isro") == "rw"
    assert ask(world, "envi").splitlines()[0] == "Environment:"
    assert "host.name=here" in ask(world, "envi")


@pytest.mark.parametrize("word", ["wchc", "wchp", "srst", "hash", "dirs"])
def test_what_is_not_allowed_is_refused(word: str) -> None:
    assert ask(World(), word) == f"{word} is not executed because it is not in the whitelist.\n"


def test_digests_are_listed_every_128_transactions() -> None:
    world = World(words_allowed=frozenset(WORDS))
    assert ask(world, "hash") == ""
    user = client(world)
    while world.only.replica.tree.zxid & 0xFF < 0x80:
        user.create("/n", mode=CreateMode.PERSISTENT_SEQUENTIAL)
    assert ask(world, "hash") == f"{world.only.replica.tree.zxid:x}: {world.only.replica.tree.digest()}\n"


def test_of_the_digests_of_one_second_the_first_is_listed() -> None:
    world = World(words_allowed=frozenset(WORDS))
    user = client(world)

    def listed_after(txns: int) -> list[str]:
        for _ in range(txns):
            user.create("/n", mode=CreateMode.PERSISTENT_SEQUENTIAL)
        return [line.partition(":")[0] for line in ask(world, "hash").splitlines()]

    first = listed_after(128)
    assert len(first) == 1
    assert listed_after(256) == first
    world.advance(1000)
    zxid = (world.only.replica.tree.zxid & ~0x7F) + 0x80
    assert listed_after(128) == [*first, f"{zxid:x}"]


def test_of_the_digests_the_newest_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(application, "DIGESTS_MAX", 2)
    world = World(words_allowed=frozenset(WORDS))
    user = client(world)
    listed: list[list[str]] = []
    for _ in range(3):
        world.advance(1000)
        for _ in range(128):
            user.create("/n", mode=CreateMode.PERSISTENT_SEQUENTIAL)
        listed.append(ask(world, "hash").splitlines())
    assert [len(lines) for lines in listed] == [1, 2, 2]
    assert listed[2][0] == listed[1][1]


def test_the_digest_is_brought_up_to_date_before_too_many_znodes_have_changed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(application, "DIGEST_DIRTY_MAX", 10)
    world = World()
    user = client(world)
    dirty: list[int] = []
    for _ in range(30):
        user.create("/n", mode=CreateMode.PERSISTENT_SEQUENTIAL)
        dirty.append(world.only.replica.tree.changed)
    assert 5 < max(dirty) <= 10
    assert min(dirty[11:]) < 5


def test_no_digest_is_noted_where_digests_are_off() -> None:
    world = World(words_allowed=frozenset(WORDS), storage=StorageSettings(digest=False, create=True))
    user = client(world)
    while world.only.replica.tree.zxid & 0xFF < 0x80:
        user.create("/n", mode=CreateMode.PERSISTENT_SEQUENTIAL)
    assert ask(world, "hash") == ""


def test_directories_are_measured() -> None:
    world = World(words_allowed=frozenset(WORDS))
    files = world.only.disk.files
    size = sum(len(files[name]) for name in files if name.startswith("version-2/"))
    assert ask(world, "dirs") == f"datadir_size: {size}\nlogdir_size: {size}\n"
    assert f"\ndataDirSize={size}\n" in ask(world, "conf")


def test_an_answer_may_take_its_time_and_a_client_may_not_wait_for_it() -> None:
    world = World(words_allowed=frozenset(WORDS))
    later: list[Callable[[int, int], None]] = []
    world.only.replica.service.measure_directories = later.append
    patient, hasty = Client(world), Client(world)
    for asking in (patient, hasty):
        asking.xid = -1
        asking.send(b"dirs")
    patient.send(b"and something behind it")
    assert hasty.connection is not None
    hasty.connection.on_closed()
    for answer in later:
        answer(1, 2)
    assert patient.received == b"datadir_size: 1\nlogdir_size: 2\n"
    assert patient.closed
    assert hasty.received == b""


def test_the_trace_mask_is_kept() -> None:
    world = World(words_allowed=frozenset(WORDS))
    assert ask(world, "gtmk") == "306"
    asking = Client(world)
    asking.xid = -1
    asking.send(b"stmk" + bytes(7))
    assert asking.received == b""
    asking.send(bytes([5]))
    assert (asking.received, asking.closed) == (b"5", True)
    assert ask(world, "gtmk") == "5"
    assert ask(World(), "stmk") == "stmk is not executed because it is not in the whitelist.\n"


def test_the_last_answer_of_a_connection_has_its_own_time() -> None:
    world = World()
    user = client(world)
    user.create("/a")
    world.advance(2000, step_ms=500)
    answered_ms = world.clock.now_us // 1000
    user.get("/a")
    world.advance(1000)
    line = next(line for line in ask(world, "cons").splitlines() if "sid=" in line)
    assert f",lop=GETD,est={user.connection.established_ms if user.connection else 0}," in line
    assert f",lcxid={user.xid:#x}," in line
    assert f",lresp={answered_ms}," in line


@pytest.mark.parametrize(
    ("wall_ms", "text"),
    [
        (0, "Thu Jan 01 00:00:00 UTC 1970"),
        (1795367787000, "Sun Nov 22 17:16:27 UTC 2026"),
        (951782399999, "Mon Feb 28 23:59:59 UTC 2000"),
        (951782400000, "Tue Feb 29 00:00:00 UTC 2000"),
        (4107542400000, "Mon Mar 01 00:00:00 UTC 2100"),
    ],
)
def test_dates_are_written_as_java_writes_them(wall_ms: int, text: str) -> None:
    assert date_text(wall_ms) == text


def test_a_server_that_does_not_serve_says_so() -> None:
    world = World(voters=3)
    world.cut.update({1, 2, 3})
    world.advance(20_000, step_ms=500)
    assert ask(world, "ruok") == "imok"
    assert ask(world, "isro") == "null"
    assert ask(world, "srvr") == "This ZooKeeper instance is not currently serving requests\n"


def test_long_lists_are_cut_and_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ensemble.replica.monitoring.four_letter.texts.LINES_MAX", 20)
    world = World()
    user = client(world)
    for number in range(50):
        user.create(f"/e{number}", mode=CreateMode.EPHEMERAL)
    lines = ask(world, "dump").splitlines()
    assert len(lines) == 21
    assert lines[-1].startswith("... and ")


def test_leader_and_follower_name_their_modes() -> None:
    world = World(voters=3)
    modes = set()
    for server in world.servers.values():
        asking = Client(world, server)
        text = asking.ask_word(b"srvr")
        modes.add(re.search(r"Mode: (\w+)", text).group(1))  # type: ignore[union-attr]
        assert ("Proposal sizes last/min/max: " in text) == server.replica.service.leading
    assert modes == {"leader", "follower"}
    asking = Client(world, world.leader)
    assert "zk_synced_followers\t2\n" in asking.ask_word(b"mntr")
