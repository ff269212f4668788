"""Answers when a page cannot be shown: in one sentence, in the panel's frame, never with internals."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render


def _page(request: HttpRequest, status: int, title: str, sentence: str) -> HttpResponse:
    return render(request, "error.html", {"heading": title, "sentence": sentence}, status=status)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """403."""
    return _page(request, 403, "Not allowed", "This panel does not let you do that.")


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """404."""
    return _page(request, 404, "Nothing here", "This address is not one of the panel's places.")


def failed(request: HttpRequest) -> HttpResponse:
    """500."""
    return _page(
        request,
        500,
        "The panel failed",
        "The reason is in the panel's own log; the ensemble is not affected.",
    )


def csrf_failed(request: HttpRequest, reason: str = "") -> HttpResponse:
    """403 for a form that did not come from this page."""
    return _page(
        request,
        403,
        "Not from this page",
        "The request did not carry this page's token, so nothing was done. Reload the page and try again.",
    )
