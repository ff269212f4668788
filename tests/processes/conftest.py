"""Real server processes for tests: an ensemble in a temporary directory on free ports."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ensemble.admin.client import ServerAdmin, SupervisorAdmin
from ensemble.runtime.supervision.layout import ADMIN_OFFSET
from tests.waiting import until

HOST = "127.0.0.1"
ROOT = Path(__file__).resolve().parents[2]


def free_base_port(count: int = 3) -> int:
    """Find ``count`` consecutive free ports below the ephemeral range, for client ports."""
    base = 11_000 + os.getpid() % 500 * 10
    while base < 30_000:
        if all(_is_free(port) for port in range(base, base + count)):
            return base
        base += 10
    raise RuntimeError("no free ports")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) != 0


def four_letter(port: int, word: str) -> str:
    """Return what the server on ``port`` answers to a four-letter word; empty when nobody answers."""
    try:
        with socket.create_connection((HOST, port), timeout=2) as connection:
            connection.sendall(word.encode())
            answer = b""
            while chunk := connection.recv(65536):
                answer += chunk
    except OSError:
        return ""
    return answer.decode()


class RunningEnsemble:
    """A ``manage.py ensemble`` process and its servers."""

    def __init__(self, directory: Path, servers: int = 3, *arguments: str) -> None:
        self.directory = directory
        self.base_port = free_base_port(servers)
        self.sids = range(1, servers + 1)
        self.output = ""
        self.token = ""
        self.process = subprocess.Popen(
            [
                sys.executable,
                str(ROOT / "manage.py"),
                "ensemble",
                *("--servers", str(servers)),
                *("--port", str(self.base_port)),
                *("--data-dir", str(directory)),
                *arguments,
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=directory.parent,
        )
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.output += line
            if "Ctrl-C" in line:
                self.token = self._read_token()
                return
        raise AssertionError(f"the ensemble did not start: {self.output}")

    def port(self, sid: int) -> int:
        """The client port of a server."""
        return self.base_port + sid - 1

    @property
    def addresses(self) -> str:
        """All client addresses, as clients want them."""
        return ",".join(f"{HOST}:{self.port(sid)}" for sid in self.sids)

    def mode(self, sid: int) -> str:
        """What ``srvr`` says a server is; empty when it does not say."""
        found = re.search(r"^Mode: (\w+)$", four_letter(self.port(sid), "srvr"), re.MULTILINE)
        return found[1] if found else ""

    def leader(self) -> int:
        """The id of the server that leads, waiting until there is one."""
        leaders: list[int] = []

        def found() -> bool:
            leaders[:] = [sid for sid in self.sids if self.mode(sid) == "leader"]
            return len(leaders) == 1

        until(found)
        return leaders[0]

    def log(self, sid: int) -> str:
        """What a server has said so far."""
        return (self.directory / f"server-{sid}" / "log").read_text()

    def pid(self, sid: int) -> int:
        """The process id of a server's last start."""
        return int(re.findall(r"pid (\d+)", self.log(sid))[-1])

    def _read_token(self) -> str:
        """Return the bearer token of the admin ports, as the servers got it."""
        variables = Path(f"/proc/{self.pid(1)}/environ").read_bytes().split(b"\0")
        return next(
            v.partition(b"=")[2].decode() for v in variables if v.startswith(b"COORDINATOR_ADMIN_TOKEN=")
        )

    def server_admin(self, sid: int, token: str | None = None) -> ServerAdmin:
        """A client of a server's admin port."""
        return ServerAdmin(f"http://{HOST}:{self.port(sid) + ADMIN_OFFSET}", token or self.token)

    def supervisor_admin(self) -> SupervisorAdmin:
        """A client of the supervisor's port."""
        return SupervisorAdmin(f"http://{HOST}:{self.base_port + ADMIN_OFFSET - 1}", self.token)

    def act(self, sid: int, action: str) -> dict[str, object]:
        """Do something to a server's process through the supervisor."""

        async def ask() -> dict[str, object]:
            async with self.supervisor_admin() as supervisor:
                return dict(await supervisor.act(sid, action))  # type: ignore[arg-type]

        return asyncio.run(ask())

    def kill(self, *sids: int) -> None:
        """End servers by SIGKILL, all at once and from outside, and wait until the supervisor has heard of it."""
        for pid in [self.pid(sid) for sid in sids]:
            os.kill(pid, signal.SIGKILL)

        async def states() -> set[str]:
            async with self.supervisor_admin() as supervisor:
                servers = (await supervisor.ensemble())["servers"]
                return {each["state"] for each in servers if each["sid"] in sids}

        until(lambda: asyncio.run(states()) == {"failed"})

    def close(self) -> int:
        """Stop everything as Ctrl-C would, and return the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        code = self.process.wait(20)
        assert self.process.stdout is not None
        self.output += self.process.stdout.read()
        self.process.stdout.close()
        return code


@pytest.fixture
def three_servers(tmp_path: Path) -> Iterator[RunningEnsemble]:
    """Three servers that serve; each test gets its own."""
    running = RunningEnsemble(tmp_path / "data")
    try:
        yield running
    finally:
        running.close()


class RawSession:
    """A blocking session of a few bytes: connects, creates, reads data.

    ``session`` is the id and the password of a session to go on with; ``session_id`` is 0 when it is no more.
    """

    def __init__(self, port: int, timeout_ms: int = 10_000, session: tuple[int, bytes] | None = None) -> None:
        session_id, password = session or (0, bytes(16))
        self.socket = socket.create_connection((HOST, port), timeout=10)
        try:
            self._send(struct.pack(">iqiqi", 0, 0, timeout_ms, session_id, 16) + password + b"\0")
            reply = self._receive()
        except OSError:
            self.close()
            raise
        self.session_id = struct.unpack_from(">q", reply, 8)[0]
        self.password = reply[20:36]
        self._xid = 0

    def create(self, path: str, data: bytes = b"x", flags: int = 0) -> int:
        """Create a znode (persistent unless ``flags`` say otherwise) and return the error code."""
        acl = struct.pack(">ii", 1, 31) + _text("world") + _text("anyone")
        return self._call(1, _text(path) + _text(data.decode()) + acl + struct.pack(">i", flags))[0]

    def data(self, path: str) -> bytes | None:
        """Return a znode's data, None when there is no such znode."""
        error, body = self._call(4, _text(path) + b"\0")
        return None if error else body[4 : 4 + struct.unpack_from(">i", body)[0]]

    def end(self) -> int:
        """End the session, hang up, and return the error code of the answer."""
        error = self._call(-11, b"")[0]
        self.close()
        return error

    def sasl(self, token: bytes) -> tuple[int, bytes | None]:
        """Send a SASL token; return the error code and the token of the answer, None for none."""
        error, body = self._call(102, struct.pack(">i", len(token)) + token)
        return error, None if body[:4] == b"\xff" * 4 else body[4:]

    def authenticate(self, scheme: str, credential: bytes) -> int:
        """Send an auth packet and return the error code."""
        body = struct.pack(">i", 0) + _text(scheme) + struct.pack(">i", len(credential)) + credential
        self._send(struct.pack(">ii", -4, 100) + body)
        error: int = struct.unpack_from(">i", self._receive(), 12)[0]
        return error

    def close(self) -> None:
        """Hang up without ending the session."""
        self.socket.close()

    def _call(self, op: int, body: bytes) -> tuple[int, bytes]:
        self._xid += 1
        self._send(struct.pack(">ii", self._xid, op) + body)
        reply = self._receive()
        return struct.unpack_from(">i", reply, 12)[0], reply[16:]

    def _send(self, body: bytes) -> None:
        self.socket.sendall(struct.pack(">i", len(body)) + body)

    def _receive(self) -> bytes:
        return self._exactly(struct.unpack(">i", self._exactly(4))[0])

    def _exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            chunk = self.socket.recv(size - len(data))
            if not chunk:
                raise ConnectionError("closed")
            data += chunk
        return data


def _text(text: str) -> bytes:
    raw = text.encode()
    return struct.pack(">i", len(raw)) + raw
