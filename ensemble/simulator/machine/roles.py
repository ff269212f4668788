"""I13: what was asked for in a role that is over has no effect (ZOOKEEPER-4712).

A server asks to be called back: at a time, or when its history is durable. By then it may have another role, or the
same role another time. Whatever such a call does then belongs to nobody: nothing may leave the server by it, nothing
reach its disks, and its present role must be what it was. Only clients may be taken leave of, whose connections are no
role's.

It looks into no role: two roles are the same when they are the same object.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from ensemble.replica.replica import Replica
from ensemble.zab.peer import Peer
from ensemble.zab.ports import History

_TO_CLIENTS = "reply"


class ActedAfterItsEnd(Exception):
    """A process that is dead, or a role that is over, did something."""

    invariant = "I13"


class Roles:
    """Remembers in which role of one server each call was asked for, and judges what comes of it."""

    def __init__(self, sid: int) -> None:
        self._sid = sid
        self._peer: Peer | None = None
        self._late: str | None = None
        """What goes on just now, if it was asked for in a role that is over."""
        self._before: object = None

    def watch(self, replica: Replica) -> None:
        """Judge the syncs that the roles of this server ask for, too."""
        self._peer = peer = replica.peer
        context = peer._context
        context.history = cast(History, _JudgedHistory(context.history, self))

    def timed(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Wrap a timer; it is judged up to the end of the step that it begins (see :meth:`end_step`)."""
        asked_in = self._role()

        def call() -> None:
            if self._role() is not asked_in:
                self._begin("a timer")
            callback()

        return call

    def synced(self, done: Callable[[], None]) -> Callable[[], None]:
        """Wrap what is to be done when the history is durable; the step itself may go on for others."""
        asked_in = self._role()

        def call() -> None:
            if self._role() is asked_in:
                done()
                return
            self._begin("a sync")
            done()
            self.end_step()

        return call

    def judge(self, effect: str) -> None:
        """Be told of an effect, before it is carried out."""
        if self._late is not None and (effect != _TO_CLIENTS or self._late == "a sync"):
            raise ActedAfterItsEnd(f"server {self._sid}: {effect}, by {self._late} of a role that is over")

    def end_step(self) -> None:
        """What was to be judged is over."""
        if self._late is None:
            return
        late, self._late = self._late, None
        if self._present() != self._before:
            raise ActedAfterItsEnd(
                f"server {self._sid}: {late} of a role that is over changed the present one"
            )

    def _begin(self, late: str) -> None:
        self._late, self._before = late, self._present()

    def _role(self) -> object:
        return None if self._peer is None else self._peer.term

    def _present(self) -> object:
        peer = self._peer
        return None if peer is None else (peer.term, peer.phase, peer.serving, peer.zxid_committed)


class _JudgedHistory:
    """The history of a server as its roles see it."""

    def __init__(self, history: History, roles: Roles) -> None:
        self._history = history
        self._roles = roles
        self.append = history.append

    def sync(self, done: Callable[[], None]) -> None:
        """Have what comes of it judged."""
        self._history.sync(self._roles.synced(done))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._history, name)
