"""All addresses are the panel's."""

from __future__ import annotations

from django.urls import include, path

urlpatterns = [path("", include("dashboard.urls"))]

handler403 = "dashboard.places.errors.forbidden"
handler404 = "dashboard.places.errors.not_found"
handler500 = "dashboard.places.errors.failed"
