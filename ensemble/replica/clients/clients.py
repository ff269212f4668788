"""The connections of one server: who may have one, and all of them at hand."""

from __future__ import annotations

from ensemble.ports import ClientTransport
from ensemble.replica.clients.connection import Connection, Speech
from ensemble.replica.clients.handshake import Handshakes
from ensemble.replica.clients.idle import Idle
from ensemble.replica.requests.writes import Writes
from ensemble.replica.service import Service


class Clients:
    """Opens connections within the limits, and forgets them when they end."""

    def __init__(self, service: Service, writes: Writes, speech: Speech) -> None:
        self._service = service
        self._writes = writes
        self._speech = speech
        self._handshakes = Handshakes(service, writes)
        self._per_address: dict[str, int] = {}
        self.connections: dict[Connection, None] = {}
        self._idle = Idle(service, self.connections)

    def __len__(self) -> int:
        return len(self.connections)

    def open(self, transport: ClientTransport) -> Connection | None:
        """Take a new client; None when there are too many, from its address or in all."""
        config, service = self._service.config, self._service
        host = transport.address[0]
        here = self._per_address.get(host, 0)
        total, total_max = len(self.connections), config.admission.connections_max
        if 0 < total_max <= total or 0 < config.connections_per_address_max <= here:
            service.counters.refused += 1
            service.remarks.say(
                "connection", host, f"client {host} is refused: {here} connections from there, {total} in all"
            )
            return None
        connection = Connection(
            transport, service, self._writes, self._handshakes, speech=self._speech, forget=self._forget
        )
        self.connections[connection] = None
        self._per_address[host] = here + 1
        self._idle.watch()
        return connection

    def close_all(self, why: str) -> None:
        """Close every connection that has, or asks for, a session."""
        for connection in list(self.connections):
            connection.close(why)

    def reset_statistics(self) -> None:
        """Forget what each connection did so far (``crst``)."""
        for connection in self.connections:
            connection.received = connection.sent = 0
            connection.pipeline.activity.reset()

    @property
    def outstanding(self) -> int:
        """Requests not answered yet, of all connections."""
        return self._service.admission.unanswered

    def _forget(self, connection: Connection) -> None:
        del self.connections[connection]
        host = connection.address[0]
        left = self._per_address[host] - 1
        if left:
            self._per_address[host] = left
        else:
            del self._per_address[host]
