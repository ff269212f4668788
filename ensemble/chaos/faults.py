"""What is done to processes and links. Each fault begins, lasts a while, and is undone by whoever began it."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations

from ensemble.chaos.disk_faults import DISK_FAULTS
from ensemble.chaos.links import Way
from ensemble.chaos.trouble import Fault, Trouble
from ensemble.runtime.disk.files import ReadOnlyFiles
from ensemble.toolkit import purge

SNAPSHOTS_KEPT = 3
SERVE_S_MAX = 20.0
"""For so long a server that is restarted is waited for, before the next one is."""
RING_SERVERS_MIN = 4
"""Of fewer, each neighbours all others."""


# -- processes ---------------------------------------------------------------------------------------------------


async def _killed(trouble: Trouble, sids: list[int]) -> None:
    await trouble.servers.kill(sids)
    await trouble.last(0.0, 2.0)
    await trouble.servers.start(sids)


async def _kill_one(trouble: Trouble) -> None:
    await _killed(trouble, [trouble.some()])


async def _kill_leader(trouble: Trouble) -> None:
    await _killed(trouble, [await trouble.leader()])


async def _kill_majority(trouble: Trouble) -> None:
    sids = trouble.servers.sids
    await _killed(trouble, trouble.rng.sample(sids, len(sids) // 2 + 1))


async def _kill_all(trouble: Trouble) -> None:
    await _killed(trouble, trouble.servers.sids)


async def _paused(trouble: Trouble, sids: list[int]) -> None:
    for sid in sids:
        await trouble.servers.act(sid, "pause")
    try:
        await trouble.last(1.0, 6.0)
    finally:
        for sid in sids:
            await trouble.servers.act(sid, "resume")


async def _pause_one(trouble: Trouble) -> None:
    await _paused(trouble, [trouble.some()])


async def _pause_leader(trouble: Trouble) -> None:
    await _paused(trouble, [await trouble.leader()])


async def _pause_all(trouble: Trouble) -> None:
    await _paused(trouble, trouble.servers.sids)


async def _restart(trouble: Trouble) -> None:
    """Stop a server properly, remove the files nobody needs any more, and start it."""
    sid = trouble.some()
    await trouble.servers.act(sid, "stop")
    data = trouble.servers.disks[sid].data
    files = ReadOnlyFiles(data)
    snapshots, logs = purge.plan(files, files, SNAPSHOTS_KEPT, lambda name: True)
    for name in snapshots + logs:
        (data / name).unlink()
    trouble.notes.append(f"server {sid}: {len(snapshots)} snapshots and {len(logs)} logs purged")
    await trouble.servers.act(sid, "start")


async def _rolling(trouble: Trouble) -> None:
    """Restart all, one after the other, each as soon as the one before it serves.

    A server that comes back may be given a snapshot in the place of its log; once all have been, nobody holds what was
    logged before.
    """
    for sid in trouble.servers.sids:
        await trouble.servers.act(sid, "restart")
        await trouble.servers.until(trouble.servers.all_serve, SERVE_S_MAX)
        await trouble.collect()


async def _replace(trouble: Trouble) -> None:
    """Replace a server by one with an empty disk.

    Only once all others serve without it: before that it may be one of the few who hold the last transaction.
    """
    sid = trouble.some()
    await trouble.lose(sid)
    trouble.servers.spoil(sid)
    await trouble.servers.start([sid])


# -- links -------------------------------------------------------------------------------------------------------


def _across(here: list[int], there: list[int]) -> list[Way]:
    return [(a, b) for a in here for b in there]


async def _parted(trouble: Trouble, pairs: Iterable[Way]) -> None:
    """Part servers: by silence, or by connections that break."""
    links = trouble.servers.links
    if trouble.rng.random() < 0.5:
        links.break_pairs({frozenset(pair) for pair in pairs})
    else:
        links.block([way for a, b in pairs for way in ((a, b), (b, a))])
    await trouble.last(2.0, 6.0)
    links.heal()


async def _halves(trouble: Trouble) -> None:
    sids = trouble.servers.sids
    here = trouble.rng.sample(sids, len(sids) // 2)
    await _parted(trouble, _across(here, [sid for sid in sids if sid not in here]))


async def _isolate_one(trouble: Trouble) -> None:
    sid = trouble.some()
    await _parted(trouble, _across([sid], trouble.others(sid)))


async def _isolate_leader(trouble: Trouble) -> None:
    sid = await trouble.leader()
    await _parted(trouble, _across([sid], trouble.others(sid)))


async def _bridge(trouble: Trouble) -> None:
    """Two groups that see each other only through one server."""
    middle = trouble.some()
    rest = trouble.others(middle)
    trouble.rng.shuffle(rest)
    half = len(rest) // 2
    await _parted(trouble, _across(rest[:half], rest[half:]))


async def _majorities_ring(trouble: Trouble) -> None:
    """Every server hears a majority, and no two of them the same one: neighbours in a circle."""
    sids = trouble.servers.sids
    trouble.rng.shuffle(sids)
    size = len(sids)
    near = (size // 2 + 1) // 2
    apart = [(a, b) for a, b in combinations(range(size), 2) if min(b - a, size - (b - a)) > near]
    await _parted(trouble, [(sids[a], sids[b]) for a, b in apart])


async def _deaf(trouble: Trouble, *, hears: bool) -> None:
    sid = await trouble.leader() if trouble.rng.random() < 0.5 else trouble.some()
    ways = _across([sid], trouble.others(sid)) if hears else _across(trouble.others(sid), [sid])
    trouble.servers.links.block(ways)
    await trouble.last(2.0, 6.0)
    trouble.servers.links.heal()


async def _one_way_in(trouble: Trouble) -> None:
    """One server that sends and does not hear."""
    await _deaf(trouble, hears=False)


async def _one_way_out(trouble: Trouble) -> None:
    """One server that hears and cannot send."""
    await _deaf(trouble, hears=True)


async def _flapping(trouble: Trouble) -> None:
    sid = trouble.some()
    pairs = {frozenset(way) for way in _across([sid], trouble.others(sid))}
    for _ in range(trouble.rng.randint(3, 8)):
        trouble.servers.links.break_pairs(pairs)
        await trouble.last(0.05, 0.5)
        trouble.servers.links.heal()
        await trouble.last(0.05, 0.5)


async def _half_open(trouble: Trouble) -> None:
    """One end of each connection between two servers is gone; the other has not been told."""
    here, there = trouble.rng.sample(trouble.servers.sids, 2)
    trouble.servers.links.leave_half_open(here, there)
    await trouble.last(2.0, 5.0)
    trouble.servers.links.heal()


async def _delay(trouble: Trouble) -> None:
    sids = trouble.servers.sids
    ways = [(a, b) for a in sids for b in sids if a != b]
    slow = trouble.rng.sample(ways, trouble.rng.randint(1, len(ways)))
    trouble.servers.links.slow(slow, trouble.rng.uniform(0.02, 0.3))
    await trouble.last(2.0, 5.0)
    trouble.servers.links.heal()


PROCESS_FAULTS: dict[str, Fault] = {
    "kill-one": _kill_one,
    "kill-leader": _kill_leader,
    "kill-majority": _kill_majority,
    "kill-all": _kill_all,
    "pause-one": _pause_one,
    "pause-leader": _pause_leader,
    "pause-all": _pause_all,
    "restart": _restart,
    "rolling": _rolling,
    "replace": _replace,
}
LINK_FAULTS: dict[str, Fault] = {
    "halves": _halves,
    "isolate-one": _isolate_one,
    "isolate-leader": _isolate_leader,
    "bridge": _bridge,
    "majorities-ring": _majorities_ring,
    "one-way-in": _one_way_in,
    "one-way-out": _one_way_out,
    "flapping": _flapping,
    "half-open": _half_open,
    "delay": _delay,
}
FAULTS: dict[str, Fault] = {**PROCESS_FAULTS, **LINK_FAULTS, **DISK_FAULTS}
