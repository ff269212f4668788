"""The kinds of znodes: TTL znodes, containers."""

from __future__ import annotations

from ensemble.errors import ConfigError
from ensemble.replica.config import ZnodeConfig
from ensemble.runtime.config.values import Values
from ensemble.tree.owner import SERVER_ID_MAX


def read(values: Values, sid: int) -> ZnodeConfig:
    """Read the group; ``sid`` is this server's id, which bounds what it may be asked for."""
    extended_types = values.flag("extendedTypesEnabled", default=False)
    if extended_types and sid > SERVER_ID_MAX:
        raise ConfigError(
            f"extendedTypesEnabled=true does not go with server id {sid}, whose sessions would look like TTL "
            f"znodes; give the server an id of at most {SERVER_ID_MAX}"
        )
    return ZnodeConfig(
        extended_types=extended_types,
        emulate_353_ttl=extended_types and values.flag("emulate353TTLNodes", default=False),
    )
