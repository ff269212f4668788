"""The bytes of one client's socket: what leaves is gathered, what comes can be held up.

It knows nothing of requests or sessions; ``connection`` does.
"""

from __future__ import annotations

from enum import Enum

from ensemble.ports import ClientTransport
from ensemble.replica.service import Client, Service


class State(Enum):
    """Where in its life a connection is."""

    FIRST = "first"
    WORD = "word"
    """A four-letter word is being answered."""
    OPENING = "opening"
    OPEN = "open"
    CLOSED = "closed"


class Channel(Client):
    """One client's socket, as far as it carries bytes."""

    __slots__ = ("_out", "_paused", "_service", "_transport", "sent", "state")

    def __init__(self, transport: ClientTransport, service: Service) -> None:
        super().__init__(transport.address)
        self._transport = transport
        self._service = service
        self._out: list[bytes] = []
        self._paused = False
        self.subject = transport.subject
        self.state = State.FIRST
        self.sent = 0

    def write(self, data: bytes) -> None:
        """Send one answer or event, with what else this step has to say."""
        if not self._out:
            self._service.unsent.append(self)
        self._out.append(data)

    def gathering(self) -> list[bytes]:
        """Return what is sent with this step, to append answers to."""
        if not self._out:
            self._service.unsent.append(self)
        return self._out

    def notify(self, event: bytes) -> None:
        """Send a watch event: it leaves before any answer given after this call."""
        self.write(event)

    def flush(self) -> None:
        """Send what was gathered."""
        out = self._out
        if not out:
            return
        if self.state is not State.CLOSED:
            count, counters = len(out), self._service.counters
            data = out[0] if count == 1 else b"".join(out)
            self.sent += count
            counters.sent += count
            counters.bytes_sent += len(data)
            size = len(out[-1])
            if size != counters.response_bytes_last:
                counters.note_response(size)
            self._transport.write(data)
        out.clear()

    def _throttle(self) -> None:
        if not self._paused and self.state is not State.CLOSED:
            self._paused = True
            self._transport.pause_reading()

    @property
    def paused(self) -> bool:
        """Whether nothing is read from the client for the time being, so that it cannot be heard."""
        return self._paused

    @property
    def secure(self) -> bool:
        """Whether the bytes are encrypted on their way."""
        return self._transport.secure
