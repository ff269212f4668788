"""Servers, and clients, that do not reach each other: in every shape, in one direction, for moments."""

from __future__ import annotations

from itertools import combinations

from ensemble.simulator.faults.stage import Kind, Stage, Undo, nothing
from ensemble.simulator.network.streams import Way
from ensemble.zab.phase import Phase

SPLIT = "parted while synchronizing"
"""Counted when it has happened: a fault may end before."""


def _cut(stage: Stage, ways: list[Way]) -> Undo:
    """Block some ways: silently, or what was connected breaks at once, at both ends or at one."""
    for way in ways:
        stage.network.conditions.block(way)
    stage.note("cut " + " ".join(f"{a}>{b}" for a, b in ways))
    how = stage.rng.choice(("silent", "silent", "both", "one end", "other end"))
    pairs = {(min(way), max(way)): way for way in ways}
    for a, b in pairs.values():
        if how == "both":
            stage.network.break_between(a, b)
        elif how != "silent":
            stage.network.lose_at(*((a, b) if how == "one end" else (b, a)))

    def undo() -> None:
        for way in ways:
            stage.network.conditions.unblock(way)

    return undo


def _between(left: list[int], right: list[int]) -> list[Way]:
    return [way for a in left for b in right for way in ((a, b), (b, a))]


def _halves(stage: Stage) -> Undo:
    sids = list(stage.machines)
    stage.rng.shuffle(sids)
    left = sids[: len(sids) // 2]
    return _cut(stage, _between(left, [sid for sid in sids if sid not in left]))


def _isolate(stage: Stage, sid: int) -> Undo:
    return _cut(stage, _between([sid], stage.others(sid)))


def _one_way(stage: Stage, *, inward: bool) -> Undo:
    sid = stage.one(leading=0.5)
    return _cut(stage, [(other, sid) if inward else (sid, other) for other in stage.others(sid)])


def _bridge(stage: Stage) -> Undo:
    """Two servers that do not hear each other, while a third hears both."""
    if len(stage.machines) < 3:
        return _isolate(stage, stage.someone())
    rest = stage.others(stage.someone())
    left = rest[: len(rest) // 2]
    return _cut(stage, _between(left, [sid for sid in rest if sid not in left]))


def _majorities_ring(stage: Stage) -> Undo:
    """Every server hears a majority, and no two of them the same one: neighbours in a circle."""
    sids = list(stage.machines)
    if len(sids) < 4:
        return _bridge(stage)
    stage.rng.shuffle(sids)
    size = len(sids)
    near = (size // 2 + 1) // 2
    apart = [(sids[a], sids[b]) for a, b in combinations(range(size), 2) if min(b - a, size - (b - a)) > near]
    return _cut(stage, [way for a, b in apart for way in ((a, b), (b, a))])


def _split_in_synchronization(stage: Stage) -> Undo:
    """Bring a server back, and part the ensemble as soon as somebody is being synchronized."""
    sid, rng = stage.someone(), stage.rng
    stage.machines[sid].die(power=stage.chance(0.5))
    stage.timeline.after(stage.tick_us // 2, lambda: stage.start([sid]))
    shape = rng.choice(("it", "its leader", "halves"))
    undo: list[Undo] = []
    ended: list[bool] = []

    def look() -> None:
        if ended or stage.over:
            return
        syncing = [each for each in stage.machines if _is_synchronized(stage, each)]
        if not syncing:
            stage.timeline.after(stage.tick_us // 100, look)
            return
        stage.counts[SPLIT] = stage.counts.get(SPLIT, 0) + 1
        one = syncing[0] if shape == "it" else stage.leading()
        undo.append(_halves(stage) if shape == "halves" else _isolate(stage, one))

    def end() -> None:
        ended.append(True)
        for each in undo:
            each()

    look()
    return end


def _is_synchronized(stage: Stage, sid: int) -> bool:
    """Tell whether a server is being synchronized, or synchronizes others."""
    machine = stage.machines[sid]
    process = machine.process
    return process is not None and machine.listening and process.replica.peer.phase is Phase.SYNCHRONIZATION


def _flapping(stage: Stage) -> Undo:
    """Cut and heal the same server again and again."""
    sid = stage.one(leading=0.5)
    for strike in range(3):
        stage.timeline.after(strike * stage.tick_us, lambda: _isolate_for(stage, sid, stage.tick_us // 2))
    return nothing


def _swizzle(stage: Stage) -> Undo:
    """Clog some servers one by one, and unclog them in another order."""
    sids = stage.rng.sample(list(stage.machines), stage.rng.randint(1, len(stage.machines)))
    for place, sid in enumerate(sids):
        healed = stage.rng.randint(1, len(sids))
        begins = place * stage.tick_us // 4
        ends = begins + (len(sids) - place) * stage.tick_us // 4 + healed * stage.tick_us // 3
        stage.timeline.after(begins, lambda s=sid, d=ends - begins: _isolate_for(stage, s, d))  # type: ignore[misc]
    return nothing


def _isolate_for(stage: Stage, sid: int, lasts_us: int) -> None:
    if not stage.over:
        stage.timeline.after(lasts_us, _isolate(stage, sid))


def _break_links(stage: Stage) -> Undo:
    for a, b in combinations(stage.machines, 2):
        if stage.chance(0.5):
            stage.network.break_between(a, b)
    return nothing


def _client_cut(stage: Stage) -> Undo:
    if not stage.clients:
        return nothing
    place, sid = stage.rng.choice(stage.clients), stage.someone()
    return _cut(stage, [(place, sid), (sid, place)])


KINDS: dict[str, Kind] = {
    "halves": _halves,
    "isolate leader": lambda stage: _isolate(stage, stage.leading()),
    "isolate one": lambda stage: _isolate(stage, stage.someone()),
    "one-way in": lambda stage: _one_way(stage, inward=True),
    "one-way out": lambda stage: _one_way(stage, inward=False),
    "bridge": _bridge,
    "majorities ring": _majorities_ring,
    "split in synchronization": _split_in_synchronization,
    "flapping": _flapping,
    "swizzle": _swizzle,
    "break links": _break_links,
    "client cut": _client_cut,
}
