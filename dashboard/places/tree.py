"""Tree: znodes as rows that open, and one of them in detail."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from dashboard import values
from dashboard.gateway.errors import GatewayError
from dashboard.places.pages import ask, fragment, page, says_why, tells_place, wants_part, whole
from dashboard.places.rows import PAGE, SHOWN_MAX, Shown, ancestors, item, open_tree
from ensemble import paths

VIEWS = (("json", "JSON"), ("text", "Text"), ("hex", "Hex"))


@require_safe
async def tree(request: HttpRequest) -> HttpResponse:
    """The tree opened down to ``path``, and ``path`` in detail; only the detail when only that is asked for."""
    selected = request.GET.get("path") or "/"
    if wants_part(request, "tree-detail"):
        detail = await detail_context(selected, request.GET.get("view")) | {"selected": selected}
        return tells_place(fragment(request, "fragments/tree_node.html", detail))
    query = request.GET.get("find", "").strip()
    shown = Shown(selected, dict.fromkeys(ancestors(selected), PAGE))
    context: dict[str, Any] = {
        "query": query,
        "selected": selected,
        "shown": shown,
        "root": None,
        "problem": None,
    }
    try:
        context["root"] = await open_tree(shown, reveal=selected)
        context["found"] = await ask("find", query=query) if query else None
    except GatewayError as error:
        context["problem"] = error
    context |= await detail_context(selected, request.GET.get("view"))
    return await page(request, "tree", context)


@require_safe
@says_why
async def tree_item(request: HttpRequest) -> HttpResponse:
    """One row with its children (``open=1``) or without (``open=0``)."""
    path = request.GET.get("path", "/")
    count = whole(request.GET.get("shown"), PAGE, 1, SHOWN_MAX)
    opened = {path: count} if request.GET.get("open") == "1" else {}
    shown = Shown(request.GET.get("selected", ""), opened)
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
    response = HttpResponse(node["data"], content_type="application/octet-stream")
    response.headers["Content-Disposition"] = 'attachment; filename="znode.bin"'
    return response


async def detail_context(path: str, view: str | None) -> dict[str, Any]:
    """Return what the detail pane shows: the znode, its value, watches on it, and who owns it."""
    try:
        node = await ask("node", path=path)
    except GatewayError as error:
        return {"path": path, "node": None, "why": error}
    context: dict[str, Any] = {
        "path": path,
        "parent": paths.parent_of(path),
        "parts": _parts(path),
        "node": node,
        "value": values.look(node["data"], view),
        "views": VIEWS,
        "view": view,
        "why": None,
    }
    return context | await _around(node)


async def _around(node: dict[str, Any]) -> dict[str, Any]:
    """Return watches on a znode and, for an ephemeral, its owner's session; either may not be known."""
    try:
        watches = await ask("watches")
        owner = await ask("session", session=node["owner"]) if node["owner"] else None
    except GatewayError as error:
        return {"watches": None, "owner": None, "around_why": error}
    here = [watch for watch in watches["watches"] if watch["path"] == node["path"]]
    return {"watches": here, "watches_missing": watches["missing"], "owner": owner, "around_why": None}


def _parts(path: str) -> list[tuple[str, str]]:
    """Return name and path of each ancestor, for the heading's links."""
    return [(paths.name_of(each) or "/", each) for each in ancestors(path)] if path != "/" else []
