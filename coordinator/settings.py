"""Settings of the panel. Everything that differs between places comes from the environment.

===========================  ==================================================================
COORDINATOR_NAME             what the ensemble is called in the top bar (default ``demo``)
COORDINATOR_SERVERS          ``SID=CLIENT_ADDRESS=ADMIN_URL``, comma separated; the admin URL may
                             be left out (an Apache server: only its client port is spoken to)
COORDINATOR_SUPERVISOR_URL   the supervisor of ``demo`` or ``ensemble``; without it the panel can
                             look, but cannot start, stop or kill
COORDINATOR_ADMIN_TOKEN      bearer token of the servers' and the supervisor's admin ports
COORDINATOR_PANEL_TOKEN      the viewers' access token (default: a new random one each start)
COORDINATOR_ALLOWED_HOSTS    further host names the panel answers to (default: loopback only)
COORDINATOR_REDIS_URL        a Redis as Channels layer, for a panel of several processes
COORDINATOR_PANEL_DB         the SQLite file of the audit list
===========================  ==================================================================
"""

from __future__ import annotations

import hashlib
import os
import secrets
from pathlib import Path

BASE_DIR = Path(__file__).resolve().parent.parent

DEBUG = False

COORDINATOR_NAME = os.environ.get("COORDINATOR_NAME", "demo")
COORDINATOR_SERVERS = os.environ.get("COORDINATOR_SERVERS", "")
COORDINATOR_SUPERVISOR_URL = os.environ.get("COORDINATOR_SUPERVISOR_URL", "")
COORDINATOR_ADMIN_TOKEN = os.environ.get("COORDINATOR_ADMIN_TOKEN", "")
COORDINATOR_PANEL_TOKEN = os.environ.get("COORDINATOR_PANEL_TOKEN") or secrets.token_urlsafe(24)
COORDINATOR_REDIS_URL = os.environ.get("COORDINATOR_REDIS_URL", "")
COORDINATOR_GATEWAY = True

# Processes of one panel share the access token, and so the key that signs their cookies.
SECRET_KEY = hashlib.sha256(b"coordinator panel cookies\0" + COORDINATOR_PANEL_TOKEN.encode()).hexdigest()
_COOKIE_SUFFIX = hashlib.sha256(b"cookie name\0" + COORDINATOR_PANEL_TOKEN.encode()).hexdigest()[:8]

ALLOWED_HOSTS = [
    "localhost",
    "127.0.0.1",
    "[::1]",
    *filter(None, (host.strip() for host in os.environ.get("COORDINATOR_ALLOWED_HOSTS", "").split(","))),
]

INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "channels",
    "dashboard",
    "ensemble",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "dashboard.access.headers.SecurityHeadersMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "dashboard.access.token.TokenMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
]

ROOT_URLCONF = "coordinator.urls"
ASGI_APPLICATION = "coordinator.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "OPTIONS": {
            "loaders": [
                (
                    "django.template.loaders.cached.Loader",
                    ["django.template.loaders.filesystem.Loader"],
                )
            ],
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.csrf",
                "dashboard.context.frame",
            ],
        },
    }
]

_DATABASE = Path(os.environ.get("COORDINATOR_PANEL_DB") or BASE_DIR / ".coordinator" / "panel.sqlite3")
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": _DATABASE,
        "OPTIONS": {
            "timeout": 10,
            "transaction_mode": "IMMEDIATE",
            "init_command": "PRAGMA journal_mode=WAL",
        },
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.core.RedisChannelLayer",
        "CONFIG": {"hosts": [COORDINATOR_REDIS_URL], "capacity": 400, "expiry": 20},
    }
    if COORDINATOR_REDIS_URL
    else {"BACKEND": "channels.layers.InMemoryChannelLayer", "CONFIG": {"capacity": 400}}
}

SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
# Cookies do not know ports: two panels on one machine must not write over each other's.
SESSION_COOKIE_NAME = f"coordinator_{_COOKIE_SUFFIX}"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_USE_SESSIONS = True
CSRF_FAILURE_VIEW = "dashboard.places.errors.csrf_failed"

SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
DATA_UPLOAD_MAX_MEMORY_SIZE = 4 * 1024 * 1024

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = False

STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "static"]

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "loggers": {
        "dashboard": {"handlers": ["console"], "level": "INFO"},
        "django.request": {"handlers": ["console"], "level": "ERROR", "propagate": False},
    },
}
