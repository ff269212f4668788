"""What is done to the servers. Each fault begins, lasts a while, and is undone by whoever began it."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from random import Random

from ensemble.chaos.links import Way
from ensemble.chaos.servers import Servers
from ensemble.runtime.disk.files import ReadOnlyFiles
from ensemble.runtime.supervision.supervisor import ActionRefused
from ensemble.toolkit import purge

EXIT_DISK = 74
EXIT_S_MAX = 20.0
"""A server whose disk fails has ended by then."""
SNAPSHOTS_KEPT = 3


class FaultFailed(Exception):
    """A server did not react to a fault as it must (it went on with a broken disk, say)."""


@dataclass(slots=True)
class Trouble:
    """What faults work on."""

    servers: Servers
    rng: Random
    notes: list[str] = field(default_factory=list)

    def some(self) -> int:
        """Draw a server."""
        return self.rng.choice(self.servers.sids)

    def some_of_ours(self) -> int:
        """Draw a server whose disk is in our hands."""
        return self.rng.choice(self.servers.ours)

    async def leader(self) -> int:
        """The leader, or any server when there is none."""
        return await self.servers.leader() or self.some()

    async def leader_or_some_of_ours(self) -> int:
        """Half of the time the leader, when its disk is in our hands."""
        leader = await self.leader() if self.rng.random() < 0.5 else self.some_of_ours()
        return leader if leader in self.servers.ours else self.some_of_ours()

    def others(self, sid: int) -> list[int]:
        """All but one."""
        return [each for each in self.servers.sids if each != sid]

    async def last(self, least: float, most: float) -> None:
        """Let it last."""
        await asyncio.sleep(self.rng.uniform(least, most))


Fault = Callable[[Trouble], Awaitable[None]]


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
    """Restart all, one after the other, each as soon as the one before it serves."""
    for sid in trouble.servers.sids:
        await trouble.servers.act(sid, "restart")
        await trouble.servers.until(trouble.servers.all_serve, EXIT_S_MAX)


async def _replace(trouble: Trouble) -> None:
    """Replace a server by one with an empty disk.

    Only once all others serve without it: before that it may be one of the few who hold the last transaction.
    """
    sid = await _lost_alone(trouble, trouble.some())
    trouble.servers.spoil(sid)
    await trouble.servers.start([sid])


async def _lost_alone(trouble: Trouble, sid: int) -> int:
    """Kill a server, wait until all others serve, and return which it was."""
    servers = trouble.servers
    await servers.kill([sid])

    async def others_serve() -> bool:
        modes = await servers.modes()
        return all(modes[each] for each in trouble.others(sid))

    if not await servers.until(others_serve, EXIT_S_MAX):
        raise FaultFailed(f"the others did not serve {EXIT_S_MAX:g} s after the loss of server {sid}")
    return sid


# -- links -------------------------------------------------------------------------------------------------------


def _across(here: list[int], there: list[int]) -> list[Way]:
    return [(a, b) for a in here for b in there]


async def _parted(trouble: Trouble, here: list[int], there: list[int]) -> None:
    """Part two groups: by silence, or by connections that break."""
    links = trouble.servers.links
    if trouble.rng.random() < 0.5:
        links.break_pairs({frozenset(way) for way in _across(here, there)})
    else:
        links.block(_across(here, there) + _across(there, here))
    await trouble.last(2.0, 6.0)
    links.heal()


async def _halves(trouble: Trouble) -> None:
    sids = trouble.servers.sids
    here = trouble.rng.sample(sids, len(sids) // 2)
    await _parted(trouble, here, [sid for sid in sids if sid not in here])


async def _isolate_one(trouble: Trouble) -> None:
    sid = trouble.some()
    await _parted(trouble, [sid], trouble.others(sid))


async def _isolate_leader(trouble: Trouble) -> None:
    sid = await trouble.leader()
    await _parted(trouble, [sid], trouble.others(sid))


async def _bridge(trouble: Trouble) -> None:
    """Two groups that see each other only through one server."""
    middle = trouble.some()
    rest = trouble.others(middle)
    trouble.rng.shuffle(rest)
    half = len(rest) // 2
    await _parted(trouble, rest[:half], rest[half:])


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


# -- disks -------------------------------------------------------------------------------------------------------


async def _must_end(trouble: Trouble, sid: int) -> None:
    """Wait for a server whose disk fails to say so and end; then mend the disk and start it."""
    servers = trouble.servers

    async def ended() -> bool:
        return servers.state(sid) == "failed"

    in_time = await servers.until(ended, EXIT_S_MAX)
    servers.disks[sid].mend()
    if not in_time:
        raise FaultFailed(f"server {sid} still runs {EXIT_S_MAX:g} s after its disk began to fail")
    code, words = servers.end_of(sid)
    if code != EXIT_DISK:
        raise FaultFailed(f"server {sid} ended with {code}, not {EXIT_DISK}, when its disk failed: {words}")
    trouble.notes.append(f"server {sid} ended: {words}")
    await servers.start([sid])


async def _sync_error(trouble: Trouble) -> None:
    sid = await trouble.leader_or_some_of_ours()
    trouble.servers.disks[sid].trouble("sync", errno.EIO)
    await _must_end(trouble, sid)


async def _write_error(trouble: Trouble) -> None:
    sid = await trouble.leader_or_some_of_ours()
    trouble.servers.disks[sid].trouble("write", errno.EIO)
    await _must_end(trouble, sid)


async def _disk_full(trouble: Trouble) -> None:
    sid = trouble.servers.small[0]
    trouble.servers.disks[sid].fill()
    await _must_end(trouble, sid)


async def _slow_disk(trouble: Trouble) -> None:
    sid = trouble.some_of_ours()
    trouble.servers.disks[sid].trouble("sync", ms=trouble.rng.randint(20, 400))
    await trouble.last(2.0, 5.0)
    trouble.servers.disks[sid].mend()


async def _power_cut(trouble: Trouble) -> None:
    """All servers at once lose their power, and ours with it every write that was not synced."""
    servers = trouble.servers
    for sid in servers.ours:
        servers.disks[sid].trouble("undo", 1)
    await trouble.last(0.5, 1.5)
    await servers.kill(servers.sids)
    lost = 0
    for disk in servers.disks.values():
        lost += disk.lose_unsynced()
        disk.mend()
    trouble.notes.append(f"{lost} writes that were not synced are lost")
    await servers.start(servers.sids)


async def _bit_rot(trouble: Trouble) -> None:
    """Flip a bit of a server that is down. It may refuse to start, and is then given an empty disk."""
    sid = await _lost_alone(trouble, trouble.some_of_ours())
    name = trouble.servers.disks[sid].rot(trouble.rng)
    try:
        await trouble.servers.start([sid])
        trouble.notes.append(f"server {sid}: a bit of {name} flipped, and it did not need that")
    except ActionRefused as refusal:
        trouble.notes.append(f"server {sid}: a bit of {name} flipped: {refusal}")
        trouble.servers.spoil(sid)
        await trouble.servers.start([sid])


async def _wrong_clock(trouble: Trouble) -> None:
    """The wall clock of a server jumps by up to a day, and back."""
    sid = trouble.some_of_ours()
    trouble.servers.disks[sid].trouble("clock", ms=trouble.rng.randint(-86_400_000, 86_400_000))
    await trouble.last(2.0, 5.0)
    trouble.servers.disks[sid].mend()


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
    "one-way-in": _one_way_in,
    "one-way-out": _one_way_out,
    "flapping": _flapping,
    "half-open": _half_open,
    "delay": _delay,
}
DISK_FAULTS: dict[str, Fault] = {
    "sync-error": _sync_error,
    "write-error": _write_error,
    "disk-full": _disk_full,
    "slow-disk": _slow_disk,
    "power-cut": _power_cut,
    "bit-rot": _bit_rot,
    "wrong-clock": _wrong_clock,
}
FAULTS: dict[str, Fault] = {**PROCESS_FAULTS, **LINK_FAULTS, **DISK_FAULTS}
