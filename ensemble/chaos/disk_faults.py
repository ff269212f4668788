"""Disks that fail, that are full, slow or without power, that rot; and wall clocks that are wrong.

Whatever call of its storage fails, a server has to say which file it was and what the disk said, and to end: it
cannot know what is on its disk any more. None of these calls is harmless to it, removals included. The rest go on.
"""

from __future__ import annotations

import errno
import os
from functools import partial

from ensemble.chaos.servers import SYNC_LIMIT_MS
from ensemble.chaos.trouble import Fault, FaultFailed, NotMet, Trouble
from ensemble.runtime.supervision.supervisor import ActionRefused

EXIT_DISK, EXIT_REFUSED = 74, 1
"""How a server ends whose disk fails while it runs, and while it starts."""
EXIT_S_MAX = 20.0
"""A server whose disk fails has ended by then."""
MET_S_MAX = 15.0
"""With clients at work every call of a running server, a new file or a snapshot too, has been made by then."""
BEHIND_S = (1.5, 3.0)
"""So long a server is away that is to miss more than others keep in memory."""
STUCK_MS = 5 * SYNC_LIMIT_MS
LEFTOVER = "snapshot.ffffffff.aside"
"""A file that a server which dies while it writes a snapshot leaves, and removes when it starts."""
CALLS_AT_WORK = ("sync", "write", "open", "allocate", "rename", "directory")
"""Calls that the log, snapshots and epochs of every server need; ``directory`` is the sync of one."""
ERRORS = (errno.EIO, errno.ENOSPC)
"""What any call that writes may fail with: file systems that copy on write need room for all of them."""


# -- calls that fail ---------------------------------------------------------------------------------------------


def _arm(trouble: Trouble, sid: int, call: str, errors: tuple[int, ...] = ERRORS) -> int:
    """Let a call of a server's disk fail from now on; draw with what, and return it."""
    code = trouble.rng.choice(errors)
    trouble.servers.disks[sid].trouble(call, code)
    trouble.notes.append(f"server {sid}: from now on {call} fails with {errno.errorcode[code]}")
    return code


async def _must_meet(trouble: Trouble, sid: int, code: int) -> None:
    """Wait for a server to make the call that fails, and then for what comes of it."""
    disk = trouble.servers.disks[sid]

    async def met() -> bool:
        return bool(disk.met())

    if not await trouble.servers.until(met, MET_S_MAX):
        disk.mend()
        raise NotMet(f"server {sid} did not make that call within {MET_S_MAX:g} s")
    await _must_end(trouble, sid, code)


async def _must_end(trouble: Trouble, sid: int, code: int) -> None:
    """Wait for a server whose disk fails to say so and end, and for the rest to serve; mend the disk and start it."""
    servers = trouble.servers

    async def ended() -> bool:
        return servers.state(sid) == "failed"

    in_time = await servers.until(ended, EXIT_S_MAX)
    met = servers.disks[sid].met()
    servers.disks[sid].mend()
    if not in_time:
        raise FaultFailed(f"server {sid} still runs {EXIT_S_MAX:g} s after its disk began to fail ({met})")
    status, words = servers.end_of(sid)
    if status != EXIT_DISK:
        raise FaultFailed(f"server {sid} ended with {status}, not {EXIT_DISK}, when its disk failed: {words}")
    _must_say(sid, words, code)
    trouble.notes.append(f"server {sid} ended: {words}")
    await trouble.others_serve(sid)
    await servers.start([sid])


def _must_say(sid: int, words: str, code: int) -> None:
    if os.strerror(code) not in words:
        raise FaultFailed(f"server {sid} did not say that its disk answered {os.strerror(code)!r}: {words}")


async def _fails_at_work(call: str, trouble: Trouble) -> None:
    """Let a call fail that every server makes again and again."""
    sid = await trouble.leader_or_some_of_ours()
    await _must_meet(trouble, sid, _arm(trouble, sid, call))


async def _truncate_error(trouble: Trouble) -> None:
    """Part the leader from the rest with proposals nobody else has: it has to cut them off its log later."""
    sid = await trouble.leader()
    if sid not in trouble.servers.ours:
        raise NotMet(f"the leader, server {sid}, is not ours")
    code = _arm(trouble, sid, "truncate")
    links = trouble.servers.links
    links.block([way for other in trouble.others(sid) for way in ((sid, other), (other, sid))])
    await trouble.last(2.5, 4.0)
    links.heal()
    await _must_meet(trouble, sid, code)


async def _read_error(trouble: Trouble) -> None:
    """Have a leader read its log for one that missed much; or a server its files when it starts."""
    servers = trouble.servers
    sid = await trouble.leader()
    if sid not in servers.ours or trouble.rng.random() < 0.5:
        sid = trouble.some_of_ours()
        await servers.kill([sid])
        await _must_refuse(trouble, sid, "read", (errno.EIO,))
        return
    behind = trouble.rng.choice(trouble.others(sid))
    await servers.kill([behind])
    await trouble.last(*BEHIND_S)
    code = _arm(trouble, sid, "read", (errno.EIO,))
    await servers.start([behind])
    await _must_meet(trouble, sid, code)


async def _unlink_error(trouble: Trouble) -> None:
    """Have a server remove what it left half written when it died."""
    sid = trouble.some_of_ours()
    await trouble.servers.kill([sid])
    (trouble.servers.disks[sid].data / "version-2" / LEFTOVER).touch()
    await _must_refuse(trouble, sid, "unlink", ERRORS)


async def _must_refuse(trouble: Trouble, sid: int, call: str, errors: tuple[int, ...]) -> None:
    """Start a dead server on a disk that fails: it has to refuse and to say why. Then mend the disk and start it."""
    servers = trouble.servers
    code = _arm(trouble, sid, call, errors)
    words = ""
    try:
        await servers.start([sid])
    except ActionRefused as refusal:
        words = str(refusal)
    met = servers.disks[sid].met()
    servers.disks[sid].mend()
    if not met:
        raise NotMet(f"server {sid} started without that call: {words}")
    if not words:
        raise FaultFailed(f"server {sid} started although its disk failed ({met})")
    status, _ = servers.end_of(sid)
    if status != EXIT_REFUSED:
        raise FaultFailed(
            f"server {sid} ended with {status}, not {EXIT_REFUSED}, when its disk failed: {words}"
        )
    _must_say(sid, words, code)
    trouble.notes.append(f"server {sid} does not start: {words}")
    await trouble.others_serve(sid)
    await servers.start([sid])


# -- disks that are full, slow, without power, rotten --------------------------------------------------------------


async def _disk_full(trouble: Trouble) -> None:
    sid = trouble.servers.small[0]
    trouble.servers.disks[sid].fill()
    await _must_end(trouble, sid, errno.ENOSPC)


async def _slow_disk(trouble: Trouble) -> None:
    sid = trouble.some_of_ours()
    trouble.servers.disks[sid].trouble("sync", ms=trouble.rng.randint(20, 400))
    await trouble.last(2.0, 5.0)
    trouble.servers.disks[sid].mend()


async def _stuck_disk(trouble: Trouble) -> None:
    """A sync neither fails nor ends for longer than syncLimit: whoever leads must not lead on."""
    servers = trouble.servers
    sid = await trouble.leader_or_some_of_ours()
    servers.disks[sid].trouble("sync", ms=STUCK_MS)

    async def obeys() -> bool:
        return (await servers.modes())[sid] != "leader"

    left = await servers.until(obeys, EXIT_S_MAX)
    if left:
        await trouble.last(2.0, 4.0)
    servers.disks[sid].mend()
    if not left:
        raise FaultFailed(f"server {sid} still leads {EXIT_S_MAX:g} s after its disk stopped answering")


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
    sid = trouble.some_of_ours()
    await trouble.lose(sid)
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


DISK_FAULTS: dict[str, Fault] = {
    **{f"{call}-error": partial(_fails_at_work, call) for call in CALLS_AT_WORK},
    "truncate-error": _truncate_error,
    "read-error": _read_error,
    "unlink-error": _unlink_error,
    "disk-full": _disk_full,
    "slow-disk": _slow_disk,
    "stuck-disk": _stuck_disk,
    "power-cut": _power_cut,
    "bit-rot": _bit_rot,
    "wrong-clock": _wrong_clock,
}
