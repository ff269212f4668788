"""One world: all servers, what is between them, what may still go wrong; which events may happen, and what follows.

An event is a step of one server, except that a dial is answered at both ends at once and that an election may be
held *whole*: some servers exchange messages until nobody has anything to say. Wherever a server does several things
in one step, it may also die between any two of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, NamedTuple

from ensemble.explorer.disk import Platter
from ensemble.explorer.invariants import Past, at_rest, judge, lost
from ensemble.explorer.locals import Local, LocalEvent, Locals, Outcome, Wrong, name_at
from ensemble.explorer.server import Effect
from ensemble.explorer.ways import Draft, Ways
from ensemble.membership import Membership, ServerAddress
from ensemble.zab.messages import ServerState

Event = tuple[Any, ...]
"""The kind, and what it is about."""


class Left(NamedTuple):
    """How much may still happen."""

    crashes: int
    breaks: int
    timeouts: int
    txns: int


class World(NamedTuple):
    """A value: everything that makes a difference for what may happen."""

    servers: tuple[int, ...]
    """The state of each server, by number in ``Locals``."""
    ways: Ways
    left: Left
    past: Past


class Step(NamedTuple):
    """An event, and where it leads, or what it breaks."""

    event: Event
    world: World
    wrong: Wrong | None


@dataclass(frozen=True, slots=True)
class Bounds:
    """The size of a small world."""

    servers: int = 3
    txns: int = 2
    crashes: int = 1
    breaks: int = 1
    timeouts: int = 0
    whole_elections: bool = True


class Rules:
    """The rules by which worlds of one size go on."""

    def __init__(self, bounds: Bounds) -> None:
        self.bounds = bounds
        sids = range(1, bounds.servers + 1)
        servers = [ServerAddress(sid, f"server{sid}", 2888, 3888, client_port=2181) for sid in sids]
        self.locals = Locals(Membership(tuple(servers), 0))
        self._parleys: dict[tuple[tuple[int, ...], tuple[int, ...]], _Parley | None] = {}
        self._lost: dict[tuple[Any, ...], Wrong | None] = {}

    # -- walking -----------------------------------------------------------------------------------------

    @property
    def left(self) -> Left:
        """All that may happen in a world of this size."""
        bounds = self.bounds
        return Left(bounds.crashes, bounds.breaks, bounds.timeouts, bounds.txns)

    def calm_events(self, world: World) -> list[Event]:
        """Return what happens next if nothing goes wrong and nobody writes."""
        return [event for event in self._events(world) if event[0] not in _WILD]

    def follow(self, world: World, *events: Event) -> World:
        """Return what events lead to; ``AssertionError`` when one breaks an invariant."""
        for event in events:
            step = self.take(world, event)
            assert step is not None, event
            assert step.wrong is None, f"{event}: {step.wrong}"
            world = step.world
        return world

    # -- what may happen ---------------------------------------------------------------------------------

    def steps(self, world: World) -> Iterator[Step]:
        """Return everything that may happen next. Yields nothing at the end of all things."""
        calm = True
        for event in self._events(world):
            calm = calm and event[0] in _WILD
            step = self.take(world, event)
            if step is None:
                continue
            yield step
            if world.left.crashes and step.wrong is None and event[0] in _CAN_BE_CUT:
                yield from self._cut(world, event)
        if calm:
            wrong = at_rest(self._servers(world))
            if wrong is not None:
                yield Step(("rest",), world, wrong)

    def _servers(self, world: World) -> list[Local]:
        known = self.locals.all
        return [known[number] for number in world.servers]

    def _events(self, world: World) -> Iterator[Event]:
        left = world.left
        servers = self._servers(world)
        up = [local.sid for local in servers if local.host is not None]
        for (dialer, acceptor, number), here, queues in world.ways.links:
            for end, sid in ((0, dialer), (1, acceptor)):
                if queues[end]:
                    kind = "end" if queues[end][0] is None else "packet"
                    yield (kind, sid, (dialer, acceptor, number))
            if left.breaks and here[0] and here[1]:
                yield ("break", (dialer, acceptor, number))
        for dialer, acceptor in world.ways.dials:
            yield ("connect" if acceptor in up else "refuse", dialer, acceptor)
        for sender, to, _ in world.ways.mail:
            if to in up:
                yield ("mail", to, sender)
        for local in servers:
            yield from self._events_of(local, world)
        if self.bounds.whole_elections:
            yield from self._elections(servers, up)

    def _events_of(self, local: Local, world: World) -> Iterator[Event]:
        left, sid, seen = world.left, local.sid, local.seen
        if seen is None:
            yield ("restart", sid)
            return
        if local.syncs:
            yield ("synced", sid)
        if not self.bounds.whole_elections:
            if "_on_finalize" in local.armed:
                yield ("timer", sid, "_on_finalize")
            if "_on_resend" in local.armed and all(sender != sid for sender, _, _ in world.ways.mail):
                yield ("timer", sid, "_on_resend")
        if left.txns and seen.serving and seen.role is ServerState.LEADING:
            yield ("write", sid)
        purpose = "_on_tick" if "_on_tick" in local.armed else "_watch" if "_watch" in local.armed else None
        if purpose is not None:
            if left.timeouts:
                yield ("timeout", sid, purpose)
            elif purpose == "_on_tick" and not seen.serving and _forsaken(sid, world.ways):
                yield ("forsaken", sid, purpose)
        if left.crashes:
            for kept in range(len(local.platter.volatile) + 1):
                yield ("crash", sid, kept)

    def _elections(self, servers: Sequence[Local], up: list[int]) -> Iterator[Event]:
        quorum = len(servers) // 2 + 1
        for size in range(quorum, len(up) + 1):
            for sids in combinations(up, size):
                parties = tuple([servers[sid - 1].number for sid in sids])
                if self._parley(sids, parties) is not None:
                    yield ("parley", sids)

    # -- what follows ------------------------------------------------------------------------------------

    def take(self, world: World, event: Event) -> Step | None:
        """Return where one event leads; None when it changes nothing."""
        return self._step(world, event, None, 0)

    def _cut(self, world: World, event: Event) -> Iterator[Step]:
        """Return what comes of it when the server dies in the middle of what an event makes it do."""
        sid = event[1]
        outcome = self._outcome(world, event)
        for boundary in range(1, len(outcome.effects)):
            platter = _platter_after(
                self.locals.all[world.servers[sid - 1]].platter, outcome.effects[:boundary]
            )
            for kept in range(len(platter.volatile) + 1):
                step = self._step(world, ("cut", sid, event, boundary, kept), boundary, kept)
                if step is not None:
                    yield step

    def _outcome(self, world: World, event: Event) -> Outcome:
        """Return what the one server that an event is about does."""
        sid = event[1]
        number = world.servers[sid - 1]
        if event[0] == "restart":
            return self.locals.start(sid, self.locals.all[number].platter)
        return self.locals.outcome(number, _local_event(world, event))

    def _step(self, world: World, event: Event, boundary: int | None, kept: int) -> Step | None:
        draft = Draft(world.ways, mail=not self.bounds.whole_elections)
        servers = list(world.servers)
        left, touched, wrong = world.left, [], None
        whole = event[2] if event[0] == "cut" else event
        kind = whole[0]
        if kind == "parley":
            parley = self._parley(whole[1], tuple([servers[sid - 1] for sid in whole[1]]))
            if parley is None:
                return None
            for sid, number in zip(whole[1], parley.after, strict=True):
                servers[sid - 1] = number
                touched.append(sid)
            for sid, effects in parley.effects:
                draft.carry_out(sid, effects)
            wrong = parley.wrong
        elif kind == "break":
            draft.sever(whole[1])
            left = left._replace(breaks=left.breaks - 1)
        elif kind == "crash":
            self._crash(servers, draft, whole[1], whole[2])
            left = left._replace(crashes=left.crashes - 1)
        elif kind == "connect":
            wrong = self._connect(servers, draft, whole[1], whole[2])
            touched += [whole[1], whole[2]]
        else:
            sid = whole[1]
            outcome = self._outcome(world, whole)
            if kind in ("packet", "end"):
                draft.take(whole[2], 0 if whole[2][0] == sid else 1)
            elif kind == "mail":
                draft.take_mail(whole[2], whole[1])
            elif kind == "refuse":
                draft.refuse(whole[1], whole[2])
            elif kind == "write":
                left = left._replace(txns=left.txns - 1)
            elif kind == "timeout":
                left = left._replace(timeouts=left.timeouts - 1)
            draft.carry_out(sid, outcome.effects[:boundary])
            if boundary is not None:
                before = self.locals.all[servers[sid - 1]].platter
                platter = _platter_after(before, outcome.effects[:boundary])
                servers[sid - 1] = self.locals.down(sid, platter.crashed(kept))
                draft.crash(sid)
                left = left._replace(crashes=left.crashes - 1)
            else:
                servers[sid - 1] = outcome.after
                touched.append(sid)
                wrong = outcome.wrong
                if kind == "restart":
                    self._greet(servers, draft, sid)
        made = World(tuple(servers), draft.done(), left, world.past)
        if wrong is not None:
            return Step(event, made, wrong)
        return self._judged(world, made, event, touched)

    def _judged(self, world: World, made: World, event: Event, touched: list[int]) -> Step | None:
        past: Past | Wrong = made.past
        if touched:
            before, after = self._servers(world), self._servers(made)
            for sid in touched:
                past = judge(made.past, before, after, sid - 1)
                if isinstance(past, Wrong):
                    return Step(event, made, past)
                made = made._replace(past=past)
        if made.past.committed:
            wrong = self._is_lost(made)
            if wrong is not None:
                return Step(event, made, wrong)
        return None if made == world else Step(event, made, None)

    def _is_lost(self, world: World) -> Wrong | None:
        servers = self._servers(world)
        key = (world.past.committed, *[local.disk for local in servers])
        if key not in self._lost:
            self._lost[key] = lost(world.past.committed, [local.platter for local in servers])
        return self._lost[key]

    def _crash(self, servers: list[int], draft: Draft, sid: int, kept: int) -> None:
        local = self.locals.all[servers[sid - 1]]
        servers[sid - 1] = self.locals.down(sid, local.platter.crashed(kept))
        draft.crash(sid)

    def _connect(self, servers: list[int], draft: Draft, dialer: int, acceptor: int) -> Wrong | None:
        number = draft.connect(dialer, acceptor)
        for sid, event in ((acceptor, "accepted"), (dialer, "dialed")):
            outcome = self.locals.outcome(servers[sid - 1], (event, name_at(sid, dialer, acceptor, number)))
            servers[sid - 1] = outcome.after
            draft.carry_out(sid, outcome.effects)
            if outcome.wrong is not None:
                return outcome.wrong
        return None

    def _greet(self, servers: list[int], draft: Draft, sid: int) -> None:
        """The ways for election messages come up; of no use while elections are held whole."""
        if self.bounds.whole_elections:
            return
        for other in range(1, len(servers) + 1):
            if other == sid or self.locals.all[servers[other - 1]].host is None:
                continue
            for one, two in ((sid, other), (other, sid)):
                outcome = self.locals.outcome(servers[one - 1], ("election_link", two, True))
                servers[one - 1] = outcome.after
                draft.carry_out(one, outcome.effects)

    # -- elections held whole ----------------------------------------------------------------------------

    def _parley(self, sids: tuple[int, ...], parties: tuple[int, ...]) -> _Parley | None:
        """Return what comes of it when servers talk about who is to lead; None when nothing does."""
        known = self.locals.all
        if not any(_looks(known[number]) for number in parties):
            return None
        key = (sids, parties)
        if key not in self._parleys:
            self._parleys[key] = _Parley.held(self.locals, sids, parties, self.bounds.servers)
        return self._parleys[key]


class _Parley(NamedTuple):
    """The outcome of an election held whole."""

    after: tuple[int, ...]
    effects: tuple[tuple[int, tuple[Effect, ...]], ...]
    wrong: Wrong | None

    @staticmethod
    def held(
        locals_: Locals, sids: tuple[int, ...], parties: tuple[int, ...], ensemble: int
    ) -> _Parley | None:
        """Let some servers exchange messages, the oldest first, until nobody has anything to say."""
        now = {sid: locals_.copy(number) for sid, number in zip(sids, parties, strict=True)}
        mail: dict[tuple[int, int], Any] = {}
        done: list[tuple[int, tuple[Effect, ...]]] = []
        wrongs: list[Wrong] = []

        def happen(sid: int, event: LocalEvent) -> None:
            effects, wrong = locals_.drive(now[sid], event)
            for effect in effects:
                if effect.kind == "mail" and effect.about in now:
                    mail.pop((sid, effect.about), None)
                    mail[(sid, effect.about)] = effect.what
            done.append((sid, effects))
            if wrong is not None:
                wrongs.append(wrong)

        def talk() -> None:
            for _ in range(200):
                if not mail or wrongs:
                    return
                way = next(iter(mail))
                happen(way[1], ("mail", mail.pop(way)))
            raise AssertionError("an election that does not end")

        for sid in sids:
            for other in range(1, ensemble + 1):
                if other != sid:
                    happen(sid, ("election_link", other, other in now))
        for purpose in ("_on_resend", "_on_finalize"):
            for sid in sids:
                if not wrongs and purpose in now[sid].clock.armed():
                    happen(sid, ("timer", purpose))
            talk()
        looking = [sid for sid, number in zip(sids, parties, strict=True) if _looks(locals_.all[number])]
        if not wrongs and all(now[sid].peer.role is ServerState.LOOKING for sid in looking):
            return None
        after = parties if wrongs else tuple([locals_.number(host) for host in now.values()])
        return _Parley(after, tuple(done), wrongs[0] if wrongs else None)


def _looks(local: Local) -> bool:
    return local.seen is not None and local.seen.role is ServerState.LOOKING


def _forsaken(sid: int, ways: Ways) -> bool:
    """Tell whether nobody is connected to a server, or on the way to it."""
    return all(sid not in link.key[:2] for link in ways.links) and all(sid != to for _, to in ways.dials)


def _platter_after(platter: Platter, effects: Sequence[Effect]) -> Platter:
    for effect in effects:
        if effect.kind == "disk":
            platter = effect.what
    return platter


def _local_event(world: World, event: Event) -> LocalEvent:
    """Translate an event of the world for the server that it is about."""
    kind, sid = event[0], event[1]
    if kind in ("packet", "end"):
        key = event[2]
        name = name_at(sid, *key)
        if kind == "end":
            return ("end", name)
        link = next(link for link in world.ways.links if link.key == key)
        return ("packet", name, link.queues[0 if key[0] == sid else 1][0])
    if kind == "mail":
        return ("mail", next(what for sender, to, what in world.ways.mail if (sender, to) == (event[2], sid)))
    if kind == "refuse":
        return ("refused", event[2])
    if kind == "write":
        return ("write", b"txn%d" % world.left.txns)
    if kind == "forsaken":
        return ("timeout", event[2])
    return (kind, *event[2:])


_WILD = frozenset({"write", "crash", "break", "timeout", "cut", "restart"})
"""Events that nobody can count on: a world is at rest when only these are left."""
_CAN_BE_CUT = frozenset(
    {"packet", "end", "synced", "write", "timer", "timeout", "forsaken", "mail", "refuse"}
)
