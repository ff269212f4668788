"""A log that does not say the same thing over and over."""

from __future__ import annotations

from ensemble.quiet_log import ALIKE_MAX, KINDS_MAX, WINDOW_US, QuietLog


class Said:
    """A log, and the time it is."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.now_us = 0
        self.log = QuietLog(self.lines.append, lambda: self.now_us)


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
