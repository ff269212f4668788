"""A simulated machine: disks that outlive the process, and the process that runs one server on them.

Every call of a port is an *effect*, and a crash may fall before any of them: ``Process.crash_at`` counts
effects, and the port raises ``SimulatedCrash`` when it is reached, which ends the step where it was.
A paused process gets what happened to it when it resumes, as a stopped one does from its kernel.

It knows the replica by the calls a host makes, and nothing of what is inside; what to look at after each
step is its observer's business.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Protocol

from ensemble.errors import InvariantViolation, StorageError
from ensemble.ports import Disk
from ensemble.replica.config import ReplicaConfig
from ensemble.replica.replica import Connection, Replica
from ensemble.simulator.clock import ServerClock, Timeline
from ensemble.simulator.machine.disk import SimulatedCrash, SimulatedDisk
from ensemble.simulator.machine.effects import EffectDisk, EffectNetwork
from ensemble.simulator.machine.members import DiskMembers, as_saved
from ensemble.simulator.machine.roles import ActedAfterItsEnd, Roles
from ensemble.simulator.network.network import SimulatedNetwork
from ensemble.simulator.network.streams import End
from ensemble.trace import Listener, Trace


class ServerFailed(Exception):
    """A server raised what it must not raise while its disks and its peers are sound."""


class DiskErrorIgnored(Exception):
    """A server went on after a call of its disk had failed."""

    checker = "C10"


class Observer(Protocol):
    """Who looks at servers while they run."""

    def started(self, process: Process) -> None:
        """A replica was built on a machine's disks; nothing has happened to it yet."""

    def stepped(self, process: Process) -> None:
        """A step ended."""

    def crashed(self, machine: Machine, effect: str) -> None:
        """A process died, before the named effect or between steps."""

    def stopped(self, machine: Machine, error: StorageError) -> None:
        """A server ended by an error of its disk, as it should."""

    def before_effect(self, process: Process, effect: str, name: str) -> None:
        """A disk call that changes files at once is about to be made (``write_atomic`` ...)."""

    def after_effect(self, process: Process, effect: str, name: str) -> None:
        """It was made."""

    def dialed(self, process: Process) -> Callable[[bytes], None]:
        """A server got a link it dialed; return who is to see what it sends on it: as a learner, to its leader."""

    def said(self, process: Process, line: str) -> None:
        """A server logged a line."""


@dataclass(slots=True)
class Quartz:
    """How the clock of a machine is off: local seconds per second, and where it starts."""

    rate: float = 1.0
    offset_us: int = 0
    wall_offset_ms: int = 0


class Process:
    """One life of one server; also the door through which the network reaches it."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.sid = machine.sid
        self.observer = machine.observer
        self.alive = True
        self.paused = False
        self.effects = 0
        self.crash_at: int | None = None
        self._last_effect = ""
        self._effects_left = 0
        self.failures = machine.failures()
        self._inbox: list[Callable[[], None]] = []
        self._unread: dict[End, bytes] = {}
        """What came from clients during a pause."""
        self._roles = Roles(self.sid)
        quartz = machine.quartz
        self.clock = ServerClock(
            machine.timeline,
            self.enter,
            rate=quartz.rate,
            offset_us=quartz.offset_us,
            wall_offset_ms=quartz.wall_offset_ms,
            mark=self._roles.timed,
        )
        self.trace = Trace(self.sid, self.clock.monotonic_us)
        if machine.listener is not None:
            self.trace.listen(machine.listener)
        self.replica: Replica
        self.connections: dict[End, Connection] = {}

    def boot(self) -> None:
        """Open the disks and join the ensemble."""
        machine = self.machine
        data = EffectDisk(machine.data_disk, self)
        log: Disk = data if machine.log_disk is machine.data_disk else EffectDisk(machine.log_disk, self)

        def build() -> None:
            self.replica = Replica(
                as_saved(machine.config, data),
                clock=self.clock,
                data_disk=data,
                log_disk=log,
                network=EffectNetwork(machine.network, self),
                trace=self.trace,
                entropy=machine.rng.randbytes,
                members=DiskMembers(data),
                log=lambda line: self.observer.said(self, line),
            )
            self._roles.watch(self.replica)
            self.observer.started(self)
            machine.network.open_door(self.sid, self)
            machine.listening = True
            self.replica.start()
            self.replica.flush()

        self._guard(build)

    # -- steps ---------------------------------------------------------------------------------------------

    def effect(self, name: str) -> None:
        """Count an effect, before it is carried out; the process may die here instead."""
        if not self.alive:
            raise ActedAfterItsEnd(f"server {self.sid}: {name}, by a process that is dead")
        self._roles.judge(name)
        self.effects += 1
        if self.effects == self.crash_at or (name == self._last_effect and self._is_the_last()):
            raise SimulatedCrash(name)

    def before_effect(self, effect: str, name: str) -> None:
        """See ``Observer``."""
        self.observer.before_effect(self, effect, name)

    def after_effect(self, effect: str, name: str) -> None:
        """See ``Observer``."""
        self.observer.after_effect(self, effect, name)

    def crash_before(self, effect: str, *, skip: int = 0) -> None:
        """Die before the next effect of this name; ``skip`` of them are carried out first."""
        self._last_effect, self._effects_left = effect, skip

    def live_on(self) -> None:
        """Do not die of what was decided earlier."""
        self.crash_at, self._last_effect = None, ""

    def _is_the_last(self) -> bool:
        self._effects_left -= 1
        return self._effects_left < 0

    def enter(self, work: Callable[[], None]) -> None:
        """Do one step of the server: ``work``, then everything it asked for."""
        if self.paused:
            self._inbox.append(work)
        elif self.alive:
            self._guard(lambda: self._step(work))

    def later(self, done: Callable[[], None]) -> Callable[[], None]:
        """Wrap a callback that the world makes later, so that it comes as a step."""
        return lambda: self.enter(done)

    def _step(self, work: Callable[[], None]) -> None:
        work()
        self.replica.flush()
        self._roles.end_step()
        self.observer.stepped(self)
        if self.machine.failures() != self.failures:
            raise DiskErrorIgnored(f"server {self.sid} went on after its disk had failed")

    def _guard(self, step: Callable[[], None]) -> None:
        try:
            step()
        except SimulatedCrash as crash:
            self.machine.die(power=self.machine.rng.random() < 0.5, effect=str(crash))
        except StorageError as error:
            self.machine.fail(error)
        except InvariantViolation as error:
            raise ServerFailed(f"server {self.sid}: {type(error).__name__}: {error}") from error

    def resume(self) -> None:
        """Go on after a pause, with everything that happened meanwhile."""
        self.paused = False
        inbox, self._inbox = self._inbox, []
        for work in inbox:
            self.enter(work)

    # -- the door (see ``network.Door``) -------------------------------------------------------------------

    def on_election_message(self, sid: int, payload: bytes) -> None:
        """Take one election message."""
        self.enter(lambda: self.replica.on_election_message(sid, payload))

    def on_election_link(self, sid: int, *, up: bool) -> None:
        """Hear that an election link came up or went down."""
        self.enter(lambda: self.replica.on_election_link(sid, up))

    def on_link_accepted(self, end: End) -> None:
        """Take a quorum link another server opened."""
        self._adopt(end)
        self.enter(lambda: self.replica.on_link_accepted(end))

    def on_link_dialed(self, sid: int, end: End | None) -> None:
        """Take the outcome of a dial."""
        if end is not None:
            self._adopt(end)
            end.tap = self.observer.dialed(self)
        self.enter(lambda: self.replica.on_link_dialed(sid, end))

    def _adopt(self, end: End) -> None:
        end.effect = lambda: self.effect("send")
        end.on_data = lambda data: self.enter(lambda: self._link_data(end, data))
        end.on_closed = lambda: self.enter(lambda: self._link_closed(end))

    def _link_data(self, end: End, data: bytes) -> None:
        if not end.finished:
            self.replica.on_link_data(end, data)

    def _link_closed(self, end: End) -> None:
        if not end.finished:
            self.replica.on_link_closed(end)

    def on_client(self, end: End) -> None:
        """Take a client's connection."""
        end.effect = lambda: self.effect("reply")
        end.on_data = lambda data: self._on_client_data(end, data)
        end.on_closed = lambda: self.enter(lambda: self._client_closed(end))
        self.enter(lambda: self._open_client(end))

    def _open_client(self, end: End) -> None:
        connection = self.replica.open_client(end)
        if connection is None:
            end.close()
        else:
            self.connections[end] = connection

    def _on_client_data(self, end: End, data: bytes) -> None:
        """Take a client's bytes; what comes to a paused process it reads at once when it goes on."""
        if not self.paused:
            self.enter(lambda: self._client_data(end, data))
        elif end in self._unread:
            self._unread[end] += data
        else:
            self._unread[end] = data
            self.enter(lambda: self._client_data(end, self._unread.pop(end)))

    def _client_data(self, end: End, data: bytes) -> None:
        connection = self.connections.get(end)
        if connection is not None and not end.finished:
            connection.on_data(data)

    def _client_closed(self, end: End) -> None:
        connection = self.connections.pop(end, None)
        if connection is not None and not end.finished:
            connection.on_closed()


class Machine:
    """The disks, the clock and at most one process of one server."""

    def __init__(
        self,
        config: ReplicaConfig,
        *,
        timeline: Timeline,
        network: SimulatedNetwork,
        rng: Random,
        observer: Observer,
        quartz: Quartz,
        separate_log: bool = False,
        listener: Listener | None = None,
    ) -> None:
        self.config = config
        self.sid = config.sid
        self.timeline = timeline
        self.network = network
        self.rng = rng
        self.observer = observer
        self.quartz = quartz
        self.data_disk = SimulatedDisk(self._schedule, rng)
        self.log_disk = SimulatedDisk(self._schedule, rng) if separate_log else self.data_disk
        self.listener = listener
        self.listening = False
        self.spoiled = False
        """What the disks hold is not what was written."""
        self.refuses = False
        """The server has seen that, and does not start until its disks are emptied."""
        self.lives = 0
        self.process: Process | None = None
        for disk in self.disks:
            disk.on_blocked = self._block

    @property
    def running(self) -> bool:
        """Whether a process runs here, has booted, and is not paused."""
        return self.process is not None and self.listening and not self.process.paused

    @property
    def disks(self) -> list[SimulatedDisk]:
        """The disks, each once."""
        return [self.data_disk] if self.log_disk is self.data_disk else [self.data_disk, self.log_disk]

    def start(self, *, crash_after_effects: int | None = None, crash_before: str = "", skip: int = 0) -> None:
        """Start a process, unless one runs; it may be doomed to die during its boot (see ``Process``)."""
        if self.process is not None or self.refuses:
            return
        self.lives += 1
        self.process = Process(self)
        self.process.crash_at = crash_after_effects
        self.process.crash_before(crash_before, skip=skip)
        self.process.boot()

    def die(self, *, power: bool, effect: str = "") -> None:
        """End the process. With the power gone what was not synced may be lost, and no FIN is sent."""
        process = self.process
        if process is None:
            return
        self.process = None
        process.alive = False
        for end in process.connections:
            end.effect = None
        if self.listening:
            self.listening = False
            self.network.shut_door(self.sid, silently=power and self.rng.random() < 0.5)
        for disk in self.disks:
            if power:
                disk.crash(self.rng)
            else:
                disk.detach()
        self.observer.crashed(self, effect)

    def stick(self) -> None:
        """Let the disks answer nothing."""
        for disk in self.disks:
            disk.stick()

    def release(self) -> None:
        """Let the disks answer again, and the process go on if it waits for them."""
        for disk in self.disks:
            disk.release()
        if self.process is not None and self.process.paused:
            self.process.resume()

    def _block(self) -> None:
        """Let the process stand still: it makes a call that a stuck disk does not come back from.

        The step goes on to its end, as if the call had come back; what comes next finds nobody.
        """
        if self.process is not None:
            self.process.paused = True

    def failures(self) -> int:
        """Count the calls of the disks that have failed."""
        return sum([len(disk.failed) for disk in self.disks])

    def fail(self, error: StorageError) -> None:
        """End the process, whose disk failed or holds what it refuses; ``ServerFailed`` when the disk is sound."""
        process = self.process
        failed = process is not None and self.failures() != process.failures
        if not failed and not self.spoiled:
            raise ServerFailed(f"server {self.sid}: {type(error).__name__}: {error}") from error
        self.refuses = not failed
        self.observer.stopped(self, error)
        self.die(power=False)

    def _schedule(self, delay_us: int, callback: Callable[[], None]) -> None:
        self.timeline.after(delay_us, lambda: self._attempt(callback))

    def _attempt(self, callback: Callable[[], None]) -> None:
        """Let the disk do what it has queued; the process may die there too."""
        try:
            callback()
        except SimulatedCrash as crash:
            self.die(power=self.rng.random() < 0.5, effect=str(crash))
        except StorageError as error:
            self.fail(error)
