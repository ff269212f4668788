"""Sessions: their ids, their passwords, and when they expire.

Nothing here reads a clock: the time comes in as ``now_ms``, on any scale that does not go back.
"""

from __future__ import annotations

from ensemble.limits import SESSION_PASSWORD_BYTES
from ensemble.tree.owner import CONTAINER, is_ttl

_SECRET = 0xB3415C00
"""Apache's ``superSecret``: with it a session's password follows from its id, on every server."""

_MULTIPLIER = 0x5DEECE66D
_ADDEND = 0xB
_MASK = (1 << 48) - 1
_BEYOND_TTLS = 1 << 40


def password_of(session_id: int) -> bytes:
    """Return the password of a session, 16 bytes.

    They are those of ``java.util.Random(id ^ secret).nextBytes``, so a session may move between our servers
    and Apache's, and nobody needs to store it.
    """
    state = ((session_id ^ _SECRET) ^ _MULTIPLIER) & _MASK
    password = b""
    while len(password) < SESSION_PASSWORD_BYTES:
        state = (state * _MULTIPLIER + _ADDEND) & _MASK
        password += (state >> 16).to_bytes(4, "little")
    return password


def first_session_id(sid: int, monotonic_ms: int) -> int:
    """Return the first session id that server ``sid`` gives out; the next ones count up from it.

    The server is in the top byte and the time in the next five (Apache's initializeNextSessionId), so
    neither another server nor this one after a restart gives out the same. Signed, as ids are in jute.
    What could be taken for the owner of a TTL znode is passed over.
    """
    unsigned = ((monotonic_ms << 24 & 0xFFFFFFFFFFFFFFFF) >> 8) | (sid & 0xFF) << 56
    signed = unsigned - (1 << 64) if unsigned >> 63 else unsigned
    if is_ttl(signed):
        return signed + _BEYOND_TTLS
    return signed + 1 if signed == CONTAINER else signed


class ExpiryQueue:
    """When each session expires unless it is heard of before; kept by the leader.

    Sessions are kept in buckets, one for each tick: a deadline is the next tick boundary after now and the
    timeout (Apache's ExpiryQueue), so a session lives at least its timeout and at most one tick longer, and
    most touches find their session in the right bucket already.
    """

    __slots__ = ("_buckets", "_deadlines", "_stalled_ms", "_tick_ms")

    def __init__(self, tick_ms: int) -> None:
        self._tick_ms = tick_ms
        self._deadlines: dict[int, int] = {}
        self._buckets: dict[int, dict[int, None]] = {}
        self._stalled_ms = 0

    def __len__(self) -> int:
        return len(self._deadlines)

    def __contains__(self, session_id: int) -> bool:
        return session_id in self._deadlines

    def touch(self, session_id: int, timeout_ms: int, now_ms: int) -> None:
        """Note that a session, new or known, is alive."""
        tick_ms = self._tick_ms
        deadline = ((now_ms - self._stalled_ms + timeout_ms) // tick_ms + 1) * tick_ms
        before = self._deadlines.get(session_id)
        if before == deadline:
            return
        if before is not None:
            self._take_out(session_id, before)
        self._deadlines[session_id] = deadline
        self._buckets.setdefault(deadline, {})[session_id] = None

    def remove(self, session_id: int) -> None:
        """Forget a session; harmless when it is not known."""
        deadline = self._deadlines.pop(session_id, None)
        if deadline is not None:
            self._take_out(session_id, deadline)

    def expired(self, now_ms: int) -> list[int]:
        """Return and forget the sessions whose deadline has come, the earliest first."""
        now = now_ms - self._stalled_ms
        sessions: list[int] = []
        for deadline in sorted([deadline for deadline in self._buckets if deadline <= now]):
            sessions += self._buckets.pop(deadline)
        for session_id in sessions:
            del self._deadlines[session_id]
        return sessions

    def remaining(self, session_id: int, now_ms: int) -> int | None:
        """Return how many milliseconds a session has left; None when it is not known."""
        deadline = self._deadlines.get(session_id)
        return None if deadline is None else max(0, deadline + self._stalled_ms - now_ms)

    def postpone(self, stalled_ms: int) -> None:
        """Give every session ``stalled_ms`` more, because this server could not have heard of it."""
        self._stalled_ms += stalled_ms

    def _take_out(self, session_id: int, deadline: int) -> None:
        bucket = self._buckets[deadline]
        del bucket[session_id]
        if not bucket:
            del self._buckets[deadline]
