"""The AdminServer's commands over HTTP: every one of them, under all its names."""

from __future__ import annotations

from pathlib import Path

import aiohttp
import aiohttp.web
import pytest

from ensemble.replica.monitoring.commands.table import COMMANDS
from ensemble.runtime.host import Server
from ensemble.runtime.operators.ports import OperatorPorts
from tests.ensemble.runtime.harness import HOST, free_ports
from tests.ensemble.runtime.operators.asking import Asked, asking
from tests.ensemble.runtime.test_host import load


async def test_every_command_answers_under_all_its_names(tmp_path: Path) -> None:
    async with asking(tmp_path) as asked:
        for command in COMMANDS:
            if command.administrator:
                continue
            for name in command.names:
                status, data = await asked.get(f"/commands/{name}")
                assert (status, data["command"]) == (200, command.name)
                assert list(data)[-2:] == ["command", "error"] or command.name in ("leader", "set_trace_mask")


@pytest.mark.parametrize("mask", ["", "x", "--5", "1e3", "²", "9" * 19, "9" * 5000])
async def test_a_trace_mask_is_a_long(tmp_path: Path, mask: str) -> None:
    async with asking(tmp_path) as asked:
        status, data = await asked.get(f"/commands/stmk?traceMask={mask}")
        assert (status, data["error"]) == (200, f"setTraceMask requires long traceMask argument, got {mask}")
        status, data = await asked.get("/commands/stmk?traceMask=-5")
        assert (status, data["tracemask"]) == (200, -5)


async def test_the_index_links_every_command(tmp_path: Path) -> None:
    async with asking(tmp_path, "admin.commandURL=/zk") as asked:
        for path in ("/zk", "/zk/"):
            response, body = await asked.raw(path)
            assert response.status == 200
            links = body.decode().splitlines()[::2]
            assert links == [
                f'<a href="/zk/{name}">{name}</a>' for name in sorted(each.name for each in COMMANDS)
            ]


async def test_an_unknown_command_is_told_as_apache_tells_it(tmp_path: Path) -> None:
    async with asking(tmp_path) as asked:
        assert await asked.get("/commands/nonsense") == (
            200,
            {"command": "nonsense", "error": "Unknown command: nonsense"},
        )


async def test_a_server_that_does_not_serve_says_so(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "myid").write_text("1")
    ports = free_ports(5)
    lines = [f"server.{sid}={HOST}:{ports[sid]}:{ports[sid + 2]}" for sid in (1, 2)]
    loaded = load(tmp_path, *lines, "initLimit=5", "syncLimit=5", f"admin.serverPort={ports[0]}")
    server = Server(loaded, log=lambda _: None)
    operators = OperatorPorts(server, loaded.operations, log=lambda _: None)
    operators.open()
    await server.start()
    operators.serve()
    async with aiohttp.ClientSession() as session:
        asked = Asked(server, operators, f"http://{HOST}:{ports[0]}", session)
        status, data = await asked.get("/commands/ruok")
        assert (status, data["error"]) == (200, "This ZooKeeper instance is not currently serving requests")
        _, data = await asked.get("/commands/zabstate")
        assert (data["myid"], data["zabstate"], data["voting"]) == (1, "election", True)
    await operators.close()
    await server.stop()
