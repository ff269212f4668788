"""Reading is bounded by the bytes present; writing and reading agree."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ensemble import jute
from ensemble.errors import WireError
from ensemble.jute import Reader


@given(st.binary() | st.none())
def test_buffers_round_trip(value: bytes | None):
    reader = Reader(jute.pack_bytes(value))
    assert reader.optional_bytes() == value
    reader.finish()


@given(st.text() | st.none())
def test_strings_round_trip(value: str | None):
    reader = Reader(jute.pack_string(value))
    assert reader.optional_string() == value
    reader.finish()


def test_java_writes_supplementary_characters_as_surrogate_pairs():
    assert jute.decode_text(b"\xed\xa0\xbd\xed\xb8\x80") == "\U0001f600"
    assert jute.decode_text("\U0001f600".encode()) == "\U0001f600"


@pytest.mark.parametrize("raw", [b"\xff", b"\xc0\x80", b"\xed\xa0\xbd", b"\xed\xb8\x80\xed\xa0\xbd"])
def test_broken_text_is_a_wire_error(raw: bytes):
    with pytest.raises(WireError):
        jute.decode_text(raw)


@pytest.mark.parametrize("length", [-2, -(2**31), 1, 2**31 - 1])
def test_a_length_beyond_the_bytes_is_refused(length: int):
    with pytest.raises(WireError):
        Reader(jute.pack_int(length)).optional_bytes()


@pytest.mark.parametrize(("count", "size"), [(3, 1), (-2, 1), (2**31 - 1, 1), (1, 3)])
def test_a_count_beyond_the_bytes_is_refused(count: int, size: int):
    with pytest.raises(WireError):
        Reader(jute.pack_int(count) + b"xx").count(size)


def test_a_count_within_the_bytes_is_accepted():
    assert Reader(jute.pack_int(2) + b"xx").count(1) == 2
    assert Reader(jute.pack_int(-1)).count(1) == -1


@given(st.binary(max_size=40))
def test_whatever_the_bytes_only_wire_errors_come_out(raw: bytes):
    for read in (Reader.bool, Reader.int, Reader.long, Reader.optional_bytes, Reader.string):
        reader = Reader(raw)
        try:
            read(reader)
        except WireError:
            continue
        assert 0 <= reader.offset <= len(raw)


def test_leftovers_are_an_error():
    reader = Reader(b"x")
    with pytest.raises(WireError, match="left over"):
        reader.finish()
    assert reader.rest() == b"x"
    reader.finish()
