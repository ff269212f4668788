"""Election mail between simulated servers: a box of one message per way, and connections that come and go.

It does not know what a message says. As with Apache's QuorumCnxManager, only the newest message not yet
sent is kept, and what waits in the box is sent when the connection comes back. When nothing waits, the last one is
sent again, because it may have died with the connection: it may be old by then, and may have arrived.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from ensemble.simulator.network.streams import Conditions, Way


class Postbox(Protocol):
    """Where the election messages of one living process are delivered."""

    def on_election_message(self, sid: int, payload: bytes) -> None:
        """Take one election message."""

    def on_election_link(self, sid: int, *, up: bool) -> None:
        """Hear that the election link to ``sid`` came up or went down."""


@dataclass(slots=True)
class MailRates:
    """How often election messages are lost; changed by faults."""

    loss: float = 0.0
    """Lost without a sign: the connection they were written to had died, and was made anew unseen."""
    flap: float = 0.0
    """Lost together with the link that carried them."""
    reconnect_us_min: int = 2_000
    reconnect_us_max: int = 200_000


class ElectionMail:
    """The election connections of one world."""

    def __init__(self, conditions: Conditions, rates: MailRates) -> None:
        self.rates = rates
        self._conditions = conditions
        self._timeline = conditions.timeline
        self._rng = conditions.rng
        self._boxes: dict[int, Postbox] = {}
        self._mail: dict[Way, bytes] = {}
        self._last: dict[Way, bytes] = {}
        """What was sent last."""
        self._posted: dict[Way, bool] = {}
        self._up: dict[Way, bool] = {}
        self._meeting: dict[Way, bool] = {}

    def join(self, sid: int, box: Postbox) -> None:
        """A process began to listen; the others will connect to it."""
        others = list(self._boxes)
        self._boxes[sid] = box
        for other in others:
            self._meet(sid, other)

    def leave(self, sid: int, *, silently: bool) -> None:
        """A process is gone. Silently (power lost): the others still believe in their connections."""
        del self._boxes[sid]
        for letters in (self._mail, self._last):
            for way in [way for way in letters if way[0] == sid]:
                del letters[way]
        for other in self._boxes:
            self._up.pop((sid, other), None)
            if not silently:
                self._lose(other, sid)

    def send(self, src: int, dst: int, payload: bytes) -> None:
        """Put a message into the box from ``src`` to ``dst``, replacing what waits there."""
        self._mail[(src, dst)] = payload
        if (src, dst) in self._up:
            self._post((src, dst))

    def break_between(self, a: int, b: int) -> None:
        """Break a connection; the servers will make a new one."""
        if a in self._boxes and b in self._boxes:
            self._lose(a, b)
            self._lose(b, a)
            self._meet(a, b)

    def lose_at(self, here: int, there: int) -> None:
        """Break a connection at one end; the other believes in it until the new one replaces it."""
        if here in self._boxes and there in self._boxes:
            self._lose(here, there)
            self._meet(here, there)

    def _post(self, way: Way) -> None:
        if way not in self._posted:
            self._posted[way] = True
            self._timeline.after(self._conditions.delay_us(way), lambda: self._carry(way))

    def _carry(self, way: Way) -> None:
        """Deliver the newest message of a box, unless the way is blocked or the message is lost."""
        src, dst = way
        if way in self._mail and way in self._up and not self._conditions.is_open(way):
            self._conditions.when_open(way, lambda: self._carry(way))
            return
        self._posted.pop(way, None)
        if way not in self._mail or way not in self._up:
            return
        payload = self._last[way] = self._mail.pop(way)
        box = self._boxes.get(dst)
        chance = self._rng.random()
        if box is None or chance < self.rates.loss:
            return
        if chance < self.rates.loss + self.rates.flap:
            self.break_between(src, dst)
            return
        box.on_election_message(src, payload)

    def _lose(self, here: int, there: int) -> None:
        if self._up.pop((here, there), None):
            self._soon(here, lambda box: box.on_election_link(there, up=False))

    def _meet(self, a: int, b: int) -> None:
        """Let two servers connect, once both live and hear each other."""
        pair = (min(a, b), max(a, b))
        if pair not in self._meeting:
            self._meeting[pair] = True
            delay = self._rng.randint(self.rates.reconnect_us_min, self.rates.reconnect_us_max)
            self._timeline.after(delay, lambda: self._met(pair))

    def _met(self, pair: Way) -> None:
        a, b = pair
        self._meeting.pop(pair, None)
        if a not in self._boxes or b not in self._boxes:
            return
        for way in ((a, b), (b, a)):
            if not self._conditions.is_open(way):
                self._conditions.when_open(way, lambda: self._meet(a, b))
                return
        for here, there in ((a, b), (b, a)):
            self._connected(here, there)

    def _connected(self, here: int, there: int) -> None:
        box = self._boxes.get(here)
        if box is None:
            return  # reporting to the other end crashed it
        if self._up.pop((here, there), None):
            box.on_election_link(there, up=False)
        if self._boxes.get(here) is not box:
            return
        self._up[(here, there)] = True
        box.on_election_link(there, up=True)
        way = (here, there)
        if way in self._last:
            self._mail.setdefault(way, self._last[way])
        if way in self._mail and way in self._up:
            self._post(way)

    def _soon(self, sid: int, tell: Callable[[Postbox], None]) -> None:
        """Tell a process something a little later, if it still lives then."""
        box = self._boxes.get(sid)
        delay = self._conditions.delay_us((sid, sid))
        self._timeline.after(delay, lambda: tell(box) if box and self._boxes.get(sid) is box else None)
