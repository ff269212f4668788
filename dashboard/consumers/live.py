"""What each place shows live: which topics touch it, and the fragments it renders then."""

from __future__ import annotations

from typing import Any, ClassVar

from django.template.loader import render_to_string

from dashboard import audit
from dashboard.gateway.errors import GatewayError
from dashboard.places import sessions, tree, watches
from dashboard.places.rows import Shown, group, item, parse_opened, row_id
from ensemble import paths

Fragments = dict[str, str]


class Live:
    """A place whose own content does not change by fragments: the drawn ones."""

    topics: ClassVar[frozenset[str]] = frozenset()
    tick_s: ClassVar[float | None] = None
    interval_s: ClassVar[float] = 0.3

    def shows(self, values: dict[str, Any]) -> None:
        """The page says what it shows."""

    def changed(self, topic: str, body: dict[str, Any]) -> None:
        """A topic of :attr:`topics` has something new."""

    def missed(self) -> None:
        """Something was lost on the way here; render everything at the next opportunity."""

    async def render(self) -> Fragments:
        """Return fragments by element id; the same text as before is not sent again."""
        return {}

    def forget_old(self, sent: Fragments) -> None:
        """Drop remembered fragments that are not shown any more."""


class EnsembleLive(Live):
    """The audit list beside the stage."""

    topics = frozenset({"audit"})

    async def render(self) -> Fragments:
        """Return the audit list."""
        return {
            "audit": render_to_string("fragments/audit.html", {"audit": await audit.recent(), "oob": True})
        }


class SessionsLive(Live):
    """The table, whose time-outs run down, and the session in detail."""

    topics = frozenset({"sessions", "watches"})
    tick_s = 1.0
    interval_s = 0.5

    def __init__(self) -> None:
        self._values: dict[str, str] = {}
        self._told = False

    def shows(self, values: dict[str, Any]) -> None:
        """Take filter, order and selection."""
        self._values = {key: str(values.get(key, ""))[:200] for key in ("find", "sort", "session")}
        self._told = True

    async def render(self) -> Fragments:
        """Return the table and the detail."""
        if not self._told:
            return {}
        context = await sessions.table_context(self._values)
        context |= await sessions.detail_context(self._values["session"]) | {"oob": True}
        return {
            "sessions-list": render_to_string("fragments/sessions_list.html", context),
            "session-detail": render_to_string("fragments/session_detail.html", context),
        }


class WatchesLive(Live):
    """The list, in which fired watches burn out."""

    topics = frozenset({"watches", "sessions"})
    tick_s = 2.0
    interval_s = 0.5

    def __init__(self) -> None:
        self._values: dict[str, str] = {}
        self._told = False

    def shows(self, values: dict[str, Any]) -> None:
        """Take filter and grouping."""
        self._values = {key: str(values.get(key, ""))[:200] for key in ("find", "by")}
        self._told = True

    async def render(self) -> Fragments:
        """Return the list."""
        if not self._told:
            return {}
        context = await watches.list_context(self._values) | {"oob": True}
        return {"watches-list": render_to_string("fragments/watches_list.html", context)}


class TreeLive(Live):
    """Rows of changed znodes, children of open ones, and the znode in detail.

    A change in a znode that nobody opened costs nothing here; one in an open znode costs one listing.
    """

    topics = frozenset({"tree", "watches", "sessions"})

    def __init__(self) -> None:
        self._shown = Shown()
        self._view: str | None = None
        self._groups: set[str] = set()
        self._rows: set[str] = set()
        self._marks: dict[str, str] = {}
        self._detail = False
        self._told = False

    def shows(self, values: dict[str, Any]) -> None:
        """Take the open znodes, how much of each is shown, and which is in detail."""
        opened = values.get("open", [])
        entries = [str(entry) for entry in (opened if isinstance(opened, list) else [opened])]
        self._shown = Shown(str(values.get("selected", "")), parse_opened(entries))
        self._view = str(values.get("view", "")) or None
        if not self._told:
            self._told = True
            self.missed()  # what changed between the page and its socket must not stay unseen

    def missed(self) -> None:
        """Render every open znode anew."""
        self._groups.update(self._shown.opened)
        self._rows.add("/")
        self._detail = True

    def changed(self, topic: str, body: dict[str, Any]) -> None:
        """Note which open znodes and rows a change touches."""
        if topic != "tree":
            self._detail = True
            return
        if body["left_out"]:
            self.missed()
        for change in body["changes"]:
            self._note(change["path"], change["what"])

    async def render(self) -> Fragments:
        """Return what was touched since the last time."""
        if not self._told:
            return {}
        groups, rows, marks, detail = self._groups, self._rows, self._marks, self._detail
        self._groups, self._rows, self._marks, self._detail = set(), set(), {}, False
        shown = Shown(self._shown.selected, self._shown.opened, marks)
        fragments: Fragments = {}
        inside = _covered(groups, set(shown.opened))
        for path in sorted(inside):
            fragments |= await self._item(path, shown, with_group=True)
        for path in sorted(rows - inside):
            if paths.parent_of(path) not in groups or path == "/":
                fragments |= await self._item(path, shown, with_group=False)
        if detail and shown.selected:
            context = await tree.detail_context(shown.selected, self._view) | {
                "oob": True,
                "selected": shown.selected,
            }
            fragments["tree-detail"] = render_to_string("fragments/tree_detail.html", context)
        return fragments

    def forget_old(self, sent: Fragments) -> None:
        """Rows are told by marks and versions, not compared: keep the detail only."""
        for name in [name for name in sent if name.startswith(("row-", "kids-"))]:
            del sent[name]

    def _note(self, path: str, what: str) -> None:
        parent = paths.parent_of(path)
        if path == self._shown.selected or parent == self._shown.selected:
            self._detail = True
        if what == "changed":
            if parent in self._shown.opened or path == "/":
                self._rows.add(path)
                self._marks[path] = "flash"
            return
        if parent in self._shown.opened:
            self._groups.add(parent)
            if what == "created":
                self._marks[path] = "new"
        if parent == "/" or paths.parent_of(parent) in self._shown.opened:
            self._rows.add(parent)

    async def _item(self, path: str, shown: Shown, *, with_group: bool) -> Fragments:
        try:
            found = await item(path, Shown(shown.selected, {}, shown.marks))
            inner = await group(path, shown) if with_group else None
        except GatewayError as error:
            if error.kind == "not_found":
                return {}  # its parent's children are drawn anew without it
            raise
        name = row_id(path)
        expanded = path in shown.opened
        fragments: Fragments = {
            f"row-{name}": render_to_string(
                "fragments/tree_row.html", {"item": found, "expanded": expanded, "oob": True}
            )
        }
        if inner is not None:
            fragments[f"kids-{name}"] = render_to_string(
                "fragments/tree_group.html", {"group": inner, "shown": shown, "oob": True}
            )
        return fragments


def _covered(groups: set[str], opened: set[str]) -> set[str]:
    """Return the touched open znodes that are not drawn already as part of another touched one."""
    touched = groups & opened
    return {path for path in touched if not any(path != other and _within(path, other) for other in touched)}


def _within(path: str, ancestor: str) -> bool:
    return ancestor == "/" or path.startswith(ancestor + "/")


LIVE: dict[str, type[Live]] = {
    "ensemble": EnsembleLive,
    "pipeline": Live,
    "tree": TreeLive,
    "sessions": SessionsLive,
    "watches": WatchesLive,
}
