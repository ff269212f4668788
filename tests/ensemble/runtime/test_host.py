"""One server in this process: what its configuration becomes, and how it stops when it must."""

from __future__ import annotations

import asyncio
import dataclasses
from pathlib import Path

import pytest

from ensemble.errors import ConfigError, InvariantViolation, StorageError
from ensemble.runtime.config import server as config
from ensemble.runtime.host import Server, describe, replica_config
from ensemble.wire.four_letter import WORDS
from tests.ensemble.runtime.harness import HOST, free_ports
from tests.waiting import reached


def load(directory: Path, *lines: str) -> config.ServerConfig:
    (port,) = free_ports(1)
    path = directory / "zoo.cfg"
    data = directory / "data"
    path.write_text(
        "\n".join([f"dataDir={data}", f"clientPort={port}", f"clientPortAddress={HOST}", *lines, ""])
    )
    return config.load(path)


async def word(port: int, text: str) -> str:
    """Ask a four-letter word; empty when nobody answers."""
    try:
        reader, writer = await asyncio.open_connection(HOST, port)
    except OSError:
        return ""
    writer.write(text.encode())
    answer = await reader.read()
    writer.close()
    return answer.decode()


def test_snapshots_are_purged_unless_forbidden(tmp_path: Path) -> None:
    assert replica_config(load(tmp_path)).snap_retain_count == 3
    assert replica_config(load(tmp_path, "autopurge.purgeInterval=0")).snap_retain_count == 0
    asked = load(tmp_path, "autopurge.purgeInterval=1", "autopurge.snapRetainCount=7")
    assert replica_config(asked).snap_retain_count == 7


def test_a_star_allows_every_word(tmp_path: Path) -> None:
    assert replica_config(load(tmp_path, "4lw.commands.whitelist=*")).words_allowed == frozenset(WORDS)
    assert replica_config(load(tmp_path, "4lw.commands.whitelist=srvr")).words_allowed == {"srvr"}


async def test_a_server_alone_serves_and_stops(tmp_path: Path) -> None:
    loaded = load(tmp_path)
    server = Server(loaded, log=lambda _: None)
    await server.start()
    await reached(lambda: server.status()["serving"])
    assert "Mode: standalone" in await word(loaded.client_port, "srvr")
    assert "is not executed because it is not in the whitelist" in await word(loaded.client_port, "wchp")
    await server.stop()
    assert await word(loaded.client_port, "srvr") == ""
    assert not server.failed.done()


async def test_two_servers_cannot_share_a_directory(tmp_path: Path) -> None:
    loaded = load(tmp_path)
    server = Server(loaded, log=lambda _: None)
    with pytest.raises(StorageError, match="in use by another server"):
        Server(loaded, log=lambda _: None)
    await server.stop()


async def test_a_used_port_is_a_sentence(tmp_path: Path) -> None:
    loaded = load(tmp_path)
    listener = await asyncio.start_server(lambda *_: None, HOST, loaded.client_port)
    async with listener:
        server = Server(loaded, log=lambda _: None)
        with pytest.raises(ConfigError, match="already in use"):
            await server.start()
        await server.stop()


@pytest.mark.parametrize("error", [StorageError("disk"), InvariantViolation("state"), KeyError("bug")])
async def test_nothing_leaves_after_a_failure(tmp_path: Path, error: Exception) -> None:
    """Whatever a callback raises that is not a socket's trouble stops the server, unsent bytes and all."""
    loaded = load(tmp_path)
    server = Server(loaded, log=lambda _: None)
    await server.start()
    await reached(lambda: server.status()["serving"])
    reader, writer = await asyncio.open_connection(HOST, loaded.client_port)

    def answer_and_fail() -> None:
        (connection,) = server.replica._clients.connections
        connection._transport.write(b"must not be seen")
        raise error

    await reached(lambda: server.replica._clients.connections)
    asyncio.get_running_loop().call_soon(answer_and_fail)
    await reached(server.failed.done)
    assert server.failed.exception() is error
    assert "\n" not in describe(error)
    await server.stop()
    writer.close()
    assert await reader.read() == b""


async def test_a_sockets_trouble_is_only_logged(tmp_path: Path) -> None:
    said: list[str] = []
    server = Server(load(tmp_path), log=said.append)
    await server.start()

    def fail() -> None:
        raise ConnectionResetError("by the peer")

    asyncio.get_running_loop().call_soon(fail)
    await reached(lambda: any("by the peer" in line for line in said))
    assert not server.failed.done()
    await server.stop()


async def test_clients_are_told_apart_from_each_other_by_address(tmp_path: Path) -> None:
    loaded = dataclasses.replace(load(tmp_path), connections_per_address_max=1)
    server = Server(loaded, log=lambda _: None)
    await server.start()
    first_reader, first = await asyncio.open_connection(HOST, loaded.client_port)
    await reached(lambda: server.replica._clients.connections)
    second_reader, second = await asyncio.open_connection(HOST, loaded.client_port)
    with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
        await asyncio.wait_for(second_reader.readexactly(1), 5)
    assert not first_reader.at_eof()
    first.close()
    second.close()
    await server.stop()
