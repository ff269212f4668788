"""What one server can be, and what an event makes of it: the real code runs once for each pair, then it is looked up.

A server's next state depends on its present one and on the event alone, so the worlds of an ensemble are put together
from a few thousand states of single servers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from ensemble.errors import ConfigError, InvariantViolation, PeerProtocolError, StorageError
from ensemble.explorer.disk import Platter, Txn
from ensemble.explorer.server import GRAPHS, Effect, Host, LinkName
from ensemble.membership import Membership
from ensemble.zab.messages import PacketType, ServerState
from ensemble.zab.phase import Phase
from ensemble.zxid import counter_of, epoch_of, follows, text

LocalEvent = tuple[Any, ...]
"""The name of a ``Host.on_...`` method and its arguments."""
_ACK = int(PacketType.ACK)


class Wrong(NamedTuple):
    """An invariant that does not hold."""

    invariant: str
    what: str


class Seen(NamedTuple):
    """A running server as the invariants see it."""

    role: ServerState
    phase: Phase
    epoch: int
    leader: int | None
    serving: bool
    applied: tuple[Txn, ...]
    outstanding: int


@dataclass(slots=True, eq=False)
class Local:
    """One state of one server."""

    number: int
    sid: int
    platter: Platter
    disk: int
    """The number of what is durable on it."""
    host: Host | None
    """Never stepped itself, only its copies; None when the server is down."""
    seen: Seen | None
    syncs: int
    """Syncs of the disk under way."""
    armed: frozenset[str]


class Outcome(NamedTuple):
    """What an event makes of a server."""

    after: int
    effects: tuple[Effect, ...]
    wrong: Wrong | None


class Locals:
    """All states of single servers that were met, by number."""

    def __init__(self, membership: Membership) -> None:
        self.all: list[Local] = []
        self.runs = 0
        """How often the real code ran."""
        self._membership = membership
        self._numbers: dict[Any, int] = {}
        self._disks: dict[tuple[Txn, ...], int] = {}
        self._outcomes: dict[tuple[int, LocalEvent], Outcome] = {}
        self._starts: dict[tuple[int, Platter], Outcome] = {}

    def down(self, sid: int, platter: Platter) -> int:
        """Return the state of a server that does not run."""
        return self._number(sid, platter, None)

    def start(self, sid: int, platter: Platter) -> Outcome:
        """Start a server on its disk."""
        outcome = self._starts.get((sid, platter))
        if outcome is None:

            def begin() -> Host:
                host = Host(sid, self._membership, platter)
                host.on_start()
                return host

            outcome = self._starts[(sid, platter)] = self._run(sid, platter, begin)
        return outcome

    def outcome(self, number: int, event: LocalEvent) -> Outcome:
        """Return what an event makes of a running server."""
        key = (number, event)
        outcome = self._outcomes.get(key)
        if outcome is None:
            host = self.copy(number)

            def step() -> Host:
                getattr(host, f"on_{event[0]}")(*event[1:])
                return host

            outcome = self._outcomes[key] = self._run(host.sid, host.history.platter, step)
        return outcome

    def _run(self, sid: int, before: Platter, step: Callable[[], Host]) -> Outcome:
        self.runs += 1
        made: list[Host] = []
        wrong = _blame(sid, lambda: made.append(step()))
        if wrong is None:
            wrong = _blame(sid, made[0].peer.flush)
        if wrong is not None:
            return Outcome(self.down(sid, before), (), wrong)
        effects = made[0].take_effects()
        return Outcome(self.number(made[0]), effects, _judge(sid, before, effects))

    # -- without keeping what is in between --------------------------------------------------------------

    def copy(self, number: int) -> Host:
        """Return a server of one's own in a known state."""
        host = self.all[number].host
        assert host is not None
        return GRAPHS.copy(host)

    def drive(self, host: Host, event: LocalEvent) -> tuple[tuple[Effect, ...], Wrong | None]:
        """Let an event happen to a server of one's own; return what it asks for."""
        self.runs += 1
        before = host.history.platter
        wrong = _blame(host.sid, lambda: getattr(host, f"on_{event[0]}")(*event[1:]))
        wrong = wrong or _blame(host.sid, host.peer.flush)
        effects = host.take_effects()
        return effects, wrong or _judge(host.sid, before, effects)

    def number(self, host: Host) -> int:
        """Return the number of the state that a server is in; it is not to be touched any more."""
        return self._number(host.sid, host.history.platter, host)

    def _number(self, sid: int, platter: Platter, host: Host | None) -> int:
        form = (sid, platter) if host is None else GRAPHS.canonical(host)
        number = self._numbers.get(form)
        if number is None:
            number = self._numbers[form] = len(self.all)
            seen, syncs, armed = None, 0, frozenset[str]()
            if host is not None:
                seen, syncs, armed = _see(host), len(host.history.waiting), frozenset(host.clock.armed())
            disk = self._disks.setdefault(platter.durable, len(self._disks))
            self.all.append(Local(number, sid, platter, disk, host, seen, syncs, armed))
        return number

    def form(self, number: int) -> Any:
        """Return the canonical form of a state: the same in every process."""
        local = self.all[number]
        return (local.sid, local.platter) if local.host is None else GRAPHS.canonical(local.host)


def _see(host: Host) -> Seen:
    peer = host.peer
    return Seen(
        peer.role, peer.phase, peer.epoch, peer.leader, peer.serving, host.app.state, peer.outstanding
    )


def _blame(sid: int, step: Callable[[], None]) -> Wrong | None:
    """Do something; return what a server must not raise while its peers and its disk are sound."""
    try:
        step()
    except PeerProtocolError as error:
        return Wrong("I11", f"server {sid} blames an honest peer: {error}")
    except (InvariantViolation, StorageError, ConfigError, AssertionError, LookupError) as error:
        return Wrong(type(error).__name__, f"server {sid}: {error}")
    return None


def _judge(sid: int, platter: Platter, effects: tuple[Effect, ...]) -> Wrong | None:
    """Check what one server did, effect by effect, against what was on its disk then."""
    for effect in effects:
        wrong = None
        if effect.kind == "disk":
            wrong = _judge_disk(platter, effect.what)
            platter = effect.what
        elif effect.kind == "send" and effect.what.type == _ACK:
            wrong = _judge_ack(platter, effect.what.zxid)
        if wrong is not None:
            return Wrong(wrong.invariant, f"server {sid} {wrong.what}")
    return None


def _judge_disk(before: Platter, after: Platter) -> Wrong | None:
    if after.current > after.accepted:
        return Wrong("I8", f"has current epoch {after.current}, accepted {after.accepted}")
    if after.current < before.current or after.accepted < before.accepted:
        return Wrong("I8", "goes back to an earlier epoch")
    if after.current != before.current:
        missing = [zxid for zxid, _ in after.volatile if epoch_of(zxid) < after.current]
        if missing:
            return Wrong(
                "I8", f"enters epoch {after.current}, and {text(missing[0])} is not durable (ZOOKEEPER-4643)"
            )
    last = 0
    for zxid, _ in after.whole:
        if last and not follows(zxid, last):
            return Wrong("I3", f"holds {text(zxid)} behind {text(last)}")
        last = zxid
    return None


def _judge_ack(platter: Platter, zxid: int) -> Wrong | None:
    if not counter_of(zxid):
        if platter.current != epoch_of(zxid):
            return Wrong("I10", f"acks NEWLEADER of {epoch_of(zxid)}, the durable epoch is {platter.current}")
        return None
    if all(zxid != durable for durable, _ in platter.durable):
        return Wrong("I10", f"acks {text(zxid)}, which is not durable")
    return None


def name_at(sid: int, dialer: int, acceptor: int, number: int) -> LinkName:
    """Return what the server at one end of a link calls it."""
    return LinkName(acceptor, True, number) if sid == dialer else LinkName(dialer, False, number)
