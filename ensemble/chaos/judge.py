"""The judgement of a run: the simulator's checkers, over the log that real servers have on their disks.

C8, locks, is judged here: what a lock guards is written in a transaction that checks the holder's znode, so the log
says at which zxid somebody wrote who did not hold it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from ensemble.chaos import differences
from ensemble.chaos.apache import (
    EARLY_EXPIRY,
    STALE_SNAPSHOT,
    UNAPPLIED_SYNC,
    UNCONFIRMED_SYNC,
    UNKNOWN_SESSION,
    VAGUE_EVENTS,
)
from ensemble.chaos.stale import StaleState
from ensemble.errors import Code
from ensemble.simulator.checks import checkers
from ensemble.simulator.checks.checkers import Entry, HistoryViolation, Replay
from ensemble.simulator.checks.exclusion import first_in_line
from ensemble.simulator.checks.model import Model
from ensemble.simulator.checks.staying import check_staying_watches, part
from ensemble.simulator.checks.watching import check_watches
from ensemble.simulator.clients.history import Attached, Call, Fired, History, Reign, Seen
from ensemble.tree.operations import Check, Multi, Op
from ensemble.tree.tree import Tree
from ensemble.zxid import epoch_of, text

LOCKS = "/lock/"


@dataclass(slots=True)
class Judgement:
    """What was broken, and what was checked."""

    violations: list[str] = field(default_factory=list)
    checked: dict[str, int] = field(default_factory=dict)
    known: list[str] = field(default_factory=list)
    """What Apache's servers are known to break, and broke."""
    wrong_trees: dict[int, list[str]] = field(default_factory=dict)
    """Servers whose tree is not the model's, and in which znodes."""
    digest: int = 0
    """The model's in the end."""

    def hold(self, name: str, check: Callable[[], int | None]) -> None:
        """Run a check; note what it counted or what it found broken."""
        try:
            self.checked[name] = check() or 0
        except HistoryViolation as violation:
            self.violations.append(str(violation))

    def excuse(self, found: Iterable[tuple[HistoryViolation, str]]) -> None:
        """Note what is a known deviation, which stands behind each violation, and raise the first that is not."""
        broken: list[HistoryViolation] = []
        known: dict[str, list[HistoryViolation]] = {}
        for violation, deviation in found:
            (known.setdefault(deviation, []) if deviation else broken).append(violation)
        for deviation, excused in known.items():
            more = f" (and {len(excused) - 1} more)" if len(excused) > 1 else ""
            self.known.append(f"{excused[0]}{more} - {deviation}")
        if broken:
            raise broken[0]


class Leaders:
    """Who led which epoch."""

    def __init__(self, led: Mapping[int, int], apache: Collection[int]) -> None:
        """``led`` maps epochs to their leaders; ``apache`` are the servers of Apache's."""
        self._led = led
        self._newest = max(led, default=0)
        self._theirs = {epoch for epoch, sid in led.items() if sid in apache}

    def theirs(self, epoch: int) -> bool:
        """Tell whether a server of Apache's led in an epoch."""
        return epoch in self._theirs

    def cut_off(self, reign: Reign | None) -> bool:
        """Tell whether a server obeyed one of Apache's while another server was in a later epoch already."""
        return reign is not None and self.theirs(reign.epoch) and reign.newest > reign.epoch

    def excuse(self, late: checkers.Late) -> str:
        """Name the deviation that makes a leader of Apache's answer a sync late; empty when there is none."""
        reign, server = late.call.reign, late.call.server
        if self.cut_off(reign):
            return UNCONFIRMED_SYNC
        if reign is None or not self.theirs(reign.epoch):
            return ""
        own = server == self._led[reign.epoch] and epoch_of(late.newest) == reign.epoch
        return UNAPPLIED_SYNC if own else ""

    def replaced(self, reign: Reign | None) -> bool:
        """Tell whether a server obeyed one of Apache's that has had a successor, then or later."""
        return reign is not None and self.theirs(reign.epoch) and self._newest > reign.epoch


def judge(
    history: History,
    log: list[tuple[int, bytes]],
    trees: Mapping[int, Tree],
    apache: Collection[int] = (),
    stale: Sequence[StaleState] = (),
    led: Mapping[int, int] = MappingProxyType({}),
) -> Judgement:
    """Hold everything that clients saw, and the servers' trees, against the committed log.

    ``apache`` are the servers of Apache's, whose known deviations are told apart from what is broken, each only
    where such a server brought it about: ``led`` tells who led which epoch, and ``stale`` are the states that snapshots
    of what was never committed would lead to.
    """
    judgement = Judgement()
    entries = [Entry.decode(zxid, payload) for zxid, payload in log]
    replay = Replay(Model())
    leaders = Leaders(led, apache)
    foretold = _foretold(entries, leaders)
    if foretold:
        judgement.known.append(f"C5: {len(foretold)} requests were refused too early - {EARLY_EXPIRY}")

    spoiled: list[Call] = []

    def explained(call: Call) -> bool:
        found = any(state.explains(call) for state in stale)
        spoiled.extend([call] if found else [])
        return found

    def replayed() -> int:
        nonlocal replay
        replay = checkers.replay_log(history, entries, Model(), foretold, explained)
        return history.acknowledged()

    judgement.hold("C1 real time", lambda: checkers.check_real_time(history, entries))
    judgement.hold("C2 order within sessions", lambda: checkers.check_session_order(history, entries))
    judgement.hold("C3 sync", lambda: _syncs(judgement, history, leaders))
    judgement.hold("C1, C5, C6, C7 replies", replayed)
    if spoiled:
        judgement.known.append(
            f"C1: {len(spoiled)} reads saw what nobody has committed, the first {spoiled[0]} - {STALE_SNAPSHOT}"
        )
    if judgement.violations:
        return judgement  # what follows stands on the replay
    judgement.hold("C5 sessions", lambda: _ends(judgement, history, entries, leaders))
    judgement.hold("C5 ephemerals", lambda: checkers.check_owners(replay))
    staying, whole = part(history.streams)
    once = {place: _before(stream, apache) for place, stream in whole.items()}
    vague = sum(len(once[place]) < len(stream) for place, stream in whole.items())
    if vague:
        judgement.known.append(
            f"C4: the one-shot watches of {vague} sessions are judged only until then - {VAGUE_EVENTS}"
        )
    judgement.hold("C4 watches", lambda: _watches(History(history.calls, once), replay))
    judgement.hold("C4 persistent watches", lambda: check_staying_watches(staying, replay, apache))
    judgement.hold("C8 locks", lambda: check_locks(history, replay))
    judgement.hold("C9 digests", lambda: _digests(judgement, replay.model, trees, stale))
    return judgement


def _foretold(entries: list[Entry], leaders: Leaders) -> frozenset[int]:
    """Find where the last that sessions asked for was refused as expired, before the transactions that end them.

    Only leaders of Apache's do so.
    """
    found: list[int] = []
    last: dict[int, list[int]] = {}
    for entry in entries:
        if entry.type == Op.CLOSE_SESSION:
            found += last.pop(entry.session, [])
        elif entry.error == Code.SESSION_EXPIRED:
            if leaders.theirs(epoch_of(entry.zxid)):
                last.setdefault(entry.session, []).append(entry.zxid)
        else:
            last.pop(entry.session, None)
    return frozenset(found)


def _syncs(judgement: Judgement, history: History, leaders: Leaders) -> int:
    judgement.excuse((late.violation, leaders.excuse(late)) for late in checkers.late_syncs(history))
    return sum(call.op == Op.SYNC and call.answer is not None for call in history.calls)


def _ends(judgement: Judgement, history: History, entries: list[Entry], leaders: Leaders) -> None:
    judgement.excuse(
        (violation, UNKNOWN_SESSION if leaders.replaced(told.reign) else "")
        for told, violation in checkers.untrue_ends(history, entries)
    )


def _watches(history: History, replay: Replay) -> int:
    check_watches(history, replay)
    return _fired(history.streams)


def _fired(streams: Mapping[int, list[Seen]]) -> int:
    return sum(isinstance(seen, Fired) for stream in streams.values() for seen in stream)


def _digests(
    judgement: Judgement,
    model: Model,
    trees: Mapping[int, Tree],
    stale: Sequence[StaleState],
) -> int:
    expected = judgement.digest = model.digest()
    wrong = {sid: tree for sid, tree in trees.items() if tree.digest() != expected}
    for sid, tree in list(wrong.items()):
        for state in stale:
            if sid in state.holders and state.digest() == tree.digest():
                judgement.known.append(
                    f"C9: server {sid} ends with what snapshot {text(state.zxid)} of server {state.sid} holds and nobody has "
                    f"committed - "
                    f"{STALE_SNAPSHOT}"
                )
                del wrong[sid]
                break
    judgement.wrong_trees = {sid: list(differences.sentences(tree, model)) for sid, tree in wrong.items()}
    if wrong:
        told = ", ".join(f"server {sid} ends with digest {tree.digest():#x}" for sid, tree in wrong.items())
        raise HistoryViolation("C9", f"{told}, the model with {expected:#x}")
    return len(trees)


def _before(stream: list[Seen], servers: Collection[int]) -> list[Seen]:
    """Return what a client saw before it came to one of some servers."""
    met = (
        index for index, seen in enumerate(stream) if isinstance(seen, Attached) and seen.server in servers
    )
    return stream[: next(met, len(stream))]


# -- locks -----------------------------------------------------------------------------------------------------


def check_locks(history: History, replay: Replay) -> int:
    """C8: at every write that a lock guards its writer was the first in line."""
    writes = [(call.zxid, holder) for call in history.calls if (holder := _guard(call)) is not None]
    first_in_line(replay.changes, LOCKS, writes)
    return len(writes)


def _guard(call: Call) -> str | None:
    """Return the znode of the lock that a successful guarded write relied on."""
    if call.op != Op.MULTI or call.answer is None or not isinstance(call.operation, Multi):
        return None
    if any(result.error for result in call.answer.results or []):
        return None
    checks = [part.path for _, part in call.operation.ops if isinstance(part, Check)]
    return next((path for path in checks if path.startswith(LOCKS)), None)
