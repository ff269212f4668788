"""The supervisor's port: the processes of the ensemble, for bearers of the token, on loopback."""

from __future__ import annotations

from aiohttp import web

from ensemble.runtime.operators.admin_http import guarded, listen_on_loopback, refusal
from ensemble.runtime.supervision.supervisor import ActionRefused, Supervisor, Unknown


class SupervisorPort:
    """The HTTP side of a :class:`Supervisor`."""

    def __init__(self, supervisor: Supervisor, token: str) -> None:
        self._supervisor = supervisor
        self._runner: web.AppRunner | None = None
        self._application = web.Application(middlewares=[guarded(token)], client_max_size=1024)
        self._application.add_routes(
            [
                web.get("/api/ensemble", self._ensemble),
                web.post(r"/api/servers/{sid:\d{1,3}}/{action}", self._act),
            ]
        )

    async def open(self, port: int) -> None:
        """Listen on loopback; ``ConfigError`` when the port cannot be had."""
        self._runner = await listen_on_loopback(self._application, port, key="the supervisor's port")

    async def close(self) -> None:
        """Answer no more."""
        if self._runner:
            await self._runner.cleanup()

    async def _ensemble(self, request: web.Request) -> web.Response:
        return web.json_response(self._supervisor.status())

    async def _act(self, request: web.Request) -> web.Response:
        sid, action = int(request.match_info["sid"]), request.match_info["action"]
        try:
            return web.json_response(await self._supervisor.act(sid, action))
        except Unknown as error:
            return refusal(404, str(error))
        except ActionRefused as error:
            return refusal(409, str(error))
