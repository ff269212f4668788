"""Everything between the servers: links with what is under way on them, dials, and election messages.

A link is a TCP connection: in order each way, and when one end goes, the other hears of it after everything that was
sent before. A link that *breaks* loses what was under way, both ways, and its ends hear of it in any order. Of the
election messages from one server to another only the latest is kept, as Apache's queue of one does.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from ensemble.explorer.server import Effect, LinkName, Sent
from ensemble.zab.messages import Notification

LinkKey = tuple[int, int, int]
"""Who dialed, whom, and a number when there are several."""
Queue = tuple[Sent | None, ...]
"""Packets under way to one end; None is the end of the link."""
_END: Queue = (None,)


class Link(NamedTuple):
    """A link of which at least one end is still there."""

    key: LinkKey
    here: tuple[bool, bool]
    """Whether the dialer, and the acceptor, still has its end."""
    queues: tuple[Queue, Queue]
    """To the dialer, and to the acceptor."""


class Ways(NamedTuple):
    """A value."""

    links: tuple[Link, ...] = ()
    dials: tuple[tuple[int, int], ...] = ()
    mail: tuple[tuple[int, int, Notification], ...] = ()
    """From, to, message."""

    @property
    def quiet(self) -> bool:
        """Whether nothing is under way."""
        return (
            not self.dials
            and not self.mail
            and not any(link.queues[0] or link.queues[1] for link in self.links)
        )


def key_of(sid: int, name: LinkName) -> LinkKey:
    """Return the key of the link that ``sid`` calls ``name``."""
    return (sid, name.other, name.number) if name.dialed else (name.other, sid, name.number)


class Draft:
    """Ways that are being changed."""

    def __init__(self, ways: Ways, *, mail: bool) -> None:
        """Without ``mail`` election messages go nowhere."""
        self._links = {link.key: link for link in ways.links}
        self._dials = set(ways.dials)
        self._mail = {(sender, to): message for sender, to, message in ways.mail}
        self._keeps_mail = mail

    def done(self) -> Ways:
        """Return the outcome."""
        mail = [(*way, message) for way, message in self._mail.items()]
        return Ways(
            tuple(sorted(self._links.values(), key=_key)) if self._links else (),
            tuple(sorted(self._dials)) if self._dials else (),
            tuple(sorted(mail, key=_way)) if mail else (),
        )

    def carry_out(self, sid: int, effects: Iterable[Effect]) -> None:
        """Do what a server asked for."""
        for kind, about, what in effects:
            if kind == "send":
                self._send(key_of(sid, about), 1 if about.dialed else 0, what)
            elif kind == "close":
                self.leave(key_of(sid, about), 0 if about.dialed else 1)
            elif kind == "dial":
                self._dials.add((sid, about))
            elif kind == "mail" and self._keeps_mail:
                self._mail[(sid, about)] = what

    def _send(self, key: LinkKey, to: int, packet: Sent) -> None:
        link = self._links.get(key)
        if link is not None and link.here[to] and link.queues[to][-1:] != _END:
            self._put(link, to, (*link.queues[to], packet))

    def _put(self, link: Link, to: int, queue: Queue) -> None:
        queues = (queue, link.queues[1]) if to == 0 else (link.queues[0], queue)
        self._links[link.key] = link._replace(queues=queues)

    def leave(self, key: LinkKey, end: int) -> None:
        """One end is gone: what was under way to it is lost, the other end will hear of it."""
        link = self._links.get(key)
        if link is None:
            return
        other = 1 - end
        if not link.here[other]:
            del self._links[key]
            return
        queue = link.queues[other]
        if queue[-1:] != _END:
            queue = (*queue, None)
        here = (False, link.here[1]) if end == 0 else (link.here[0], False)
        self._links[key] = Link(key, here, ((), queue) if end == 0 else (queue, ()))

    def take(self, key: LinkKey, end: int) -> Sent | None:
        """Take the first of what is under way to one end; the end of the link takes the end with it."""
        link = self._links[key]
        packet = link.queues[end][0]
        if packet is None:
            self.leave(key, end)
        else:
            self._put(link, end, link.queues[end][1:])
        return packet

    def sever(self, key: LinkKey) -> None:
        """Break a link: what was under way is lost."""
        link = self._links[key]
        queues = (_END if link.here[0] else (), _END if link.here[1] else ())
        self._links[key] = link._replace(queues=queues)

    def connect(self, dialer: int, acceptor: int) -> int:
        """A dial succeeds; return the number of the link."""
        self._dials.discard((dialer, acceptor))
        number = 0
        while (dialer, acceptor, number) in self._links:
            number += 1
        key = (dialer, acceptor, number)
        self._links[key] = Link(key, (True, True), ((), ()))
        return number

    def refuse(self, dialer: int, acceptor: int) -> None:
        """A dial fails."""
        self._dials.discard((dialer, acceptor))

    def take_mail(self, sender: int, to: int) -> Notification:
        """Take an election message."""
        return self._mail.pop((sender, to))

    def crash(self, sid: int) -> None:
        """A server is gone, with its ends of all links and what was on its way to it."""
        for key in [key for key in self._links if sid in key[:2]]:
            if self._links[key].here[0 if key[0] == sid else 1]:
                self.leave(key, 0 if key[0] == sid else 1)
        self._dials = {dial for dial in self._dials if dial[0] != sid}
        self._mail = {way: message for way, message in self._mail.items() if way[1] != sid}


def _key(link: Link) -> LinkKey:
    return link.key


def _way(entry: tuple[int, int, Notification]) -> tuple[int, int]:
    return entry[:2]
