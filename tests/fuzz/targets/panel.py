"""What a browser says to the panel's sockets, and what stands in the headers of a handshake."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterable
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "coordinator.settings")

import django

django.setup()

from dashboard.access.origin import same_origin  # noqa: E402
from dashboard.access.token import admit, token_matches  # noqa: E402
from dashboard.consumers import guard  # noqa: E402
from dashboard.consumers.live import LIVE, Live  # noqa: E402
from dashboard.consumers.place import PlaceConsumer  # noqa: E402
from dashboard.places.rows import OPEN_MAX, parse_opened, row_id  # noqa: E402
from tests.fuzz.target import Target, held_at_most  # noqa: E402

_CLOSES = {guard.CLOSE_BAD_MESSAGE, guard.CLOSE_TOO_BIG, guard.CLOSE_TOO_MUCH, guard.CLOSE_NOT_ALLOWED}


class _Viewer(PlaceConsumer):
    """A viewer's socket without the socket."""

    def __init__(self, place: Live) -> None:
        super().__init__()
        self.closed: list[int | None] = []
        session: dict[str, Any] = {}
        admit(session)
        self.scope = {"session": session}
        self._place = place
        self._sent = {}
        self._refresh = asyncio.Event()
        self._credit, self._credit_at = float(guard.MESSAGES_BURST), 0.0

    async def close(self, code: int | None = None, reason: str | None = None) -> None:
        self.closed.append(code)


def _feed_message(data: bytes) -> None:
    text = (
        data[1:].decode("utf-8", "surrogatepass" if data[:1] == b"\1" else "replace")
        if _decodes(data)
        else ""
    )
    for make in LIVE.values():
        viewer = _Viewer(make())
        asyncio.run(viewer.receive(text_data=text))
        assert set(viewer.closed) <= _CLOSES
    opened = parse_opened(text.split("\n"))
    assert len(opened) <= OPEN_MAX
    for path in opened:
        row_id(path)


def _decodes(data: bytes) -> bool:
    try:
        data[1:].decode("utf-8", "surrogatepass" if data[:1] == b"\1" else "replace")
    except UnicodeDecodeError:
        return False
    return True


def _message_seeds() -> Iterable[bytes]:
    yield (
        b"\0"
        + json.dumps(
            {"open": ["3:/", "100:/a"], "selected": "/a", "view": "hex", "from": "16", "anew": 1}
        ).encode()
    )
    yield b"\0" + json.dumps({"find": "x", "sort": "age", "session": "0x1f", "watch": ""}).encode()
    yield b"\0" + json.dumps({"open": "1:/\ud800", "selected": "/\ud800"}).encode()
    yield b"\0" + b'{"open": ' + b"[" * 40 + b"]" * 40 + b"}"


def _feed_handshake(data: bytes) -> None:
    """Headers, one a line; what is not from the panel's own page is let in by nobody."""
    headers = [tuple(line.split(b": ", 1)) for line in data.split(b"\n") if b": " in line]
    if same_origin({"headers": headers}):
        origins = [value for name, value in headers if name.lower() == b"origin"]
        hosts = [value for name, value in headers if name.lower() == b"host"]
        assert len(origins) == len(hosts) == 1
        host = hosts[0].lower().split(b"#")[0]
        assert host.split(b":")[0].strip(b"[]") in origins[0].lower()
    token_matches(data.decode("utf-8", "replace"))


TARGETS = (
    Target(
        "panel-message",
        "admin input",
        "Whatever a page says on its socket, it is understood or the socket is closed with a code of ours.",
        _feed_message,
        _message_seeds,
        size_max=8000,
        words=(b'"open"', b"[" * 2000, b"NaN", b"1e999", b"9" * 4400, b"\\ud800", b"null", b'{"a":'),
        memory=held_at_most,
        examples=120,
    ),
    Target(
        "panel-handshake",
        "admin input",
        "Whatever headers a handshake brings, only a page of the same scheme, host and port gets in, and nothing raises.",
        _feed_handshake,
        lambda: [
            b"host: localhost:8000\norigin: http://localhost:8000",
            b"host: [::1]:80\norigin: https://[::1]",
            b"host: testserver\norigin: null",
        ],
        words=(b"http://[", b"@", b"%", b":99999", b"\norigin: "),
        memory=held_at_most,
        examples=250,
    ),
)
