"""What faults work on, and what they all need: servers to draw, and to wait for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from random import Random

from ensemble.chaos.servers import Servers

RECOVER_S_MAX = 30.0
"""All servers serve again by then, after whatever was done to them."""


class FaultFailed(Exception):
    """A server did not react to a fault as it must (it went on with a broken disk, say)."""


class NotMet(Exception):
    """A fault was prepared, and nothing came upon it: it does not count."""


async def _nothing() -> None:
    return


@dataclass(slots=True)
class Trouble:
    """What faults work on."""

    servers: Servers
    rng: Random
    recover_s_max: float = RECOVER_S_MAX
    collect: Callable[[], Awaitable[None]] = _nothing
    """Takes what servers have logged, while they still have it."""
    notes: list[str] = field(default_factory=list)

    def some(self) -> int:
        """Draw a server."""
        return self.rng.choice(self.servers.sids)

    def some_of_ours(self) -> int:
        """Draw a server whose disk is in our hands."""
        return self.rng.choice(self.servers.ours)

    async def leader(self) -> int:
        """The leader, or any server when there is none."""
        return await self.servers.leader() or self.some()

    async def leader_or_some_of_ours(self) -> int:
        """Half of the time the leader, when its disk is in our hands."""
        leader = await self.leader() if self.rng.random() < 0.5 else self.some_of_ours()
        return leader if leader in self.servers.ours else self.some_of_ours()

    def others(self, sid: int) -> list[int]:
        """All but one."""
        return [each for each in self.servers.sids if each != sid]

    async def last(self, least: float, most: float) -> None:
        """Let it last."""
        await asyncio.sleep(self.rng.uniform(least, most))

    async def others_serve(self, sid: int) -> None:
        """Wait until all servers but one serve, one of them as leader; ``FaultFailed`` when they do not."""
        servers = self.servers

        async def serve() -> bool:
            modes = await servers.modes()
            others = [modes[each] for each in self.others(sid)]
            return all(others) and others.count("leader") == 1

        if not await servers.until(serve, self.recover_s_max):
            raise FaultFailed(
                f"the others did not serve {self.recover_s_max:g} s after the loss of server {sid}"
            )

    async def lose(self, sid: int) -> None:
        """Kill a server, and wait until all others serve."""
        await self.servers.kill([sid])
        await self.others_serve(sid)


Fault = Callable[[Trouble], Awaitable[None]]
