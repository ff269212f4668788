"""Names, times and bytes as people read them."""

from __future__ import annotations

from datetime import UTC, datetime

from ensemble.tree.operations import Op

_ACRONYMS = {"ACL", "TTL"}


def op_name(op: int) -> str:
    """Name a transaction's type as Apache's tools do: ``setData``, ``createTTL``."""
    try:
        first, *rest = Op(op).name.split("_")
    except ValueError:
        return f"unknown {op}"
    return first.lower() + "".join(word if word in _ACRONYMS else word.capitalize() for word in rest)


def moment(time_ms: int) -> str:
    """Write a time of a transaction or a znode, in UTC."""
    try:
        return (
            datetime.fromtimestamp(time_ms / 1000, UTC).isoformat(" ", "milliseconds").replace("+00:00", "Z")
        )
    except (OverflowError, ValueError, OSError):
        return f"{time_ms} ms"


def identifier(number: int) -> str:
    """Write a session or a zxid in hexadecimal; 64 bits, without a sign."""
    return f"0x{number & 0xFFFFFFFFFFFFFFFF:x}"


def shown(data: bytes | None) -> str:
    """Show data as text where it is text, else as hexadecimal digits."""
    if not data:
        return ""
    text = data.decode("utf-8", errors="replace")
    return text if text.isprintable() and "\ufffd" not in text else "0x" + data.hex()
