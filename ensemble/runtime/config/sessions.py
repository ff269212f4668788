"""The keys about sessions: which are local, who is served without a quorum, how long a connection may have none."""

from __future__ import annotations

from ensemble.limits import SESSIONLESS_CONNECTION_MS
from ensemble.replica.config import SessionSettings
from ensemble.runtime.config.values import Values


def read(values: Values) -> SessionSettings:
    """Read the group. ``readonlymode.enabled`` is for Apache's server a property without ``zookeeper.`` and so
    out of the file's reach; here the file may set it too."""
    return SessionSettings(
        local=values.flag("localSessionsEnabled", default=False),
        upgrading=values.flag("localSessionsUpgradingEnabled", default=False),
        read_only_mode=values.flag("readonlymode.enabled", default=False),
        sessionless_ms=values.number(
            "nio.sessionlessCnxnTimeout", SESSIONLESS_CONNECTION_MS, 1, 2**31 - 1, "milliseconds"
        ),
    )
