"""The end of a log file: every way a crash can tear the last write, and every byte that can go bad."""

from __future__ import annotations

from itertools import product
from random import Random

import pytest

from ensemble.errors import CorruptionError
from ensemble.storage.records import HEADER, HEADER_BYTES, MAGIC, MARK_BYTES, encode, header, mark, scan
from ensemble.storage.tail import SECTOR_BYTES, batch_start, has_header, judge
from ensemble.zxid import make
from tests.ensemble.storage.harness import Bench, Entry, entries, recovered

NAME = "version-2/log.100000001"


def batch(added: list[Entry]) -> bytes:
    return b"".join([encode(payload) for _, payload in added])


def log_of(*batches: list[Entry], room: int = 4096) -> bytes:
    """Return a file as our server leaves it: only the mark of the last batch is still there."""
    written = [batch(added) for added in batches]
    return HEADER + b"".join(written) + mark(len(written[-1])) + bytes(room)


def read(data: bytes) -> list[Entry]:
    """Return the entries of a file, if what lies behind them is in order."""
    found, end = scan(data)
    judge(data, end, found[-1][0] if found else 0, NAME)
    return found


DURABLE = entries(1, 1, 2, 300)


@pytest.mark.parametrize(
    "shift", [0, 3, 100, 208, 210, 215, 216, 217, 218, 219, 220, 221, 225, 228, 300, 411]
)
@pytest.mark.parametrize("sizes", [(2200,), (40,) * 24, (700, 30, 900), (10, 1500), (512, 512, 512)])
def test_any_sectors_of_the_last_write_may_be_missing(shift: int, sizes: tuple[int, ...]) -> None:
    """The mark of the write before is hit at each of its bytes, as ``shift`` moves it over a sector's edge."""
    durable = [*DURABLE, *entries(1, 3, 3, shift)]
    last = [entries(1, 4 + index, 4 + index, size)[0] for index, size in enumerate(sizes)]
    before = log_of(durable)
    write = batch(last) + mark(len(batch(last)))
    offset = len(before) - 4096 - MARK_BYTES
    sectors = range(offset // SECTOR_BYTES, (offset + len(write) - 1) // SECTOR_BYTES + 1)
    for kept in product((False, True), repeat=len(sectors)):
        data = bytearray(before)
        for sector, persisted in zip(sectors, kept, strict=True):
            start, end = (
                max(offset, sector * SECTOR_BYTES),
                min(offset + len(write), (sector + 1) * SECTOR_BYTES),
            )
            if persisted:
                data[start:end] = write[start - offset : end - offset]
        found = read(bytes(data))
        assert found == (durable + last)[: len(found)]
        assert len(found) >= len(durable)


@pytest.mark.parametrize("room", [0, 4096])
def test_the_last_write_may_be_torn_at_any_byte(room: int) -> None:
    last = entries(1, 3, 5, 150)
    before, after = log_of(DURABLE, room=room), log_of(DURABLE, last, room=0)
    offset = len(before) - room - MARK_BYTES
    for end in range(offset, len(after)):
        data = after[:end] + before[end:]
        found = read(data)
        assert found == (DURABLE + last)[: len(found)]
        assert len(found) >= len(DURABLE)


@pytest.mark.parametrize("masks", [(0x01, 0x80, 0xFF)])
def test_every_flipped_byte_is_noticed_unless_it_is_the_end(masks: tuple[int, ...]) -> None:
    """A flip never yields another transaction, nor the loss of one that was synced before the last."""
    older, last = entries(1, 1, 4, 70), entries(1, 5, 6, 70)
    data = log_of(older, last, room=600)
    noticed = 0
    for offset, mask in product(range(len(data)), masks):
        flipped = bytearray(data)
        flipped[offset] ^= mask
        try:
            if not has_header(bytes(flipped), NAME):
                pytest.fail(f"byte {offset}: the whole file would be dropped")
            found = read(bytes(flipped))
        except CorruptionError:
            noticed += 1
            continue
        assert found == (older + last)[: len(found)], f"byte {offset}"
        if offset < HEADER_BYTES + len(batch(older)):
            assert found == older + last, f"byte {offset}"
        assert len(found) >= len(older)
    # All but the header's unused id, the mark and the zeros behind it.
    assert noticed >= len(masks) * (len(batch(older + last)) - 12)


def test_a_flip_in_the_last_write_is_told_from_a_tear_too() -> None:
    last = entries(1, 3, 4, 70)
    data = bytearray(log_of(DURABLE, last))
    data[HEADER_BYTES + len(batch(DURABLE)) + 40] ^= 1
    with pytest.raises(CorruptionError, match="no crash explains it"):
        read(bytes(data))


@pytest.mark.parametrize("missing", [0, 1, 2])
def test_a_durable_sector_that_reads_as_zeros_is_corruption(missing: int) -> None:
    older = entries(1, 1, 20, 100)
    data = bytearray(log_of(older, entries(1, 21, 22)))
    start = (missing + 1) * SECTOR_BYTES
    data[start : start + SECTOR_BYTES] = bytes(SECTOR_BYTES)
    with pytest.raises(CorruptionError, match="restore the file"):
        read(bytes(data))


# -- files of Apache's, which have no mark -------------------------------------------------------------------


def apache_log(added: list[Entry], room: int = 4096) -> bytes:
    return HEADER + batch(added) + bytes(room)


@pytest.mark.parametrize("room", [0, 4096])
def test_apache_torn_last_entry_is_dropped(room: int) -> None:
    added = entries(1, 1, 4, 100)
    whole = HEADER + batch(added)
    start = HEADER_BYTES + len(batch(added[:3]))
    for end in range(start, len(whole)):
        assert read(whole[:end] + bytes(room)) == added[:3]


def test_apache_flip_in_the_middle_is_corruption() -> None:
    added = entries(1, 1, 4, 100)
    data = apache_log(added)
    for offset in range(HEADER_BYTES, HEADER_BYTES + len(batch(added[:3]))):
        flipped = bytearray(data)
        flipped[offset] ^= 0x41
        with pytest.raises(CorruptionError):
            read(bytes(flipped))


def test_a_gap_within_a_file_is_corruption() -> None:
    with pytest.raises(CorruptionError, match="behind transaction 1:2"):
        read(apache_log([*entries(1, 1, 2), *entries(1, 4, 5)]))


# -- headers -------------------------------------------------------------------------------------------------


def test_a_torn_header_means_an_empty_file() -> None:
    written = header(make(7, 9))
    for size in range(HEADER_BYTES):
        assert not has_header(written[:size], NAME)
    for size in range(len(MAGIC)):
        assert not has_header(written[:size] + bytes(100), NAME)
    assert has_header(written, NAME)
    assert has_header(HEADER, NAME)


def test_another_beginning_is_corruption() -> None:
    with pytest.raises(CorruptionError, match="does not begin"):
        has_header(b"ZKSN" + HEADER[4:] + b"x", NAME)


def test_the_mark_tells_where_the_last_write_began() -> None:
    data = log_of(DURABLE, entries(1, 3, 4))
    _, end = scan(data)
    assert batch_start(data, end) == HEADER_BYTES + len(batch(DURABLE))
    assert batch_start(apache_log(DURABLE), HEADER_BYTES + len(batch(DURABLE))) is None


def test_what_was_torn_is_gone_from_the_file_after_opening() -> None:
    """A shorter write over the remains of a longer one must not bring their end back to life."""
    for seed in range(40):
        bench = Bench(seed)
        store = bench.open()
        bench.synced(store, DURABLE)
        for zxid, payload in entries(1, 3, 9, 400):
            store.append(zxid, payload)
        store.sync(lambda: None)
        bench.log.names("version-2")
        bench.crash(Random(seed))
        store = bench.open()
        history = recovered(store)
        _, end = scan(bench.log.content()[NAME])
        assert len(bench.log.content()[NAME]) == end + MARK_BYTES
        added = entries(2, 1, 1)
        bench.synced(store, added)
        assert recovered(bench.open()) == history + added
