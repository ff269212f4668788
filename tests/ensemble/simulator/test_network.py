"""Streams, quorum links and election mail."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ensemble.simulator.clock import Timeline
from ensemble.simulator.network.elections import MailRates
from ensemble.simulator.network.network import DIAL_TIMEOUT_US, SimulatedNetwork
from ensemble.simulator.network.streams import Conditions, End, SpokeAfterItsEnd, Weather, connect


class Door:
    """A process that writes down what reaches it."""

    def __init__(self) -> None:
        self.messages: list[tuple[int, bytes]] = []
        self.links: list[tuple[int, bool]] = []
        self.accepted: list[End] = []
        self.dialed: list[tuple[int, End | None]] = []
        self.clients: list[End] = []

    def on_election_message(self, sid: int, payload: bytes) -> None:
        self.messages.append((sid, payload))

    def on_election_link(self, sid: int, *, up: bool) -> None:
        self.links.append((sid, up))

    def on_link_accepted(self, end: End) -> None:
        self.accepted.append(end)

    def on_link_dialed(self, sid: int, end: End | None) -> None:
        self.dialed.append((sid, end))

    def on_client(self, end: End) -> None:
        self.clients.append(end)


class Net:
    """Two listening servers."""

    def __init__(self, seed: int = 1, **weather: float) -> None:
        self.timeline = Timeline()
        self.conditions = Conditions(self.timeline, Random(seed), Weather(**weather))  # type: ignore[arg-type]
        self.rates = MailRates()
        self.network = SimulatedNetwork(self.conditions, self.rates)
        self.doors = {sid: Door() for sid in (1, 2)}
        for sid, door in self.doors.items():
            self.network.open_door(sid, door)
        self.run(1_000_000)

    def run(self, span_us: int = 100_000) -> None:
        self.timeline.run_until(self.timeline.now_us + span_us)

    def link(self) -> tuple[End, End]:
        self.network.dial(1, 2)
        self.run()
        near = self.doors[1].dialed[-1][1]
        assert near is not None
        return near, self.doors[2].accepted[-1]


@given(st.integers(0, 1 << 32), st.lists(st.binary(min_size=1, max_size=50), max_size=20), st.floats(0, 0.9))
def test_bytes_arrive_once_in_order_however_they_are_cut(
    seed: int, writes: list[bytes], split: float
) -> None:
    timeline = Timeline()
    conditions = Conditions(timeline, Random(seed), Weather(split_probability=split))
    near, far = connect(conditions, 1, 2, ("h", 1))
    got: list[bytes] = []
    closed: list[bool] = []
    far.on_data, far.on_closed = got.append, lambda: closed.append(True)
    for index, data in enumerate(writes):
        near.send(data)
        timeline.run_until(timeline.now_us + index * 300)
    near.close()
    timeline.run_until(timeline.now_us + 60_000_000)
    assert b"".join(got) == b"".join(writes)
    assert closed == [True]


def test_a_blocked_way_holds_bytes_back_and_delivers_them_when_opened() -> None:
    net = Net()
    near, far = net.link()
    got: list[bytes] = []
    far.on_data = got.append
    net.conditions.block((1, 2))
    near.send(b"held")
    net.run()
    assert got == []
    net.conditions.unblock((1, 2))
    net.run()
    assert got == [b"held"]


def test_what_arrives_before_an_end_is_known_waits_for_it() -> None:
    """Each end may be told of the link first, and speak at once."""

    class Eager(Door):
        def __init__(self, greeting: bytes) -> None:
            super().__init__()
            self.greeting = greeting
            self.got: list[bytes] = []

        def greet(self, end: End) -> None:
            end.on_data = self.got.append
            end.send(self.greeting)

        def on_link_accepted(self, end: End) -> None:
            self.greet(end)

        def on_link_dialed(self, sid: int, end: End | None) -> None:
            assert end is not None
            self.greet(end)

    for seed in range(20):
        net = Net(seed, delay_us_max=50_000)
        for sid, greeting in ((1, b"hello"), (2, b"welcome")):
            net.network.shut_door(sid, silently=False)
            net.doors[sid] = Eager(greeting)
            net.network.open_door(sid, net.doors[sid])
        net.network.dial(1, 2)
        net.run(1_000_000)
        assert b"".join(net.doors[1].got) == b"welcome"  # type: ignore[attr-defined]
        assert b"".join(net.doors[2].got) == b"hello"  # type: ignore[attr-defined]


def test_two_cuts_of_one_way_need_two_heals() -> None:
    net = Net()
    net.conditions.block((1, 2))
    net.conditions.block((1, 2))
    net.conditions.unblock((1, 2))
    assert not net.conditions.is_open((1, 2))
    net.conditions.unblock((1, 2))
    assert net.conditions.is_open((1, 2))


def test_a_one_way_cut_lets_the_other_way_through() -> None:
    net = Net()
    near, far = net.link()
    got: list[bytes] = []
    near.on_data = got.append
    net.conditions.block((1, 2))
    far.send(b"back")
    net.run()
    assert got == [b"back"]


def test_breaking_a_stream_loses_what_is_in_flight_and_tells_both_ends() -> None:
    net = Net()
    near, far = net.link()
    told: list[str] = []
    near.on_closed, far.on_closed = lambda: told.append("near"), lambda: told.append("far")
    far.on_data = lambda data: told.append("data")
    near.send(b"lost")
    net.network.break_between(1, 2)
    net.run()
    assert sorted(told) == ["far", "near"]


def test_nothing_is_reported_to_an_end_that_closed() -> None:
    net = Net()
    near, far = net.link()
    told: list[bytes] = []
    near.on_data = told.append
    far.send(b"too late")
    near.close()
    net.run()
    assert told == []


def test_a_server_that_sends_over_what_it_closed_is_caught() -> None:
    """I13: whoever does belongs to a role that is over."""
    near, _ = connect(Conditions(Timeline(), Random(1), Weather()), 1, 2, ("h", 1))
    near.effect = lambda: None
    near.send(b"before")
    near.close()
    with pytest.raises(SpokeAfterItsEnd):
        near.send(b"after")


def test_reading_may_be_paused() -> None:
    net = Net()
    near, far = net.link()
    got: list[bytes] = []
    far.on_data = got.append
    far.pause_reading()
    near.send(b"waits")
    net.run()
    assert got == []
    far.resume_reading()
    net.run()
    assert got == [b"waits"]


def test_dialing_a_dead_server_fails_at_once_and_a_cut_one_after_the_timeout() -> None:
    net = Net()
    net.network.shut_door(2, silently=False)
    net.network.dial(1, 2)
    net.run(50_000)
    assert net.doors[1].dialed == [(2, None)]
    net.network.open_door(2, net.doors[2])
    net.conditions.block((2, 1))
    net.network.dial(1, 2)
    net.run(DIAL_TIMEOUT_US - 1)
    assert len(net.doors[1].dialed) == 1
    net.run(1)
    assert net.doors[1].dialed[1:] == [(2, None)]


def test_a_killed_process_closes_its_streams_and_one_without_power_falls_silent_until_it_is_back() -> None:
    for silently in (False, True):
        net = Net()
        near, _far = net.link()
        told: list[str] = []
        near.on_closed = lambda told=told: told.append("closed")  # type: ignore[misc]
        net.network.shut_door(2, silently=silently)
        net.run()
        assert bool(told) is not silently
        net.network.open_door(2, net.doors[2])
        net.run()
        assert told == ["closed"]


def test_election_links_come_up_and_go_down_with_the_process() -> None:
    net = Net()
    assert net.doors[1].links == [(2, True)]
    net.network.shut_door(2, silently=False)
    net.run()
    assert net.doors[1].links == [(2, True), (2, False)]
    net.network.open_door(2, net.doors[2])
    net.run(1_000_000)
    assert net.doors[1].links[2:] == [(2, True)]


def test_only_the_newest_election_message_is_kept() -> None:
    net = Net()
    for payload in (b"old", b"newer", b"newest"):
        net.network.mail.send(1, 2, payload)
    net.run()
    assert net.doors[2].messages == [(1, b"newest")]


def test_election_mail_waits_for_a_connection() -> None:
    net = Net()
    net.network.shut_door(2, silently=False)
    net.run()
    net.network.mail.send(1, 2, b"waits")
    net.network.open_door(2, net.doors[2])
    net.run(1_000_000)
    assert net.doors[2].messages == [(1, b"waits")]


def test_election_mail_held_by_a_cut_arrives_after_it() -> None:
    net = Net()
    net.conditions.block((1, 2))
    net.network.mail.send(1, 2, b"held")
    net.run()
    net.network.mail.send(1, 2, b"newer")
    net.run()
    assert net.doors[2].messages == []
    net.conditions.unblock((1, 2))
    net.run()
    assert net.doors[2].messages == [(1, b"newer")]


def test_a_flap_loses_the_message_and_both_ends_see_the_link_go_and_come() -> None:
    net = Net()
    net.rates.flap = 1.0
    net.network.mail.send(1, 2, b"lost")
    both = net.doors[1].links, net.doors[2].links
    assert net.timeline.run_until(1 << 40, unless=lambda: all(len(links) == 2 for links in both))
    assert net.doors[2].messages == []
    net.rates.flap = 0.0
    net.run(1_000_000)
    assert net.doors[1].links == [(2, True), (2, False), (2, True)]
    assert net.doors[2].links == [(1, True), (1, False), (1, True)]


def test_the_last_election_message_is_sent_again_on_every_new_connection() -> None:
    """As by ``ElectionLinks``: it may have died with the connection, and may have arrived."""
    net = Net()
    net.network.mail.send(1, 2, b"last")
    net.run()
    net.network.break_between(1, 2)
    net.run(1_000_000)
    assert net.doors[2].messages == [(1, b"last")] * 2
    net.network.shut_door(2, silently=False)
    net.network.open_door(2, net.doors[2])
    net.run(1_000_000)
    assert net.doors[2].messages == [(1, b"last")] * 3
    net.network.shut_door(1, silently=False)
    net.network.open_door(1, net.doors[1])
    net.run(1_000_000)
    assert net.doors[2].messages == [(1, b"last")] * 3
