"""The warden of quotas: what the leader does about a write that goes beyond one.

A hard limit refuses the write where ``enforceQuota`` is set; any other limit that is passed is worth a line in
the log, though not one for each write. A write is judged by what is used in the applied tree, as by Apache:
writes that are on their way together, and the parts of a multi, may pass a limit together.

Limits that cannot be read allow nothing where limits are enforced: what fits somebody wanted to bound. Apache looks at
soft limits only where hard ones are enforced.
"""

from __future__ import annotations

from collections.abc import Callable

from ensemble.errors import Code, KeeperError
from ensemble.tree import quotas
from ensemble.tree.quotas import BYTES, BYTES_HARD, COUNT, COUNT_HARD, UNLIMITED
from ensemble.tree.znodes import Znodes

LINE_EVERY_MS = 10_000
"""So long a quota's excess is not mentioned again."""


class Warden:
    """Judges writes by the quotas above them; outlives the terms of a leader."""

    def __init__(
        self,
        *,
        enforce: bool,
        refusals: dict[str, int],
        log: Callable[[str], None],
        now_ms: Callable[[], int],
    ) -> None:
        """``refusals`` counts, by namespace, the writes that are refused."""
        self._enforce = enforce
        self._refusals = refusals
        self._log = log
        self._now_ms = now_ms
        self._told_ms: dict[str, int] = {}

    def judge(self, tree: Znodes, path: str, data_bytes: int, count: int) -> None:
        """Raise ``KeeperError(QUOTA_EXCEEDED)`` when a write may not add so many bytes and znodes, or, for limits that
        cannot be read, ``KeeperError(MARSHALLING_ERROR)``: Apache's code, since to it that is an exception."""
        real = quotas.quota_above(tree, path)
        if real is None:
            return
        allowed = quotas.figures_at(tree, quotas.limits_path(real))
        if allowed is None and self._enforce:
            where = quotas.limits_path(real)
            self._tell(
                real, f"writes below {real} are refused: the limits at {where} cannot be read; set them anew"
            )
            raise KeeperError(Code.MARSHALLING_ERROR, path)
        used = quotas.figures_at(tree, quotas.stats_path(real))
        if not allowed or used is None:
            return
        if count:
            self._judge(path, real, COUNT, allowed, COUNT_HARD, used.get(COUNT, UNLIMITED) + count)
        if data_bytes:
            self._judge(path, real, BYTES, allowed, BYTES_HARD, used.get(BYTES, UNLIMITED) + data_bytes)

    def _judge(self, path: str, real: str, soft: str, allowed: dict[str, int], hard: str, used: int) -> None:
        limit = quotas.limit_of(allowed, soft, hard)
        if limit == UNLIMITED or used <= limit:
            return
        is_hard = allowed.get(hard, UNLIMITED) > UNLIMITED
        self._tell(
            real, f"quota of {real}: {soft}={used}, over the {'hard' if is_hard else 'soft'} limit {limit}"
        )
        if is_hard and self._enforce:
            namespace = quotas.namespace_of(path)
            self._refusals[namespace] = self._refusals.get(namespace, 0) + 1
            raise KeeperError(Code.QUOTA_EXCEEDED, path)

    def _tell(self, real: str, line: str) -> None:
        now = self._now_ms()
        told = self._told_ms
        if real in told and now - told[real] < LINE_EVERY_MS:
            return
        for each in [each for each, at in told.items() if now - at >= LINE_EVERY_MS]:
            del told[each]
        told[real] = now
        self._log(line)
