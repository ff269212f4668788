"""Lines for people to read: one event, one line, with its time."""

from __future__ import annotations

import time


def stamped(text: str) -> str:
    """Return ``text`` behind the local time, with repr-like escapes that keep what a stranger sent on one line."""
    now = time.time()
    stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(now))
    fields = text.split("\t")
    safe = [field if field.isprintable() else field.encode("unicode_escape").decode() for field in fields]
    return f"{stamp}.{int(now % 1 * 1000):03d} " + "\t".join(safe)
