"""Dialogs as fragments: each shows what would happen before anything can be confirmed."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse, QueryDict
from django.views.decorators.http import require_safe

from dashboard import values
from dashboard.gateway.errors import GatewayError
from dashboard.places.pages import ask, fragment, says_why
from ensemble import paths

SIDES = ("a", "b", "c")
LIMITS = (
    ("count", "Znodes, soft", "beyond it the servers write a line into their logs"),
    ("count_hard", "Znodes, hard", "beyond it writes are refused, where servers have enforceQuota=true"),
    ("data_bytes", "Bytes of data, soft", "beyond it the servers write a line into their logs"),
    (
        "data_bytes_hard",
        "Bytes of data, hard",
        "beyond it writes are refused, where servers have enforceQuota=true",
    ),
)
MODES = (
    ("persistent", "Persistent", "stays until it is deleted"),
    ("ephemeral", "Ephemeral", "belongs to the panel's own session and vanishes when the panel stops"),
    ("persistent_sequential", "Persistent, sequential", "the servers add a ten-digit number to the name"),
    ("ephemeral_sequential", "Ephemeral, sequential", "numbered, and vanishes when the panel stops"),
)


@require_safe
@says_why
async def partition(request: HttpRequest) -> HttpResponse:
    """Choose sides; asked again with each choice, so that the consequences are always of what is chosen."""
    state = await ask("state")
    sides = sides_of(request.GET, [server["sid"] for server in state["servers"]], default=_a_first_cut(state))
    preview = await ask("preview_partition", groups=groups_of(sides))
    rows = [server | {"side": sides[server["sid"]]} for server in state["servers"]]
    template = "dialogs/partition_preview.html" if request.GET.get("preview") else "dialogs/partition.html"
    return fragment(request, template, {"servers": rows, "sides": SIDES, "preview": preview, "state": state})


@require_safe
@says_why
async def server(request: HttpRequest, sid: int, action: str) -> HttpResponse:
    """What doing ``action`` to one server means now."""
    preview = await ask("preview_server", sid=sid, action=action)
    status = 409 if preview["refusal"] else 200
    return fragment(
        request, "dialogs/server.html", {"preview": preview, "sid": sid, "action": action}, status
    )


@require_safe
@says_why
async def expire(request: HttpRequest, session: str) -> HttpResponse:
    """Which znodes vanish and which watches fire when a session expires."""
    return fragment(request, "dialogs/expire.html", await ask("session", session=session))


@require_safe
@says_why
async def create(request: HttpRequest) -> HttpResponse:
    """A new znode below ``path``."""
    parent = request.GET.get("path", "/")
    node = await ask("node", path=parent)
    if node["owner"]:
        raise GatewayError(f"{parent} is ephemeral, and ephemerals have no children.", "refused")
    context = {"parent": parent, "name": request.GET.get("name", ""), "modes": MODES, "mode": "persistent"}
    return fragment(request, "dialogs/create.html", context)


@require_safe
@says_why
async def edit(request: HttpRequest) -> HttpResponse:
    """A znode's value, to be written only if its version is still this one."""
    node = await ask("node", path=request.GET.get("path", "/"))
    readable_or_refuse(node)
    return fragment(request, "dialogs/edit.html", edit_context(node))


@require_safe
@says_why
async def delete(request: HttpRequest) -> HttpResponse:
    """What goes with a znode, and which watches fire."""
    context = await ask("deletion", path=request.GET.get("path", "/"))
    path = context["node"]["path"]
    if path == "/" or path == "/zookeeper" or path.startswith("/zookeeper/"):
        raise GatewayError(f"{path} is ZooKeeper's own and stays.", "refused")
    return fragment(request, "dialogs/delete.html", context | {"parent": paths.parent_of(path)})


@require_safe
@says_why
async def quota(request: HttpRequest) -> HttpResponse:
    """The limits on a znode and all below it, with what is used of them or how much there is to limit."""
    path = request.GET.get("path", "/")
    limits = await ask("quota", path=path)
    used = {each["what"]: each["used"] for each in limits or ()}
    below = await ask("count_below", path=path) if limits is None else None
    present = {each["name"]: each["limit"] for each in limits or ()}
    fields = [(name, label, note, present.get(name, "")) for name, label, note in LIMITS]
    context = {"path": path, "limits": limits, "used": used, "below": below, "fields": fields}
    return fragment(request, "dialogs/quota.html", context)


@require_safe
@says_why
async def lift_quota(request: HttpRequest) -> HttpResponse:
    """Which limits would end."""
    path = request.GET.get("path", "/")
    limits = await ask("quota", path=path)
    if limits is None:
        raise GatewayError(f"{path} has no quota.", "not_found")
    return fragment(request, "dialogs/quota_lift.html", {"path": path, "limits": limits})


def edit_context(node: dict[str, Any], mine: str | None = None) -> dict[str, Any]:
    """Return what the edit dialog shows; ``mine`` is what the viewer typed before a conflict."""
    text = values.editable(node["data"])
    return {
        "node": node,
        "text": text if mine is None else mine,
        "editable": text is not None,
        "conflict": mine is not None,
        "theirs": values.look(node["data"], None) if mine is not None else None,
    }


def readable_or_refuse(node: dict[str, Any]) -> None:
    """Raise :class:`GatewayError` when the panel may not see a znode's value: what is not seen is not edited."""
    if not node["readable"]:
        raise GatewayError(f"The access list of {node['path']} does not let the panel read it.", "refused")


def sides_of(asked: QueryDict, sids: list[int], default: dict[int, str] | None = None) -> dict[int, str]:
    """Read each server's side; whoever has none is on the default one."""
    default = default or {}
    chosen = {sid: asked.get(f"side-{sid}", default.get(sid, "a")) for sid in sids}
    return {sid: side if side in SIDES else "a" for sid, side in chosen.items()}


def groups_of(sides: dict[int, str]) -> list[list[int]]:
    """Return the groups that have anyone in them."""
    groups = [[sid for sid, chosen in sides.items() if chosen == side] for side in SIDES]
    return [group for group in groups if group]


def _a_first_cut(state: dict[str, Any]) -> dict[int, str]:
    """Propose the cut one learns most from: the leader alone against all others."""
    leader = state["summary"]["leader"]
    lonely = leader or (state["servers"][0]["sid"] if state["servers"] else None)
    return {server["sid"]: "a" if server["sid"] == lonely else "b" for server in state["servers"]}
