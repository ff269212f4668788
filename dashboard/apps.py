"""The Django app of the panel."""

from __future__ import annotations

from django.apps import AppConfig


class DashboardConfig(AppConfig):
    """The panel as a Django app."""

    name = "dashboard"
    label = "dashboard"
    default_auto_field = "django.db.models.BigAutoField"
