"""Compressed snapshot files: the suffix of the name says how (Apache's SnapStream).

``.gz`` is one gzip member. ``.snappy`` is the framing of snappy-java's SnappyOutputStream::

    82 'S' 'N' 'A' 'P' 'P' 'Y' 00 | int version 1 | int least version that reads it, 1
    {int size | a block of that size, compressed by itself} ...

Blocks are of 32 KiB before compression. Streams may be joined: another head may stand where a block would.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from struct import Struct

import cramjam

from ensemble.errors import CorruptionError
from ensemble.limits import SNAPSHOT_BYTES_MAX

METHODS = ("", "gz", "snappy")
"""What ``snapshot.compression.method`` may be; also the suffixes of the names, after a dot."""

_GZIP_WINDOW = 16 + zlib.MAX_WBITS
_GZIP_MAGIC = b"\x1f\x8b"
_BLOCK_BYTES = 32 * 1024
_SNAPPY_MAGIC = b"\x82SNAPPY\0"
_SNAPPY_HEAD = _SNAPPY_MAGIC + Struct(">ii").pack(1, 1)
_SIZE = Struct(">i")
_SNAPPY_EXPANSION_MAX = 22
"""Three bytes become 64 at most; the format has no shorter way to repeat."""
_EXPANSION_HONEST = 32
"""A snapshot of ours that is larger than any other server takes must still be one that we can read."""
_MAGIC_AS_SIZE = _SIZE.unpack(_SNAPPY_MAGIC[:4])[0]


def method_of(name: str) -> str:
    """Return how the file ``name`` is compressed."""
    suffix = name.rpartition(".")[2]
    return suffix if suffix in METHODS else ""


def recognized(data: bytes) -> str:
    """Return by which of :data:`METHODS` ``data`` is compressed, as its first bytes show."""
    if data.startswith(_GZIP_MAGIC):
        return "gz"
    return "snappy" if data.startswith(_SNAPPY_MAGIC) else ""


def compress(chunks: Iterable[bytes], method: str) -> Iterator[bytes]:
    """Compress ``chunks`` by one of :data:`METHODS`."""
    if method == "gz":
        return _gzip(chunks)
    return _snappy(chunks) if method == "snappy" else iter(chunks)


def decompress(data: bytes, name: str) -> bytes:
    """Undo :func:`compress` for the content of the file ``name``; ``CorruptionError`` when it is torn or garbled.

    A gzip member of a MiB may become a GiB of zeros: more than ``SNAPSHOT_BYTES_MAX`` is refused, unless it is no
    more than 32 times what it was. A snappy block cannot become more than 22 times what it is, and may not claim it.
    """
    method = method_of(name)
    if method == "gz":
        return _ungzip(data, name)
    return _unsnappy(data, name) if method == "snappy" else data


def _gzip(chunks: Iterable[bytes]) -> Iterator[bytes]:
    compressor = zlib.compressobj(wbits=_GZIP_WINDOW)
    for chunk in chunks:
        if some := compressor.compress(chunk):
            yield some
    yield compressor.flush()


def _ungzip(data: bytes, name: str) -> bytes:
    limit = max(SNAPSHOT_BYTES_MAX, _EXPANSION_HONEST * len(data))
    decompressor = zlib.decompressobj(_GZIP_WINDOW)
    try:
        content = decompressor.decompress(data, limit + 1)
    except zlib.error as error:
        raise CorruptionError(f"{name} does not decompress: {error}") from None
    if len(content) > limit:
        raise CorruptionError(
            f"{name} is more than {limit} bytes when it is decompressed; no server writes that"
        )
    if not decompressor.eof:
        raise CorruptionError(f"{name} does not decompress: it is incomplete")
    return content


def _snappy(chunks: Iterable[bytes]) -> Iterator[bytes]:
    yield _SNAPPY_HEAD
    held = bytearray()
    for chunk in chunks:
        held += chunk
        whole = len(held) - len(held) % _BLOCK_BYTES
        for start in range(0, whole, _BLOCK_BYTES):
            yield _snappy_block(held[start : start + _BLOCK_BYTES])
        del held[:whole]
    if held:
        yield _snappy_block(held)


def _snappy_block(block: bytearray) -> bytes:
    compressed = bytes(cramjam.snappy.compress_raw(block))
    return _SIZE.pack(len(compressed)) + compressed


def _unsnappy(data: bytes, name: str) -> bytes:
    if not data.startswith(_SNAPPY_MAGIC) or len(data) < len(_SNAPPY_HEAD):
        raise CorruptionError(f"{name} does not begin as a stream of snappy blocks does")
    parts, offset, view = [], 0, memoryview(data)
    while offset < len(data):
        if offset + _SIZE.size > len(data):
            raise CorruptionError(f"{name} ends within a block, at {offset}")
        (size,) = _SIZE.unpack_from(data, offset)
        if size == _MAGIC_AS_SIZE:
            offset += len(_SNAPPY_HEAD)
            continue
        begin = offset + _SIZE.size
        offset = begin + size
        if size < 0 or offset > len(data):
            raise CorruptionError(f"{name} ends within a block, at {begin}")
        block = view[begin:offset]
        try:
            # What a block claims to become is allocated before it is looked at.
            if cramjam.snappy.decompress_raw_len(block) > _SNAPPY_EXPANSION_MAX * size:
                raise CorruptionError(
                    f"{name} has a block at {begin} that claims more bytes than it can hold"
                )
            parts.append(bytes(cramjam.snappy.decompress_raw(block)))
        except cramjam.DecompressionError as error:
            raise CorruptionError(f"{name} does not decompress at {begin}: {error}") from None
    return b"".join(parts)
