"""The four-letter words."""

from __future__ import annotations

from ensemble import limits
from ensemble.wire import four_letter


def test_the_numbers_of_apache() -> None:
    numbers = {
        "ruok": 1920298859,
        "conf": 1668247142,
        "stat": 1937006964,
        "srvr": 1936881266,
        "mntr": 1835955314,
        "isro": 1769173615,
    }
    assert {word: four_letter.code_of(word) for word in numbers} == numbers


def test_every_word_is_known_and_no_frame_length() -> None:
    for word in four_letter.WORDS:
        assert four_letter.word_of(word.encode() + b"\n") == word
        assert four_letter.code_of(word) > limits.PEER_FRAME_BYTES_MAX


def test_anything_else_is_no_word() -> None:
    for first in (b"", b"ruo", b"RUOK", b"\0\0\0\x2d", b"GET "):
        assert four_letter.word_of(first) is None
