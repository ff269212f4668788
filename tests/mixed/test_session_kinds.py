"""Local sessions and read-only servers: the same questions to an ensemble of Apache's servers and to one of ours."""

from __future__ import annotations

import subprocess

import pytest
from kazoo.client import KazooClient, KazooState
from kazoo.exceptions import NotReadOnlyCallError

from ensemble.errors import Code
from ensemble.tree.operations import (
    OPEN_ACL,
    AddWatch,
    Create,
    CreateMode,
    Delete,
    Multi,
    NoBody,
    Op,
    Read,
    Reconfig,
    RemoveWatches,
    SetAcl,
    SetData,
    Sync,
)
from ensemble.wire import replies
from ensemble.wire.requests import ConnectRequest, encode_connect
from tests.mixed.conftest import MakeEnsemble
from tests.mixed.servers import Kind, MixedEnsemble
from tests.processes.conftest import HOST, four_letter
from tests.processes.test_zkcli import SHELL
from tests.raw import raw
from tests.waiting import until

pytestmark = pytest.mark.process

READ_ONLY = ("-Dreadonlymode.enabled=true",)
"""Apache's server takes it as a property only; ours from zoo.cfg too."""
BOTH = pytest.mark.parametrize("kind", ["apache", "ours"])
EPHEMERAL = int(CreateMode.EPHEMERAL)


def started(make: MakeEnsemble, kind: Kind, extra: str) -> tuple[MixedEnsemble, int, int]:
    """Three servers of one kind; return them with the leader and a follower."""
    ensemble = make(kind, kind, kind, extra=extra)
    ensemble.start(1, 2, 3, options=READ_ONLY if "readonly" in extra else ())
    leader = ensemble.until_led()
    return ensemble, leader, leader % 3 + 1


@BOTH
def test_local_sessions_that_may_be_upgraded(ensemble_of: MakeEnsemble, kind: Kind):
    extra = "localSessionsEnabled=true\nlocalSessionsUpgradingEnabled=true"
    ensemble, leader, follower = started(ensemble_of, kind, extra)
    for server in (leader, follower):
        with raw(ensemble.port(server)) as zk, raw(ensemble.port(server)) as other:
            assert zk.connect() is not None
            assert other.connect() is not None
            assert (
                ensemble.metric(server, "local_sessions"),
                ensemble.metric(server, "global_sessions"),
            ) == (2, 0)
            _, frame = other.ask(Op.CREATE, Create(f"/p{server}", b"", OPEN_ACL, 0))
            before = replies.decode_header(frame)[1]
            error, frame = zk.ask(Op.CREATE, Create(f"/e{server}", b"", OPEN_ACL, EPHEMERAL))
            assert (error, replies.decode_header(frame)[1]) == (Code.OK, before + 2)
            assert (
                ensemble.metric(server, "local_sessions"),
                ensemble.metric(server, "global_sessions"),
            ) == (1, 1)
            elsewhere = leader if server == follower else follower
            with raw(ensemble.port(elsewhere)) as moved:
                answer = moved.connect(session=other.session)
                assert answer is not None
                assert (answer.timeout_ms, answer.session_id) == (0, 0)
            parts = [(int(Op.CREATE), Create(f"/m{server}", b"", OPEN_ACL, EPHEMERAL))]
            assert other.error(Op.MULTI, Multi(list(parts))) == Code.OK
            assert ensemble.metric(server, "local_sessions") == 0
            assert (zk.end(), other.end()) == (Code.OK, Code.OK)
        with raw(ensemble.port(server)) as zk:
            assert zk.connect() is not None
            assert zk.error(Op.EXISTS, Read(f"/e{server}")) == Code.NO_NODE
            assert zk.end() == Code.OK


@pytest.mark.slow
@pytest.mark.parametrize("kinds", [("ours", "apache", "ours"), ("apache", "ours", "apache")])
def test_local_sessions_among_servers_of_both_kinds(ensemble_of: MakeEnsemble, kinds: tuple[Kind, ...]):
    """The leader, of the last kind, takes what the others forward for sessions that it does not know."""
    ensemble = ensemble_of(*kinds, extra="localSessionsEnabled=true\nlocalSessionsUpgradingEnabled=true")
    ensemble.start(1, 3)  # or the first two might be done with their election before the third is there
    ensemble.until_led_by(3)
    ensemble.start(2)
    ensemble.until_led_by(3)
    for server in (1, 2, 3):
        with raw(ensemble.port(server)) as zk:
            assert zk.connect() is not None
            assert zk.create(f"/p{server}") == Code.OK
            assert zk.error(Op.SYNC, Sync("/")) == Code.OK
            assert ensemble.metric(server, "local_sessions") == 1
            assert zk.create(f"/e{server}", EPHEMERAL) == Code.OK
            assert ensemble.metric(server, "local_sessions") == 0
            with raw(ensemble.port(server % 3 + 1)) as other:
                assert other.connect() is not None
                assert other.error(Op.SYNC, Sync("/")) == Code.OK
                assert other.error(Op.EXISTS, Read(f"/e{server}")) == Code.OK
                assert zk.end() == Code.OK
                assert other.error(Op.SYNC, Sync("/")) == Code.OK
                assert other.error(Op.EXISTS, Read(f"/e{server}")) == Code.NO_NODE
                assert other.end() == Code.OK
    ensemble.assert_one_state()


@BOTH
def test_local_sessions_that_may_not(ensemble_of: MakeEnsemble, kind: Kind):
    ensemble, leader, follower = started(ensemble_of, kind, "localSessionsEnabled=true")
    for server, in_multi in (
        (leader, Code.EPHEMERAL_ON_LOCAL_SESSION),
        (follower, Code.SESSION_EXPIRED),
    ):
        with raw(ensemble.port(server)) as zk:
            assert zk.connect() is not None
            assert zk.create("/e", EPHEMERAL) == Code.EPHEMERAL_ON_LOCAL_SESSION
            assert zk.create("/p") == Code.OK
            parts = [
                (int(Op.SET_DATA), SetData("/p", b"", -1)),
                (int(Op.CREATE), Create("/p/e", b"", OPEN_ACL, EPHEMERAL)),
                (int(Op.DELETE), Delete("/p", -1)),
            ]
            error, frame = zk.ask(Op.MULTI, Multi(list(parts)))
            results = replies.read_multi(replies.body_reader(frame))
            assert [error, *[part.error for part in results]] == [0, 0, in_multi, Code.RUNTIME_INCONSISTENCY]
            assert zk.error(Op.DELETE, Delete("/p", -1)) == Code.OK
            assert zk.end() == Code.OK


@BOTH
def test_a_server_without_a_quorum(ensemble_of: MakeEnsemble, kind: Kind):
    extra = "localSessionsEnabled=true\nlocalSessionsUpgradingEnabled=true\nreadonlymode.enabled=true"
    ensemble, _, left = started(ensemble_of, kind, extra)
    with raw(ensemble.port(left)) as zk:
        assert zk.connect() is not None
        assert zk.create("/kept") == Code.OK
        assert zk.create("/owned", EPHEMERAL) == Code.OK
        owner = zk.session
        ensemble.kill(*[sid for sid in (1, 2, 3) if sid != left])
        assert zk.ended
    port = ensemble.port(left)
    until(lambda: four_letter(port, "isro") == "ro")
    assert "\nREAD-ONLY mode; serving only read-only clients\n" in four_letter(port, "srvr")
    assert "\nMode: read-only\n" in four_letter(port, "srvr")
    for asked in (False, None):
        with raw(port) as zk:
            assert zk.connect(read_only=asked) is None
    with raw(port) as zk:
        assert zk.connect(read_only=True, session=owner) is None
    with raw(port) as zk:
        answer = zk.connect(read_only=True, session=(left << 56 | 1, bytes(16)))
        assert answer is not None
        assert (answer.timeout_ms, answer.read_only) == (0, True)
    with raw(port) as zk:
        answer = zk.connect(read_only=True)
        assert answer is not None
        assert (answer.timeout_ms, answer.read_only) == (10_000, True)
        assert zk.error(Op.EXISTS, Read("/owned", True)) == Code.OK
        for op, operation in (
            (Op.CREATE, Create("/x", b"", OPEN_ACL, 0)),
            (Op.CREATE, Create("/x", b"", OPEN_ACL, EPHEMERAL)),
            (Op.SET_DATA, SetData("/kept", b"", -1)),
            (Op.DELETE, Delete("/missing", -1)),
            (Op.CREATE2, Create("/x", b"", OPEN_ACL, 0)),
            (Op.CREATE_CONTAINER, Create("/x", b"", OPEN_ACL, 4)),
            (Op.CREATE_TTL, Create("/x", b"", OPEN_ACL, 5, 1000)),
            (Op.SET_ACL, SetAcl("/kept", OPEN_ACL, -1)),
            (Op.RECONFIG, Reconfig("", "", "", -1)),
            (Op.MULTI, Multi([])),
            (Op.SYNC, Sync("/")),
        ):
            assert zk.error(op, operation) == Code.NOT_READ_ONLY
        for op, operation in (
            (Op.GET_DATA, Read("/kept")),
            (Op.GET_CHILDREN, Read("/")),
            (Op.GET_CHILDREN2, Read("/", True)),
            (Op.GET_ACL, Read("/kept")),
            (Op.MULTI_READ, Multi([(int(Op.GET_DATA), Read("/kept"))])),
            (Op.GET_EPHEMERALS, Read("/")),
            (Op.GET_ALL_CHILDREN_NUMBER, Read("/")),
            (Op.ADD_WATCH, AddWatch("/kept", 0)),
            (Op.REMOVE_WATCHES, RemoveWatches("/kept", 3)),
            (Op.WHO_AM_I, NoBody()),
            (Op.PING, NoBody()),
        ):
            assert zk.error(op, operation) == Code.OK
        assert zk.end() == Code.OK


def test_kazoo_reads_from_the_server_that_is_left_and_writes_when_there_is_a_quorum(
    ensemble_of: MakeEnsemble,
):
    ensemble, _, left = started(ensemble_of, "ours", "readonlymode.enabled=true")
    with ensemble.client(left) as writer:
        writer.create("/kept", b"last")
    others = [sid for sid in (1, 2, 3) if sid != left]
    ensemble.kill(*others)
    until(lambda: four_letter(ensemble.port(left), "isro") == "ro")
    reader = KazooClient(f"{HOST}:{ensemble.port(left)}", timeout=10, read_only=True)
    states: list[str] = []
    reader.add_listener(states.append)
    reader.start(timeout=15)
    try:
        assert reader.client_state == "CONNECTED_RO"
        assert reader.get("/kept")[0] == b"last"
        with pytest.raises(NotReadOnlyCallError):
            reader.set("/kept", b"no")
        ensemble.start(*others)
        until(lambda: reader.client_state == "CONNECTED", 30)
        assert reader.set("/kept", b"yes").version == 1
        assert KazooState.LOST in states, "its session was that server's alone"
    finally:
        reader.stop()
        reader.close()


@pytest.mark.skipif(not SHELL.exists(), reason="needs Apache's zkCli.sh")
def test_apaches_shell_reads_from_the_server_that_is_left(ensemble_of: MakeEnsemble):
    ensemble, _, left = started(ensemble_of, "ours", "readonlymode.enabled=true")
    with ensemble.client(left) as writer:
        writer.create("/kept", b"last")
    ensemble.kill(*[sid for sid in (1, 2, 3) if sid != left])
    until(lambda: four_letter(ensemble.port(left), "isro") == "ro")
    done = subprocess.run(
        [str(SHELL), "-r", "-server", f"{HOST}:{ensemble.port(left)}"],
        input="get /kept\ncreate /x y\nquit\n",
        capture_output=True,
        text=True,
        timeout=60,
    )
    said = done.stdout + done.stderr
    assert "last" in said, said
    assert "state:ConnectedReadOnly" in said, said
    assert "Not a read-only call: /x" in said, said


def test_apaches_read_only_server_needs_local_sessions_and_ours_does_not(ensemble_of: MakeEnsemble):
    """Without them it answers the introduction by a bare error, which no client can read."""
    frames: dict[str, bytes] = {}
    for kind in ("apache", "ours"):
        ensemble, _, left = started(ensemble_of, kind, "readonlymode.enabled=true")
        ensemble.kill(*[sid for sid in (1, 2, 3) if sid != left])
        port = ensemble.port(left)
        until(lambda port=port: four_letter(port, "isro") == "ro")
        with raw(port) as zk:
            zk.send(encode_connect(ConnectRequest(0, 0, 10_000, 0, bytes(16), True)))
            frame = zk.frame()
            assert frame is not None
            frames[kind] = frame
    assert len(frames["apache"]) == 16
    assert replies.decode_header(frames["apache"])[2] == Code.NOT_READ_ONLY
    assert replies.decode_connect_reply(frames["ours"]).read_only is True


@BOTH
def test_a_session_that_has_moved_writes_no_more_where_it_was(ensemble_of: MakeEnsemble, kind: Kind):
    ensemble, leader, follower = started(ensemble_of, kind, "")
    for there, here in ((leader, follower), (follower, leader), (follower, 6 - leader - follower)):
        with raw(ensemble.port(there)) as old, raw(ensemble.port(here)) as new:
            assert old.connect() is not None
            answer = new.connect(session=old.session)
            assert answer is not None
            assert (answer.session_id, answer.password) == old.session
            path = f"/moved-{there}-{here}"
            assert new.create(path, EPHEMERAL) == Code.OK
            if there == leader:
                old.send(old.request(Op.EXISTS, Read(path)))
                assert old.ended, "the leader knows that the client has gone elsewhere"
            else:
                assert old.error(Op.EXISTS, Read("/")) == Code.OK, "a follower does not ask"
                old.send(old.request(Op.DELETE, Delete(path, -1)))
                assert old.ended
            assert new.error(Op.EXISTS, Read(path)) == Code.OK
            assert new.end() == Code.OK
