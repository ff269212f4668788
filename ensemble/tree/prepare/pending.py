"""The state to come: the tree as it will be once everything proposed so far is applied.

For each znode with a change in flight there is the state it will have: a :class:`Pending`. The tree itself is
never changed here.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from ensemble.errors import Code, KeeperError
from ensemble.tree.operations import Acl
from ensemble.tree.tree import Tree

Judge = Callable[[int, bool], Code]
"""Asked about a session that was never agreed on, and whether the request creates an ephemeral: its code, unless
OK, is the answer."""


def unknown(session_id: int, ephemeral: bool) -> Code:
    """Judge as where all sessions are agreed on."""
    return Code.SESSION_EXPIRED


class Pending:
    """The state a znode will have once everything proposed is applied."""

    __slots__ = (
        "acl",
        "aversion",
        "child_count",
        "cversion",
        "data",
        "ephemeral_owner",
        "exists",
        "version",
        "zxid",
    )

    def __init__(
        self,
        zxid: int,
        data: bytes | None,
        acl: tuple[Acl, ...],
        version: int,
        cversion: int,
        aversion: int,
        ephemeral_owner: int,
        child_count: int,
    ) -> None:
        self.zxid = zxid
        self.exists = True
        self.data = data
        self.acl = acl
        self.version = version
        self.cversion = cversion
        self.aversion = aversion
        self.ephemeral_owner = ephemeral_owner
        self.child_count = child_count


class Outlook:
    """One tree and the changes on their way to it."""

    def __init__(self, tree: Tree, judge: Judge) -> None:
        self.tree = tree
        self._judge = judge
        self._pending: dict[str, Pending] = {}
        self._order: deque[tuple[str, Pending]] = deque()
        self._undo: list[tuple[str, Pending | None]] | None = None
        self._created: dict[int, dict[str, None]] = {}
        self._opening: dict[int, int] = {}
        self._closing: dict[int, int] = {}

    @property
    def pending(self) -> int:
        """How many changes of znodes are proposed but not applied."""
        return len(self._order)

    def applied(self, zxid: int) -> None:
        """Forget the changes that the tree has by now: those of transactions up to ``zxid``."""
        order, pending = self._order, self._pending
        while order and order[0][1].zxid <= zxid:
            path, change = order.popleft()
            if pending.get(path) is change:
                del pending[path]
            if change.ephemeral_owner:
                self._forget_created(path, change)
        if self._opening:
            _forget_until(self._opening, zxid)
        if self._closing:
            _forget_until(self._closing, zxid)

    def reset(self) -> None:
        """Forget every change: what is proposed and not committed has no future any more."""
        self._pending.clear()
        self._order.clear()
        self._created.clear()
        self._opening.clear()
        self._closing.clear()

    # Znodes.

    def draft(self, path: str, zxid: int) -> Pending | None:
        """Return a copy, free to change, of the state to come at ``path``; None when there is no znode."""
        pending = self._pending.get(path)
        if pending is not None:
            if not pending.exists:
                return None
            return Pending(
                zxid,
                pending.data,
                pending.acl,
                pending.version,
                pending.cversion,
                pending.aversion,
                pending.ephemeral_owner,
                pending.child_count,
            )
        node = self.tree.nodes.get(path)
        if node is None:
            return None
        children = node.children
        return Pending(
            zxid,
            node.data,
            node.acl,
            node.version,
            node.cversion,
            node.aversion,
            node.ephemeral_owner,
            len(children) if children else 0,
        )

    def existing(self, path: str, zxid: int) -> Pending:
        """Return what :meth:`draft` does; raise ``KeeperError(NO_NODE)`` when there is no znode."""
        draft = self.draft(path, zxid)
        if draft is None:
            raise KeeperError(Code.NO_NODE, path)
        return draft

    def exists(self, path: str) -> bool:
        """Tell whether there will be a znode at ``path``."""
        pending = self._pending.get(path)
        return pending.exists if pending is not None else path in self.tree.nodes

    def is_changing(self, path: str) -> bool:
        """Tell whether a change of the znode at ``path``, or of its children, is on its way."""
        return path in self._pending

    def put(self, path: str, change: Pending) -> None:
        """Note what the znode at ``path`` will be."""
        if self._undo is not None:
            self._undo.append((path, self._pending.get(path)))
        self._pending[path] = change
        self._order.append((path, change))

    def put_deleted(self, path: str, change: Pending) -> None:
        """Note that the znode at ``path`` will be no more; ``change`` is a draft of it."""
        change.exists = False
        change.ephemeral_owner = 0
        self.put(path, change)

    # All or nothing.

    def begin(self) -> None:
        """Begin to remember what :meth:`roll_back` takes back, until :meth:`end`."""
        self._undo = []

    def end(self) -> None:
        """Let the changes since :meth:`begin` stand."""
        self._undo = None

    def roll_back(self) -> None:
        """Take back the changes since :meth:`begin`; none has come after them, so each finds what it replaced."""
        undo = self._undo or ()
        for path, before in reversed(undo):
            if before is None:
                del self._pending[path]
            else:
                self._pending[path] = before
        for _ in undo:
            path, change = self._order.pop()
            if change.ephemeral_owner:
                self._forget_created(path, change)

    # Sessions.

    def check_session(self, session_id: int, *, ephemeral: bool = False) -> None:
        """Raise ``KeeperError`` unless the session is there, or may act without, and its end not on its way.

        ``ephemeral`` says that it is to own a znode, for which it must be agreed on.
        """
        if session_id in self._closing:
            raise KeeperError(Code.SESSION_EXPIRED)
        if session_id not in self.tree.sessions and session_id not in self._opening:
            code = self._judge(session_id, ephemeral)
            if code:
                raise KeeperError(code)

    def put_opened(self, session_id: int, zxid: int) -> None:
        """Note that a session will be there."""
        self._opening[session_id] = zxid

    def put_closed(self, session_id: int, zxid: int) -> None:
        """Note that a session will be no more."""
        self._closing[session_id] = zxid

    def put_created(self, session_id: int, path: str) -> None:
        """Note that ``path`` will be an ephemeral of a session."""
        self._created.setdefault(session_id, {})[path] = None

    def ephemerals_of(self, session_id: int) -> list[str]:
        """List what may be a session's ephemeral by then, oldest first."""
        return [*{**self.tree.ephemerals.get(session_id, {}), **self._created.get(session_id, {})}]

    def _forget_created(self, path: str, change: Pending) -> None:
        """Drop ``path`` from what a session has created, unless a later change leaves it there again."""
        owner = change.ephemeral_owner
        latest = self._pending.get(path)
        if latest is not None and latest.exists and latest.ephemeral_owner == owner:
            return
        created = self._created.get(owner)
        if created is not None:
            created.pop(path, None)
            if not created:
                del self._created[owner]


def _forget_until(sessions: dict[int, int], zxid: int) -> None:
    for session_id in [session_id for session_id, at in sessions.items() if at <= zxid]:
        del sessions[session_id]
