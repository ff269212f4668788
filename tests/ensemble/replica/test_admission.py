"""How much clients may ask: every limit is reached, and what it costs those who did not reach it."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from ensemble.errors import Code
from ensemble.replica.admission.admission import Admission
from ensemble.replica.admission.arrivals import Arrival, Arrivals
from ensemble.replica.admission.config import AdmissionConfig, ArrivalConfig, ThrottleConfig
from ensemble.tree.operations import AddWatch, CloseSession, NoBody, Op, Read, SetData, SetWatches, Sync
from ensemble.wire import replies
from tests.ensemble.replica.harness import Client, World, client
from tests.ensemble.replica.ports import ManualClock


def world_with(**settings: Any) -> World:
    return World(admission=AdmissionConfig(**settings))


def throttled(**settings: Any) -> World:
    return world_with(throttle=ThrottleConfig(**settings))


def admission(world: World) -> Admission:
    return world.only.replica.service.admission


def write(user: Client, size: int = 1) -> bytes:
    return user.request(Op.SET_DATA, SetData("/", bytes(size), -1))


def errors(user: Client) -> list[int]:
    return [error for _, _, error in user.headers()]


# --- connections and sessions --------------------------------------------------------------------------


def test_no_limit_of_connections_is_no_limit() -> None:
    world = World(admission=AdmissionConfig(connections_max=0), connections_per_address_max=0)
    assert all(client(world).connection is not None for _ in range(100))


def test_an_ensemble_that_is_full_of_sessions_opens_no_more_but_keeps_those_it_has() -> None:
    world = world_with(sessions_max=2)
    first, second, third = client(world), client(world), Client(world)
    assert third.connect() is None
    assert third.closed
    assert "there are 2 sessions" in world.only.lines[-1]
    back = Client(world)
    assert back.connect(session_id=first.session_id, password=first.password) is not None
    second.send(second.request(Op.CLOSE_SESSION, CloseSession()))
    world.settle()
    assert Client(world).connect() is not None


def test_clients_that_are_refused_fill_no_log() -> None:
    world = World(connections_per_address_max=1)
    client(world)
    before = len(world.only.lines)
    for _ in range(100):
        assert Client(world).connection is None
    (line,) = world.only.lines[before:]
    assert "client 127.0.0.1 is refused" in line
    world.advance(1_000)
    assert Client(world).connection is None
    assert len(world.only.lines) == before + 1
    world.advance(60_000)
    assert len(world.only.lines) == before + 1
    client(world)  # the first client's session is over by now
    assert Client(world).connection is None
    (again,) = world.only.lines[before + 1 :]
    assert again == f"{line} (and 100 times before)"
    assert world.only.replica.service.counters.refused == 102


def test_clients_that_are_cut_off_fill_no_log() -> None:
    world = World()
    before = len(world.only.lines)

    def say_nonsense() -> None:
        stranger = Client(world)
        stranger.xid = -1
        stranger.send(b"\x7f\xff\xff\xff")
        assert stranger.closed

    for _ in range(50):
        say_nonsense()
    (line,) = world.only.lines[before:]
    assert "client 127.0.0.1" in line
    assert "is cut off" in line
    world.advance(61_000)
    say_nonsense()
    assert world.only.lines[-1].endswith(" (and 49 times before)")
    assert len(world.only.lines) == before + 2
    assert world.only.replica.service.counters.cut_off == 51


# --- how fast they come --------------------------------------------------------------------------------


def test_clients_that_come_too_fast_are_turned_away_until_there_are_tokens() -> None:
    world = world_with(arrivals=ArrivalConfig(tokens_max=2, fill_ms=1000))
    first = client(world)
    client(world)
    third = Client(world)
    assert third.connect() is None
    assert third.closed
    assert "faster than connection_throttle_tokens allows" in world.only.lines[-1]
    back = Client(world)
    assert back.connect(session_id=first.session_id, password=first.password) is None
    world.advance(1100)
    assert Client(world).connect() is not None
    assert Client(world).connect() is None


def arrivals(clock: ManualClock, **settings: Any) -> Arrivals:
    return Arrivals(ArrivalConfig(**settings), clock, Random(1).randbytes)


def test_what_a_client_wants_decides_what_it_takes() -> None:
    clock = ManualClock()
    bucket = arrivals(clock, tokens_max=6, new_cost=3, renewed_cost=2, local_cost=1)
    assert bucket.admit(Arrival.NEW)
    assert bucket.admit(Arrival.RENEWED)
    assert not bucket.admit(Arrival.RENEWED)
    assert bucket.admit(Arrival.LOCAL)
    assert not bucket.admit(Arrival.LOCAL)
    assert bucket.deficit == 6


def test_the_bucket_is_never_fuller_than_full() -> None:
    clock = ManualClock()
    bucket = arrivals(clock, tokens_max=3, fill_ms=10, fill_count=5)
    clock.now_us += 3_600_000_000
    assert [bucket.admit(Arrival.NEW) for _ in range(4)] == [True, True, True, False]


def test_the_chance_of_being_dropped_grows_while_the_bucket_is_empty_and_falls_behind() -> None:
    clock = ManualClock()
    bucket = arrivals(
        clock, tokens_max=10, fill_ms=1_000_000, freeze_ms=100, drop_increase=0.5, drop_decrease=0.25
    )
    assert all(bucket.admit(Arrival.NEW) for _ in range(10))
    chances = []
    for _ in range(3):
        clock.now_us += 101_000
        assert not bucket.admit(Arrival.NEW)
        chances.append(bucket.drop_chance)
    assert chances == [0.5, 1.0, 1.0]
    clock.now_us += 10**12
    assert not bucket.admit(Arrival.NEW)
    chances = [bucket.drop_chance]
    for _ in range(4):
        clock.now_us += 10**13
        bucket.admit(Arrival.NEW)
        chances.append(bucket.drop_chance)
    assert chances == [0.75, 0.5, 0.25, 0.0, 0.0]
    assert bucket.admit(Arrival.NEW)


# --- what is unanswered --------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [{"unanswered_max": 3}, {"unanswered_bytes_max": 1000}])
def test_who_waits_for_an_answer_is_not_read_from_while_there_is_too_much_to_do(
    limit: dict[str, int],
) -> None:
    world = world_with(**limit)
    busy, other, idle = client(world), client(world), client(world)
    busy.send(b"".join([write(busy, 300) for _ in range(4)]))
    assert busy.paused
    other.send(write(other))
    assert other.paused
    assert idle.create("/idle") == "/idle"
    assert not idle.paused
    assert not busy.paused
    assert not other.paused
    assert (errors(busy), errors(other)) == ([0] * 4, [0])


def test_reading_goes_on_when_enough_is_answered_and_not_before() -> None:
    world = world_with(unanswered_max=3, throttle=ThrottleConfig(requests_max=1))
    user = client(world)
    user.send(b"".join([write(user) for _ in range(8)]))
    seen = set()
    world.only.replica.flush()
    while (step := world.later.popleft() if world.later else world.clock.take_due()) is not None:
        step()
        world.only.replica.flush()
        seen.add((admission(world).unanswered, user.paused))
    assert {(7, True), (4, True), (3, False), (0, False)} <= seen
    assert not seen & {(count, False) for count in range(4, 9)}


def test_reads_are_answered_however_much_is_on_its_way() -> None:
    world = world_with(unanswered_max=0)
    busy, reader = client(world), client(world)
    busy.send(write(busy))
    reader.send(reader.request(Op.GET_DATA, Read("/")))
    assert errors(reader) == [0]
    assert not reader.paused


def test_nothing_stays_counted_however_connections_end() -> None:
    world = world_with(large_request_bytes=100, throttle=ThrottleConfig(requests_max=3))
    ends: list[Callable[[Client], None]] = [
        lambda user: user.connection.on_closed(),  # type: ignore[union-attr]
        lambda user: user.send(user.request(Op.CLOSE_SESSION, CloseSession()) + write(user)),
        lambda user: user.send(b"\xff" * 8),
        lambda user: None,
    ]
    for end in ends:
        user = client(world)
        user.send(b"".join([write(user, 500) for _ in range(4)]))
        user.send(user.request(Op.GET_DATA, Read("/")))
        end(user)
    counted = admission(world)
    assert counted.unanswered > 0
    assert counted.large_bytes > 0
    world.settle()
    assert (counted.unanswered, counted.unanswered_bytes, counted.large_bytes) == (0, 0, 0)
    assert counted.throttle is not None
    assert counted.throttle.in_process == 0


def test_large_requests_have_room_for_so_many_bytes_and_no_more() -> None:
    world = world_with(large_request_bytes=1000, large_bytes_max=5000)
    user, small = client(world), client(world)
    user.send(write(user, 2000) + write(user, 2000))
    small.send(b"".join([write(small, 900) for _ in range(10)]))
    assert not user.closed
    user.send(write(user, 2000))
    assert user.closed
    assert "a request of" in world.only.lines[-1]
    world.settle()
    assert errors(small) == [0] * 10
    assert world.only.replica.service.counters.large_requests_rejected == 1
    other = client(world)
    other.send(write(other, 4000))
    world.settle()
    assert errors(other) == [0]


# --- how many are on their way -------------------------------------------------------------------------


def test_so_many_writes_are_on_their_way_and_the_others_wait_in_line() -> None:
    world = throttled(requests_max=2)
    user = client(world)
    user.send(b"".join([write(user) for _ in range(10)]))
    assert world.only.replica.peer.outstanding == 2
    world.settle()
    assert [(xid, error) for xid, _, error in user.headers()] == [(xid, 0) for xid in range(1, 11)]
    assert world.only.replica.service.counters.request_throttle_wait_count > 0


def test_every_client_in_line_has_its_turn() -> None:
    """Who asks for one thing does not wait for all that another wants."""
    world = throttled(requests_max=1)
    user, other = client(world), client(world)
    user.send(b"".join([write(user) for _ in range(10)]))
    other.send(write(other))
    world.settle()
    answers = user.headers()
    assert {error for _, _, error in answers} == {0}
    ((_, zxid, error),) = other.headers()
    assert error == 0
    assert zxid < answers[3][1]


def test_a_client_that_leaves_gives_up_its_place() -> None:
    world = throttled(requests_max=1)
    user, gone, last = client(world), client(world), client(world)
    user.send(write(user))
    for each in (gone, last):
        each.send(write(each))
    assert gone.connection is not None
    gone.connection.on_closed()
    world.settle()
    assert (errors(user), errors(last)) == ([0], [0])


def test_a_client_that_does_not_read_holds_up_nobody() -> None:
    world = throttled(requests_max=1)
    slow, other = client(world), client(world)
    slow.create("/big", bytes(900_000))
    slow.send(write(slow) + slow.request(Op.GET_DATA, Read("/big")) + write(slow) + write(slow))
    assert slow.connection is not None
    slow.connection.on_write_full()
    other.send(write(other) + write(other))
    world.settle()
    assert errors(other) == [0, 0]
    slow.connection.on_write_drained()
    world.settle()
    assert errors(slow) == [0, 0, 0, 0]


def test_what_waited_too_long_is_refused_and_not_carried_out() -> None:
    world = throttled(requests_max=1, wait_ms_max=100)
    user = client(world)
    user.send(write(user, 7) + write(user, 8) + user.request(Op.GET_DATA, Read("/")))
    user.send(user.request(Op.SYNC, Sync("/")) + user.request(Op.PING, NoBody(), xid=-2))
    user.send(user.request(Op.CLOSE_SESSION, CloseSession()))
    world.clock.now_us += 200_000
    world.settle()
    late = Code.THROTTLED_OP
    assert [(xid, error) for xid, _, error in user.headers()] == [
        (1, 0),
        (2, late),
        (3, late),
        (4, late),
        (-2, 0),
        (5, 0),
    ]
    assert len(world.only.replica.tree.get("/").data or b"") == 7
    assert world.only.replica.service.counters.throttled_ops == 3


def test_what_is_answered_in_time_is_not_refused() -> None:
    world = throttled(wait_ms_max=100)
    user = client(world)
    user.send(write(user) + write(user) + user.request(Op.GET_DATA, Read("/")))
    world.clock.now_us += 90_000
    world.settle()
    assert errors(user) == [0, 0, 0]


def test_a_client_whose_request_has_become_stale_is_cut_off() -> None:
    world = throttled(requests_max=1, stale_by_latency=True)
    busy, user = client(world), client(world)
    busy.send(write(busy))
    user.send(write(user))
    world.clock.now_us += 5_000_000
    world.settle()
    assert user.closed
    assert errors(user) == []
    counters = world.only.replica.service.counters
    assert (counters.stale_requests, counters.stale_requests_dropped) == (1, 1)
    assert errors(busy) == [0]


def test_stale_requests_may_be_carried_out_all_the_same() -> None:
    world = throttled(requests_max=1, stale_by_latency=True, drop_stale=False)
    busy, user = client(world), client(world)
    busy.send(write(busy))
    user.send(write(user))
    world.clock.now_us += 5_000_000
    world.settle()
    assert errors(user) == [0]
    assert world.only.replica.service.counters.stale_requests == 1


# --- watches -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("op", "operation"),
    [
        (Op.GET_DATA, Read("/", True)),
        (Op.EXISTS, Read("/none", True)),
        (Op.GET_CHILDREN, Read("/zookeeper", True)),
        (Op.ADD_WATCH, AddWatch("/", 1)),
    ],
)
def test_a_client_has_so_many_watches_and_no_more(op: Op, operation: Any) -> None:
    world = world_with(watches_per_connection_max=2)
    user, other = client(world), client(world)
    for path in ("/a", "/b"):
        user.ask(Op.EXISTS, Read(path, True))
    assert user.error(op, operation) == Code.THROTTLED_OP
    assert user.error(Op.GET_DATA, Read("/")) == 0
    assert other.error(Op.GET_DATA, Read("/", True)) == 0
    other.create("/a")
    assert [replies.decode_header(frame)[0] for frame in user.answers()] == [-1]
    assert user.error(Op.GET_DATA, Read("/", True)) == 0


def test_a_server_has_so_many_watches_and_no_more() -> None:
    world = world_with(watches_max=3)
    users = [client(world) for _ in range(4)]
    codes = [user.error(Op.GET_DATA, Read("/", True)) for user in users]
    assert codes == [0, 0, 0, Code.THROTTLED_OP]
    assert world.only.replica.service.counters.watches_refused == 1
    assert users[0].connection is not None
    users[0].connection.on_closed()
    assert users[3].error(Op.GET_DATA, Read("/", True)) == 0


def test_a_client_that_cannot_have_its_old_watches_back_is_closed() -> None:
    world = world_with(watches_per_connection_max=2)
    user = client(world)
    old = SetWatches(0, ["/a"], ["/b"], ["/c"], [], [])
    user.send(user.request(Op.SET_WATCHES, old, xid=-8))
    assert user.closed
    assert world.only.replica.service.watches.count == 0


def test_a_client_closed_for_its_watches_while_they_wait_behind_a_write_harms_nobody() -> None:
    world = world_with(watches_per_connection_max=2)
    user, other = client(world), client(world)
    user.create("/a", b"")
    old = SetWatches(0, ["/a"], ["/b"], ["/c"], [], [])
    user.send(
        user.request(Op.SET_DATA, SetData("/a", b"1", -1))
        + user.request(Op.SET_WATCHES, old)
        + user.request(Op.GET_DATA, Read("/a"))
    )
    world.settle()
    assert user.closed
    admission = world.only.replica.service.admission
    assert (admission.unanswered, admission.unanswered_bytes) == (0, 0)
    other.create("/b", b"")
