"""What comes on the client port: a whole connection, and the four-letter words."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from zlib import crc32

from ensemble.errors import WireError
from ensemble.replica.config import ZnodeConfig
from ensemble.tree.operations import (
    OPEN_ACL,
    Acl,
    AddWatch,
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
    Operation,
    Read,
    Reconfig,
    RemoveWatches,
    SetAcl,
    SetData,
    SetWatches,
    Sync,
)
from ensemble.wire.four_letter import WORDS
from ensemble.wire.requests import (
    ConnectRequest,
    decode_connect,
    decode_operation,
    encode_connect,
    encode_operation,
    encode_request,
)
from tests.ensemble.replica.harness import Client, World
from tests.fuzz.rooms import Kept, Room, zxids
from tests.fuzz.target import INVARIANT, Target, held_at_most, in_pieces

_CONNECT = encode_connect(ConnectRequest(0, 0, 4000, 0, bytes(16), False))
_ANSWER_BYTES_MAX = 1 << 20

OPERATIONS: tuple[tuple[int, Operation], ...] = (
    (Op.CREATE, Create("/a", b"data", OPEN_ACL, CreateMode.PERSISTENT)),
    (Op.CREATE2, Create("/a/b", None, OPEN_ACL, CreateMode.EPHEMERAL_SEQUENTIAL)),
    (Op.CREATE_TTL, Create("/t", b"", OPEN_ACL, CreateMode.PERSISTENT_WITH_TTL, 1000)),
    (Op.CREATE_CONTAINER, Create("/c", b"", OPEN_ACL, CreateMode.CONTAINER)),
    (Op.EXISTS, Read("/a", True)),
    (Op.GET_DATA, Read("/a", True)),
    (Op.GET_CHILDREN2, Read("/", True)),
    (Op.SET_DATA, SetData("/a", b"more", -1)),
    (Op.SET_ACL, SetAcl("/a", OPEN_ACL, -1)),
    (Op.SET_ACL, SetAcl("/a", (Acl(31, Identity("ip", "10.0.0.0/8")),), -1)),
    (Op.GET_ACL, Read("/a")),
    (
        Op.MULTI,
        Multi(
            [
                (Op.CHECK, Check("/a", -1)),
                (Op.SET_DATA, SetData("/a", b"", -1)),
                (Op.DELETE, Delete("/a/x", 1)),
            ]
        ),
    ),
    (Op.MULTI_READ, Multi([(Op.GET_DATA, Read("/a")), (Op.GET_CHILDREN, Read("/"))])),
    (Op.ADD_WATCH, AddWatch("/", 1)),
    (Op.SET_WATCHES2, SetWatches(1, ["/a"], ["/b"], ["/"], ["/p"], ["/r"])),
    (Op.REMOVE_WATCHES, RemoveWatches("/", 3)),
    (Op.AUTH, Auth(0, "digest", b"ann:secret")),
    (Op.RECONFIG, Reconfig("server.2=h:1:2;3", "1", "", -1)),
    (Op.SYNC, Sync("/")),
    (Op.GET_EPHEMERALS, Read("/")),
    (Op.WHO_AM_I, NoBody()),
    (Op.PING, NoBody()),
    (Op.DELETE, Delete("/a", -1)),
    (Op.CLOSE_SESSION, CloseSession()),
)


def _build() -> Room:
    room = Room(World(words_allowed=frozenset(WORDS), znodes=ZnodeConfig(extended_types=True)))
    # It is there before the stranger, so that what it is answered is the same however the stream is cut.
    room.witness(room.world.only)
    return room


def _connection(room: Room, pieces: list[bytes]) -> tuple[bytes, bool]:
    """Say ``pieces`` to a server; return what it answered. Nobody else must suffer."""
    world = room.world
    witness = room.witness(world.only)
    stranger = Client(world)
    stranger.xid = -1
    for piece in pieces:
        if stranger.closed:
            break
        stranger.send(piece)
    world.settle()
    witness.ping()
    assert witness.sync() == 0
    witness.get("/")
    assert stranger.connection is not None
    assert stranger.connection._frames.held <= 4 + 0xFFFFF
    assert len(stranger.received) <= _ANSWER_BYTES_MAX
    if not stranger.closed:
        stranger.lose()
    world.settle()
    return stranger.received, stranger.closed


_whole = Kept(_build, lambda room, data: _connection(room, [data]), zxids)
_cut = Kept(_build, lambda room, data: _connection(room, in_pieces(data)), zxids)


def _feed_client(data: bytes) -> None:
    if data[:4].decode("latin-1") in WORDS:  # their answers hold figures of the server, which others change
        _feed_word(data)
        return
    found = _whole.feed(data)
    if crc32(data) % 4 == 0:
        assert found == _cut.feed(data), "a stream means the same however it was cut"


def _client_seeds() -> Iterable[bytes]:
    requests = [encode_request(xid, op, operation) for xid, (op, operation) in enumerate(OPERATIONS, 1)]
    yield _CONNECT
    yield _CONNECT + b"".join(requests)
    for request in requests:
        yield _CONNECT + requests[0] + request


def _feed_requests(data: bytes) -> None:
    for op in {*(op for op, _ in OPERATIONS), data[0] if data else 0}:
        _round_trip(
            lambda frame, op=op: decode_operation(op, frame),
            lambda value, op=op: bytes(8) + encode_operation(op, value),
            data,
        )  # type: ignore[misc]
    _round_trip(decode_connect, lambda value: encode_connect(value)[4:], data)


def _round_trip(decode: Callable[[bytes], object], encode: Callable[..., bytes], data: bytes) -> None:
    """What decodes says the same after it was encoded: not always in the same bytes, as null reads as empty."""
    try:
        value = decode(data)
    except WireError:
        return
    assert decode(encode(value)) == value


def _request_seeds() -> Iterable[bytes]:
    for op, operation in OPERATIONS:
        yield encode_request(1, op, operation)[4:]
    yield _CONNECT[4:]


def _feed_word(data: bytes) -> None:
    _whole.feed(data)
    _cut.feed(data)


TARGETS = (
    Target(
        "client",
        "client frames",
        "Whatever a client says, its connection alone suffers: what it is answered does not depend on how the stream "
        "was cut, another client is served, and no more than a frame is held.",
        _feed_client,
        _client_seeds,
        size_max=8192,
        words=(_CONNECT, *[encode_request(7, op, operation) for op, operation in OPERATIONS]),
        examples=120,
    ),
    Target(
        "requests",
        "client frames",
        INVARIANT,
        _feed_requests,
        _request_seeds,
        words=(b"/", b"\xff\xff\xff\xff", b"\0\0\0\0"),
        memory=held_at_most,
        examples=300,
    ),
    Target(
        "words",
        "four-letter words",
        "Whatever comes in place of a four-letter word is answered in bounded length or closed, and nobody else suffers.",
        _feed_word,
        lambda: [word.encode() + bytes(8) for word in WORDS],
        size_max=64,
        words=tuple(word.encode() for word in WORDS),
        examples=60,
    ),
)
