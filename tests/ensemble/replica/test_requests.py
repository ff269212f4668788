"""Requests and their answers, in the order of a session."""

from __future__ import annotations

import pytest

from ensemble import limits
from ensemble.errors import Code
from ensemble.limits import OUTSTANDING_PER_CONNECTION_MAX
from ensemble.replica.authentication import digest_identity
from ensemble.replica.pipeline import READS_PASSED_MAX
from ensemble.tree.operations import (
    OPEN_ACL,
    Acl,
    Auth,
    Check,
    CloseSession,
    Create,
    CreateMode,
    Delete,
    Identity,
    Multi,
    NoBody,
    Op,
    Perm,
    Read,
    Reconfig,
    RemoveWatches,
    Sasl,
    SetAcl,
    SetData,
    Sync,
)
from ensemble.wire import replies
from ensemble.wire.requests import ConnectRequest, encode_connect, request_frame
from tests.ensemble.replica.harness import Client, World, client


def test_create_read_change_delete() -> None:
    world = World()
    user = client(world)
    assert user.create("/a", b"1") == "/a"
    assert user.get("/a") == b"1"
    assert user.set("/a", b"2", version=0) == Code.OK
    assert user.set("/a", b"3", version=0) == Code.BAD_VERSION
    assert user.get("/a") == b"2"
    assert user.children("/") == ["a", "zookeeper"]
    assert user.delete("/a", version=1) == Code.OK
    assert user.error(Op.EXISTS, Read("/a")) == Code.NO_NODE
    assert user.error(Op.GET_DATA, Read("/a")) == Code.NO_NODE


def test_every_reply_says_which_transaction_it_saw() -> None:
    world = World()
    user = client(world)
    before = world.only.replica.tree.zxid
    _, created, _ = replies.decode_header(user.ask(Op.CREATE, Create("/a", b"", OPEN_ACL, 0)))
    _, refused, error = replies.decode_header(user.ask(Op.CREATE, Create("/a", b"", OPEN_ACL, 0)))
    _, read, _ = replies.decode_header(user.ask(Op.EXISTS, Read("/a")))
    assert (created, refused, error, read) == (before + 1, before + 2, Code.NODE_EXISTS, before + 2)


@pytest.mark.parametrize("op", [Op.CREATE2, Op.CREATE_CONTAINER])
def test_create2_answers_with_the_stat(op: int) -> None:
    user = client(World())
    mode = CreateMode.CONTAINER if op == Op.CREATE_CONTAINER else CreateMode.PERSISTENT
    frame = user.ask(op, Create("/a", b"abc", OPEN_ACL, mode))
    path, stat = replies.read_create2(replies.body_reader(frame))
    assert (path, stat.data_length, stat.ephemeral_owner) == ("/a", 3, 0)


def test_null_data_stays_null() -> None:
    user = client(World())
    user.ask(Op.CREATE, Create("/null", None, OPEN_ACL, 0))
    assert user.get("/null") is None


def test_sequential_names_count_up() -> None:
    user = client(World())
    names = [user.create("/job-", mode=CreateMode.PERSISTENT_SEQUENTIAL) for _ in range(3)]
    assert names == ["/job-0000000000", "/job-0000000001", "/job-0000000002"]


def test_ephemerals_go_with_their_session_and_their_watchers_hear_it() -> None:
    world = World()
    owner, other = client(world), client(world)
    owner.create("/alive", mode=CreateMode.EPHEMERAL)
    assert other.get("/alive", watch=True) == b""
    frame = other.ask(Op.EXISTS, Read("/alive"))
    assert replies.read_stat(replies.body_reader(frame)).ephemeral_owner == owner.session_id
    assert owner.error(Op.CLOSE_SESSION, CloseSession()) == Code.OK
    assert owner.closed
    event = replies.read_event(replies.body_reader(other.answers()[0]))
    assert (event.type, event.path) == (2, "/alive")
    assert other.error(Op.EXISTS, Read("/alive")) == Code.NO_NODE


def test_pipelined_requests_are_answered_in_order_and_reads_see_the_writes_before_them() -> None:
    world = World()
    user = client(world)
    stream = b""
    for value in range(20):
        op = Op.CREATE if value == 0 else Op.SET_DATA
        write = Create("/a", b"0", OPEN_ACL, 0) if value == 0 else SetData("/a", b"%d" % value, -1)
        stream += user.request(op, write) + user.request(Op.GET_DATA, Read("/a"))
    stream += user.request(Op.PING, NoBody(), xid=-2) + user.request(Op.EXISTS, Read("/a"))
    user.send(stream)
    assert user.answers() == []
    world.settle()
    frames = user.answers()
    assert [replies.decode_header(frame)[0] for frame in frames] == [*range(1, 41), -2, 41]
    reads = [replies.read_data(replies.body_reader(frame))[0] for frame in frames[1:40:2]]
    assert reads == [b"%d" % value for value in range(20)]
    zxids = [replies.decode_header(frame)[1] for frame in frames]
    assert zxids == sorted(zxids)


def test_a_read_does_not_see_the_write_behind_it() -> None:
    world = World()
    user = client(world)
    user.create("/a", b"1")
    stream = user.request(Op.SET_DATA, SetData("/a", b"2", -1)) + user.request(Op.GET_DATA, Read("/a"))
    stream += user.request(Op.SET_DATA, SetData("/a", b"3", -1))
    user.send(stream)
    world.settle()
    assert replies.read_data(replies.body_reader(user.answers()[1]))[0] == b"2"


def test_others_are_answered_while_one_waits() -> None:
    world = World()
    writer, reader = client(world), client(world)
    writer.send(writer.request(Op.CREATE, Create("/a", b"", OPEN_ACL, 0)))
    reader.send(reader.request(Op.EXISTS, Read("/")))
    assert [error for _, _, error in reader.headers()] == [0]
    assert writer.answers() == []


def test_what_is_behind_a_sync_is_not_begun_before_it() -> None:
    world = World()
    user = client(world)
    user.create("/a", b"1")
    stream = user.request(Op.SYNC, Sync("/a")) + user.request(Op.GET_DATA, Read("/a"))
    stream += user.request(Op.SET_DATA, SetData("/a", b"2", -1)) + user.request(Op.SYNC, Sync("/"))
    stream += user.request(Op.GET_DATA, Read("/a")) + user.request(Op.SET_DATA, SetData("/a", b"3", -1))
    user.send(stream)
    assert world.only.replica.peer.outstanding == 0
    world.settle()
    frames = user.answers()
    assert [replies.decode_header(frame)[::2] for frame in frames] == [(xid, 0) for xid in range(2, 8)]
    assert replies.read_path(replies.body_reader(frames[0])) == "/a"
    assert replies.read_data(replies.body_reader(frames[1]))[0] == b"1"
    assert replies.read_data(replies.body_reader(frames[4]))[0] == b"2"
    assert user.get("/a") == b"3"


def test_multi_is_all_or_nothing() -> None:
    world = World()
    user = client(world)
    user.create("/a", b"1")
    good = Multi(
        [
            (Op.CHECK, Check("/a", 0)),
            (Op.CREATE, Create("/b", b"", OPEN_ACL, 0)),
            (Op.SET_DATA, SetData("/a", b"2", 0)),
            (Op.CREATE2, Create("/c", b"cc", OPEN_ACL, 0)),
            (Op.DELETE, Delete("/b", -1)),
        ]
    )
    results = replies.read_multi(replies.body_reader(user.ask(Op.MULTI, good)))
    assert [result.op for result in results] == [Op.CHECK, Op.CREATE, Op.SET_DATA, Op.CREATE2, Op.DELETE]
    assert results[1].path == "/b"
    assert results[2].stat is not None
    assert results[2].stat.version == 1
    bad = Multi(
        [(Op.SET_DATA, SetData("/a", b"x", -1)), (Op.DELETE, Delete("/no", -1)), (Op.CHECK, Check("/a", 0))]
    )
    frame = user.ask(Op.MULTI, bad)
    assert replies.decode_header(frame)[2] == 0
    errors = [result.error for result in replies.read_multi(replies.body_reader(frame))]
    assert errors == [0, Code.NO_NODE, Code.RUNTIME_INCONSISTENCY]
    assert user.get("/a") == b"2"


def test_multi_read_answers_each_by_itself() -> None:
    user = client(World())
    user.create("/a", b"1")
    multi = Multi([(Op.GET_DATA, Read("/a")), (Op.GET_DATA, Read("/no")), (Op.GET_CHILDREN, Read("/"))])
    results = replies.read_multi(replies.body_reader(user.ask(Op.MULTI_READ, multi)))
    assert (results[0].data, results[1].error) == (b"1", Code.NO_NODE)
    assert sorted(results[2].children or ()) == ["a", "zookeeper"]


def test_a_multi_read_does_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MULTI_READ_BYTES_MAX", 1000)
    user = client(World())
    user.create("/a", b"x" * 400)
    multi = Multi([(Op.GET_DATA, Read("/a")), (Op.GET_DATA, Read("/no")), *[(Op.GET_DATA, Read("/a"))] * 3])
    results = replies.read_multi(replies.body_reader(user.ask(Op.MULTI_READ, multi)))
    refused = Code.BAD_ARGUMENTS
    assert [result.error for result in results] == [0, Code.NO_NODE, 0, refused, refused]


def test_digest_identities_open_what_they_protect() -> None:
    world = World()
    owner, stranger = client(world), client(world)
    owner.send(owner.request(Op.AUTH, Auth(0, "digest", b"ann:secret"), xid=-4))
    assert owner.headers() == [(-4, 0, 0)]
    identity = digest_identity(b"ann:secret")
    assert identity is not None
    owner.create("/hers", b"1", acl=(Acl(Perm.ALL, Identity("auth", "")),))
    assert owner.get("/hers") == b"1"
    assert stranger.error(Op.GET_DATA, Read("/hers")) == Code.NO_AUTH
    assert stranger.error(Op.EXISTS, Read("/hers")) == Code.NO_AUTH
    assert stranger.error(Op.GET_CHILDREN2, Read("/hers")) == Code.NO_AUTH
    assert stranger.set("/hers", b"x") == Code.NO_AUTH
    acl, _ = replies.read_acls(replies.body_reader(owner.ask(Op.GET_ACL, Read("/hers"))))
    assert acl == (Acl(Perm.ALL, identity),)
    who = replies.read_identities(replies.body_reader(owner.ask(Op.WHO_AM_I, NoBody())))
    assert who == [Identity("ip", "127.0.0.1"), Identity("digest", "ann")]


def test_an_identity_holds_for_the_writes_pipelined_behind_it() -> None:
    world = World()
    user = client(world)
    acl = (Acl(Perm.ALL, Identity("auth", "")),)
    stream = user.request(Op.CREATE, Create("/a", b"", OPEN_ACL, 0))
    stream += user.request(Op.AUTH, Auth(0, "digest", b"ann:secret"), xid=-4)
    stream += user.request(Op.CREATE, Create("/b", b"", acl, 0))
    user.send(stream)
    world.settle()
    assert [header[::2] for header in user.headers()] == [(1, 0), (-4, 0), (2, 0)]


@pytest.mark.parametrize(
    ("scheme", "credential"),
    [("kerberos", b"x"), ("digest", None), ("digest", b"\xff:x"), ("digest", b"a:" + bytes(5000))],
)
def test_a_failed_authentication_is_answered_and_ends_the_connection(
    scheme: str, credential: bytes | None
) -> None:
    world = World()
    user = client(world)
    stream = user.request(Op.CREATE, Create("/a", b"", OPEN_ACL, 0))
    stream += user.request(Op.AUTH, Auth(0, scheme, credential), xid=-4)
    stream += user.request(Op.CREATE, Create("/discarded", b"", OPEN_ACL, 0))
    user.send(stream)
    world.settle()
    assert [header[::2] for header in user.headers()] == [(1, 0), (-4, Code.AUTH_FAILED)]
    assert user.closed
    assert world.only.replica.tree.find("/discarded") is None
    assert not any("5000" in line for line in world.only.lines)


def test_a_credential_without_a_colon_is_all_user() -> None:
    user = client(World())
    for credential in (b"ann", b""):
        user.send(user.request(Op.AUTH, Auth(0, "digest", credential), xid=-4))
    assert user.headers() == [(-4, 0, 0)] * 2
    who = replies.read_identities(replies.body_reader(user.ask(Op.WHO_AM_I, NoBody())))
    assert [identity.id for identity in who] == ["127.0.0.1", "ann", ""]


def test_a_client_that_offers_sasl_is_told_that_there_is_none() -> None:
    user = client(World())
    answer = user.ask(Op.SASL, Sasl(b"token"))
    assert replies.decode_header(answer)[1:] == (0, 0)
    assert replies.body_reader(answer).optional_bytes() is None
    assert user.create("/a") == "/a"


READ_OPS = (Op.EXISTS, Op.GET_DATA, Op.GET_CHILDREN2, Op.GET_ACL, Op.SYNC, Op.SET_WATCHES, Op.MULTI_READ)
CHANGES = (Op.CREATE, Op.CREATE2, Op.DELETE, Op.SET_DATA, Op.SET_ACL, Op.MULTI, Op.RECONFIG)


@pytest.mark.parametrize("op", [*READ_OPS, *CHANGES])
def test_a_record_that_cannot_be_read_is_answered_in_its_turn(op: Op) -> None:
    world = World()
    user = client(world)
    before = world.only.replica.tree.zxid
    broken = request_frame(2, op, b"\x00\x00\x00\x03/a")
    user.send(user.request(Op.EXISTS, Read("/")) + broken + user.request(Op.EXISTS, Read("/"), xid=3))
    world.settle()
    assert [header[::2] for header in user.headers()] == [(1, 0), (2, Code.MARSHALLING_ERROR), (3, 0)]
    # What would have become a transaction takes a number all the same (ZOOKEEPER-4925).
    assert world.only.replica.tree.zxid == before + (op in CHANGES)


def test_bytes_behind_a_record_are_passed_over() -> None:
    user = client(World())
    path = b"\x00\x00\x00\x01/"
    for xid, op, record in (
        (1, Op.GET_DATA, path + b"\0more"),
        (2, Op.SYNC, path + b"more"),
        (3, Op.PING, b"x"),
    ):
        user.send(request_frame(xid, op, record))
    user.world.settle()
    _, synced, pinged = answers = user.answers()
    assert [replies.decode_header(answer)[2] for answer in answers] == [0, 0, 0]
    assert synced[16:] == path
    assert replies.decode_header(pinged)[0] == -2


def test_reads_in_a_multi_set_no_watch() -> None:
    user = client(World())
    user.ask(Op.MULTI_READ, Multi([(Op.GET_DATA, Read("/", True)), (Op.GET_CHILDREN, Read("/", True))]))
    assert user.error(Op.CHECK_WATCHES, RemoveWatches("/", 3)) == Code.NO_WATCHER


def test_exists_refuses_the_one_character_that_apache_looks_for() -> None:
    user = client(World())
    assert user.error(Op.EXISTS, Read("/\0")) == Code.BAD_ARGUMENTS
    assert user.error(Op.GET_DATA, Read("/\0")) == Code.NO_NODE


@pytest.mark.parametrize("op", [Op.CHECK, Op.CREATE_SESSION, Op.DELETE_CONTAINER, 999, -1])
def test_what_no_client_may_ask_is_refused_and_ends_the_connection(op: int) -> None:
    world = World()
    user = client(world)
    bodies = {Op.CHECK: Check("/", 0)}
    body = user.request(Op.CHECK, bodies[Op.CHECK])[12:]
    frame = (
        (8 + len(body)).to_bytes(4, "big")
        + (5).to_bytes(4, "big")
        + op.to_bytes(4, "big", signed=True)
        + body
    )
    user.send(frame + user.request(Op.EXISTS, Read("/")))
    world.settle()
    assert user.headers() == [(5, -1, Code.UNIMPLEMENTED)]
    assert user.closed


def test_reconfiguration_is_off() -> None:
    world = World()
    user = client(world)
    before = world.only.replica.tree.zxid
    assert user.error(Op.RECONFIG, Reconfig("", "", "", -1)) == Code.RECONFIG_DISABLED
    assert world.only.replica.tree.zxid == before + 1  # a refused write like any other


def test_set_acl_and_children_counts() -> None:
    user = client(World())
    user.create("/a")
    user.create("/a/b")
    user.create("/a/b/c", mode=CreateMode.EPHEMERAL)
    frame = user.ask(Op.SET_ACL, SetAcl("/a", (Acl(Perm.READ, Identity("world", "anyone")),), 0))
    assert replies.read_stat(replies.body_reader(frame)).aversion == 1
    assert user.error(Op.CREATE, Create("/a/x", b"", OPEN_ACL, 0)) == Code.NO_AUTH
    assert replies.read_number(replies.body_reader(user.ask(Op.GET_ALL_CHILDREN_NUMBER, Read("/a")))) == 2
    assert replies.read_children(replies.body_reader(user.ask(Op.GET_EPHEMERALS, Read("/a")))) == ["/a/b/c"]
    everything = replies.read_children(replies.body_reader(user.ask(Op.GET_EPHEMERALS, Read("/"))))
    for prefix in ("", " ", " / "):
        body = replies.body_reader(user.ask(Op.GET_EPHEMERALS, Read(prefix)))
        assert replies.read_children(body) == everything
    names, stat = replies.read_children2(replies.body_reader(user.ask(Op.GET_CHILDREN2, Read("/a"))))
    assert (names, stat.num_children) == (["b"], 1)


def test_closing_is_the_last_thing_a_session_does() -> None:
    world = World()
    user = client(world)
    stream = user.request(Op.CREATE, Create("/a", b"", OPEN_ACL, 0))
    stream += user.request(Op.CLOSE_SESSION, CloseSession())
    stream += user.request(Op.CREATE, Create("/late", b"", OPEN_ACL, 0))
    user.send(stream)
    world.settle()
    assert [header[::2] for header in user.headers()] == [(1, 0), (2, 0)]
    assert user.closed
    assert world.only.replica.tree.find("/late") is None
    assert world.only.replica.tree.sessions == {}
    assert [event["what"] for event in world.only.events("session")] == ["opened", "closed"]


def test_the_life_of_a_write_is_traced() -> None:
    world = World()
    user = client(world)
    world.only.listener.take()
    user.create("/a", b"1")
    kinds = [event["kind"] for event in world.only.listener.events]
    assert kinds == ["submitted", "proposed", "logged", "acked", "committed", "applied", "znode", "replied"]
    events = {event["kind"]: event for event in world.only.listener.events}
    assert events["proposed"]["path"] == "/a"
    assert events["applied"]["op"] == events["submitted"]["op"] == "create"
    zxid = str(world.only.replica.tree.zxid)
    assert {events[kind]["zxid"] for kind in ("proposed", "applied", "replied", "znode")} == {zxid}


def test_a_lost_client_leaves_its_writes_but_hears_nothing() -> None:
    world = World()
    user = client(world)
    user.send(user.request(Op.CREATE, Create("/a", b"", OPEN_ACL, 0)))
    user.lose()
    world.settle()
    assert user.answers() == []
    assert world.only.replica.tree.find("/a") is not None


def test_big_answers_are_given_in_portions() -> None:
    world = World()
    user = client(world)
    user.create("/big", b"x" * 900_000)
    user.send(b"".join([user.request(Op.GET_DATA, Read("/big")) for _ in range(10)]))
    given_at_once = len(user.received)
    assert given_at_once < 4_000_000
    assert user.paused
    world.settle()
    assert len(user.headers()) == 10
    assert not user.paused


def test_a_client_that_does_not_read_is_not_answered() -> None:
    world = World()
    user = client(world)
    assert user.connection is not None
    user.connection.on_write_full()
    assert user.paused
    user.send(user.request(Op.EXISTS, Read("/")) + user.request(Op.SET_DATA, SetData("/", b"x", -1)))
    world.settle()
    assert user.answers() == []
    user.connection.on_write_drained()
    world.settle()
    assert [header[::2] for header in user.headers()] == [(1, 0), (2, 0)]
    assert not user.paused


def test_a_slow_client_still_reads_no_write_behind_its_read() -> None:
    world = World()
    user = client(world)
    user.create("/a", b"1")
    assert user.connection is not None
    user.send(user.request(Op.SET_DATA, SetData("/a", b"2", -1)) + user.request(Op.GET_DATA, Read("/a")))
    user.send(user.request(Op.SET_DATA, SetData("/a", b"3", -1)) + user.request(Op.GET_DATA, Read("/a")))
    user.connection.on_write_full()
    user.send(user.request(Op.SET_DATA, SetData("/a", b"4", -1)))
    world.settle()
    user.connection.on_write_drained()
    world.settle()
    frames = user.answers()
    assert [replies.decode_header(frame)[0] for frame in frames] == [2, 3, 4, 5, 6]
    assert replies.read_data(replies.body_reader(frames[1]))[0] == b"2"
    assert replies.read_data(replies.body_reader(frames[3]))[0] == b"3"


def test_writes_behind_many_big_reads_wait_for_them() -> None:
    world = World()
    user = client(world)
    user.create("/a", bytes(500_000))
    stream = user.request(Op.SET_DATA, SetData("/a", bytes(400_000), -1))
    for _ in range(READS_PASSED_MAX + 1):
        stream += user.request(Op.GET_DATA, Read("/a"))
    user.send(stream + user.request(Op.SET_DATA, SetData("/a", b"small", -1)))
    assert world.only.replica.peer.outstanding == 1
    world.settle()
    frames = user.answers()
    assert [len(frame) for frame in frames[1:-1]] == [400_088] * (READS_PASSED_MAX + 1)
    assert user.get("/a") == b"small"


def test_too_many_unanswered_requests_stop_the_reading() -> None:
    world = World()
    user = client(world)
    count = OUTSTANDING_PER_CONNECTION_MAX + 1
    user.send(b"".join([user.request(Op.SET_DATA, SetData("/", b"", -1)) for _ in range(count - 1)]))
    assert not user.paused
    user.send(user.request(Op.SET_DATA, SetData("/", b"", -1)))
    assert user.paused
    world.settle()
    assert not user.paused
    assert [xid for xid, _, _ in user.headers()] == list(range(1, count + 1))


def test_too_many_unanswered_bytes_stop_the_reading() -> None:
    world = World()
    user = client(world)
    for _ in range(20):
        user.send(user.request(Op.SET_DATA, SetData("/", bytes(900_000), -1)))
    assert user.paused
    world.settle()
    assert not user.paused
    assert len(user.headers()) == 20


def test_an_old_connections_answer_is_not_given_to_its_successor() -> None:
    world = World()
    user = client(world)
    user.send(user.request(Op.CREATE, Create("/a", b"", OPEN_ACL, 0), xid=41))
    back = Client(world)
    connect = ConnectRequest(0, 0, 4000, user.session_id, user.password, False)
    back.send(encode_connect(connect) + back.request(Op.DELETE, Delete("/a", -1), xid=7))
    world.settle()
    assert user.closed
    assert user.answers() == []
    opened, answer = back.answers()
    assert replies.decode_connect_reply(opened).session_id == user.session_id
    assert replies.decode_header(answer)[::2] == (7, 0)


def test_a_client_that_counts_from_one_again_gets_its_own_answer() -> None:
    """Kazoo does; the answer of the deletion made a setData's, which stopped the server."""
    world = World()
    user = client(world)
    user.create("/a")
    user.create("/b")
    user.send(user.request(Op.DELETE, Delete("/a", -1), xid=1))
    back = Client(world)
    connect = ConnectRequest(0, 0, 4000, user.session_id, user.password, False)
    back.send(encode_connect(connect) + back.request(Op.SET_DATA, SetData("/b", b"x", -1)))
    world.settle()
    _, answer = back.answers()
    assert replies.decode_header(answer) == (1, world.only.replica.tree.zxid, 0)
    assert back.get("/b") == b"x"


def test_the_end_of_a_session_answers_no_request() -> None:
    world = World()
    user = client(world)
    user.create("/a")
    world.only.replica.expire_session(user.session_id)
    user.send(user.request(Op.SET_DATA, SetData("/a", b"x", -1), xid=0))
    world.settle()
    assert user.closed
    assert user.answers() == []


def test_syncs_in_a_row_need_nothing_else_to_happen() -> None:
    world = World()
    user = client(world)
    user.send(b"".join([user.request(Op.SYNC, Sync("/")) for _ in range(3)]))
    world.settle()
    assert [xid for xid, _, _ in user.headers()] == [1, 2, 3]
