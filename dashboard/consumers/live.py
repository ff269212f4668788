"""What each place shows live: which topics touch it, and the fragments it renders then."""

from __future__ import annotations

from collections import Counter
from typing import Any, ClassVar

from django.template.loader import render_to_string

from dashboard import audit
from dashboard.gateway.errors import GatewayError
from dashboard.gateway.kinds import number_of
from dashboard.places import sessions, tree, watches
from dashboard.places.pages import ask, whole
from dashboard.places.rows import (
    PAGE,
    Shown,
    ancestors,
    bounds,
    decorate,
    group,
    open_tree,
    parse_opened,
    row_id,
)
from ensemble import paths

Fragments = dict[str, str]

QUOTAS = "/zookeeper/quota"
"""Where the limits of a znode and what is used of them are kept, below its path."""
ROWS_MAX = 8
"""Rows of one open znode sent one by one; beyond it all its shown children are."""


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

    def of_summary(self, summary: dict[str, Any]) -> Fragments:
        """Return what the place itself says of the ensemble's summary."""
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
    tick_s = 2.0

    def __init__(self) -> None:
        self._shown = Shown()
        self._view: str | None = None
        self._offset = 0
        self._groups: set[str] = set()
        self._rows: set[str] = set()
        self._marks: dict[str, str] = {}
        self._visible: dict[str, frozenset[str]] = {}
        self._detail = False
        self._unread = False
        self._told = False

    def shows(self, values: dict[str, Any]) -> None:
        """Take the open znodes, how much of each is shown, and which is in detail."""
        opened = values.get("open", [])
        entries = [str(entry) for entry in (opened if isinstance(opened, list) else [opened])]
        self._shown = Shown(str(values.get("selected", "")), parse_opened(entries))
        self._view = str(values.get("view", "")) or None
        self._offset = whole(str(values.get("from", "")), 0)
        self._unread = bool(values.get("unread"))
        # What changed between a page or a fragment and this word of it must not stay unseen.
        self._groups.update(path for path in self._shown.opened if path not in self._visible)
        self._visible = {path: rows for path, rows in self._visible.items() if path in self._shown.opened}
        self._rows.add("/")
        self._detail = True
        self._told = True

    def missed(self) -> None:
        """Render every open znode anew."""
        self._groups.update(self._shown.opened)
        self._rows.add("/")
        self._detail = True

    def of_summary(self, summary: dict[str, Any]) -> Fragments:
        """Return how many znodes there are."""
        context = {"summary": summary, "oob": True}
        return {"tree-count": render_to_string("fragments/tree_count.html", context)}

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
        if self._unread:
            return await self._draw_whole()
        groups, rows, marks, detail = self._groups, self._rows, self._marks, self._detail
        self._groups, self._rows, self._marks, self._detail = set(), set(), {}, False
        shown = Shown(self._shown.selected, self._shown.opened, marks)
        groups |= _crowded(rows, set(shown.opened))
        groups &= set(shown.opened)
        drawn = {
            path for path in groups if not any(path != other and _within(path, other) for other in groups)
        }
        fragments: Fragments = {}
        for path in sorted(drawn):
            fragments |= await self._draw_group(path, shown)
        inside = {path for path in rows if paths.parent_of(path) in groups and path != "/"}
        fragments |= await self._draw_rows((rows | drawn) - inside, shown)
        if detail and shown.selected:
            fragments |= await self._draw_detail()
        return fragments

    async def _draw_whole(self) -> Fragments:
        """Draw the tree for a page that was opened when it could not be read."""
        selected = self._shown.selected
        shown = Shown(selected, dict.fromkeys(ancestors(selected), PAGE))
        root = await open_tree(shown, reveal=selected)
        detail = await self._draw_detail() if selected else {}
        self._shown, self._unread = shown, False
        self._groups, self._rows, self._marks = set(), set(), {}
        self._remember(root["group"] or {"path": "/", "items": []})
        context = {"item": root, "shown": shown, "oob": True}
        return {
            f"item-{row_id('/')}": render_to_string("fragments/tree_item.html", context),
            "tree-unread": render_to_string("fragments/tree_unread.html", {"oob": True}),
            **detail,
        }

    async def _draw_detail(self) -> Fragments:
        selected = self._shown.selected
        context = await tree.detail_context(selected, self._view, self._offset)
        why = context["why"]
        if why is not None and why.kind == "unavailable":
            raise why  # what is shown stays, with a note
        # Watches that could not be asked for are asked for again at the next tick.
        self._detail = bool(context.get("around_why") or context.get("watches_missing"))
        context |= {"oob": True, "selected": selected}
        return {"tree-detail": render_to_string("fragments/tree_detail.html", context)}

    def forget_old(self, sent: Fragments) -> None:
        """Rows are told by marks and versions, not compared: keep the detail only."""
        for name in [name for name in sent if name.startswith(("row-", "kids-", "more-"))]:
            del sent[name]

    def _note(self, path: str, what: str) -> None:
        parent = paths.parent_of(path)
        if self._touches_detail(path, parent):
            self._detail = True
        if what == "changed":
            if self._is_visible(path):
                self._rows.add(path)
                self._marks[path] = "flash"
            return
        if parent in self._shown.opened and not self._is_beyond(path, parent):
            self._groups.add(parent)
            if what == "created":
                self._marks[path] = "new"
        if self._is_visible(parent):
            self._rows.add(parent)

    def _touches_detail(self, path: str, parent: str) -> bool:
        """Tell whether the detail shows ``path``: itself, as a child, or in one line with the selected one."""
        selected = self._shown.selected
        if selected in (path, parent) or path.startswith(f"{QUOTAS}{selected}/zookeeper_"):
            return True
        in_line = (
            number_of(paths.name_of(selected)) is not None and number_of(paths.name_of(path)) is not None
        )
        return in_line and parent == paths.parent_of(selected)

    def _is_visible(self, path: str) -> bool:
        return path == "/" or path in self._visible.get(paths.parent_of(path), ())

    def _is_beyond(self, path: str, parent: str) -> bool:
        """Tell whether a child comes after all that are shown of its parent: then only numbers change."""
        rows = self._visible.get(parent)
        return rows is not None and len(rows) >= self._shown.opened[parent] and path > max(rows)

    async def _draw_group(self, path: str, shown: Shown) -> Fragments:
        try:
            found = await group(path, shown)
        except GatewayError as error:
            if error.kind == "not_found":
                self._visible.pop(path, None)
                return {}  # its parent's children are drawn anew without it
            raise
        self._remember(found)
        context = {"group": found, "shown": shown, "oob": True}
        return {f"kids-{row_id(path)}": render_to_string("fragments/tree_group.html", context)}

    async def _draw_rows(self, wanted: set[str], shown: Shown) -> Fragments:
        if not wanted:
            return {}
        fragments: Fragments = {}
        for row in await ask("rows", wanted=sorted(wanted)):
            context = {"item": decorate(row, shown), "expanded": row["path"] in shown.opened, "oob": True}
            fragments[f"row-{row_id(row['path'])}"] = render_to_string("fragments/tree_row.html", context)
            count = shown.opened.get(row["path"], row["children"])
            if row["children"] > count:
                context = {"group": bounds(row["path"], count, row["children"]), "oob": True}
                fragments[f"more-{row_id(row['path'])}"] = render_to_string(
                    "fragments/tree_more.html", context
                )
        return fragments

    def _remember(self, drawn: dict[str, Any]) -> None:
        """Note which rows this viewer has: changes of others need not be sent."""
        self._visible[drawn["path"]] = frozenset(item["path"] for item in drawn["items"])
        for item in drawn["items"]:
            if item["group"] is not None:
                self._remember(item["group"])


def _crowded(rows: set[str], opened: set[str]) -> set[str]:
    """Return the open znodes of which so many rows changed that drawing all their children is cheaper."""
    counts = Counter(paths.parent_of(path) for path in rows if path != "/")
    return {parent for parent, count in counts.items() if count > ROWS_MAX and parent in opened}


def _within(path: str, ancestor: str) -> bool:
    return ancestor == "/" or path.startswith(ancestor + "/")


LIVE: dict[str, type[Live]] = {
    "ensemble": EnsembleLive,
    "pipeline": Live,
    "tree": TreeLive,
    "sessions": SessionsLive,
    "watches": WatchesLive,
}
