"""Compressed snapshots: the two framings, and a store that writes and reads them."""

from __future__ import annotations

import gzip
from struct import pack

import cramjam
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ensemble.errors import CorruptionError
from ensemble.storage import snapshots
from ensemble.storage.compression import compress, decompress
from ensemble.storage.settings import StorageSettings
from ensemble.zxid import make
from tests.ensemble.storage.harness import Bench, body_of, entries, recovered
from tests.fuzz.drive import measured

SNAPPY_HEAD = b"\x82SNAPPY\0" + pack(">ii", 1, 1)


@given(
    st.lists(st.binary(max_size=300) | st.just(bytes(40_000)), max_size=6),
    st.sampled_from(["", "gz", "snappy"]),
)
def test_what_was_compressed_comes_back(chunks: list[bytes], method: str) -> None:
    data = b"".join(compress(chunks, method))
    assert decompress(data, f"snapshot.5.{method}") == b"".join(chunks)


def test_gz_is_gzip_and_snappy_is_blocks_behind_a_head() -> None:
    content = bytes(range(256)) * 300
    assert gzip.decompress(b"".join(compress([content], "gz"))) == content
    data = b"".join(compress([content[:1000], content[1000:]], "snappy"))
    assert data.startswith(SNAPPY_HEAD)
    size = int.from_bytes(data[16:20], "big")
    assert bytes(cramjam.snappy.decompress_raw(data[20 : 20 + size])) == content[: 32 * 1024]


def test_joined_snappy_streams_are_one() -> None:
    both = b"".join(compress([b"one, "], "snappy")) + b"".join(compress([b"two"], "snappy"))
    assert decompress(both, "snapshot.5.snappy") == b"one, two"


@pytest.mark.parametrize("method", ["gz", "snappy"])
def test_a_torn_or_garbled_file_is_noticed(method: str) -> None:
    name = f"snapshot.5.{method}"
    settings = StorageSettings(compression=method)
    data = b"".join(snapshots.encode(5, [body_of(entries(1, 1, 30))], 7, settings))
    assert snapshots.body_of(data, name) == body_of(entries(1, 1, 30))
    for size in range(len(data)):
        with pytest.raises(CorruptionError, match=r"snapshot\.5"):
            snapshots.body_of(data[:size], name)
    caught = 0
    for offset in range(len(data)):
        flipped = bytearray(data)
        flipped[offset] ^= 0x10
        try:
            # Versions and times in the heads are read by nobody.
            assert snapshots.body_of(bytes(flipped), name) == body_of(entries(1, 1, 30))
        except CorruptionError:
            caught += 1
    assert caught > len(data) - 30


def test_a_bomb_is_refused_before_it_is_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ensemble.storage.compression.SNAPSHOT_BYTES_MAX", 100_000)
    bomb = gzip.compress(bytes(50_000_000))
    with pytest.raises(
        CorruptionError, match=r"snapshot\.5\.gz is more than \d+ bytes when it is decompressed"
    ):
        measured(lambda data: decompress(data, "snapshot.5.gz"), bomb, 4_000_000)
    # Below the limit anything goes, and what compresses as snapshots do is read at any size.
    assert decompress(gzip.compress(bytes(100_000)), "snapshot.5.gz") == bytes(100_000)
    honest = b"".join([b"%032x" % (number * 2654435761) for number in range(10_000)])
    assert decompress(gzip.compress(honest), "snapshot.5.gz") == honest


def test_a_block_that_claims_more_than_it_holds_is_refused_before_there_is_room_for_it() -> None:
    for claim in (b"\xff\xff\xff\xff\x0f", b"\x80\x80\x04"):
        block = claim + b"\0a"
        data = SNAPPY_HEAD + pack(">i", len(block)) + block
        with pytest.raises(
            CorruptionError, match="has a block at 20 that claims more bytes than it can hold"
        ):
            decompress(data, "snapshot.5.snappy")
    zeros = bytes(1 << 20)
    assert decompress(b"".join(compress([zeros], "snappy")), "snapshot.5.snappy") == zeros


@pytest.mark.parametrize("method", ["", "gz", "snappy"])
def test_a_store_goes_on_whatever_its_snapshots_are_compressed_by(method: str) -> None:
    bench = Bench()
    history = entries(1, 1, 9)
    store = bench.open()
    bench.synced(store, history[:3])
    bench.snapshot(store, history[:3])
    bench.settings = StorageSettings(compression=method)
    store = bench.open()
    bench.synced(store, history[3:6])
    bench.snapshot(store, history[:6])
    suffix = f".{method}" if method else ""
    assert f"snapshot.{make(1, 6):x}{suffix}" in bench.data.names("version-2")
    bench.synced(store, history[6:])
    bench.settings = StorageSettings()
    assert recovered(bench.open()) == history


def test_two_snapshots_of_one_zxid_end_together() -> None:
    """Apache's server takes one at each start, and the method may have changed."""
    bench = Bench()
    history = entries(1, 1, 9)
    store = bench.open()
    bench.synced(store, history[:3])
    bench.snapshot(store, history[:3])
    bench.synced(store, history[3:6])
    bench.snapshot(store, history[:6])
    plain = f"version-2/snapshot.{make(1, 6):x}"
    content = b"".join(compress([bench.data.read(plain)], "gz"))
    bench.data.write_atomic(f"{plain}.gz", content)
    bench.data.write_atomic(f"{plain}.snappy", b"torn")
    store = bench.open()
    assert recovered(store) == history[:6]
    store.truncate(make(1, 5))
    assert [name for name in bench.data.names("version-2") if "snapshot" in name] == [
        "snapshot.0",
        f"snapshot.{make(1, 3):x}",
    ]
    assert recovered(bench.open()) == history[:5]


def test_a_bad_compressed_snapshot_gives_way_to_the_one_before() -> None:
    bench = Bench(settings=StorageSettings(compression="gz"))
    history = entries(1, 1, 9)
    store = bench.open()
    bench.synced(store, history[:3])
    bench.snapshot(store, history[:3])
    bench.synced(store, history[3:])
    bench.snapshot(store, history)
    name = f"version-2/snapshot.{make(1, 9):x}.gz"
    bench.data.write_atomic(name, bench.data.read(name)[:-20])
    assert recovered(bench.open()) == history


def test_an_installed_snapshot_is_compressed_too_and_survives_a_crash_on_the_way() -> None:
    bench = Bench(settings=StorageSettings(compression="snappy"))
    store = bench.open()
    bench.synced(store, entries(1, 1, 3))
    history = entries(2, 1, 5)
    store.install_snapshot(history[-1][0], body_of(history), 4)
    assert [name for name in bench.data.names("version-2") if "snapshot" in name] == [
        f"snapshot.{make(2, 5):x}.snappy"
    ]
    assert recovered(bench.open()) == history
