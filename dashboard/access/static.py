"""Static files, served by the panel itself.

Django's own staticfiles handler finds only what the finders know (no path leaves those folders), answers
If-Modified-Since, and needs no build step and no further package; a panel has a handful of viewers, so its
being slower than a file server does not matter. It runs outside the middleware, so the headers are set here.
"""

from __future__ import annotations

from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler
from django.core.exceptions import SuspiciousFileOperation
from django.http import FileResponse, Http404, HttpRequest, HttpResponse


class PanelStaticFiles(ASGIStaticFilesHandler):
    """The staticfiles handler with the panel's headers."""

    def serve(self, request: HttpRequest) -> HttpResponse | FileResponse:
        """Serve one file: never sniffed, checked again on every page (a 304 costs nothing here)."""
        try:
            response = super().serve(request)
        except SuspiciousFileOperation as error:
            raise Http404("outside of the static files") from error
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Cache-Control"] = "no-cache"
        response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
        return response
