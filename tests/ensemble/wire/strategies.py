"""Values of the protocol, for hypothesis; and the ways to cut a stream."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, Protocol

from hypothesis import strategies as st

from ensemble.errors import WireError
from ensemble.tree import operations as ops
from ensemble.tree.operations import Acl, Identity, Op, Operation
from ensemble.wire.elections import ROUND_MAX
from ensemble.zab.messages import Notification, Packet, PacketType, ServerState, Vote

ints = st.integers(-(2**31), 2**31 - 1)
longs = st.integers(-(2**63), 2**63 - 1)
texts = st.text(max_size=12)
buffers = st.none() | st.binary(max_size=40)
acls = st.lists(st.builds(Acl, ints, st.builds(Identity, texts, texts)), max_size=3).map(tuple) | st.just(
    ops.OPEN_ACL
)
paths = st.lists(texts, max_size=4)

creates = st.builds(ops.Create, texts, buffers, acls, ints)
creates_ttl = st.builds(ops.Create, texts, buffers, acls, ints, longs)
deletes = st.builds(ops.Delete, texts, ints)
sets = st.builds(ops.SetData, texts, buffers, ints)
reads = st.builds(ops.Read, texts, st.booleans())
unwatched = st.builds(ops.Read, texts)
removals = st.builds(ops.RemoveWatches, texts, ints)
nothing = st.builds(ops.NoBody)
set_watches = st.builds(ops.SetWatches, longs, paths, paths, paths, st.just([]), st.just([]))

WRITES: dict[int, st.SearchStrategy[Operation]] = {
    Op.CREATE: creates,
    Op.CREATE2: creates,
    Op.CREATE_CONTAINER: creates,
    Op.CREATE_TTL: creates_ttl,
    Op.DELETE: deletes,
    Op.SET_DATA: sets,
    Op.CHECK: st.builds(ops.Check, texts, ints),
}


def _multi(table: dict[int, st.SearchStrategy[Operation]]) -> st.SearchStrategy[Operation]:
    pairs = [st.tuples(st.just(int(op)), operation) for op, operation in table.items()]
    return st.builds(ops.Multi, st.lists(st.one_of(pairs), max_size=4))


OPERATIONS: dict[int, st.SearchStrategy[Operation]] = {
    **{op: operation for op, operation in WRITES.items() if op != Op.CHECK},
    Op.DELETE_CONTAINER: st.builds(ops.Delete, texts, st.just(-1)),
    Op.EXISTS: reads,
    Op.GET_DATA: reads,
    Op.GET_CHILDREN: reads,
    Op.GET_CHILDREN2: reads,
    Op.GET_ACL: unwatched,
    Op.SET_ACL: st.builds(ops.SetAcl, texts, acls, ints),
    Op.SYNC: st.builds(ops.Sync, texts),
    Op.PING: nothing,
    Op.MULTI: _multi(WRITES),
    Op.MULTI_READ: _multi({Op.GET_DATA: reads, Op.GET_CHILDREN: reads}),
    Op.RECONFIG: st.builds(ops.Reconfig, texts, texts, texts, longs),
    Op.CHECK_WATCHES: removals,
    Op.REMOVE_WATCHES: removals,
    Op.AUTH: st.builds(ops.Auth, ints, texts, st.binary(max_size=20)),
    Op.SET_WATCHES: set_watches,
    Op.SET_WATCHES2: st.builds(ops.SetWatches, longs, paths, paths, paths, paths, paths),
    Op.SASL: st.builds(ops.Sasl, st.binary(max_size=20)),
    Op.GET_EPHEMERALS: unwatched,
    Op.GET_ALL_CHILDREN_NUMBER: unwatched,
    Op.ADD_WATCH: st.builds(ops.AddWatch, texts, ints),
    Op.WHO_AM_I: nothing,
    Op.CREATE_SESSION: st.builds(ops.CreateSession, ints),
    Op.CLOSE_SESSION: st.builds(ops.CloseSession),
}

requests: st.SearchStrategy[tuple[int, Operation]] = st.one_of(
    [st.tuples(st.just(int(op)), operation) for op, operation in OPERATIONS.items()]
)


# --- between servers -----------------------------------------------------------------------------------


@st.composite
def snapshots(draw: st.DrawFn) -> bytes:
    """A snapshot body in the layout of files, written here field by field, independently of ``tree``."""

    def number(value: int, size: int) -> bytes:
        return value.to_bytes(size, "big", signed=True)

    def text(value: str) -> bytes:
        return number(len(value.encode()), 4) + value.encode()

    sessions = draw(st.lists(st.tuples(longs, ints), max_size=3))
    body = number(len(sessions), 4) + b"".join([number(s, 8) + number(t, 4) for s, t in sessions])
    lists = draw(st.lists(acls, max_size=3))
    body += number(len(lists), 4)
    for reference, entries in enumerate(lists):
        body += number(reference, 8) + number(len(entries), 4)
        body += b"".join([number(perms, 4) + text(who.scheme) + text(who.id) for perms, who in entries])
    names = draw(st.lists(st.text(min_size=2, max_size=12), max_size=4))
    for path in ["", *names]:
        data = draw(buffers)
        body += text(path) + (number(-1, 4) if data is None else number(len(data), 4) + data)
        body += draw(st.binary(min_size=68, max_size=68))
    return body + text("/")


_identities = st.lists(st.tuples(texts, texts), max_size=3).map(tuple)
_plain_types = st.sampled_from([t for t in PacketType if t is not PacketType.SNAP]).map(int)

packets = st.one_of(
    st.builds(Packet, _plain_types, longs, st.none() | st.binary(max_size=60), _identities),
    st.builds(Packet, st.sampled_from([3, 4]), longs),
    st.builds(Packet, st.just(int(PacketType.SNAP)), longs, snapshots()),
)

notifications = st.builds(
    Notification,
    longs,
    st.sampled_from(ServerState),
    st.builds(Vote, longs, longs, longs),
    st.integers(-(2**63), ROUND_MAX),
    st.binary(max_size=50),
)


# --- streams -------------------------------------------------------------------------------------------


def pieces(stream: bytes, cuts: list[int]) -> list[bytes]:
    """Cut ``stream`` at ``cuts`` (any integers, taken modulo its length)."""
    places = sorted({cut % (len(stream) + 1) for cut in cuts} | {0, len(stream)})
    return [stream[start:stop] for start, stop in pairwise(places)]


def each_byte(stream: bytes) -> list[bytes]:
    """Cut ``stream`` everywhere."""
    return [stream[index : index + 1] for index in range(len(stream))]


class StreamDecoder(Protocol):
    """What FrameBuffer and PacketDecoder have in common."""

    fault: WireError | None

    def feed(self, data: bytes) -> list[Any]:
        """Take bytes, return what became whole."""


def outcome(decoder: StreamDecoder, chunks: list[bytes]) -> tuple[list[Any], bool]:
    """Feed ``chunks``: what came out, and whether the stream was refused. Any exception but ``WireError``
    goes through, and so fails the test."""
    values: list[Any] = []
    for chunk in chunks:
        try:
            values += decoder.feed(chunk)
        except WireError:
            return values, True
        if decoder.fault is not None:
            return values, True
    return values, False
