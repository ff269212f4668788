"""What an operator may do to servers: cut and heal links, act on processes, expire a session.

Everything is refused with a sentence when the present state forbids it; nothing is reported done before the
server or the supervisor said so.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, cast

from dashboard.gateway import blast
from dashboard.gateway.errors import GatewayError
from dashboard.gateway.model import Model
from ensemble.admin.client import Action, AdminError, Refused, ServerAdmin, SupervisorAdmin


def cuts_of(groups: Sequence[Sequence[int]]) -> dict[int, list[int]]:
    """Return, for each server, the peers on other sides: both ends of a cut link are told."""
    everyone = [sid for group in groups for sid in group]
    return {sid: sorted(peer for peer in everyone if peer not in group) for group in groups for sid in group}


class Actions:
    """Carries actions out."""

    def __init__(self, model: Model, clients: Mapping[int, ServerAdmin]) -> None:
        self._model = model
        self._clients = clients
        self.supervisor: SupervisorAdmin | None = None

    def check_partition(self, groups: Sequence[Sequence[int]]) -> None:
        """Raise :class:`GatewayError` unless the groups split the known servers into at least two sides."""
        named = [sid for group in groups for sid in group]
        if sorted(named) != sorted(self._model.servers):
            raise GatewayError("Every server must be on exactly one side.", "bad_request")
        if sum(1 for group in groups if group) < 2:
            raise GatewayError("All servers are on one side: there is nothing to cut.", "refused")

    async def partition(self, groups: Sequence[Sequence[int]]) -> dict[str, Any]:
        """Cut every link between two groups, and heal those within one."""
        self.check_partition(groups)
        cuts = cuts_of(groups)
        within = {sid: sorted(set(self._model.servers) - set(peers) - {sid}) for sid, peers in cuts.items()}
        done = await self._each({sid: [("heal", within[sid]), ("cut", cuts[sid])] for sid in cuts})
        return {"groups": [list(group) for group in groups], **done}

    async def cut(self, links: Sequence[Sequence[int]]) -> dict[str, Any]:
        """Cut these links, at both ends, and leave all others as they are."""
        cuts: dict[int, list[int]] = {}
        for one, other in links:
            if one == other or not {one, other} <= set(self._model.servers):
                raise GatewayError(f"There is no link between s{one} and s{other}.", "bad_request")
            cuts.setdefault(one, []).append(other)
            cuts.setdefault(other, []).append(one)
        return await self._each({sid: [("cut", sorted(set(peers)))] for sid, peers in cuts.items()})

    async def heal(self) -> dict[str, Any]:
        """Mend every link."""
        everyone = set(self._model.servers)
        return await self._each({sid: [("heal", sorted(everyone - {sid}))] for sid in everyone})

    async def server(self, sid: int, action: str) -> dict[str, Any]:
        """Kill, stop, start, restart, pause or resume one server process."""
        if action not in blast.ACTIONS:
            raise GatewayError(f"There is no action {action!r}.", "not_found")
        why = blast.refusal(self._model, sid, action)
        if why is not None:
            raise GatewayError(why, "refused" if sid in self._model.servers else "not_found")
        assert self.supervisor is not None
        try:
            process = await self.supervisor.act(sid, cast("Action", action))
        except AdminError as error:
            raise GatewayError(f"The supervisor refused: {error}") from error
        return dict(process)

    async def expire(self, session: str, holder: int | None = None) -> dict[str, Any]:
        """Ask the leader to close a session for its client; of a local one the server that holds it."""
        leader = self._model.leader()
        if holder is None and leader is not None:
            holder = leader.sid
        if holder is None:
            raise GatewayError("Only a leader can expire a session, and there is none now.", "unavailable")
        try:
            await self._clients[holder].expire_session(session)
        except AdminError as error:
            kind = "not_found" if isinstance(error, Refused) and error.status == 404 else "refused"
            raise GatewayError(f"s{holder} refused: {error}", kind) from error
        return {"session": session, "by": holder}

    async def _each(self, commands: dict[int, list[tuple[str, list[int]]]]) -> dict[str, Any]:
        """Give each server its fault commands; fails only when no server took them."""

        async def one(sid: int) -> str | None:
            client = self._clients.get(sid)
            if client is None or not self._model.servers[sid].reachable:
                return f"s{sid} cannot be reached: {self._model.servers[sid].reason}"
            try:
                for what, peers in commands[sid]:
                    if peers:
                        await client.fault({"what": what, "peers": peers})  # type: ignore[typeddict-item]
            except AdminError as error:
                return f"s{sid} refused: {error}"
            return None

        reasons = dict(zip(commands, await asyncio.gather(*(one(sid) for sid in commands)), strict=True))
        failed = [reason for reason in reasons.values() if reason is not None]
        if len(failed) == len(commands):
            raise GatewayError("; ".join(failed) + ".")
        return {"done": [sid for sid, reason in reasons.items() if reason is None], "failed": failed}
