"""Where a snapshot on the quorum port ends.

A leader streams its state behind a SNAP packet: no length, no checksum, a signature string at the end. The
only way to find that end is to walk the structure:

    int n, n x {long session, int time-out}
    int n, n x {long reference, vector of {int perms, string scheme, string id}}      the ACL cache
    {string path, buffer data, long ACL reference, 60 bytes of stat} ..., until       the nodes
    the path "/"                                            (the root itself is written as the path "")
    string "BenWasHere"

The walkers are generators over a buffer that grows between steps: they yield how many bytes must be there
to go on, and return the offset behind what they walked. They keep nothing and look at nothing twice.
Facts: SerializeUtils.serializeSnapshot, ReferenceCountedACLCache, DataTree.serialize, LearnerHandler (the
same in 3.8 and 3.9).
"""

from __future__ import annotations

from collections.abc import Generator

from ensemble import limits
from ensemble.errors import WireError
from ensemble.jute import INT, pack_string

SIGNATURE = pack_string("BenWasHere")
"""What closes the stream."""

_SESSION_BYTES = 12
_NODE_FIXED_BYTES = 8 + 60
_ACL_BYTES_MIN = 12
_END_OF_NODES = pack_string("/")

Walk = Generator[int, None, int]


def skip_snapshot(held: bytearray, offset: int) -> Walk:
    """Walk over a snapshot and its signature, from ``offset`` on."""
    bound = offset + limits.SNAPSHOT_BYTES_MAX
    offset = yield from _skip_sessions(held, offset)
    offset = yield from _skip_acls(held, offset, bound)
    offset = yield from _skip_nodes(held, offset, bound)
    stop = offset + len(SIGNATURE)
    if len(held) < stop:
        yield stop
    if held[offset:stop] != SIGNATURE:
        raise WireError("a snapshot without its signature")
    return stop


def _read_count(held: bytearray, offset: int, item_bytes_min: int) -> Generator[int, None, int]:
    if len(held) < offset + 4:
        yield offset + 4
    count: int = INT.unpack_from(held, offset)[0]
    if count < 0 or count * item_bytes_min > limits.SNAPSHOT_BYTES_MAX:
        raise WireError(f"{count} elements in a snapshot")
    return count


def _skip_sessions(held: bytearray, offset: int) -> Walk:
    count = yield from _read_count(held, offset, _SESSION_BYTES)
    stop = offset + 4 + count * _SESSION_BYTES
    if len(held) < stop:
        yield stop
    return stop


def _skip_acls(held: bytearray, offset: int, bound: int) -> Walk:
    lists = yield from _read_count(held, offset, 8 + 4)
    offset += 4
    for _ in range(lists):
        entries = yield from _read_count(held, offset + 8, _ACL_BYTES_MIN)
        offset += 8 + 4
        for _entry in range(entries):
            offset = yield from _skip_string(held, offset + 4)
            offset = yield from _skip_string(held, offset)
            if offset > bound:
                raise WireError("a snapshot over the limit")
    return offset


def _skip_string(held: bytearray, offset: int) -> Walk:
    if len(held) < offset + 4:
        yield offset + 4
    (size,) = INT.unpack_from(held, offset)
    if size < -1 or size > limits.PEER_FRAME_BYTES_MAX:
        raise WireError(f"a string of {size} bytes in a snapshot")
    stop: int = offset + 4 + max(size, 0)
    if len(held) < stop:
        yield stop
    return stop


def _skip_nodes(held: bytearray, offset: int, bound: int) -> Walk:
    """Walk over the nodes. A tree has many, so their two length fields are read here, not by generators."""
    length_at = INT.unpack_from
    limit = limits.PEER_FRAME_BYTES_MAX
    end = len(held)
    while True:
        if end < offset + 4 and (end := len(held)) < offset + 4:
            yield offset + 4
            end = len(held)
        path_size: int = length_at(held, offset)[0]
        # The next length lies behind the path, or is the signature's when this path is the closing "/".
        data_at = offset + 4 + path_size
        if path_size < 0 or path_size > limit:
            raise WireError(f"a path of {path_size} bytes in a snapshot")
        if end < data_at + 4:
            yield data_at + 4
            end = len(held)
        if path_size == 1:
            if held[offset : offset + 5] != _END_OF_NODES:
                raise WireError("a node without a path in a snapshot")
            return data_at
        data_size = length_at(held, data_at)[0]
        if data_size < -1 or data_size > limit:
            raise WireError(f"a znode of {data_size} bytes in a snapshot")
        offset = data_at + 4 + max(data_size, 0) + _NODE_FIXED_BYTES
        if offset > bound:
            raise WireError("a snapshot over the limit")
        if end < offset:
            yield offset
            end = len(held)
