"""Java's properties format, which zoo.cfg is written in: text to keys and values.

Knows nothing of what the keys mean. Source: java.util.Properties.load, as documented in the Java API.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_ESCAPES = {"t": "\t", "n": "\n", "r": "\r", "f": "\f"}
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)
_BLANKS = " \t\f"
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")


def parse(text: str) -> dict[str, str]:
    """Return the keys and values of ``text``; of a repeated key the last value counts, as in Java.

    Values are stripped on both sides, as ZooKeeper does with every value it reads.
    """
    properties = {}
    for _, line in logical_lines(text):
        if line is None:
            continue
        key, value = split(line)
        properties[_unescape(key)] = _unescape(value).strip()
    return properties


def logical_lines(text: str) -> Iterator[tuple[str, str | None]]:
    """Join continued lines (an odd number of backslashes at the end).

    Yields each line as it is written, with its end, and what it says: None for a comment or a blank line.
    """
    raw = pending = ""
    for natural in _LINE.findall(text):
        raw += natural
        line = natural.rstrip("\r\n").lstrip(_BLANKS)
        if not pending and (not line or line[0] in "#!"):
            yield raw, None
            raw = ""
            continue
        backslashes = len(line) - len(line.rstrip("\\"))
        if backslashes % 2:
            pending += line[:-1]
            continue
        yield (raw if raw.endswith(("\r", "\n")) else raw + "\n"), pending + line
        raw = pending = ""
    if raw:
        yield raw + "\n", pending


def split(line: str) -> tuple[str, str]:
    """Split at the first unescaped ``=``, ``:`` or blank; blanks around the separator belong to it."""
    end = 0
    while end < len(line) and line[end] not in "=:" + _BLANKS:
        end += 2 if line[end] == "\\" else 1
    rest = line[end:].lstrip(_BLANKS)
    if rest[:1] in ("=", ":"):
        rest = rest[1:].lstrip(_BLANKS)
    return line[:end], rest


def _unescape(text: str) -> str:
    if "\\" not in text:
        return text

    def replace(match: re.Match[str]) -> str:
        code = match[1]
        return chr(int(code[1:], 16)) if len(code) == 5 else _ESCAPES.get(code, code)

    return _ESCAPE.sub(replace, text)
