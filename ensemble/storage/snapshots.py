"""The bytes of a snapshot file (Apache's FileSnap and SnapStream).

::

    header {int "ZKSN", int 2, long -1} | body | seal
    long zxid, int digest version, long digest | seal       since 3.6, unless digests are off
    long lastProcessedZxid | seal                           since 3.9, unless turned off

A seal is ``long Adler-32 of everything before it`` and the string "/". The body is opaque here, so a file
is read from the back: the four possible endings are tried, longest first, and every seal must hold.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from struct import Struct
from zlib import adler32

from ensemble.errors import CorruptionError
from ensemble.storage import compression
from ensemble.storage.settings import DEFAULTS, StorageSettings

HEADER = Struct(">iiq").pack(0x5A4B534E, 2, -1)
_HEADER_BYTES = len(HEADER)

_SEAL = Struct(">qi1s")
_SEAL_END = b"\0\0\0\x01/"
_LONG = Struct(">q")
_DIGEST = Struct(">qiQ")
_DIGEST_VERSION = 2

_LAYOUTS = ((_DIGEST.size, _LONG.size), (_DIGEST.size,), (_LONG.size,), ())
"""Sizes of the sections behind the body's seal: 3.9, 3.6 to 3.8, 3.9 and 3.5 without digests."""

PRISTINE_DIGEST = 1371985504
"""The digest of a tree in which nothing has happened yet (Apache's DigestCalculator, version 2)."""


_STAT = Struct(">qqqqiiiqq")


def _pristine_body() -> bytes:
    """Return the body of that tree, byte for byte as Apache writes it on a fresh start."""

    def znode(path: bytes, acl: int = -1) -> bytes:
        # The configuration is the one znode with an ACL of its own, and Apache sets it with version -1.
        aversion = 0 if acl == -1 else -1
        no_data = bytes(4)
        return (
            len(path).to_bytes(4, "big")
            + path
            + no_data
            + _LONG.pack(acl)
            + _STAT.pack(0, 0, 0, 0, 0, 0, aversion, 0, 0)
        )

    znodes = (
        znode(b"") + znode(b"/zookeeper") + znode(b"/zookeeper/config", acl=1) + znode(b"/zookeeper/quota")
    )
    no_sessions = bytes(4)
    acls = Struct(">iqiii5si6s").pack(1, 1, 1, 1, 5, b"world", 6, b"anyone")
    return no_sessions + acls + znodes + _SEAL_END


PRISTINE_BODY = _pristine_body()


def encode(
    zxid: int, body: Iterable[bytes], digest: int, settings: StorageSettings = DEFAULTS
) -> Iterator[bytes]:
    """Yield the file of a snapshot at ``zxid``; ``digest`` is the tree's, 64 bits.

    Compressed as the settings say; the checksums are of what is within.
    """
    sections = [b""]
    if settings.digest:
        sections.append(_DIGEST.pack(zxid, _DIGEST_VERSION, digest & 0xFFFFFFFFFFFFFFFF))
    if settings.last_zxid:
        sections.append(_LONG.pack(zxid))
    return compression.compress(_sealed(body, sections), settings.compression)


def _sealed(body: Iterable[bytes], sections: Iterable[bytes]) -> Iterator[bytes]:
    checksum = adler32(HEADER)
    yield HEADER
    for chunk in body:
        checksum = adler32(chunk, checksum)
        yield chunk
    for section in sections:
        checksum = adler32(section, checksum)
        seal = _SEAL.pack(checksum, 1, b"/")
        checksum = adler32(seal, checksum)
        yield section + seal


@dataclass(frozen=True, slots=True)
class Content:
    """What a snapshot file holds."""

    body: bytes
    zxid: int | None
    """The last transaction in the body; None in a file that does not say so."""
    digest: int | None
    """The digest of the tree, 64 bits; None when there is none, or one of a version that is not ours."""


def body_of(data: bytes, name: str) -> bytes:
    """Return the body of snapshot file ``name`` whose content is ``data``.

    Raises ``CorruptionError`` when it does not decompress, is incomplete, or fails a seal.
    """
    return content_of(data, name).body


def content_of(data: bytes, name: str) -> Content:
    """Return all that snapshot file ``name``, whose content is ``data``, tells; raises as :func:`body_of` does."""
    data = compression.decompress(data, name)
    if not data.startswith(HEADER[:8]):
        raise CorruptionError(f"{name} does not begin as a snapshot does")
    for sections in _LAYOUTS:
        end = _sealed_body_end(data, sections)
        if end is not None:
            return Content(data[_HEADER_BYTES:end], *_told(data, end + _SEAL.size, sections))
    raise CorruptionError(f"{name} is incomplete or corrupt: its checksums do not hold")


def _told(data: bytes, offset: int, sections: tuple[int, ...]) -> tuple[int | None, int | None]:
    """Read zxid and digest from the sections that begin at ``offset``."""
    zxid = digest = None
    for size in sections:
        if size == _DIGEST.size:
            zxid, version, told = _DIGEST.unpack_from(data, offset)
            # Apache's server writes zeros when nothing was applied since it started.
            digest = told if version == _DIGEST_VERSION and (zxid or told) else None
            zxid = zxid or None
        else:
            (zxid,) = _LONG.unpack_from(data, offset)
        offset += size + _SEAL.size
    return zxid, digest


def _sealed_body_end(data: bytes, sections: tuple[int, ...]) -> int | None:
    """Return where the body ends if ``data`` ends in ``sections``, each sealed; else None."""
    end = len(data) - sum(sections) - _SEAL.size * (len(sections) + 1)
    if end < _HEADER_BYTES:
        return None
    seals, offset = [], end
    for size in (*sections, 0):
        seals.append(offset)
        offset += _SEAL.size + size
    if any(data[seal + 8 : seal + _SEAL.size] != _SEAL_END for seal in seals):
        return None
    view, checksum, checked = memoryview(data), 1, 0
    for seal in seals:
        checksum = adler32(view[checked:seal], checksum)
        if _LONG.unpack_from(data, seal)[0] != checksum:
            return None
        checked = seal
    return end
