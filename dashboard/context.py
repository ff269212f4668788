"""What every page needs for its frame: the places, where we are, and the state for the first paint."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse

PLACES = (
    ("ensemble", "Ensemble", None),
    ("tree", "Tree", "znodes"),
    ("sessions", "Sessions", "sessions"),
    ("watches", "Watches", "watches"),
    ("pipeline", "Pipeline", None),
)
"""Key, label, and the field of the summary that is counted beside it. The icon has the key's name."""


def places(summary: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the rail's links with their counts (``None``: nothing to count, or not known)."""
    return [
        {
            "key": key,
            "label": label,
            "url": reverse(key),
            "icon": key,
            "count": summary.get(counted) if counted else None,
            "counted": counted is not None,
        }
        for key, label, counted in PLACES
    ]


def frame(request: HttpRequest) -> dict[str, Any]:
    """Context processor; the view has put the summary on the request before it renders."""
    summary = getattr(request, "summary", None)
    if summary is None:
        return {"ensemble_name": settings.COORDINATOR_NAME}
    return {
        "places": places(summary),
        "place": getattr(request, "place", None),
        "ensemble_name": summary["name"],
        "role": getattr(request, "role", None),
        "summary": summary,
    }
