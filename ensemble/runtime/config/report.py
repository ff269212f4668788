"""What a configuration comes to, for the operator: every key with its value in force and where it was written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ensemble.runtime.config.keys import Effect, effect_of
from ensemble.runtime.config.values import Values, shown

DEFAULT = "default"
_REMARKS = {
    Effect.IRRELEVANT: "tunes the Java server; nothing here it could mean",
    Effect.WITHOUT: "this server does not have that feature",
    Effect.UNKNOWN: "not a key this server knows",
}


@dataclass(frozen=True, slots=True)
class Line:
    """One key: the value in force, where it is from, and a remark when it does nothing."""

    key: str
    value: str
    origin: str
    remark: str = ""


def lines(values: Values) -> Iterator[Line]:
    """Yield a line for every key that was written or has a default, by name; what does nothing comes last."""
    silent = []
    for key in sorted({*values.keys, *values.effective}, key=str.lower):
        effect = effect_of(key)
        origin = values.origins.get(key, DEFAULT)
        if effect is Effect.USED or key in values.effective:
            yield Line(key, values.effective.get(key, shown(key, values.keys.get(key, ""))), origin)
        else:
            silent.append(Line(key, shown(key, values.keys[key]), origin, _REMARKS[effect]))
    yield from silent
