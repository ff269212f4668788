"""How ids, times and sizes are written. 64-bit ids stay strings from end to end."""

from __future__ import annotations

from datetime import UTC, datetime

from ensemble import zxid as zxids


def zxid_text(zxid: int | str | None) -> str:
    """Write a zxid as ``epoch:counter``; signed 64-bit values are read as unsigned."""
    return "" if zxid is None else zxids.text(int(zxid) & 0xFFFFFFFFFFFFFFFF)


def zxid_hex(zxid: int | str | None) -> str:
    """Write a zxid as ZooKeeper's own tools do: hex without leading zeros."""
    return "" if zxid is None else f"0x{int(zxid) & 0xFFFFFFFFFFFFFFFF:x}"


def session_short(session: str) -> str:
    """Shorten a session id to what tells it apart: its top byte, which names the server, and its end: ``0x2…7f05``."""
    digits = session.removeprefix("0x").rjust(16, "0")
    return session if len(session) <= 8 else f"0x{digits[:2].lstrip('0')}…{digits[-4:]}"


def duration(ms: float | None) -> str:
    """Write milliseconds in the unit a person would use."""
    if ms is None:
        return ""
    if ms < 1000:
        return f"{ms:.0f} ms" if ms >= 10 else f"{ms:.1f} ms"
    seconds = ms / 1000
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, seconds = divmod(int(seconds), 60)
    if minutes < 60:
        return f"{minutes:02}:{seconds:02}"
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours < 48 else f"{hours // 24} days"


def ago(ms: float) -> str:
    """Write how long ago something was."""
    return "just now" if ms < 1500 else f"{duration(ms)} ago"


def size(count: int | None) -> str:
    """Write a number of bytes."""
    if count is None:
        return ""
    if count < 1024:
        return f"{count} B"
    if count < 1024 * 1024:
        return f"{count / 1024:.1f} KiB"
    return f"{count / 1024 / 1024:.1f} MiB"


def clock_time(wall_s: float) -> str:
    """Write a wall-clock time of today, in UTC, to the second."""
    return datetime.fromtimestamp(wall_s, UTC).strftime("%H:%M:%S")


def event_name(name: str | None) -> str:
    """Write a watch event as clients know it: ``NODE_DATA_CHANGED`` is ``NodeDataChanged``."""
    if not name or not name.isupper():
        return name or ""
    return "".join(part.capitalize() for part in name.split("_"))


def safe_text(text: str) -> str:
    """Make invisible and direction-changing characters of a name visible as code points."""
    if text.isprintable() and text.isascii():
        return text
    return "".join(c if c.isprintable() and not _turns(c) else f"\\u{ord(c):04x}" for c in text)


def _turns(character: str) -> bool:
    return (
        "\u200b" <= character <= "\u200f"
        or "\u202a" <= character <= "\u202e"
        or "\u2060" <= character <= "\u206f"
    )
