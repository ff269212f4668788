"""The bytes on disk, as golden values taken from Apache's formats."""

from __future__ import annotations

import gzip
import zlib

import pytest

from ensemble.errors import CorruptionError
from ensemble.storage import snapshots
from ensemble.storage.records import HEADER, MARK_BYTES, encode, end_of, scan, used_bytes
from tests.ensemble.storage.harness import Bench, entries, entry

APACHE_ENTRY = bytes.fromhex(
    # Written by Apache 3.8.0: a session created, transaction 0:1, with the digest it appends.
    "00000000aaae09a4 00000030 0100002952470000 00000000 0000000000000001 000001a203b7d237 fffffff6"
    "00002710 00000002 0000000051c6d660 42"
)

APACHE_PRISTINE_ENDING = bytes.fromhex(
    "00000000b8a23b49 00000001 2f 0000000000000000 00000002 0000000000000000 0000000095b93d59 00000001 2f"
)


def seal(data: bytes) -> bytes:
    return data + zlib.adler32(data).to_bytes(8, "big") + b"\0\0\0\x01/"


def test_an_entry_of_apache_is_read_and_written_alike() -> None:
    found, end = scan(HEADER + APACHE_ENTRY)
    assert end == len(HEADER + APACHE_ENTRY)
    [(zxid, payload)] = found
    assert zxid == 1
    assert encode(payload) == APACHE_ENTRY


def test_a_log_file_of_ours_byte_by_byte() -> None:
    bench = Bench()
    store = bench.open()
    first, second = entries(1, 1, 2)
    bench.synced(store, [first])
    bench.synced(store, [second])
    data = bench.log.content()["version-2/log.100000001"]
    mark = len(encode(second[1])).to_bytes(4, "big") + b"\xc5\x1a\x9e\x77" + bytes(4)
    expected = b"ZKLG\0\0\0\x02" + bytes(8) + encode(first[1]) + encode(second[1]) + mark
    assert data == expected.ljust(len(data), b"\0")
    # Every reader sees the end of the log there: the checksum is not looked at when the length is 0.
    assert mark[8:] == bytes(4)
    assert len(mark) == MARK_BYTES


def test_a_snapshot_of_ours_byte_by_byte() -> None:
    data = b"".join(snapshots.encode(0x200000003, [b"bo", b"dy"], -2))
    expected = seal(b"ZKSN\0\0\0\x02" + b"\xff" * 8 + b"body")
    expected = seal(expected + bytes.fromhex("0000000200000003 00000002 fffffffffffffffe"))
    assert data == seal(expected + bytes.fromhex("0000000200000003"))


def test_the_pristine_snapshot_is_apache_s() -> None:
    """Apache 3.8 ends it with a digest of zero; the seal before covers the body, so the body is equal."""
    ours = snapshots.HEADER + snapshots.PRISTINE_BODY
    assert seal(ours)[len(ours) :] == APACHE_PRISTINE_ENDING[:13]
    assert snapshots.body_of(ours + APACHE_PRISTINE_ENDING, "snapshot.0") == snapshots.PRISTINE_BODY


@pytest.mark.parametrize("sections", [(), (20,), (8,), (20, 8)])
def test_every_ending_apache_has_written_is_understood(sections: tuple[int, ...]) -> None:
    data = seal(snapshots.HEADER + b"some body\0\0\0\x01/")
    for size in sections:
        data = seal(data + bytes(range(size)))
    assert snapshots.body_of(data, "snapshot.1") == b"some body\0\0\0\x01/"
    assert snapshots.body_of(gzip.compress(data), "snapshot.1.gz") == b"some body\0\0\0\x01/"


@pytest.mark.parametrize("sections", [(), (20,), (8,), (20, 8)])
def test_every_flipped_or_missing_byte_of_a_snapshot_is_noticed(sections: tuple[int, ...]) -> None:
    data = seal(snapshots.HEADER + b"some body\0\0\0\x01/")
    for size in sections:
        data = seal(data + bytes(range(size)))
    for offset in range(len(data)):
        flipped = bytearray(data)
        flipped[offset] ^= 0x10
        with pytest.raises(CorruptionError):
            snapshots.body_of(bytes(flipped), "snapshot.1")
    ends = [len(seal(snapshots.HEADER + b"some body\0\0\0\x01/"))]
    for size in sections:
        ends.append(ends[-1] + size + 13)
    for size in range(len(data)):
        if size not in ends:
            with pytest.raises(CorruptionError):
                snapshots.body_of(data[:size], "snapshot.1")


@pytest.mark.parametrize(
    ("name", "data", "why"),
    [
        ("snapshot.1.snappy", b"\x82SNAPPY", "does not begin as a stream of snappy blocks"),
        ("snapshot.1.gz", b"nothing", "does not decompress"),
        ("snapshot.1", b"ZKLG" + bytes(40), "does not begin"),
        ("snapshot.1", b"", "does not begin"),
    ],
)
def test_what_is_no_snapshot_says_why(name: str, data: bytes, why: str) -> None:
    with pytest.raises(CorruptionError, match=why):
        snapshots.body_of(data, name)


def test_ends_of_entries() -> None:
    added = entries(1, 1, 5, 100)
    data = HEADER + b"".join([encode(payload) for _, payload in added])
    assert end_of(added, added[-1][0]) == len(data)
    assert scan(data[: end_of(added, added[2][0])])[0] == added[:3]
    assert end_of(added, 0) == len(HEADER)


def test_used_bytes_of_any_size() -> None:
    for size in (0, 1, 16383, 16384, 16385, 40000):
        for zeros in (0, 1, 16383, 16384, 16385, 40000):
            assert used_bytes(b"x" * size + bytes(zeros)) == size


def test_a_payload_too_short_to_hold_a_zxid_ends_the_scan() -> None:
    assert scan(HEADER + encode(b"short") + encode(entry(1)[1])) == ([], len(HEADER))
