"""Tells whether two servers did the same: what must differ is made alike, the rest is compared step by step.

Transaction numbers become their ranks, sessions the order of their appearance, times disappear. ``known``
differences, each with its reason, belong to the test; here they are only applied.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum
from typing import Any, NamedTuple

from tests.differential.runner import Password, Seen, Session, Time, Zxid
from tests.differential.steps import BASE, FIXED_STEPS, SPECIAL, Ask, Connect, Raw, Request, Step

Trace = list[list[Seen]]
Play = Callable[[list[Step]], tuple[Trace, Trace]]
"""Plays a script against Apache's server and ours, each in an empty place."""


class Verdict(Enum):
    """What a known difference means for the rest of the script."""

    SAME = "same"
    """Nothing: go on as though both had answered alike."""
    STOP = "stop"
    """The servers' states are different from here on."""


class Known(NamedTuple):
    """A difference that is to be, with the reason and where it can be looked up."""

    name: str
    reason: str
    applies: Callable[[Request | None, Seen, Seen], Verdict | None]
    """Judges one thing seen that differs: (the request it answers, or comes before the answer of, Apache's, ours)."""


class Difference(NamedTuple):
    """The first step at which two servers part."""

    at: int
    step: Step
    apache: list[Seen]
    ours: list[Seen]

    def __str__(self) -> str:
        lines = [f"step {self.at}: {describe(self.step)}", "  Apache:"]
        lines += [f"    {seen}" for seen in self.apache]
        lines.append("  ours:")
        lines += [f"    {seen}" for seen in self.ours]
        return "\n".join(lines)


def describe(step: Step) -> str:
    """Say what a step does, for a report."""
    if isinstance(step, Ask):
        return f"client {step.client}: " + " | ".join([request.text for request in step.requests])
    if isinstance(step, Connect):
        return f"client {step.client}: connect ({step.how.value}), {step.timeout_ms} ms, read-only {step.read_only}"
    if isinstance(step, Raw):
        return f"client {step.client}: bytes {step.data.hex()}"
    return f"client {step.client}: hang up"


class _Namer:
    """Gives zxids and sessions names that do not depend on the server."""

    def __init__(self, trace: Trace) -> None:
        zxids: set[int] = set()
        self._sessions: dict[int, str] = {0: "none"}
        for seen in trace:
            for each in seen:
                self._collect(each, zxids)
        self._ranks = {zxid: rank for rank, zxid in enumerate(sorted(zxids), 1)}

    def _collect(self, value: Any, zxids: set[int]) -> None:
        if isinstance(value, tuple | list):
            for each in value:
                self._collect(each, zxids)
        elif isinstance(value, Zxid) and value > 0:
            zxids.add(value)
        elif isinstance(value, Session):
            self._sessions.setdefault(value, f"session {len(self._sessions)}")

    def name(self, value: Any) -> Any:
        if isinstance(value, tuple | list):
            return type(value)([self.name(each) for each in value])
        if isinstance(value, Zxid):
            return f"zxid {self._ranks.get(value, int(value))}"
        if isinstance(value, Session):
            return self._sessions[value]
        if isinstance(value, Time):
            return "a time" if value else "no time"
        if isinstance(value, Password):
            return f"{'a' if any(value) else 'no'} password of {len(value)}"
        return value


def normalise(script: Sequence[Step], trace: Trace) -> Trace:
    """Return ``trace`` without what differs between any two servers."""
    bare = [_bare(step, seen) for step, seen in zip(script, trace, strict=True)]
    namer = _Namer(bare)
    return [namer.name(seen) for seen in bare]


def _bare(step: Step, seen: list[Seen]) -> list[Seen]:
    """Take out of a step what depends on other scripts or on the order of a set."""
    bare = [_without_others(step, each) for each in seen]
    # The znodes of a session that ends are deleted in the order of a set.
    runs = isinstance(step, Ask) and any(request.text.endswith("CLOSE_SESSION") for request in step.requests)
    if runs or isinstance(step, Connect):
        bare.sort(key=lambda each: (each[0], each[1] != "event", repr(each) if each[1] == "event" else ""))
    return bare


def _without_others(step: Step, seen: Seen) -> Seen:
    if seen[1] == "event":
        # Apache before 3.9.0 sends -1 (ZOOKEEPER-4655).
        return (*seen[:2], "any zxid", *seen[3:])
    if seen[1] != "reply" or not isinstance(step, Ask):
        return seen
    return (*seen[:-1], _special(seen[-1]) if _is_about_special(step, seen) else seen[-1])


def _is_about_special(step: Ask, seen: Seen) -> bool:
    return any(request.op == seen[3] and _mentions_special(request.text) for request in step.requests)


def _mentions_special(text: str) -> bool:
    # Apache takes an empty path for the root; a spoilt byte may shorten any path to that.
    return text.startswith("byte:") or any(f"'{path}'" in text for path in (*SPECIAL, ""))


def _special(value: Any) -> Any:
    """Mask what other scripts have done to znodes outside ``BASE``."""
    if isinstance(value, tuple) and value and value[0] == "stat":
        return (
            "stat",
            *[type(each)(0) if isinstance(each, Zxid | Time) else each for each in value[1:6]],
            0,
            *value[7:10],
            0,
            0,
        )
    if isinstance(value, list):
        return [each for each in value if not _is_other(each)]
    if isinstance(value, tuple):
        return tuple([_special(each) for each in value])
    return value


def _is_other(name: Any) -> bool:
    return isinstance(name, str) and len(name) >= len(BASE) - 1 and name[0] == "d" and name[1:].isdigit()


def first_difference(
    script: list[Step], apache: Trace, ours: Trace, known: Sequence[Known], used: dict[str, int] | None = None
) -> Difference | None:
    """Return where the traces part, but for known differences; count those in ``used``."""
    if normalise(script, apache) == normalise(script, ours):
        return None
    apache, ours = list(apache), list(ours)
    for at, step in enumerate(script):
        # Only what was seen so far gives the ranks: a later number must not change an earlier one.
        head = script[: at + 1]
        theirs, mine = normalise(head, apache[: at + 1])[at], normalise(head, ours[: at + 1])[at]
        if theirs == mine:
            continue
        verdict = _judge(step, theirs, mine, known, used)
        if verdict is None:
            return Difference(at, step, theirs, mine)
        if verdict is Verdict.STOP:
            return None
        apache[at] = ours[at] = []
    return None


def _judge(
    step: Step, theirs: list[Seen], mine: list[Seen], known: Sequence[Known], used: dict[str, int] | None
) -> Verdict | None:
    """Judge a step that differs, one thing seen after the other; None when a difference is not known."""
    requests = list(step.requests if isinstance(step, Ask) else ())
    for one, other in zip(theirs, mine, strict=False):
        request = requests[0] if requests and one[0] == step.client else None
        if request is not None and one[1] == "reply":
            requests.pop(0)
        if one == other:
            continue
        rule, verdict = _rule_for(request, one, other, known)
        if rule is None:
            return None
        if used is not None:
            used[rule.name] = used.get(rule.name, 0) + 1
        if verdict is Verdict.STOP:
            return verdict
    return Verdict.SAME if len(theirs) == len(mine) else None


def _rule_for(
    request: Request | None, one: Seen, other: Seen, known: Sequence[Known]
) -> tuple[Known | None, Verdict | None]:
    for rule in known:
        verdict = rule.applies(request, one, other)
        if verdict is not None:
            return rule, verdict
    return None, None


def shrink(
    script: list[Step], known: Sequence[Known], play: Play, runs_max: int = 150
) -> tuple[list[Step], Difference]:
    """Leave out steps, and requests within them, as long as the servers still differ."""
    difference = first_difference(script, *play(script), known)
    assert difference is not None
    script = script[: difference.at + 1]
    runs = 0
    size = max(1, len(script) // 2)
    while size and runs < runs_max:
        at = len(script) - size
        while at >= FIXED_STEPS and runs < runs_max:
            shorter = script[:at] + script[at + size :]
            runs += 1
            found = first_difference(shorter, *play(shorter), known)
            if found is not None:
                script, difference = shorter[: found.at + 1], found
            at = min(at - 1, len(script) - size)
        size //= 2
    return script, difference
