"""The panel's addresses. GET shows, POST does; nothing else changes anything."""

from __future__ import annotations

urlpatterns: list[object] = []
