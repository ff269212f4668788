"""Ensemble and Pipeline: the drawn places. Their stage is drawn in the browser from ``/ws/stage/``."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_safe

from dashboard import audit
from dashboard.places.pages import ask, page


@require_safe
async def home(request: HttpRequest) -> HttpResponse:
    """``/``: where everyone starts."""
    return HttpResponseRedirect(reverse("ensemble"))


@require_safe
async def ensemble(request: HttpRequest) -> HttpResponse:
    """The stage: servers, roles, epochs, logs, packets; and what was done through the panel."""
    return await page(request, "ensemble", {"audit": await audit.recent(), "stage": await ask("stage")})


@require_safe
async def pipeline(request: HttpRequest) -> HttpResponse:
    """Each proposal through its stages."""
    return await page(request, "pipeline", {"stage": await ask("stage")})
