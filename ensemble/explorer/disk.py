"""The history of one server as ``zab`` may rely on it: what is durable, what is not yet, and what a crash leaves.

The contract is that of ``zab.ports.History`` and no more: appended transactions are durable when a sync that was asked
for later is done, and a crash keeps any number of the first of the others; epochs, truncations and snapshots are
durable on return. Files and sectors are the business of ``storage`` and its tests.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

from ensemble.errors import InvariantViolation, StorageError
from ensemble.zxid import epoch_of, follows, text

Txn = tuple[int, bytes]


@dataclass(frozen=True, slots=True)
class Platter:
    """What a disk holds: a value."""

    snapshot: tuple[Txn, ...] = ()
    """The transactions whose state the newest snapshot is."""
    log: tuple[Txn, ...] = ()
    """Durable."""
    volatile: tuple[Txn, ...] = ()
    """Appended and not synced."""
    accepted: int = 0
    current: int = 0

    def crashed(self, kept: int) -> Platter:
        """Return what a crash leaves that spares the first ``kept`` of what was not synced."""
        return replace(self, log=self.log + self.volatile[:kept], volatile=())

    @property
    def durable(self) -> tuple[Txn, ...]:
        """The whole durable history."""
        return self.snapshot + self.log

    @property
    def whole(self) -> tuple[Txn, ...]:
        """The whole history as the server sees it."""
        return self.snapshot + self.log + self.volatile


class VolatileHistory:
    """A ``Platter`` under a running server (implements ``zab.ports.History``)."""

    def __init__(self, platter: Platter, changed: Callable[[Platter, str], None]) -> None:
        """Open what a crash left; ``changed`` hears of every effect, with its name."""
        self.platter = platter
        self._changed = changed
        self.waiting: deque[tuple[int, Callable[[], None]]] = deque()
        """Syncs under way: what they cover, and whom they tell."""
        reached = epoch_of(self.zxid_logged)
        if platter.accepted < max(platter.current, reached):
            raise StorageError(
                f"acceptedEpoch {platter.accepted}, the history ends at {text(self.zxid_logged)}"
            )
        if platter.current < reached:  # as ``storage.epochs`` does
            self.save_current_epoch(reached)

    def _become(self, platter: Platter, effect: str) -> None:
        self.platter = platter
        self._changed(platter, effect)

    @property
    def _base(self) -> int:
        return self.platter.snapshot[-1][0] if self.platter.snapshot else 0

    @property
    def zxid_logged(self) -> int:
        """See ``zab.ports.History``."""
        whole = self.platter.whole
        return whole[-1][0] if whole else 0

    @property
    def zxid_durable(self) -> int:
        """See ``zab.ports.History``."""
        durable = self.platter.durable
        return durable[-1][0] if durable else 0

    @property
    def accepted_epoch(self) -> int:
        """See ``zab.ports.History``."""
        return self.platter.accepted

    @property
    def current_epoch(self) -> int:
        """See ``zab.ports.History``."""
        return self.platter.current

    def append(self, zxid: int, payload: bytes) -> None:
        """See ``zab.ports.History``."""
        if not follows(zxid, self.zxid_logged):
            raise InvariantViolation(f"{text(zxid)} behind {text(self.zxid_logged)}")
        self._become(replace(self.platter, volatile=(*self.platter.volatile, (zxid, payload))), "append")

    def sync(self, done: Callable[[], None]) -> None:
        """See ``zab.ports.History``."""
        self.waiting.append((self.zxid_logged, done))

    def complete(self) -> None:
        """Finish the oldest sync."""
        zxid, done = self.waiting.popleft()
        platter = self.platter
        written = tuple([txn for txn in platter.volatile if txn[0] <= zxid])
        if written:
            rest = platter.volatile[len(written) :]
            self._become(replace(platter, log=platter.log + written, volatile=rest), "sync")
        done()

    def read_after(self, zxid: int) -> list[Txn] | None:
        """See ``zab.ports.History``."""
        if self.last_not_after(zxid) != zxid:
            return None
        return [txn for txn in self.platter.log + self.platter.volatile if txn[0] > zxid]

    def last_not_after(self, zxid: int) -> int | None:
        """See ``zab.ports.History``."""
        held = [self._base, *[each for each, _ in self.platter.log + self.platter.volatile]]
        return max([each for each in held if each <= zxid], default=None)

    def truncate(self, zxid: int) -> None:
        """See ``zab.ports.History``."""
        if self.last_not_after(zxid) != zxid:
            raise StorageError(f"cannot truncate to {text(zxid)}, which is not held")
        platter = self.platter
        log = tuple([txn for txn in platter.log if txn[0] <= zxid])
        volatile = tuple([txn for txn in platter.volatile if txn[0] <= zxid])
        self._become(replace(platter, log=log, volatile=volatile), "truncate")

    def install(self, state: tuple[Txn, ...]) -> None:
        """Replace the history by a snapshot; durable on return."""
        self._become(replace(self.platter, snapshot=state, log=(), volatile=()), "snapshot")

    def save_accepted_epoch(self, epoch: int) -> None:
        """See ``zab.ports.History``."""
        if epoch < self.platter.accepted:
            raise InvariantViolation(f"accepted epoch {epoch} after {self.platter.accepted}")
        self._become(replace(self.platter, accepted=epoch), "acceptedEpoch")

    def save_current_epoch(self, epoch: int) -> None:
        """See ``zab.ports.History``."""
        if not self.platter.current <= epoch <= self.platter.accepted:
            raise InvariantViolation(
                f"current epoch {epoch} after {self.platter.current}, accepted {self.platter.accepted}"
            )
        self._become(replace(self.platter, current=epoch), "currentEpoch")
