"""Servers that inputs share for as long as an input leaves them as they were: to build them takes longer than to
feed one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from tests.ensemble.replica.harness import Client, Server, World, client

INPUTS_MAX = 200
"""So many inputs share a room at most, so that what led to a failure is not too long a story."""
_TOGETHER = b"several inputs, each behind the four bytes of its length:"


@dataclass
class Room:
    """A world, and somebody at each server who was there before the stranger."""

    world: World
    witnesses: dict[int, Client] = field(default_factory=dict)

    def witness(self, server: Server) -> Client:
        """Return who is at a server; somebody new when the one before was sent away."""
        sid = server.replica.config.sid
        if sid not in self.witnesses or self.witnesses[sid].closed:
            self.witnesses[sid] = client(self.world, server)
        return self.witnesses[sid]

    def state(self) -> list[object]:
        """Describe what an input may have changed for good."""
        return [
            (
                peer.phase,
                peer.epoch,
                peer.view.seen,
                peer.view.active,
                replica.store.accepted_epoch,
                len(replica._network.links),
                [sid for sid, witness in self.witnesses.items() if witness.closed],
            )
            for replica in [server.replica for server in self.world.servers.values()]
            for peer in [replica.peer]
        ]


def zxids(room: Room) -> object:
    """Return how far each server's state is."""
    return [server.replica.tree.zxid for server in room.world.servers.values()]


def rounds(room: Room) -> object:
    """Return where each server's election is."""
    elections = [server.replica.peer.election for server in room.world.servers.values()]
    return [(election.round, election.vote) for election in elections]


class TogetherError(AssertionError):
    """An input that fails only behind others; ``whole`` is one that holds them all."""

    def __init__(self, inputs: list[bytes]) -> None:
        super().__init__(f"it fails behind {len(inputs) - 1} others, and not alone")
        self.whole = _TOGETHER + b"".join([len(each).to_bytes(4, "big") + each for each in inputs])


class Kept:
    """A room that is used again while it is as it was; ``besides`` are things that must be, too."""

    def __init__(
        self,
        build: Callable[[], Room],
        act: Callable[[Room, bytes], object],
        *besides: Callable[[Room], object],
    ) -> None:
        self._build = build
        self._act = act
        self._besides = (Room.state, *besides)
        self._room: Room | None = None
        self._state: list[object] = []
        self._inputs: list[bytes] = []

    def feed(self, data: bytes) -> object:
        """Act on one input; return what comes of it, which does not depend on the inputs before."""
        if data.startswith(_TOGETHER):
            return self._feed_together(data)
        if self._room is None:
            self._room, self._inputs = self._build(), []
            self._state = self.state(self._room)
        room, self._room = self._room, None
        self._inputs.append(data)
        try:
            found = self._act(room, data)
        except Exception as error:
            if len(self._inputs) > 1:
                self._act(self._build(), data)  # fails as well, if the others have no part in it
                raise TogetherError(self._inputs) from error
            raise
        if len(self._inputs) < INPUTS_MAX and self.state(room) == self._state:
            self._room = room
        return found

    def state(self, room: Room) -> list[object]:
        """Describe all that inputs share."""
        return [describe(room) for describe in self._besides]

    def _feed_together(self, data: bytes) -> object:
        room, offset, found = self._build(), len(_TOGETHER), None
        while offset + 4 <= len(data):
            end = offset + 4 + int.from_bytes(data[offset : offset + 4], "big")
            found = self._act(room, data[offset + 4 : end])
            offset = end
        return found
