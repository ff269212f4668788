"""Rows of the tree as the page shows them: which znodes are open, and how many of their children.

Shared by the page, the fragments and the live updates, so that all three draw the same row.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from dashboard.gateway.errors import GatewayError
from dashboard.places.pages import ask

PAGE = 100
SHOWN_MAX = 2000
"""Children of one znode shown at most; search reaches the others."""
OPEN_MAX = 120
"""Open znodes on one page; each is a request per refresh."""

Item = dict[str, Any]


@dataclass(slots=True)
class Shown:
    """What one viewer's tree shows."""

    selected: str = ""
    opened: Mapping[str, int] = field(default_factory=dict)
    """Open znodes and how many of their children are shown."""
    marks: Mapping[str, str] = field(default_factory=dict)
    """Rows that just changed: path to ``new`` or ``flash``."""


def row_id(path: str) -> str:
    """Return a stable id for a path: paths hold characters ids cannot."""
    return hashlib.sha256(path.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def ancestors(path: str) -> list[str]:
    """Return the proper ancestors of a path, the root first."""
    if path == "/" or not path.startswith("/"):
        return ["/"] if path == "/" else []
    names = path.strip("/").split("/")[:-1]
    return ["/", *("/" + "/".join(names[: depth + 1]) for depth in range(len(names)))]


def level(path: str) -> int:
    """Return how deep a path is; the root is 1, as ARIA counts."""
    return 1 if path == "/" else path.count("/") + 1


def decorate(row: dict[str, Any], shown: Shown) -> Item:
    """Add to a row what the template needs."""
    path = row["path"]
    mark = shown.marks.get(path, "")
    if mark == "flash" and path == shown.selected:
        mark = ""  # the selected row is being looked at; its detail shows the change
    if mark and int(row.get("mzxid", 0)) & 1:
        mark += " again"  # another class each time, so that the animation starts anew
    return {
        **row,
        "id": row_id(path),
        "level": level(path),
        "selected": path == shown.selected,
        "mark": mark,
        "group": None,
    }


async def open_tree(shown: Shown, reveal: str | None = None) -> Item:
    """Return the root's item with all open znodes below it."""
    if reveal is not None:
        await _reveal(shown, reveal)
    return await item("/", shown)


async def item(path: str, shown: Shown) -> Item:
    """Return one znode's item, opened as ``shown`` says."""
    rows = await ask("rows", wanted=[path])
    if not rows:
        raise GatewayError(f"{path} does not exist (any more).", "not_found")
    found = decorate(rows[0], shown)
    if path in shown.opened:
        found["group"] = await group(path, shown)
    return found


async def group(path: str, shown: Shown) -> dict[str, Any]:
    """Return the shown children of an open znode, those of them that are open with theirs."""
    count = min(shown.opened[path], SHOWN_MAX)
    pages = await asyncio.gather(
        *(
            ask("children", path=path, offset=offset, limit=min(500, count - offset))
            for offset in range(0, count, 500)
        )
    )
    total = pages[0]["total"]
    rows = [row for page in pages for row in page["rows"]]
    items = [decorate(row, shown) for row in rows]
    for child, inner in zip(items, await _groups([item["path"] for item in items], shown), strict=True):
        child["group"] = inner
    return {"path": path, "items": items, **bounds(path, count, total)}


def bounds(path: str, count: int, total: int) -> dict[str, Any]:
    """Return how much of an open znode is shown, when ``count`` of its ``total`` children may be."""
    return {
        "id": row_id(path),
        "path": path,
        "level": level(path),
        "shown": min(count, total),
        "left": max(0, total - count),
        "count": count,
        "next": min(count + PAGE, SHOWN_MAX),
        "step": min(PAGE, max(0, total - count)),
        "full": count >= SHOWN_MAX,
    }


async def _groups(wanted: Iterable[str], shown: Shown) -> list[dict[str, Any] | None]:
    async def one(path: str) -> dict[str, Any] | None:
        if path not in shown.opened:
            return None
        try:
            return await group(path, shown)
        except GatewayError as error:
            if error.kind == "not_found":
                return None  # deleted between the two requests
            raise

    return list(await asyncio.gather(*(one(path) for path in wanted)))


async def _reveal(shown: Shown, path: str) -> None:
    """Show enough children of each ancestor that the one on the way to ``path`` is among them."""
    opened = dict(shown.opened)
    for parent, child in zip(opened, [*list(opened)[1:], path], strict=False):
        if parent == path:
            continue
        where = await ask("position", path=child)
        if where is None:
            break
        opened[parent] = _pages_with(where)
    shown.opened = {each: count for each, count in opened.items() if await _exists(each)}


async def reveal_child(shown: Shown, path: str, child: str) -> None:
    """Show enough children of ``path`` that ``child`` is among them, if it is there."""
    where = await ask("position", path=child)
    if where is not None:
        shown.opened = {**shown.opened, path: _pages_with(where)}


def _pages_with(place: int) -> int:
    """Return how many children to show in whole pages so that the one at ``place`` is shown."""
    return min(SHOWN_MAX, -(-(place + 1) // PAGE) * PAGE)


async def _exists(path: str) -> bool:
    return bool(await ask("rows", wanted=[path]))


def parse_opened(entries: Iterable[str]) -> dict[str, int]:
    """Read what a page says it shows: ``COUNT:PATH`` each; what is not that is left out."""
    opened: dict[str, int] = {}
    for entry in entries:
        count, _, path = entry.partition(":")
        if (
            path.startswith("/")
            and count.isascii()
            and count.isdigit()
            and len(count) < 6
            and len(opened) < OPEN_MAX
        ):
            opened[path] = max(1, min(SHOWN_MAX, int(count)))
    return opened
