"""One log file, entry by entry, good or bad; source of the format: see ``storage.records``."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from zlib import adler32

from ensemble.errors import CorruptionError, WireError
from ensemble.storage.records import (
    ENTRY_BYTES_MIN,
    ENTRY_END,
    ENTRY_HEAD,
    HEADER_BYTES,
    MARK_BYTES,
    MARK_MAGIC,
    PAYLOAD_BYTES_MIN,
    encode,
    used_bytes,
    zxid_in,
)
from ensemble.storage.repeats import Earlier
from ensemble.storage.tail import has_header
from ensemble.toolkit.words import identifier, moment, op_name, shown
from ensemble.tree.operations import Acl
from ensemble.tree.txns import (
    CheckTxn,
    CloseSessionTxn,
    CreateSessionTxn,
    CreateTxn,
    DeleteTxn,
    ErrorTxn,
    MultiTxn,
    Record,
    SetAclTxn,
    SetDataTxn,
    Txn,
    decode,
)


@dataclass(frozen=True, slots=True)
class LoggedEntry:
    """One entry whose bounds can be told; ``good`` when it passes its checksum."""

    offset: int
    payload: bytes
    good: bool

    @property
    def zxid(self) -> int:
        """The zxid it carries."""
        return zxid_in(self.payload)

    def txn(self) -> Txn:
        """Return the transaction; ``WireError`` when the payload is none."""
        return decode(self.payload)


@dataclass(frozen=True, slots=True)
class Log:
    """The entries of a file, and where they end."""

    entries: list[LoggedEntry]
    end: int
    """The offset behind the last entry."""
    rest: int
    """Bytes behind it that are neither zeros nor the mark of a write: an entry that cannot be read."""


def read(data: bytes, name: str) -> Log:
    """Read the content of the file ``name``; ``CorruptionError`` when it is no log."""
    entries = list(_walk(data)) if has_header(data, name) else []
    end = HEADER_BYTES
    if entries:
        end = entries[-1].offset + ENTRY_BYTES_MIN + len(entries[-1].payload)
    rest = max(0, used_bytes(data) - end)
    marked = rest == MARK_BYTES - 4 and data[end + 4 : end + 8] == MARK_MAGIC
    return Log(entries, end, 0 if marked else rest)


def _walk(data: bytes) -> Iterator[LoggedEntry]:
    offset, size = HEADER_BYTES, len(data)
    view = memoryview(data)
    while offset + ENTRY_BYTES_MIN <= size:
        checksum, length = ENTRY_HEAD.unpack_from(data, offset)
        begin = offset + ENTRY_HEAD.size
        end = begin + length
        if length < PAYLOAD_BYTES_MIN or end >= size or data[end] != ENTRY_END[0]:
            return
        yield LoggedEntry(offset, data[begin:end], adler32(view[begin:end]) == checksum)
        offset = end + 1


def repeats(log: Log, newest: int | None, earlier: Earlier, first: int) -> set[int]:
    """Return the offsets of the entries that were logged before, with the very same bytes (see ``storage.repeats``).

    ``newest`` is the last transaction of the files before the one that begins at zxid ``first``.
    """
    own: dict[int, bytes] = {}
    found = set()
    for entry in log.entries:
        if not entry.good:
            continue
        zxid = entry.zxid
        if newest is None or zxid > newest:
            newest = zxid
        elif (own.get(zxid) or earlier.payload(zxid, first)) == entry.payload:
            found.add(entry.offset)
        own.setdefault(zxid, entry.payload)
    return found


# -- mending -------------------------------------------------------------------------------------------------


def repaired(data: bytes, name: str) -> tuple[bytes, int]:
    """Return the file with all checksums right and nothing behind the last entry, and how many were wrong.

    ``CorruptionError`` when an entry with a wrong checksum is no transaction at all: a right checksum over
    nonsense would only hide it.
    """
    log = read(data, name)
    for entry in log.entries:
        if not entry.good:
            try:
                entry.txn()
            except WireError as error:
                raise CorruptionError(
                    f"{name}: the entry at offset {entry.offset} is no transaction ({error}), so its checksum is not "
                    "what is wrong; --chop the log before it"
                ) from None
    wrong = sum(not entry.good for entry in log.entries)
    return data[:HEADER_BYTES] + b"".join([encode(entry.payload) for entry in log.entries]), wrong


def chopped(data: bytes, name: str, zxid: int) -> bytes:
    """Return the file up to the transaction ``zxid``; ``CorruptionError`` when it is not held or not reached."""
    kept = []
    for entry in read(data, name).entries:
        if not entry.good:
            raise CorruptionError(
                f"{name}: the checksum at offset {entry.offset} is wrong; --repair it first"
            )
        if entry.zxid > zxid:
            break
        kept.append(entry)
        if entry.zxid == zxid:
            break  # behind it may stand repeats
    if not kept or kept[-1].zxid != zxid:
        raise CorruptionError(
            f"{name} does not hold the transaction {identifier(zxid)}; name one that it lists"
        )
    return data[:HEADER_BYTES] + b"".join([encode(entry.payload) for entry in kept])


# -- for people ----------------------------------------------------------------------------------------------


def line(txn: Txn, *, with_data: bool = False) -> str:
    """Write a transaction as one line."""
    return (
        f"{moment(txn.time_ms)} session {identifier(txn.session_id)} cxid {identifier(txn.cxid)} "
        f"zxid {identifier(txn.zxid)} {op_name(txn.type)} {_details(txn.record, with_data)}"
    ).rstrip()


def _details(record: Record, with_data: bool) -> str:
    match record:
        case CreateTxn():
            kind = (
                " ephemeral" if record.ephemeral else f" ttl {record.ttl_ms} ms" if record.ttl_ms >= 0 else ""
            )
            return f"{record.path}{kind}{_content(record.data, with_data)} acl {_acl_text(record.acl)}"
        case SetDataTxn():
            return f"{record.path} version {record.version}{_content(record.data, with_data)}"
        case SetAclTxn():
            return f"{record.path} version {record.version} acl {_acl_text(record.acl)}"
        case DeleteTxn():
            return record.path
        case CheckTxn():
            return f"{record.path} version {record.version}"
        case CreateSessionTxn():
            return f"timeout {record.timeout_ms} ms"
        case CloseSessionTxn():
            return " ".join(record.paths)
        case ErrorTxn():
            return f"code {record.code}"
        case MultiTxn():
            return "; ".join(f"{op_name(kind)} {_details(part, with_data)}" for kind, part in record.txns)


def _content(data: bytes | None, with_data: bool) -> str:
    size = f" {len(data or b'')} bytes"
    return f"{size} {shown(data)!r}" if with_data and data else size


def _acl_text(acl: tuple[Acl, ...]) -> str:
    return ",".join(f"{entry.identity.scheme}:{entry.identity.id}:{entry.perms}" for entry in acl)


def as_json(entry: LoggedEntry) -> dict[str, Any]:
    """Return an entry as values for JSON; 64-bit numbers are strings, data is base64."""
    head: dict[str, Any] = {"offset": entry.offset, "checksum": "good" if entry.good else "wrong"}
    try:
        txn = entry.txn()
    except WireError as error:
        return head | {"error": str(error)}
    return head | {
        "time_ms": txn.time_ms,
        "session": identifier(txn.session_id),
        "cxid": txn.cxid,
        "zxid": identifier(txn.zxid),
        **_json_of(txn.type, txn.record),
    }


def _json_of(kind: int, record: Record) -> dict[str, Any]:
    found: dict[str, Any] = {"type": op_name(kind)}
    if isinstance(record, MultiTxn):
        return found | {"txns": [_json_of(part_kind, part) for part_kind, part in record.txns]}
    for name in type(record).__slots__:
        value = getattr(record, name)
        if name == "data":
            value = None if value is None else b64encode(value).decode()
        elif name == "acl":
            value = [
                {"perms": acl.perms, "scheme": acl.identity.scheme, "id": acl.identity.id} for acl in value
            ]
        found[name] = value
    return found
