"""The simulated network: election mail, quorum links and client connections, and what goes wrong with them.

Every place is a number: servers are their sids, clients begin at ``CLIENT_PLACE``. A server is reached
through its :class:`Door`, which exists while its process lives. What travels is real encoded bytes.

It does not know what a replica is, nor what the bytes mean.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from ensemble.simulator.network.elections import ElectionMail, MailRates, Postbox
from ensemble.simulator.network.streams import Conditions, End, connect

CLIENT_PLACE = 1000
"""The first place of a client; servers are below."""

ENDS_KEPT = 64
DIAL_TIMEOUT_US = 1_000_000


class Door(Postbox, Protocol):
    """How the world reaches the process of one server."""

    def on_link_accepted(self, end: End) -> None:
        """Take a quorum link another server opened."""

    def on_link_dialed(self, sid: int, end: End | None) -> None:
        """Take the outcome of a dial."""

    def on_client(self, end: End) -> None:
        """Take a client's connection (or refuse it, by closing the end)."""


class SimulatedNetwork:
    """All that connects the places of one world."""

    def __init__(self, conditions: Conditions, rates: MailRates) -> None:
        self.conditions = conditions
        self.mail = ElectionMail(conditions, rates)
        self._timeline = conditions.timeline
        self._rng = conditions.rng
        self._doors: dict[int, Door] = {}
        self._ends: dict[int, list[End]] = {}
        self._orphans: dict[int, list[End]] = {}

    # -- processes come and go ---------------------------------------------------------------------------

    def open_door(self, sid: int, door: Door) -> None:
        """A server's process began to listen; what still believes in its predecessor learns better."""
        self._doors[sid] = door
        for end in self._orphans.pop(sid, []):
            self._timeline.after(self.conditions.delay_us(end.way), end.break_now)
        self.mail.join(sid, door)

    def shut_door(self, sid: int, *, silently: bool) -> None:
        """A server's process is gone: its streams close, or (power lost) just fall silent."""
        del self._doors[sid]
        ends = [end for end in self._ends.pop(sid, []) if end.open]
        for end in ends:
            if silently:
                end.silence()
            else:
                end.vanish()
        if silently:
            self._orphans[sid] = [end.other for end in ends]
        self.mail.leave(sid, silently=silently)

    # -- quorum links --------------------------------------------------------------------------------------

    def dial(self, src: int, dst: int) -> None:
        """Try to open a quorum link; both ends hear of it, or the dialer of its failure."""
        dialer = self._doors[src]
        if not self._is_open(src, dst):
            self._timeline.after(DIAL_TIMEOUT_US, lambda: self._dialed(src, dst, dialer, None))
            return
        self._timeline.after(self.conditions.delay_us((src, dst)), lambda: self._knock(src, dst, dialer))

    def _knock(self, src: int, dst: int, dialer: Door) -> None:
        listener = self._doors.get(dst)
        if self._doors.get(src) is not dialer:
            return
        back_us = self.conditions.delay_us((dst, src))
        if listener is None:
            self._timeline.after(back_us, lambda: self._dialed(src, dst, dialer, None))
            return
        near, far = connect(self.conditions, src, dst, (f"10.0.1.{src}", 30_000 + src))
        self._keep(src, near)
        self._keep(dst, far)
        near.pause_reading()  # until its owner knows of it, the kernel keeps what arrives
        far.pause_reading()
        if self._rng.random() < 0.5:  # either end may be told first
            self._timeline.after(back_us, lambda: self._accepted(dst, listener, far))
            self._dialed(src, dst, dialer, near)
        else:
            self._timeline.after(back_us, lambda: self._dialed(src, dst, dialer, near))
            self._accepted(dst, listener, far)

    def _accepted(self, sid: int, door: Door, end: End) -> None:
        if self._doors.get(sid) is door:
            door.on_link_accepted(end)
            end.resume_reading()

    def _dialed(self, sid: int, target: int, door: Door, end: End | None) -> None:
        if self._doors.get(sid) is door:
            door.on_link_dialed(target, end)
            if end is not None:
                end.resume_reading()

    # -- clients -------------------------------------------------------------------------------------------

    def connect_client(self, place: int, sid: int, connected: Callable[[End | None], None]) -> None:
        """Open a client's connection to a server; ``connected`` gets the client's end, or None."""
        if not self._is_open(place, sid):
            self._timeline.after(DIAL_TIMEOUT_US, lambda: connected(None))
            return
        self._timeline.after(
            self.conditions.delay_us((place, sid)), lambda: self._enter(place, sid, connected)
        )

    def _enter(self, place: int, sid: int, connected: Callable[[End | None], None]) -> None:
        door = self._doors.get(sid)
        if door is None:
            connected(None)
            return
        near, far = connect(self.conditions, place, sid, (f"10.1.{place // 256}.{place % 256}", 40_000))
        self._keep(sid, far)
        connected(near)
        door.on_client(far)

    # -- faults --------------------------------------------------------------------------------------------

    def break_between(self, a: int, b: int) -> None:
        """Break every stream between two places, and their election connection."""
        for end in [*self._ends.get(a, []), *self._ends.get(b, [])]:
            if end.way in ((a, b), (b, a)):
                end.break_now()
        self.mail.break_between(a, b)

    def lose_at(self, here: int, there: int) -> None:
        """Break every stream between two places at one end only; the other end hears nothing of it.

        A stateful middlebox or a crash of the kernel's peer does this: a leader may go on believing in
        followers that have long elected another.
        """
        for end in list(self._ends.get(here, [])):
            if end.way == (here, there):
                end.lose()
        self.mail.lose_at(here, there)

    def _is_open(self, a: int, b: int) -> bool:
        return self.conditions.is_open((a, b)) and self.conditions.is_open((b, a))

    def _keep(self, place: int, end: End) -> None:
        ends = self._ends.setdefault(place, [])
        ends.append(end)
        if len(ends) > ENDS_KEPT:
            ends[:] = [kept for kept in ends if kept.open]
