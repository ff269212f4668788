"""What monitoring is told by Apache's server and by ours after the same traffic: the same lines, the same keys."""

from __future__ import annotations

import json
import re
import socket
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kazoo.client import KazooClient

from tests.apache import free_port, running_apache
from tests.ours import running_ours

HOST = "127.0.0.1"
Both = tuple[Any, Any]

TEXTS_ALIKE = (
    "conf",
    "cons",
    "crst",
    "dirs",
    "dump",
    "gtmk",
    "ruok",
    "srvr",
    "stat",
    "wchc",
    "wchp",
    "isro",
    "hash",
    "srst",
)
"""Words whose every line has the same form."""

NOT_HERE_BECAUSE_OF_JAVA = {
    "java.version", "java.vendor", "java.home", "java.class.path", "java.library.path", "java.io.tmpdir",
    "java.compiler", "os.memory.free", "os.memory.max", "os.memory.total",
}  # fmt: skip


class Server:
    """One of the two, with a client that has a session, an ephemeral znode and two watches."""

    def __init__(self, port: int, admin_port: int) -> None:
        self.port = port
        self._admin_port = admin_port
        self.client = KazooClient(f"{HOST}:{port}", timeout=10)
        self.client.start()
        self.client.ensure_path("/a/b")
        self.client.create("/e", b"x" * 10, ephemeral=True)
        self.client.get("/a", watch=print)
        self.client.exists("/nope", watch=print)

    def word(self, word: str, rest: bytes = b"") -> str:
        """Ask a four-letter word."""
        answer = b""
        with socket.create_connection((HOST, self.port), timeout=5) as connection:
            connection.sendall(word.encode() + rest)
            while chunk := connection.recv(65536):
                answer += chunk
        return answer.decode()

    def command(self, name: str) -> Any:
        """Ask the AdminServer."""
        with urllib.request.urlopen(f"http://{HOST}:{self._admin_port}/commands/{name}") as response:
            return json.load(response)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    """Apache's server and ours after the same traffic."""
    ports = free_port(), free_port()
    settings = [
        f"admin.enableServer=true\nadmin.serverAddress={HOST}\nadmin.serverPort={port}\n" for port in ports
    ]
    with (
        running_apache(tmp_path_factory.mktemp("apache"), settings[0]) as apache,
        running_ours(tmp_path_factory.mktemp("ours"), settings[1]) as ours,
    ):
        servers = Server(apache, ports[0]), Server(ours, ports[1])
        yield servers
        for server in servers:
            server.client.stop()
            server.client.close()


def form(text: str) -> list[str]:
    """Return the lines of a text with every figure, id and name of a place made the same."""
    text = re.sub(r"(?<==)/\S+(?=/version-2)|(?<=dataDir=)\S+", "PATH", text)
    text = re.sub(r"Zookeeper version: .*", "Zookeeper version: V", text)
    text = re.sub(r"[A-Z][a-z]{2} [A-Z][a-z]{2} \d\d \d\d:\d\d:\d\d UTC \d{4}", "DATE", text)
    text = re.sub(r"0x[0-9a-f]+", "X", text)
    text = re.sub(r"-?\d+(\.\d+)?", "N", text)
    return text.split("\n")


@pytest.mark.parametrize("word", TEXTS_ALIKE)
def test_words_are_answered_in_the_same_lines(both: Both, word: str) -> None:
    apache, ours = [form(server.word(word)) for server in both]
    if word in ("cons", "stat", "dump"):  # in whatever order connections come, and whenever they end
        apache, ours = sorted(set(apache)), sorted(set(ours))
    assert ours == apache


def test_the_trace_mask_is_set_alike(both: Both) -> None:
    apache, ours = [server.word("stmk", (5).to_bytes(8, "big")) + server.word("gtmk") for server in both]
    assert ours == apache == "55"


def test_the_environment_has_apaches_keys_but_javas(both: Both) -> None:
    apache, ours = [{line.partition("=")[0] for line in server.word("envi").splitlines()} for server in both]
    assert apache - ours == NOT_HERE_BECAUSE_OF_JAVA
    assert ours - apache == {"python.version", "python.implementation", "python.executable"}


def test_the_summary_of_watches_has_the_same_lines(both: Both) -> None:
    apache, ours = [form(server.word("wchs")) for server in both]
    assert ours == apache


def test_metrics_are_apaches_but_for_those_that_are_named(both: Both) -> None:
    rows = [dict(line.split("\t") for line in server.word("mntr").splitlines()) for server in both]
    apache, ours = [
        {re.sub(r"^zk_(avg|min|max|cnt|sum|p\d+)_", "zk_", name) for name in table} for table in rows
    ]
    left_out = (
        (Path(__file__).parents[2] / "docs" / "metrics.md").read_text().partition("## What is left out")[2]
    )
    excused = {f"zk_{name}" for name in re.findall(r"`(\w+)`", left_out)}
    missing = {name for name in apache - ours - excused if not name.endswith("_per_namespace")}
    assert missing - NOT_YET == set()
    for name in (
        "zk_znode_count",
        "zk_ephemerals_count",
        "zk_watch_count",
        "zk_global_sessions",
        "zk_approximate_data_size",
    ):
        assert rows[1][name] == rows[0][name]


NOT_YET = {
    "zk_outstanding_tls_handshake", "zk_insecure_admin_count", "zk_tls_handshake_exceeded", "zk_unsuccessful_handshake",
    "zk_digest_mismatches_count", "zk_quit_leading_due_to_disloyal_voter", "zk_observer_sync_time",
    "zk_om_proposal_process_time_ms", "zk_om_commit_process_time_ms",
}  # fmt: skip
"""Metrics of what this server has no figure for."""


def shape(value: Any) -> Any:
    """Return a JSON value with every leaf replaced by the name of its type, and every id by ``id``."""
    if isinstance(value, dict):
        return {"id" if key.lstrip("-").isdigit() else key: shape(each) for key, each in value.items()}
    if isinstance(value, list):
        return [shape(each) for each in value[:1]]
    return type(value).__name__


COMMANDS = (
    "configuration", "connections", "connection_stat_reset", "dirs", "dump", "get_trace_mask", "hash",
    "initial_configuration", "is_read_only", "last_snapshot", "leader", "observers", "observer_connection_stat_reset",
    "ruok", "server_stats", "set_trace_mask", "set_trace_mask?traceMask=3", "set_trace_mask?traceMask=x", "stats",
    "stat_reset", "voting_view", "watch_summary", "watches", "watches_by_path", "zabstate", "nonsense",
)  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_have_the_same_keys_and_types(both: Both, command: str) -> None:
    apache, ours = [server.command(command) for server in both]
    assert shape(ours) == shape(apache)
    if isinstance(apache.get("error"), str):
        assert ours["error"] == apache["error"]


def test_the_snapshot_a_new_server_begins_with_is_its_last(both: Both) -> None:
    answers = [server.command("last_snapshot") for server in both]
    assert [answer["zxid"] for answer in answers] == ["0", "0"]
    assert all(time.time() - 3600 < answer["timestamp"] <= time.time() for answer in answers)
