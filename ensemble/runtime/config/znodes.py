"""The kinds of znodes: TTL znodes, containers, how these are deleted when their time is over; and quotas."""

from __future__ import annotations

from ensemble.errors import ConfigError
from ensemble.replica.config import ZnodeConfig
from ensemble.runtime.config.values import Values
from ensemble.tree.owner import SERVER_ID_MAX

INT_MAX = 2**31 - 1
LONG_MAX = 2**63 - 1


def read(values: Values, sid: int) -> ZnodeConfig:
    """Read the group; ``sid`` is this server's id, which bounds what it may be asked for."""
    extended_types = values.flag("extendedTypesEnabled", default=False)
    if extended_types and sid > SERVER_ID_MAX:
        raise ConfigError(
            f"extendedTypesEnabled=true does not go with server id {sid}, whose sessions would look like TTL "
            f"znodes; give the server an id of at most {SERVER_ID_MAX}"
        )
    kinds = ZnodeConfig()
    return ZnodeConfig(
        extended_types=extended_types,
        emulate_353_ttl=extended_types and values.flag("emulate353TTLNodes", default=False),
        container_check_ms=values.number(
            "znode.container.checkIntervalMs", kinds.container_check_ms, 1, INT_MAX, "milliseconds"
        ),
        containers_per_minute_max=values.number(
            "znode.container.maxPerMinute", kinds.containers_per_minute_max, 1, INT_MAX, "containers"
        ),
        container_unused_ms_max=values.number(
            "znode.container.maxNeverUsedIntervalMs", 0, 0, LONG_MAX, "milliseconds"
        ),
        enforce_quota=values.flag("enforceQuota", default=False),
    )
