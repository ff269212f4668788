"""How views come to the gateway: one per event loop, started when first needed."""

from __future__ import annotations

import asyncio
from typing import Any, Protocol
from weakref import WeakKeyDictionary

from channels.layers import get_channel_layer
from django.conf import settings

from dashboard.gateway.remote import RemoteGateway
from dashboard.gateway.sources import from_settings


class AnyGateway(Protocol):
    """What a view needs of a gateway."""

    async def start(self) -> None:
        """Begin to look."""

    async def stop(self) -> None:
        """Stop looking."""

    async def call(self, name: str, **arguments: Any) -> Any:
        """Make one call; raises :class:`~dashboard.gateway.errors.GatewayError`."""


_by_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, AnyGateway] = WeakKeyDictionary()


async def gateway() -> AnyGateway:
    """Return this process's gateway, started."""
    loop = asyncio.get_running_loop()
    found = _by_loop.get(loop)
    if found is None:
        found = _by_loop[loop] = _make()
        await found.start()
    return found


def install(found: AnyGateway) -> None:
    """Use this gateway on the running loop (the panel command at its start, tests with a recorded model)."""
    _by_loop[asyncio.get_running_loop()] = found


async def dismiss() -> None:
    """Stop this loop's gateway, if there is one."""
    found = _by_loop.pop(asyncio.get_running_loop(), None)
    if found is not None:
        await found.stop()


def _make() -> AnyGateway:
    layer = get_channel_layer()
    if not settings.COORDINATOR_GATEWAY:
        return RemoteGateway(layer)
    from dashboard.gateway.gateway import Gateway  # a process without a gateway never loads what looks below

    return Gateway(from_settings(), layer)
