"""What stands on disk, which an operator may have put there, or is sent to be restored: logs and snapshots."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from struct import error as StructError

from ensemble.errors import CorruptionError, StorageError, WireError
from ensemble.replica.agreement.restoring import examine
from ensemble.storage import names, records, snapshots
from ensemble.storage.compression import METHODS, compress
from ensemble.storage.settings import StorageSettings
from ensemble.storage.store import Store
from ensemble.tree import snapshot, txns
from ensemble.tree.operations import OPEN_ACL
from ensemble.tree.tree import Tree
from ensemble.tree.txns import CreateTxn, Txn
from ensemble.zxid import make
from tests.ensemble.replica.harness import World, client
from tests.ensemble.replica.ports import MemoryDisk
from tests.fuzz.target import INVARIANT, Target, held_at_most

EXPANSION_MAX = {"": 1, "gz": 1032, "snappy": 22}
"""What a byte of each compression can become at most: the formats have no way to say more."""


def _txns() -> list[Txn]:
    records_ = (
        CreateTxn("/a", b"data", OPEN_ACL, False, 1),
        CreateTxn("/t", b"", OPEN_ACL, False, 2, ttl_ms=1000),
        txns.SetDataTxn("/a", None, 1),
        txns.SetAclTxn("/a", OPEN_ACL, 1),
        txns.CreateSessionTxn(4000),
        txns.MultiTxn(
            [
                (1, CreateTxn("/b", b"", OPEN_ACL, True, 3)),
                (13, txns.CheckTxn("/a", 1)),
                (2, txns.DeleteTxn("/a")),
            ]
        ),
        txns.ErrorTxn(-101),
        txns.CloseSessionTxn(["/b"]),
    )
    types = (1, 21, 5, 7, -10, 14, -1, -11)
    return [
        Txn(0x1F00, 7, make(1, at), 1, kind, record)
        for at, (kind, record) in enumerate(zip(types, records_, strict=True), 1)
    ]


def _feed_txn(data: bytes) -> None:
    """Decode one transaction; apply it to a tree, as the log's reader does."""
    try:
        txn = txns.decode(data)
    except WireError:
        return
    assert txns.decode(txns.encode(txn)) == txn
    tree = Tree()
    for before in _txns()[:1]:
        tree.apply(before)
    tree.apply(txn)


def _disk() -> MemoryDisk:
    later: deque[object] = deque()
    return MemoryDisk(later)  # type: ignore[arg-type]


def _open(disk: MemoryDisk) -> None:
    """Open a store, load it as a server does, and write all of it again; or be told why not."""
    try:
        store = Store.open(disk, disk)
        found = store.read_snapshot()
        assert found is not None
        tree, _ = snapshot.load(found[1])
        tree.zxid = found[0]
        for _, payload in store.read_after(found[0]) or []:
            tree.apply(txns.decode(payload))
    except (StorageError, WireError):
        return
    b"".join(snapshot.dump(tree))


def _feed_log(data: bytes) -> None:
    """Take the bytes for a log file of a server."""
    disk = _disk()
    disk.files[names.log_name(make(1, 1))] = bytearray(data)
    disk.files[names.snapshot_name(0)] = bytearray(
        b"".join(snapshots.encode(0, [snapshots.PRISTINE_BODY], snapshots.PRISTINE_DIGEST))
    )
    _open(disk)


def _log() -> bytes:
    batch = b"".join([records.encode(txns.encode(txn)) for txn in _txns()])
    return records.HEADER + batch + records.mark(len(batch))


def _feed_entries(data: bytes) -> None:
    """Take the bytes for payloads whose checksums hold, one a line, as a forger writes them."""
    disk = _disk()
    batch = b"".join([records.encode(payload) for payload in data.split(b"\n\n")])
    disk.files[names.log_name(make(1, 1))] = bytearray(records.HEADER + batch + records.mark(len(batch)))
    disk.files[names.snapshot_name(0)] = bytearray(
        b"".join(snapshots.encode(0, [snapshots.PRISTINE_BODY], snapshots.PRISTINE_DIGEST))
    )
    _open(disk)


def _tree() -> Tree:
    tree = Tree()
    for txn in _txns()[:6]:
        tree.apply(txn)
    return tree


def _feed_snapshot(data: bytes) -> None:
    """The first byte says how it is compressed, and whether the checksums are forged to hold."""
    method = METHODS[data[0] % 3] if data else ""
    disk = _disk()
    if data and data[0] >= 128:
        with suppress(WireError):
            snapshot.load(data[1:])
        whole = b"".join(snapshots.encode(make(1, 6), [data[1:]], 1))
        disk.files[names.snapshot_name(make(1, 6), method)] = bytearray(b"".join(compress([whole], method)))
    else:
        disk.files[names.snapshot_name(make(1, 6), method)] = bytearray(data[1:])
    _open(disk)


def held_expanded(data: bytes) -> int:
    """Return how many bytes may be held for a snapshot, which is held as it was before it was compressed."""
    return (
        held_at_most(bytes(len(data) * EXPANSION_MAX[METHODS[data[0] % 3]])) if data else held_at_most(data)
    )


def _snapshot_seeds() -> Iterable[bytes]:
    body = b"".join(snapshot.dump(_tree()))
    whole = b"".join(snapshots.encode(make(1, 6), [body], _tree().digest()))
    for number, method in enumerate(METHODS):
        yield bytes([number]) + b"".join(compress([whole], method))
    yield bytes([129]) + body


def _feed_restore(data: bytes) -> None:
    """The body of a restore; from 128 on the first byte says that its checksums are forged to hold."""
    body = data[1:]
    if data and data[0] >= 128:
        whole = snapshots.encode(make(1, 6), [body], 0, StorageSettings(digest=False))
        body = b"".join(compress(whole, METHODS[data[0] % 3]))
    try:
        found = examine(body)
    except CorruptionError:
        return
    assert snapshot.load(b"".join(snapshot.dump(found.tree)))[0].digest() == found.digest
    world, told = World(), []
    assert world.only.replica.restore(found, lambda zxid, why: told.append((zxid, why))) == ""
    world.advance(1000)
    assert [bool(zxid) for zxid, _ in told] == [True], told
    assert world.restart(1).replica.peer.serving
    assert client(world).sync() == 0


def _restore_seeds() -> Iterable[bytes]:
    tree = _tree()
    body = b"".join(snapshot.dump(tree))
    for method in METHODS:
        yield b"\0" + b"".join(compress(snapshots.encode(make(1, 6), [body], tree.digest()), method))
    yield bytes([129]) + body
    yield bytes([129]) + snapshots.PRISTINE_BODY


def _feed_payload(data: bytes) -> None:
    try:
        records.zxid_in(data)
    except StructError:
        assert len(data) < records.PAYLOAD_BYTES_MIN
    found, stop = records.scan(data)
    assert stop <= max(len(data), records.HEADER_BYTES)
    assert (
        b"".join([records.encode(payload) for _, payload in found])
        == data[records.HEADER_BYTES : stop][: stop - records.HEADER_BYTES]
    )
    _feed_txn(data)


TARGETS = (
    Target(
        "txn",
        "log records",
        INVARIANT,
        _feed_payload,
        lambda: [*map(txns.encode, _txns()), _log()],
        memory=held_at_most,
        examples=250,
    ),
    Target(
        "log-file",
        "log records",
        "Whatever stands in a log file, the store opens with a history that can be applied and written again, or says "
        "StorageError: never anything else, and never a history with a hole.",
        _feed_log,
        lambda: [_log(), _log() + bytes(600), records.HEADER],
        size_max=2048,
        memory=held_at_most,
        examples=150,
    ),
    Target(
        "log-forged",
        "log records",
        "Whatever stands in entries whose checksums hold, a server starts with it or says what is wrong.",
        _feed_entries,
        lambda: [b"\n\n".join(map(txns.encode, _txns()))],
        size_max=2048,
        memory=held_at_most,
        examples=150,
    ),
    Target(
        "restore",
        "snapshots",
        "Whatever body is sent to be restored, it becomes a state that a server serves, and starts with again, or is "
        "refused with a sentence.",
        _feed_restore,
        _restore_seeds,
        examples=100,
        words=(b"\x82SNAPPY\0\0\0\0\1\0\0\0\1", b"\x1f\x8b\x08\0", b"\0\0\0\1/"),
    ),
    Target(
        "snapshot",
        "snapshots",
        "Whatever stands in a snapshot, plain or compressed, the tree that comes of it can be written again, or the "
        "server says what is wrong.",
        _feed_snapshot,
        _snapshot_seeds,
        memory=held_expanded,
        examples=150,
        words=(b"\x82SNAPPY\0\0\0\0\1\0\0\0\1", b"\x1f\x8b\x08\0", b"\0\0\0\1/"),
    ),
)
