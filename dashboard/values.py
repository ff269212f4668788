"""A znode's bytes as JSON, text or hex. Pure: bytes in, lines out.

A view never guesses silently: each says whether it can show the bytes, and a long value says where it was cut.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

VIEWS = ("json", "text", "hex")
SHOWN_BYTES_MAX = 64 * 1024
"""Beyond it a value is cut on the page (and can be downloaded whole)."""
JSON_BYTES_MAX = 256 * 1024
LINES_MAX = 1000
"""Lines on the page: one short line of JSON may be tens of thousands when it is laid out, and freeze a browser."""
HEX_BYTES_MAX = 16 * LINES_MAX

Line = list[tuple[str, str]]
"""The pieces of a line: class (``key``, ``str``, ``num``, ``lit`` or empty) and text."""


@dataclass(frozen=True, slots=True)
class Value:
    """One way of looking at some bytes."""

    view: str
    lines: list[Line]
    shown: int
    total: int
    possible: dict[str, bool]
    lines_total: int
    """Lines that the bytes shown would be; no more than LINES_MAX of them are in ``lines``."""

    @property
    def cut(self) -> str:
        """What is shown when that is not all: ``The first 1,000 of 20,402 lines``; else empty."""
        if len(self.lines) < self.lines_total:
            of_them = f" of {self.lines_total:,}" if self.shown == self.total else ""
            return f"The first {len(self.lines):,}{of_them} lines"
        return f"The first {self.shown:,} of {self.total:,} bytes" if self.shown < self.total else ""


def look(data: bytes, view: str | None) -> Value:
    """Return ``data`` in the wished view, or in the first of JSON, text, hex that can show it."""
    text = _decode(data)
    pretty = _pretty(data, text)
    possible = {"json": pretty is not None, "text": text is not None, "hex": True}
    if view not in VIEWS or not possible[view]:
        view = next(name for name in VIEWS if possible[name])
    if view == "json" and pretty is not None:
        return Value(view, pretty[:LINES_MAX], len(data), len(data), possible, len(pretty))
    shown = data[: SHOWN_BYTES_MAX if view == "text" else HEX_BYTES_MAX]
    written = shown.decode("utf-8", "ignore").split("\n") if view == "text" else hex_lines(shown)
    lines: list[Line] = [[("", line)] for line in written[:LINES_MAX]]
    return Value(view, lines, len(shown), len(data), possible, len(written))


def hex_lines(data: bytes) -> list[str]:
    """Return the classic dump: offset, sixteen bytes in pairs, what of them is printable ASCII."""
    lines = []
    for offset in range(0, len(data), 16):
        row = data[offset : offset + 16]
        printable = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in row)
        lines.append(f"{offset:04x}  {row[:8].hex(' ', -2):<19}  {row[8:].hex(' ', -2):<19}  {printable}")
    return lines


def editable(data: bytes) -> str | None:
    """Return the text an editor may start from, or ``None`` when editing as text would change the bytes."""
    text = _decode(data)
    # Browsers send text areas with CRLF ends; a value that holds a CR would not come back as it was.
    return None if text is None or "\r" in text or "\x00" in text else text


def _decode(data: bytes) -> str | None:
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return None
    controls = sum(1 for c in text if ord(c) < 0x20 and c not in "\t\n\r")
    return None if controls else text


class _Number(str):
    """A JSON number exactly as it was written: a 64-bit id must not go through a float."""

    __slots__ = ()


class _Object(list[tuple[str, Any]]):
    """A JSON object as its pairs, so that a repeated key is seen."""


def _pretty(data: bytes, text: str | None) -> list[Line] | None:
    if text is None or len(data) > JSON_BYTES_MAX or text.lstrip()[:1] not in ("{", "["):
        return None
    try:
        parsed = json.loads(text, parse_float=_Number, parse_int=_Number, object_pairs_hook=_Object)
        lines: list[Line] = [[]]
        _write(parsed, 0, lines)
    except (ValueError, RecursionError):
        return None
    return lines


def _write(value: Any, depth: int, lines: list[Line]) -> None:
    """Append a parsed value to ``lines``, the last of which is begun."""
    if isinstance(value, _Object | list):
        opening, closing = "{}" if isinstance(value, _Object) else "[]"
        lines[-1].append(("", opening if value else opening + closing))
        for index, item in enumerate(value):
            lines.append([("", "  " * (depth + 1))])
            if isinstance(value, _Object):
                key, item = item
                lines[-1] += [("key", json.dumps(key, ensure_ascii=False)), ("", ": ")]
            _write(item, depth + 1, lines)
            if index < len(value) - 1:
                lines[-1].append(("", ","))
        if value:
            lines.append([("", "  " * depth + closing)])
    elif isinstance(value, _Number):
        lines[-1].append(("num", str(value)))
    else:
        lines[-1].append(("str" if isinstance(value, str) else "lit", json.dumps(value, ensure_ascii=False)))
