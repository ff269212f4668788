"""The audit list: who did what through the panel, why, how it ended, and the zxid it made."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from dashboard.gateway.access import gateway
from dashboard.gateway.errors import GatewayError
from dashboard.models import AuditEntry
from dashboard.show import safe_text

SHOWN = 30
KEPT = 10_000


async def recent(count: int = SHOWN) -> list[AuditEntry]:
    """Return the newest entries, newest first."""
    return [entry async for entry in AuditEntry.objects.all()[:count]]


async def record(
    request: HttpRequest, action: str, target: str, *, done: bool, outcome: str = "", zxid: str = ""
) -> AuditEntry:
    """Write an entry and tell all viewers that the list grew."""
    entry = await AuditEntry.objects.acreate(
        user=getattr(request, "role", "") or "unknown",
        action=action,
        target=safe_text(target)[:1100],
        reason=safe_text(request.POST.get("reason", "").strip())[:400],
        done=done,
        outcome=outcome[:600],
        zxid=zxid,
    )
    if entry.pk % 100 == 0:
        await AuditEntry.objects.filter(pk__lte=entry.pk - KEPT).adelete()
    try:
        await (await gateway()).call("audited")
    except GatewayError:
        return entry  # viewers see it at their next look; the entry is what matters
    return entry


async def carry_out(
    request: HttpRequest, action: str, target: str, call: str, /, **arguments: Any
) -> dict[str, Any]:
    """Make a gateway call that changes something, and audit it whether it was done or refused."""
    try:
        result = await (await gateway()).call(call, **arguments)
    except GatewayError as error:
        await record(request, action, target, done=False, outcome=error.reason)
        raise
    zxid = str(result.get("zxid") or "") if isinstance(result, dict) else ""
    await record(request, action, target, done=True, zxid=zxid)
    return dict(result or {})
