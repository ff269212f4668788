"""A tree of znodes for a gateway without an ensemble: the panel's own session is given a client that plays it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from dashboard.gateway.errors import GatewayError
from dashboard.gateway.gateway import Gateway
from ensemble import paths
from ensemble.client import Stat
from ensemble.errors import Code, KeeperError
from ensemble.tree.operations import OPEN_ACL

REASON = "No server serves clients now."


class Planted:
    """Answers for the servers, or (``silent``) does not."""

    def __init__(self, gateway: Gateway, znodes: Iterable[str]) -> None:
        self.znodes: dict[str, list[str]] = {"/": []}
        """Each path with the names of its children."""
        for path in znodes:
            self.plant(path)
        self.silent = False
        self.asked = 0
        gateway.znodes.session.client = self._client  # type: ignore[method-assign,assignment]

    def plant(self, path: str) -> None:
        """Let there be a znode, whose parent is there."""
        self.znodes[path] = []
        self.znodes[paths.parent_of(path)].append(paths.name_of(path))

    async def get_children(self, path: str) -> list[str]:
        """Names, not in order, as servers give them."""
        self._stat(path)
        return self.znodes[path][::-1]

    async def get_children2(self, path: str) -> tuple[list[str], Stat]:
        """Names and stat."""
        return await self.get_children(path), self._stat(path)

    async def exists(self, path: str) -> Stat | None:
        """The stat, if it is there."""
        return self._stat(path) if path in self.znodes else None

    async def get(self, path: str) -> tuple[bytes, Stat]:
        """No data, and the stat."""
        return b"", self._stat(path)

    async def get_acl(self, path: str) -> tuple[Any, Stat]:
        """Everybody may do everything."""
        return OPEN_ACL, self._stat(path)

    async def get_quota(self, path: str) -> None:
        """No znode has a quota."""

    async def sync(self, path: str) -> None:
        """There is nothing to wait for."""

    async def _client(self) -> Planted:
        self.asked += 1
        if self.silent:
            raise GatewayError(REASON, "unavailable")
        return self

    def _stat(self, path: str) -> Stat:
        if path not in self.znodes:
            raise KeeperError(Code.NO_NODE, path)
        return Stat(1, 1, 0, 0, 0, 0, 0, 0, 0, len(self.znodes[path]), 1)
