"""Keys about what operators see: the AdminServer, Prometheus' metrics, the audit log.

Source: JettyAdminServer, Commands, PrometheusMetricsProvider and ZKAuditProvider. What differs is the address of
the AdminServer, which anybody may ask: Apache's listens everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass

from ensemble.errors import ConfigError
from ensemble.runtime.config import tls
from ensemble.runtime.config.values import Values
from ensemble.runtime.tls.settings import TlsSettings

ADMIN_ADDRESS = "127.0.0.1"
ADMIN_PORT = 8080
METRICS_ADDRESS = "0.0.0.0"  # noqa: S104 - Prometheus comes from elsewhere, and is only served when asked for
METRICS_PORT = 7000
PROMETHEUS = "org.apache.zookeeper.metrics.prometheus.PrometheusMetricsProvider"
DEFAULT_PROVIDER = "org.apache.zookeeper.metrics.impl.DefaultMetricsProvider"


@dataclass(frozen=True, slots=True)
class AdminServerSettings:
    """Where the AdminServer answers, and what it may be asked."""

    address: str
    port: int
    wanted: bool
    """Whether somebody asked for this very port: then it must be had."""
    url: str
    tls: TlsSettings | None
    """How requests are encrypted; None when they are plain."""
    idle_timeout_ms: int
    rate_limit_ms: int
    snapshot: bool
    restore: bool


@dataclass(frozen=True, slots=True)
class Operations:
    """What operators see."""

    admin_server: AdminServerSettings | None
    """None when it is switched off."""
    metrics_address: tuple[str, int] | None
    """Where Prometheus is served; None when it is not."""
    audit: bool
    audit_file: str
    """Where audit lines go; "" for the server's own log."""


def read(values: Values) -> Operations:
    """Read the keys."""
    return Operations(
        admin_server=_admin_server(values) if values.flag("admin.enableServer", default=True) else None,
        metrics_address=_metrics(values),
        audit=values.flag("audit.enable", default=False),
        audit_file=values.text("coordinator.auditFile"),
    )


def _admin_server(values: Values) -> AdminServerSettings:
    if values.flag("admin.portUnification", default=False):
        raise ConfigError(
            "admin.portUnification=true asks for plain and encrypted requests on one port, which the AdminServer here "
            "does not tell apart; write admin.forceHttps=true for encrypted ones alone"
        )
    secure = values.flag("admin.forceHttps", default=False)
    if values.flag("admin.needClientAuth", default=False) and not secure:
        raise ConfigError(
            "admin.needClientAuth=true needs encrypted requests; write admin.forceHttps=true as well"
        )
    url = values.text("admin.commandURL", "/commands").rstrip("/")
    if not url.startswith("/") or "{" in url:
        raise ConfigError(f"admin.commandURL={url} is not a path; write for example /commands")
    wanted = values.port("admin.serverPort")
    port = wanted or ADMIN_PORT
    values.settle("admin.serverPort", port)
    return AdminServerSettings(
        address=values.text("admin.serverAddress", ADMIN_ADDRESS),
        port=port,
        wanted=bool(wanted or values.keys.get("admin.serverAddress")),
        url=url,
        tls=tls.read_admin(values) if secure else None,
        idle_timeout_ms=values.number("admin.idleTimeout", 30_000, 1, 2**31 - 1, "milliseconds"),
        rate_limit_ms=values.number("admin.rateLimiterIntervalInMS", 300_000, 0, 2**31 - 1, "milliseconds"),
        snapshot=values.flag("admin.snapshot.enabled", default=True),
        restore=values.flag("admin.restore.enabled", default=True),
    )


def _metrics(values: Values) -> tuple[str, int] | None:
    provider = values.text("metricsProvider.className", DEFAULT_PROVIDER)
    address = values.text("metricsProvider.httpHost", METRICS_ADDRESS)
    port = values.port("metricsProvider.httpPort") or METRICS_PORT
    values.settle("metricsProvider.httpPort", port)
    if provider not in (PROMETHEUS, DEFAULT_PROVIDER):
        values.warnings.append(
            f"metricsProvider.className={provider} is not known; the metrics are told by mntr and the AdminServer"
        )
    return (address, port) if provider == PROMETHEUS else None
