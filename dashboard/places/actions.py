"""Actions: POST only, CSRF checked, audited whether done or refused; refused ones answer 409 with the reason."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_POST

from dashboard import audit
from dashboard.gateway.errors import GatewayError
from dashboard.places.dialogs import LIMITS, edit_context, groups_of, sides_of
from dashboard.places.pages import ask, fragment, says_why, tells_place
from ensemble import paths

VALUE_BYTES_MAX = 1024 * 1024 - 4096
"""A request must fit ZooKeeper's frame; what is larger is refused before it is sent."""

LIMIT_MAX = 2**63 - 1
"""Servers read limits as Java's long."""

DONE = {
    "kill": "s{sid} was killed.",
    "stop": "s{sid} was stopped.",
    "start": "s{sid} was started.",
    "restart": "s{sid} was restarted.",
    "pause": "s{sid} is paused.",
    "resume": "s{sid} goes on.",
}


def outcome(request: HttpRequest, sentence: str, **context: Any) -> HttpResponse:
    """Answer an action that was done."""
    return fragment(request, "dialogs/outcome.html", {"sentence": sentence, **context})


@require_POST
@says_why
async def partition(request: HttpRequest) -> HttpResponse:
    """Cut the links between the sides the form names (``side-1=a&side-2=b…``), or just those in ``cut=1-2,1-3``."""
    if request.POST.get("cut"):
        links = _links_of(request.POST["cut"])
        text = ", ".join(f"s{one}-s{other}" for one, other in links)
        done = await audit.carry_out(request, "cut", text, "cut", links=links)
        return outcome(request, f"Links are cut: {text}.", failed=done["failed"])
    state = await ask("state")
    sids = [server["sid"] for server in state["servers"]]
    groups = groups_of(sides_of(request.POST, sids))
    text = " | ".join(" ".join(f"s{sid}" for sid in group) for group in groups)
    done = await audit.carry_out(request, "partition", text, "partition", groups=groups)
    return outcome(request, f"Links are cut: {text}.", failed=done["failed"])


@require_POST
@says_why
async def heal(request: HttpRequest) -> HttpResponse:
    """Mend all links."""
    done = await audit.carry_out(request, "heal", "all links", "heal")
    return outcome(request, "All links are mended.", failed=done["failed"])


@require_POST
@says_why
async def server(request: HttpRequest, sid: int, action: str) -> HttpResponse:
    """Kill, stop, start, restart, pause or resume a server."""
    process = await audit.carry_out(request, action, f"s{sid}", "server", sid=sid, action=action)
    return outcome(request, DONE[action].format(sid=sid), process=process)


@require_POST
@says_why
async def expire(request: HttpRequest, session: str) -> HttpResponse:
    """Expire a session."""
    await audit.carry_out(request, "expire", session, "expire", session=session)
    return outcome(request, f"The expiry of {session} was submitted; it is gone once that is committed.")


@require_POST
@says_why
async def create(request: HttpRequest) -> HttpResponse:
    """Create a znode."""
    parent, name = request.POST.get("parent", "/"), request.POST.get("name", "")
    mode = request.POST.get("mode", "persistent")
    if not name and not mode.endswith("sequential"):
        raise GatewayError("The znode needs a name.", "bad_request")
    if "/" in name:
        raise GatewayError("A name cannot hold a slash; create the parent first.", "bad_request")
    path = paths.child_of(parent, name)
    made = await audit.carry_out(
        request, "create", path, "create", path=path, data=_value(request), mode=mode
    )
    return outcome(request, f"{made['path']} was created.", path=made["path"], zxid=made["zxid"])


@require_POST
async def set_data(request: HttpRequest) -> HttpResponse:
    """Write a value if nobody else did meanwhile; else show both and let the viewer choose."""
    path = request.POST.get("path", "")
    try:
        version = int(request.POST.get("version", ""))
        data = _value(request)
        done = await audit.carry_out(
            request, "setData", path, "set_data", path=path, data=data, version=version
        )
    except ValueError:
        error = GatewayError("The version is not a number.", "bad_request")
    except GatewayError as raised:
        error = raised
    else:
        return tells_place(outcome(request, f"{path} was written.", path=path, zxid=done["zxid"]))
    if "now" in error.detail:
        context = edit_context(error.detail["now"], request.POST.get("value", ""))
        return fragment(request, "dialogs/edit.html", context, status=409)
    return fragment(request, "fragments/refused.html", {"error": error}, status=error.status)


@require_POST
@says_why
async def delete(request: HttpRequest) -> HttpResponse:
    """Delete one znode, or (``recursive=1``) it and all below it."""
    path = request.POST.get("path", "")
    if request.POST.get("recursive") == "1":
        job = await audit.carry_out(request, "delete all", path, "delete_tree", path=path)
        return fragment(request, "dialogs/progress.html", {"job": job})
    try:
        version = int(request.POST.get("version", ""))
    except ValueError as error:
        raise GatewayError("The version is not a number.", "bad_request") from error
    done = await audit.carry_out(request, "delete", path, "delete", path=path, version=version)
    return outcome(request, f"{path} was deleted.", zxid=done["zxid"], path=paths.parent_of(path))


@require_POST
@says_why
async def set_quota(request: HttpRequest) -> HttpResponse:
    """Put limits on a znode and all below it, in place of those it had; an empty field is no limit."""
    path = request.POST.get("path", "")
    limits = _limits(request)
    done = await audit.carry_out(request, "set quota", path, "set_quota", path=path, limits=limits)
    return tells_place(outcome(request, f"{path} has a quota.", path=path, zxid=done["zxid"]))


@require_POST
@says_why
async def lift_quota(request: HttpRequest) -> HttpResponse:
    """Lift all limits on a znode."""
    path = request.POST.get("path", "")
    done = await audit.carry_out(request, "lift quota", path, "delete_quota", path=path)
    return tells_place(outcome(request, f"{path} has no quota any more.", path=path, zxid=done["zxid"]))


def _limits(request: HttpRequest) -> dict[str, int]:
    limits = {}
    for name, label, _ in LIMITS:
        text = request.POST.get(name, "").strip()
        if not text:
            continue
        least = 1 if name.startswith("count") else 0
        if not (text.isascii() and text.isdigit()) or not least <= int(text[:20]) <= LIMIT_MAX:
            raise GatewayError(
                f"{label}: {text[:40]!r} is not a limit; write a whole number from {least} on, or nothing.",
                "bad_request",
            )
        limits[name] = int(text)
    return limits


def _value(request: HttpRequest) -> bytes:
    # A text area sends CRLF for every line end; the editor only opens on values without CR.
    data = request.POST.get("value", "").replace("\r\n", "\n").encode()
    if len(data) > VALUE_BYTES_MAX:
        raise GatewayError(
            f"{len(data):,} bytes are more than a znode can hold ({VALUE_BYTES_MAX:,}).", "bad_request"
        )
    return data


def _links_of(text: str) -> list[list[int]]:
    """Read links written ``1-2,1-3``."""
    links = []
    for part in text.split(","):
        ends = part.strip().split("-")
        if len(ends) != 2 or not all(end.isascii() and end.isdigit() and len(end) < 4 for end in ends):
            raise GatewayError(f"{part!r} is not a link; links are written 1-2.", "bad_request")
        links.append([int(end) for end in ends])
    return links
