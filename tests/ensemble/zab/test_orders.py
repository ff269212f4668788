"""Servers that lose each other all at once find together again at once, in whatever order they notice and speak.

What waits for a time-out longer than an election's own is waiting for something that never comes.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable
from random import Random

import pytest

from ensemble.zab.election import FINALIZE_WAIT_MS, RESEND_MS_MIN
from ensemble.zab.messages import Notification
from tests.ensemble.zab.harness import MemoryHistory, Table, TableLink, Times

ORDERS = 120
ELECTION_MS_MAX = FINALIZE_WAIT_MS + RESEND_MS_MIN


class Disorder:
    """A table on which everything that may happen happens in an order drawn from a seed.

    What goes one way between two servers stays in order. A timer that is due may come late.
    """

    def __init__(self, servers: int, seed: int) -> None:
        self.rng = Random(seed)
        self.table = Table({sid: MemoryHistory() for sid in range(1, servers + 1)})
        self.table.start(*self.rng.sample(list(self.table.peers), servers))
        self.table.advance(500)
        self.table.write(b"before")
        self._mail: dict[tuple[int, int], deque[Notification]] = {}
        for sid in self.table.peers:
            self._separate_mail(sid)

    def _separate_mail(self, sid: int) -> None:
        def send(to: int, notification: Notification) -> None:
            self._mail.setdefault((sid, to), deque()).append(notification)

        self.table.peers[sid].election._send = send

    def restart(self, sid: int) -> None:
        """A server dies and is back before anybody has noticed."""
        self._mail = {way: mail for way, mail in self._mail.items() if sid not in way}
        self.table.kill(sid)
        self._separate_mail(sid)
        for other in self.table.peers:
            if other != sid:
                self.table.peers[other].on_election_link(sid, True)
        self.table.peers[sid].start()
        for other in self.table.peers:
            if other != sid:
                self.table.peers[sid].on_election_link(other, True)

    def settle(self) -> None:
        """Let everything happen that is due, until nothing is left."""
        self.table._flush()
        while possible := self._possible():
            self.rng.choice(possible)()
            self.table._flush()

    def _possible(self) -> list[Callable[[], object]]:
        table = self.table
        found: list[Callable[[], object]] = []
        for (_, to), mail in self._mail.items():
            if mail:
                peer = table.peers[to]
                found.append(lambda peer=peer, mail=mail: peer.on_notification(mail.popleft()))
        found += [lambda dial=dial: (table.dials.remove(dial), table._connect(*dial)) for dial in table.dials]
        for link in table.links:
            if link.closed:
                continue
            peer = table.peers[link.owner]
            if link.inbox:
                found.append(lambda peer=peer, link=link: peer.on_packets(link, [link.inbox.popleft()]))
            elif link in table.breaking:
                found.append(lambda link=link: self._break(link))
        found += [history.complete for history in table.histories.values() if history.waiting]
        heap = table.clock._heap
        for entry in heap:
            if entry[0] <= table.clock.now_us and not entry[2].cancelled:
                found.append(lambda entry=entry: (heap.remove(entry), heapq.heapify(heap), entry[3]()))
        return found

    def _break(self, link: TableLink) -> None:
        table = self.table
        table.breaking = deque(each for each in table.breaking if each is not link)
        link.closed = True
        table.peers[link.owner].on_closed(link)

    def serve_after_ms(self) -> int:
        """Return how long it takes, beyond the events themselves, until all serve."""
        clock, begun = self.table.clock, self.table.clock.now_us
        self.settle()
        while not all(peer.serving for peer in self.table.peers.values()):
            clock.now_us = max(
                clock.now_us, min(at for at, _, timer, _ in clock._heap if not timer.cancelled)
            )
            self.settle()
        return (clock.now_us - begun) // 1000


@pytest.mark.parametrize("servers", [3, 5])
def test_servers_that_all_slept_serve_again_after_no_more_than_an_election(servers: int) -> None:
    """Whoever noticed first found the old leader again by the others' word, and waited for it; the old leader
    noticed last, and took nobody's word that it leads."""
    for seed in range(ORDERS):
        disorder = Disorder(servers, seed)
        disorder.table.clock.now_us += (Times.sync_limit_ticks + 2) * Times.tick_ms * 1000
        assert disorder.serve_after_ms() <= ELECTION_MS_MAX, f"order {seed}"


@pytest.mark.parametrize("servers", [3, 5])
def test_a_leader_that_comes_back_at_once_is_waited_for_no_longer_than_an_election(servers: int) -> None:
    for seed in range(ORDERS):
        disorder = Disorder(servers, seed)
        disorder.restart(disorder.table.leader.sid)
        assert disorder.serve_after_ms() <= ELECTION_MS_MAX, f"order {seed}"
