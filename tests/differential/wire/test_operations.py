"""What operations do, asked of Apache's server and of ours in the same words."""

from __future__ import annotations

import pytest

from ensemble.tree.operations import (
    OPEN_ACL,
    Acl,
    Auth,
    Check,
    Create,
    CreateMode,
    Delete,
    Identity,
    Multi,
    NoBody,
    Op,
    Operation,
    Perm,
    Read,
    SetData,
)
from ensemble.wire import replies
from tests.differential.wire.frames import (
    BAD_ARGUMENTS,
    INT_MIN,
    MARSHALLING_ERROR,
    NO_NODE,
    NOT_REACHED,
    OK,
    UNIMPLEMENTED,
    create,
    header,
    results,
)
from tests.raw import raw

pytestmark = [pytest.mark.process, pytest.mark.timeout(300)]


@pytest.mark.parametrize("op", [Op.CREATE, Op.CREATE2, Op.CREATE_CONTAINER])
@pytest.mark.parametrize("mode", [7, -1, 100, INT_MIN])
def test_a_mode_that_is_none(port: int, place: str, op: int, mode: int):
    with raw(port) as zk:
        zk.connect()
        assert zk.error(op, Create(f"{place}/x", b"", OPEN_ACL, mode)) == BAD_ARGUMENTS


@pytest.mark.parametrize("mode", [CreateMode.PERSISTENT_WITH_TTL, CreateMode.PERSISTENT_SEQUENTIAL_WITH_TTL])
def test_a_time_to_live_is_off_until_it_is_switched_on(port: int, place: str, mode: int):
    with raw(port) as zk:
        zk.connect()
        assert zk.error(Op.CREATE_TTL, Create(f"{place}/x", b"", OPEN_ACL, mode, 1000)) == UNIMPLEMENTED
        assert zk.error(Op.CREATE, Create(f"{place}/x", b"", OPEN_ACL, mode)) == UNIMPLEMENTED


@pytest.mark.parametrize(
    "path", ["/", "/zookeeper", "/zookeeper/quota", "/zookeeper/config", "", "no-slash", "/zookeeper/nothing"]
)
def test_what_cannot_be_deleted(port: int, path: str):
    with raw(port) as zk:
        zk.connect()
        expected = NO_NODE if path.endswith("nothing") else BAD_ARGUMENTS
        assert zk.error(Op.DELETE, Delete(path, -1)) == expected


def test_a_suffix_counts_creations_and_never_goes_back(port: int, place: str):
    with raw(port) as zk:
        zk.connect()
        paths = []
        for _ in range(3):
            _, frame = zk.ask(
                Op.CREATE, Create(f"{place}/s", b"", OPEN_ACL, CreateMode.PERSISTENT_SEQUENTIAL)
            )
            paths.append(replies.read_path(replies.body_reader(frame)))
            assert zk.error(Op.DELETE, Delete(paths[-1], -1)) == OK
        assert zk.create(f"{place}/plain") == OK
        _, frame = zk.ask(Op.CREATE, Create(f"{place}/", b"", OPEN_ACL, CreateMode.PERSISTENT_SEQUENTIAL))
        paths.append(replies.read_path(replies.body_reader(frame)))
        assert paths == [f"{place}/s000000000{n}" for n in range(3)] + [f"{place}/0000000004"]


@pytest.mark.parametrize("at", [0, 1, 2])
def test_a_multi_that_fails_says_where_and_happens_not_at_all(port: int, place: str, at: int):
    parts = [create(f"{place}/{n}") for n in range(3)]
    parts[at] = (int(Op.CHECK), Check(f"{place}/missing", -1))
    with raw(port) as zk:
        zk.connect()
        error, frame = zk.ask(Op.MULTI, Multi(list(parts)))
        codes = [OK] * at + [NO_NODE] + [NOT_REACHED] * (2 - at)
        assert (error, results(frame)) == (OK, [(-1, code) for code in codes])
        _, frame = zk.ask(Op.GET_CHILDREN, Read(place))
        assert replies.read_children(replies.body_reader(frame)) == []


def test_a_multi_sees_its_own_parts(port: int, place: str):
    parts = [
        create(f"{place}/a"),
        create(f"{place}/a/b"),
        (int(Op.SET_DATA), SetData(f"{place}/a", b"x", 0)),
        (int(Op.CHECK), Check(f"{place}/a", 1)),
        (int(Op.DELETE), Delete(f"{place}/a/b", 0)),
    ]
    with raw(port) as zk:
        zk.connect()
        error, frame = zk.ask(Op.MULTI, Multi(list(parts)))
        assert (error, results(frame)) == (OK, [(1, 0), (1, 0), (5, 0), (13, 0), (2, 0)])
        error, frame = zk.ask(Op.MULTI, Multi([]))
        assert (error, results(frame)) == (OK, [])


def test_a_multi_may_fill_its_frame(port: int, place: str):
    with raw(port) as zk:
        zk.connect()
        parts = [(int(Op.CHECK), Check(place, -1))] * 40_000
        error, frame = zk.ask(Op.MULTI, Multi(list(parts)))
        assert (error, len(results(frame))) == (OK, 40_000)


def test_reads_and_writes_do_not_mix(port: int, place: str):
    read = (int(Op.GET_DATA), Read(place))
    with raw(port) as zk:
        zk.connect()
        for op in (Op.MULTI, Op.MULTI_READ):
            for parts in ([create(f"{place}/x"), read], [read, create(f"{place}/x")]):
                assert zk.error(op, Multi(list(parts))) == MARSHALLING_ERROR
        assert zk.error(Op.MULTI, Multi([read])) == MARSHALLING_ERROR
        assert zk.error(Op.MULTI_READ, Multi([(int(Op.CHECK), Check(place, -1))])) == MARSHALLING_ERROR
        assert zk.error(Op.EXISTS, Read(f"{place}/x")) == NO_NODE


def test_each_read_of_a_multi_stands_alone(port: int, place: str):
    parts: list[tuple[int, Operation]] = [
        (int(Op.GET_DATA), Read(f"{place}/missing")),
        (int(Op.GET_CHILDREN), Read(place)),
        (int(Op.GET_DATA), Read(place)),
    ]
    with raw(port) as zk:
        zk.connect()
        error, frame = zk.ask(Op.MULTI_READ, Multi(parts))
        assert (error, results(frame)) == (OK, [(-1, NO_NODE), (8, 0), (4, 0)])


def test_ephemerals_are_listed_by_prefix_and_descendants_counted(port: int, place: str):
    with raw(port) as zk:
        zk.connect()
        for name in ("a", "ab", "b"):
            assert zk.create(f"{place}/{name}", CreateMode.EPHEMERAL) == OK
        for prefix, names in (("", "a ab b"), (" / ", "a ab b"), (f"{place}/a", "a ab"), (f"{place}/c", "")):
            _, frame = zk.ask(Op.GET_EPHEMERALS, Read(prefix))
            listed = replies.read_children(replies.body_reader(frame))
            assert sorted(listed) == [f"{place}/{name}" for name in names.split()]
        _, frame = zk.ask(Op.GET_ALL_CHILDREN_NUMBER, Read(place))
        assert replies.read_number(replies.body_reader(frame)) == 3
        assert zk.error(Op.GET_ALL_CHILDREN_NUMBER, Read(f"{place}/missing")) == NO_NODE
    with raw(port) as other:
        other.connect()
        _, frame = other.ask(Op.GET_EPHEMERALS, Read(""))
        assert replies.read_children(replies.body_reader(frame)) == []


def test_who_am_i(port: int):
    with raw(port) as zk:
        zk.connect()
        zk.send(zk.request(Op.AUTH, Auth(0, "digest", b"ada:secret"), xid=-4))
        assert header(zk.frame())[::2] == (-4, OK)
        _, frame = zk.ask(Op.WHO_AM_I, NoBody())
        assert sorted(replies.read_identities(replies.body_reader(frame))) == [
            ("digest", "ada"),
            ("ip", "127.0.0.1"),
        ]


@pytest.mark.parametrize(
    ("credential", "identity"),
    [
        (b"u:p\xfc", "u:6CtHK7C6iAk/ZYK1Hf0L2NA4tRg="),
        (b"\xfc:p", "\N{REPLACEMENT CHARACTER}:CF2aQmKhCpl6NRwvXg6ky6/tkEA="),
        (b"u:\xed\xa0\xbd\xed\xb8\x80", "u:tBXHUAUzZXYCqAcMeZihzl82Xwo="),
    ],
)
def test_a_password_of_another_encoding_is_the_same_on_either_server(
    port: int, place: str, credential: bytes, identity: str
):
    with raw(port) as zk:
        zk.connect()
        zk.send(zk.request(Op.AUTH, Auth(0, "digest", credential), xid=-4))
        assert header(zk.frame())[::2] == (-4, OK)
        own = (Acl(Perm.ALL, Identity("auth", "")),)
        assert zk.error(Op.CREATE, Create(f"{place}/own", b"", own, 0)) == OK
        _, frame = zk.ask(Op.GET_ACL, Read(f"{place}/own"))
        (entry,), _ = replies.read_acls(replies.body_reader(frame))
        assert entry.identity == Identity("digest", identity)
