"""The Django project: settings, urls, asgi. No logic lives here."""
