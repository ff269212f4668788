"""Invariants I1-I10 and I12-I14, checked after every step against what is: peers, trees and durable disks.

    I1   one established leader per epoch, ever
    I2   committed prefixes agree, entry by entry
    I3   zxids are successive: in the committed log, and on every disk
    I4   what is committed is durable on a quorum of disks
    I5   a leader that is established holds everything committed before
    I6   what a follower holds beyond that after NEWLEADER, its leader holds too
    I7   truncation never takes a committed transaction from a quorum
    I8   epochs on disk: current <= accepted, both only grow, never ahead of the durable history
    I9   equal digests at equal zxids, on every server that serves
    I10  acks leave only for what is durable, and behind that of NEWLEADER
    I11  no server says that a peer broke the protocol: every peer here is honest
    I12  what is proposed and not committed, and what clients asked for and is not answered, stay within their limits
    I13  a dead process asks for nothing, and what a role that is over has asked for has no effect (checked by
         ``machine.roles``); nor is anything sent over a link that was closed (by ``network.streams``)
    I14  what a server has counted for a quota is what there is (checked when all servers agree, by ``quotas``)

It reads servers and changes nothing. It does not know clients or faults.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass
from errno import errorcode
from struct import Struct
from zlib import adler32

from ensemble.errors import StorageError
from ensemble.limits import OUTSTANDING_PER_CONNECTION_MAX
from ensemble.membership import Membership, parse
from ensemble.simulator.checks.durable import DurableHistory, HoleOnDisk
from ensemble.simulator.checks.quorums import is_quorum
from ensemble.simulator.machine.machine import Machine, Process
from ensemble.tree.txns import membership_in
from ensemble.wire.packets import PacketDecoder
from ensemble.zab.messages import PacketType, ServerState
from ensemble.zab.phase import Phase
from ensemble.zxid import Zxid, counter_of, epoch_of, follows, make, text

_BLAMES_A_PEER = ("a link to another server is closed", "an election message", "a request through server")
_MISSED_A_CHANGE = "holds a later membership"
"""What an honest leader says to an honest server, when the ensemble has changed without it."""
OUTSTANDING_MAX = OUTSTANDING_PER_CONNECTION_MAX
INVARIANTS = (__doc__ or "").partition("\n\nIt reads servers")[0] + "\n"
"""The list, as the command shows it."""

_PAYLOAD_ZXID = Struct(">q")


class Violation(Exception):
    """An invariant does not hold; ``invariant`` is its name."""

    def __init__(self, invariant: str, what: str) -> None:
        super().__init__(f"{invariant}: {what}")
        self.invariant = invariant


@dataclass(slots=True)
class Watched:
    """What the monitor remembers of one process."""

    process: Process
    state: tuple[ServerState, Phase, int, bool] = (ServerState.LOOKING, Phase.ELECTION, 0, False)
    zxid: int = -1
    logged: int = 0
    received: int = 0
    """Requests of clients, so far."""
    read_max: int = 0
    """The most of them in one step: what can come with one read, since a pause of a server gathers them."""


class Monitor:
    """Watches all servers of one world (an ``Observer`` of their machines)."""

    def __init__(self, note: Callable[[str], None]) -> None:
        self.committed: list[tuple[int, bytes]] = []
        """The one order of transactions, as far as any server knows it."""
        self.steps = 0
        self.lines: list[str] = []
        self.coverage: dict[str, int] = {}
        self._positions: dict[int, int] = {}
        self._proposed: dict[int, bytes] = {}
        """What leaders brought to their terms as uncommitted history."""
        self._leaders: dict[int, tuple[int, int]] = {}
        self._digests: dict[int, tuple[int, int]] = {}
        self._epochs: dict[tuple[int, str], int] = {}
        self._machines: dict[int, Machine] = {}
        self._disks: dict[int, DurableHistory] = {}
        self._watched: dict[int, Watched] = {}
        self._note = note
        self.membership = Membership()
        """The one in force: whose quorum decides."""

    def add(self, machine: Machine) -> None:
        """Watch a machine from now on."""
        self._machines[machine.sid] = machine
        self._disks[machine.sid] = DurableHistory(machine.data_disk, machine.log_disk)
        if not self.membership.servers:
            self.membership = machine.config.membership

    @property
    def zxid(self) -> int:
        """The last committed transaction."""
        return self.committed[-1][0] if self.committed else 0

    # -- the observer's calls -------------------------------------------------------------------------------

    def started(self, process: Process) -> None:
        """Begin to watch a process."""
        self._watched[process.sid] = Watched(process)
        self._disks[process.sid].forget()
        self._tap(process)

    def stepped(self, process: Process) -> None:
        """Check what may have changed in one step."""
        self.steps += 1
        replica = process.replica
        peer = replica.peer
        if peer.view.active.version > self.membership.version:
            self._change(process, peer.view.active)
        watched = self._watched[process.sid]
        self._check_room(process, watched)
        state = (peer.role, peer.phase, peer.epoch, peer.serving)
        if state != watched.state:
            self._check_state(process, watched, state)
            watched.state = state
        if peer.serving:
            zxid = replica.tree.zxid
            if zxid != watched.zxid:
                watched.zxid = zxid
                self._check_digest(process, zxid)

    def crashed(self, machine: Machine, effect: str) -> None:
        """A process is gone; what its disks hold may have changed."""
        self._disks[machine.sid].forget()
        self._count(f"crash before {_without_number(effect)}" if effect else "crash between steps")
        self._note(f"server {machine.sid} died" + (f", before {effect}" if effect else ""))

    def stopped(self, machine: Machine, error: StorageError) -> None:
        """A server ended by an error of its disk."""
        self._note(f"server {machine.sid} stops: {error}")
        process = machine.process
        if machine.refuses or process is None:
            self._count("server refuses spoiled files")
            return
        for disk in machine.disks:
            for operation, code in disk.failed[-1:]:
                self._count(f"server stops at {operation} {errorcode[code]}")

    def spoiled(self, sid: int) -> None:
        """What a server's disks hold went bad: nothing that was read from them is known any more."""
        disk = self._disks[sid]
        disk.spoiled = any(
            each.content() for each in self._machines[sid].disks
        )  # emptied, it is as good as new
        disk.forget()
        for name in ("acceptedEpoch", "currentEpoch"):
            self._epochs.pop((sid, name), None)

    def may_lose(self, sid: int, *, all_of_it: bool) -> bool:
        """Tell whether a quorum of the others holds all that is committed, and all promises that count.

        A server that loses its log and keeps its epochs (they may be on another disk) claims the history of an
        epoch without having it; whoever holds that history must have entered the epoch too. A server that is paused
        has not heard that links broke, and may commit by an ack for what is lost now.
        """
        if any(machine.process is not None and machine.process.paused for machine in self._machines.values()):
            return False
        promised = max(self._leaders, default=0)
        entered = 0 if all_of_it else self._disks[sid].epoch("currentEpoch")
        holders = [
            other
            for other, machine in self._machines.items()
            if other != sid
            and not (machine.spoiled and machine.process is None)
            and self._disks[other].epoch("acceptedEpoch") >= promised
            and self._disks[other].epoch("currentEpoch") >= entered
        ]
        if self.committed:
            zxid, payload = self.committed[-1]
            checksum = adler32(payload)
            holders = [other for other in holders if self._holds(other, zxid, checksum)]
        return is_quorum(self.membership, holders)

    def before_effect(self, process: Process, effect: str, name: str) -> None:
        """Remember what a truncation might remove; check that history is durable before currentEpoch."""
        disk = self._disks[process.sid]
        if effect == "write_atomic" and name.endswith("currentEpoch"):
            self._refresh(process.sid)
            self._watched[process.sid].logged = disk.last
        elif effect in ("truncate", "remove"):
            self._refresh(process.sid)

    def after_effect(self, process: Process, effect: str, name: str) -> None:
        """Check epochs (I8) and truncations (I7)."""
        self._count(f"{effect} {_kind_of(name)}{'' if process.machine.listening else ' in boot'}")
        sid, disk = process.sid, self._disks[process.sid]
        if name.endswith("Epoch"):
            self._check_epochs(process, name.rpartition("/")[2])
        if effect in ("truncate", "remove"):
            before = disk.entries
            disk.forget()
            self._refresh(sid)
            for zxid, checksum in before.items():
                if zxid not in disk.entries and zxid in self._positions and zxid > disk.snapshot:
                    self._check_kept(sid, zxid, checksum, f"{effect} {name}")
        elif effect == "write_atomic":
            disk.forget()

    def dialed(self, process: Process) -> Callable[[bytes], None]:
        """Check the acks among what a learner sends on a link of its own (I10)."""
        decoder = PacketDecoder()
        behind_new_leader = False

        def sent(data: bytes) -> None:
            nonlocal behind_new_leader
            for packet in decoder.feed(data):
                if packet.type == PacketType.ACK:
                    behind_new_leader = behind_new_leader or counter_of(packet.zxid) == 0
                    self._check_ack(process, packet.zxid)
                    if not behind_new_leader:
                        what = f"server {process.sid} acks {text(packet.zxid)} before NEWLEADER (4685)"
                        raise Violation("I10", what)

        return sent

    def said(self, process: Process, line: str) -> None:
        """A server logged a line."""
        self.lines.append(f"server {process.sid}: {line}")
        self._note(f"server {process.sid} says: {line}")
        if line.startswith(_BLAMES_A_PEER) and _MISSED_A_CHANGE not in line:
            raise Violation("I11", f"server {process.sid} says: {line}")

    # -- checks ---------------------------------------------------------------------------------------------

    def _check_room(self, process: Process, watched: Watched) -> None:
        """I12: who waits for an answer is not read from while too many do; each client's read may have been the last."""
        service = process.replica.service
        received = service.counters.received
        if received != watched.received:
            watched.read_max = max(watched.read_max, received - watched.received)
            watched.received = received
        unanswered, limit = service.admission.unanswered, service.admission.config.unanswered_max
        if unanswered > limit:
            self._count("clients held back")
            if unanswered > limit + len(process.connections) * watched.read_max:
                raise Violation(
                    "I12", f"server {process.sid} took {unanswered} requests, its limit is {limit}"
                )
        outstanding = process.replica.peer.outstanding
        if outstanding > OUTSTANDING_MAX:
            raise Violation("I12", f"server {process.sid} has {outstanding} proposals outstanding")

    def _check_state(
        self, process: Process, watched: Watched, state: tuple[ServerState, Phase, int, bool]
    ) -> None:
        role, phase, epoch, serving = state
        self._count(f"{role.name.lower()} {phase.value}")
        self._note(f"server {process.sid} is {role.name.lower()}, {phase.value}, epoch {epoch}")
        if role is ServerState.LEADING and phase in (Phase.SYNCHRONIZATION, Phase.BROADCAST):
            life = (process.sid, process.machine.lives)
            self._proposed.update(process.replica.store.read_after(self.zxid) or [])
            known = self._leaders.setdefault(epoch, life)
            if known != life:
                raise Violation("I1", f"epoch {epoch} is led by server {process.sid} and was by {known[0]}")
        if serving and not watched.state[3]:
            self._absorb(process, leading=role is ServerState.LEADING)
            watched.zxid = -1

    def _absorb(self, process: Process, *, leading: bool) -> None:
        """A server begins to serve: what it has applied is committed by that."""
        replica = process.replica
        applied = replica.tree.zxid
        if leading:
            self._check_complete(process)
        if applied > self.zxid:
            for zxid, payload in self._tail(process, applied):
                self._commit(process, zxid, payload)
        elif applied and applied not in self._positions:
            raise Violation("I2", f"server {process.sid} serves {text(applied)}, which was never committed")
        if not leading:
            self._check_prefix(process)

    def _check_complete(self, process: Process) -> None:
        """I5, for what was committed in earlier epochs.

        A leader that slept over its successor's election may find the acks that establish it when it wakes up. It
        can commit nothing, and what its successor committed it cannot know.
        """
        epoch, logged = process.replica.peer.epoch, process.replica.store.zxid_logged
        place = bisect_left(self.committed, make(epoch, 0), key=_zxid_of)
        if place and logged < self.committed[place - 1][0]:
            raise Violation(
                "I5",
                f"server {process.sid} leads epoch {epoch} with a history to {text(logged)}; "
                f"{text(self.committed[place - 1][0])} is committed",
            )

    def _tail(self, process: Process, applied: int) -> list[tuple[int, bytes]]:
        """Return what a server adds to the committed; what came to it in a snapshot is known from a leader."""
        tail = process.replica.store.read_after(self.zxid)
        if tail is None:
            tail = sorted(self._proposed.items())
        tail = [entry for entry in tail if self.zxid < entry[0] <= applied]
        if not tail or tail[-1][0] != applied:
            raise Violation("I5", f"server {process.sid} serves {text(applied)} without {text(self.zxid)}")
        return tail

    def _check_prefix(self, process: Process) -> None:
        """I6: what a follower has logged beyond the committed, its leader has logged too."""
        leader = self._watched.get(process.replica.peer.leader or 0)
        if (
            leader is None
            or not leader.process.alive
            or leader.process.replica.peer.epoch != process.replica.peer.epoch
        ):
            return
        ours = process.replica.store.read_after(self.zxid) or []
        theirs = dict(leader.process.replica.store.read_after(self.zxid) or [])
        for zxid, payload in ours:
            if theirs.get(zxid) != payload:
                raise Violation("I6", f"server {process.sid} holds {text(zxid)}, its leader does not")

    def delivered(self, process: Process, zxid: int, payload: bytes) -> None:
        """A server applies one transaction while it serves."""
        position = self._positions.get(zxid)
        if position is not None and self.committed[position][1] != payload:
            raise Violation("I2", f"server {process.sid} applies another {text(zxid)} than was committed")
        place = len(self.committed) if position is None else position
        before, applied = self.committed[place - 1][0] if place else 0, process.replica.tree.zxid
        if applied != before:
            raise Violation("I2", f"server {process.sid} applies {text(zxid)} behind {text(applied)}")
        if position is None:
            self._commit(process, zxid, payload)

    def _commit(self, process: Process, zxid: int, payload: bytes) -> None:
        if self.committed and not follows(zxid, self.zxid):
            raise Violation("I3", f"server {process.sid} commits {text(zxid)} behind {text(self.zxid)}")
        checksum = adler32(payload)
        holders = [sid for sid in self._machines if self._holds(sid, zxid, checksum)]
        if not is_quorum(self.membership, holders):
            raise Violation("I4", f"server {process.sid} commits {text(zxid)}, durable only on {holders}")
        proposed = membership_in(payload)
        if proposed is not None:
            membership = parse(proposed.decode())
            if not is_quorum(membership, holders):
                raise Violation(
                    "I4", f"the new members do not hold {text(zxid)}, which makes them so: {holders}"
                )
            self._change(process, membership)
        self._positions[zxid] = len(self.committed)
        self.committed.append((zxid, payload))

    def _change(self, process: Process, membership: Membership) -> None:
        """A membership is in force."""
        self._count("membership in force")
        self._note(f"server {process.sid} puts in force: {membership.text().replace(chr(10), ' ')}")
        self.membership = membership

    def _holds(self, sid: int, zxid: int, checksum: int) -> bool:
        self._refresh(sid)
        return self._disks[sid].holds(zxid, checksum)

    def _refresh(self, sid: int) -> None:
        try:
            self._disks[sid].refresh()
        except HoleOnDisk as hole:
            raise Violation("I3", f"server {sid}: {hole}") from None

    def _check_ack(self, process: Process, zxid: int) -> None:
        sid, disk = process.sid, self._disks[process.sid]
        self._refresh(sid)
        if counter_of(zxid) == 0:
            durable = disk.epoch("currentEpoch")
            if durable != epoch_of(zxid):
                raise Violation(
                    "I10", f"server {sid} acks NEWLEADER of {epoch_of(zxid)}, durable epoch is {durable}"
                )
        elif zxid not in disk.entries and zxid > disk.snapshot:
            raise Violation("I10", f"server {sid} acks {text(zxid)}, durable is {text(disk.last)}")

    def _check_kept(self, sid: int, zxid: int, checksum: int, how: str) -> None:
        """I7: a copy that no quorum counted may go (it was proposed when TRUNC was sent), the quorum's may not."""
        self._count("truncated a spare copy of a committed transaction")
        holders = [other for other in self._machines if self._holds(other, zxid, checksum)]
        if not is_quorum(self.membership, holders):
            raise Violation(
                "I7", f"server {sid} removed {text(zxid)}, committed and now only on {holders} ({how})"
            )

    def _check_epochs(self, process: Process, name: str) -> None:
        sid, disk = process.sid, self._disks[process.sid]
        value = disk.epoch(name)
        before = self._epochs.get((sid, name), 0)
        if value < before:
            raise Violation("I8", f"server {sid}: {name} fell from {before} to {value}")
        self._epochs[(sid, name)] = value
        current = disk.epoch("currentEpoch")
        if current > disk.epoch("acceptedEpoch"):
            raise Violation(
                "I8", f"server {sid}: current epoch {current} > accepted {disk.epoch('acceptedEpoch')}"
            )
        if name == "currentEpoch" and hasattr(process, "replica"):
            self._check_history_before_epoch(process, current)

    def _check_history_before_epoch(self, process: Process, epoch: int) -> None:
        store = process.replica.store
        durable = max(self._watched[process.sid].logged, self._disks[process.sid].snapshot)
        if store.zxid_logged <= durable:
            return
        missing = [zxid for zxid, _ in store.read_after(durable) or [] if epoch_of(zxid) < epoch]
        if missing:
            raise Violation(
                "I8",
                f"server {process.sid}: currentEpoch {epoch} is durable before {text(missing[0])} (4643)",
            )

    def _check_digest(self, process: Process, zxid: int) -> None:
        digest = process.replica.tree.digest()
        known, sid = self._digests.setdefault(zxid, (digest, process.sid))
        if known != digest:
            raise Violation(
                "I9",
                f"at {text(zxid)} server {process.sid} has digest {digest:#x}, server {sid} had {known:#x}",
            )
        if zxid and zxid not in self._positions:
            raise Violation("I2", f"server {process.sid} serves {text(zxid)}, which was never committed")

    def _tap(self, process: Process) -> None:
        """See each transaction as it is applied."""
        app = process.replica.application
        deliver = app.deliver

        def tapped(zxid: int, payload: bytes) -> None:
            if process.replica.peer.serving:
                self.delivered(process, zxid, payload)
            deliver(zxid, payload)

        app.deliver = tapped  # type: ignore[method-assign]

    def _count(self, what: str) -> None:
        self.coverage[what] = self.coverage.get(what, 0) + 1


def _zxid_of(entry: tuple[int, bytes]) -> Zxid:
    return Zxid(entry[0])


def _kind_of(name: str) -> str:
    """Return what a file is for: its name without zxid."""
    return name.rpartition("/")[2].partition(".")[0]


def _without_number(effect: str) -> str:
    return effect.rstrip("0123456789 ").removeprefix("before ")
