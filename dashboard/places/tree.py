"""Tree: znodes as rows that open, and one of them in detail."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from dashboard import values
from dashboard.gateway.errors import GatewayError
from dashboard.places.dialogs import readable_or_refuse
from dashboard.places.pages import ask, fragment, page, says_why, tells_place, wants_part, whole
from dashboard.places.rows import PAGE, SHOWN_MAX, Shown, ancestors, item, open_tree, reveal_child
from ensemble import paths

CHILDREN_PAGE = 50
"""Children listed at a time beside a znode's value."""
OWN = "/zookeeper"
"""ZooKeeper's own part of the tree, not opened by itself."""

VIEWS = (("json", "JSON"), ("text", "Text"), ("hex", "Hex"))


@require_safe
async def tree(request: HttpRequest) -> HttpResponse:
    """The tree opened down to ``path``, and ``path`` in detail; only the detail when only that is asked for."""
    selected = request.GET.get("path") or "/"
    view, offset = request.GET.get("view"), whole(request.GET.get("from"), 0)
    if wants_part(request, "tree-detail"):
        detail = await detail_context(selected, view, offset) | {"selected": selected}
        return tells_place(fragment(request, "fragments/tree_node.html", detail))
    query = request.GET.get("find", "").strip()
    deep = not paths.fault(selected)
    shown = Shown(selected, dict.fromkeys(ancestors(selected) if deep else ["/"], PAGE))
    context: dict[str, Any] = {
        "query": query,
        "selected": selected,
        "shown": shown,
        "root": None,
        "problem": None,
    }
    try:
        if "path" not in request.GET:
            await _open_only_child(shown)
        context["root"] = await open_tree(shown, reveal=selected if deep else None)
    except GatewayError as error:
        context["problem"] = error
    else:
        context["found"] = await _found(query)
    if deep and context["problem"] is not None:
        # Each question waits for an answer as long as a viewer would: one is enough to know.
        context |= {"path": selected, "node": None, "why": context["problem"]}
    else:
        context |= await detail_context(selected, view, offset)
    return await page(request, "tree", context)


@require_safe
@says_why
async def tree_item(request: HttpRequest) -> HttpResponse:
    """One row with its children (``open=1``; enough of them to show the one to ``reveal``) or without (``open=0``)."""
    path = request.GET.get("path", "/")
    count = whole(request.GET.get("shown"), PAGE, 1, SHOWN_MAX)
    opened = {path: count} if request.GET.get("open") == "1" else {}
    shown = Shown(request.GET.get("selected", ""), opened)
    if opened and (child := request.GET.get("reveal")) and paths.parent_of(child) == path:
        await reveal_child(shown, path, child)
    node = await item(path, shown)
    return tells_place(fragment(request, "fragments/tree_item.html", {"item": node, "shown": shown}))


@require_safe
@says_why
async def tree_find(request: HttpRequest) -> HttpResponse:
    """Znodes whose path begins with, or whose name contains, what was typed."""
    query = request.GET.get("find", "").strip()
    found = await ask("find", query=query) if query else None
    return fragment(request, "fragments/tree_found.html", {"found": found, "query": query})


@require_safe
@says_why
async def tree_value(request: HttpRequest) -> HttpResponse:
    """A znode's bytes as a download: never shown by the browser, never named by the znode."""
    node = await ask("node", path=request.GET.get("path", "/"))
    readable_or_refuse(node)
    response = HttpResponse(node["data"], content_type="application/octet-stream")
    response.headers["Content-Disposition"] = 'attachment; filename="znode.bin"'
    return response


async def _found(query: str) -> dict[str, Any] | None:
    """Return what a page's address searches for; nothing when that is no path."""
    try:
        return await ask("find", query=query) if query else None
    except GatewayError:
        return None


async def detail_context(path: str, view: str | None, offset: int = 0) -> dict[str, Any]:
    """Return what the detail pane shows: the znode, its value, children, watches, owner, and who waits in line."""
    try:
        node = await ask("node", path=path)
    except GatewayError as error:
        return {"path": path, "node": None, "why": error} | await _nearest(path, error)
    context: dict[str, Any] = {
        "path": path,
        "parent": paths.parent_of(path),
        "parts": _parts(path),
        "node": node,
        "value": values.look(node["data"], view),
        "views": VIEWS,
        "view": view,
        "from": offset,
        "limitable": _limitable(node),
        "why": None,
    }
    return context | await _children(node, offset) | await _around(node)


async def _nearest(path: str, why: GatewayError) -> dict[str, Any]:
    """Return the row of the nearest znode there is above one that is not."""
    if why.kind != "not_found":
        return {}
    try:
        rows = await ask("rows", wanted=ancestors(path))
    except GatewayError:
        return {}
    return {"parent": paths.parent_of(path), "nearest": rows[-1] if rows else None}


async def _open_only_child(shown: Shown) -> None:
    """Open the only user's znode below the root, so that who comes without a path sees more than one row."""
    children = await ask("children", path="/", limit=3)
    own = [row["path"] for row in children["rows"] if row["path"] != OWN and row["children"]]
    if len(own) == 1 and children["total"] <= 2:
        shown.opened = {**shown.opened, own[0]: PAGE}


async def _children(node: dict[str, Any], offset: int) -> dict[str, Any]:
    """Return one page of a znode's children; the last page there is when ``offset`` is beyond it."""
    if not node["children"]:
        return {"children": None}
    offset = min(offset, node["children"] - 1) // CHILDREN_PAGE * CHILDREN_PAGE
    try:
        page = await ask("children", path=node["path"], offset=offset, limit=CHILDREN_PAGE)
    except GatewayError as error:
        return {"children": None, "children_why": error}
    return {
        "children": page,
        "from": offset,
        "before": None if offset == 0 else offset - CHILDREN_PAGE,
        "after": None if page["shown"] >= page["total"] else page["shown"],
    }


async def _around(node: dict[str, Any]) -> dict[str, Any]:
    """Return watches on a znode, its owner's session and its place in line; any may not be known."""
    try:
        watches = await ask("watches")
        owner = await ask("session", session=node["owner"]) if node["owner"] else None
        line = await _line(node)
        quota = await ask("quota", path=node["path"]) if _limitable(node) else None
    except GatewayError as error:
        return {"watches": None, "owner": None, "line": None, "quota": None, "around_why": error}
    here = [watch for watch in watches["watches"] if watch["path"] == node["path"]]
    return {
        "watches": here,
        "watches_missing": watches["missing"],
        "owner": owner,
        "line": line,
        "quota": quota,
        "around_why": None,
    }


def _limitable(node: dict[str, Any]) -> bool:
    """Tell whether a quota makes sense there: ephemerals have nothing below, the root's no server looks at."""
    path = node["path"]
    return not node["owner"] and path not in ("/", OWN) and not path.startswith(f"{OWN}/")


async def _line(node: dict[str, Any]) -> dict[str, Any] | None:
    """Return the line the znode stands in or holds; znodes that can do neither are not asked for."""
    stands = node["kind"] == "E#"
    if not stands and not node["children"]:
        return None
    line: dict[str, Any] | None = await ask("queue", path=node["path"], sequential=stands)
    return line


def _parts(path: str) -> list[tuple[str, str]]:
    """Return name and path of each ancestor, for the heading's links."""
    return [(paths.name_of(each) or "/", each) for each in ancestors(path)] if path != "/" else []
