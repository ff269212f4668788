"""A log that does not say the same thing over and over."""

from __future__ import annotations

from ensemble.quiet_log import (
    ALIKE_MAX,
    EACH_US,
    KINDS_MAX,
    STRANGERS_MAX,
    UNLIKE_MAX,
    WINDOW_US,
    QuietLog,
    Remarks,
)


class Said:
    """A log, and the time it is."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.now_us = 0
        self.log = QuietLog(self.lines.append, lambda: self.now_us)
        self.remarks = Remarks(self.lines.append, lambda: self.now_us)


def test_lines_that_differ_in_figures_only_are_alike() -> None:
    said = Said()
    for port in range(ALIKE_MAX + 5):
        said.log(f"client 10.0.0.1:{40000 + port} is cut off: a frame of {port} bytes, session {port:#x}")
    assert len(said.lines) == ALIKE_MAX
    said.log("something else happens")
    assert said.lines[-1] == "something else happens"


def test_what_was_left_out_is_said_with_the_next_that_passes() -> None:
    said = Said()
    for number in range(ALIKE_MAX + 5):
        said.log(f"line {number}")
    said.now_us += WINDOW_US
    said.log("line 99")
    assert said.lines[ALIKE_MAX:] == ["5 more lines were left out like: line 0", "line 99"]


def test_what_was_left_out_is_said_at_the_end() -> None:
    said = Said()
    for number in range(ALIKE_MAX + 1):
        said.log(f"line {number}")
    said.log.close()
    assert said.lines[-1] == "1 more lines were left out like: line 0"


def test_few_kinds_are_kept_in_mind() -> None:
    said = Said()
    words = [chr(ord("g") + number % 20) * (number // 20 + 1) for number in range(KINDS_MAX + 1)]
    for _ in range(ALIKE_MAX + 1):
        said.log(words[0])
    for word in words[1:]:
        said.log(word)
    assert f"1 more lines were left out like: {words[0]}" in said.lines
    said.log(words[0])
    assert said.lines[-1] == words[0]


def test_lines_of_one_kind_are_alike_whatever_they_say() -> None:
    said = Said()
    said.log = QuietLog(said.lines.append, lambda: said.now_us, alike_max=1)
    for word in ("one", "two", "three"):
        said.log.say("cut off", f"a client is cut off, it said {word}")
    said.log.say("refused", "a client is refused")
    assert said.lines == ["a client is cut off, it said one", "a client is refused"]
    said.now_us += WINDOW_US
    said.log.say("cut off", "a client is cut off, it said four")
    assert said.lines[2:] == [
        "2 more lines were left out like: a client is cut off, it said one",
        "a client is cut off, it said four",
    ]


def test_of_each_stranger_a_line_a_minute_passes_and_none_hides_another() -> None:
    said = Said()
    for port in range(100):
        said.remarks.say("cut off", "10.0.0.1", f"client 10.0.0.1:{port} is cut off")
    said.remarks.say("cut off", "10.0.0.2", "client 10.0.0.2:1 is cut off")
    said.remarks.say("refused", "10.0.0.1", "client 10.0.0.1 is refused")
    assert said.lines == [
        "client 10.0.0.1:0 is cut off", "client 10.0.0.2:1 is cut off", "client 10.0.0.1 is refused"
    ]  # fmt: skip
    said.now_us += EACH_US - 1
    said.remarks.say("cut off", "10.0.0.1", "client 10.0.0.1:100 is cut off")
    assert len(said.lines) == 3
    said.now_us += 1
    said.remarks.say("cut off", "10.0.0.1", "client 10.0.0.1:101 is cut off")
    assert said.lines[3:] == ["client 10.0.0.1:101 is cut off (and 100 times before)"]


def test_of_a_stranger_that_errs_in_other_ways_some_more_lines_pass() -> None:
    said = Said()
    said.remarks.say("tls", "10.0.0.1", "10.0.0.1 shows no certificate")
    said.remarks.say("tls", "10.0.0.1", "10.0.0.1 does not speak TLS")
    assert len(said.lines) == 2
    for number in range(UNLIKE_MAX):
        said.remarks.say("tls", "10.0.0.1", f"10.0.0.1 says {'x' * number}")
    assert len(said.lines) == UNLIKE_MAX


def test_strangers_without_number_fill_neither_log_nor_memory() -> None:
    said = Said()
    for number in range(STRANGERS_MAX + 100):
        said.remarks.say("cut off", f"2001:db8::{number:x}", f"it says {'x' * number}")
    assert len(said.lines) == ALIKE_MAX
    assert len(said.remarks._said) == STRANGERS_MAX
