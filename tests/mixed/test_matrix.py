"""Every mix of three and of five servers, led by either kind; and what it takes for these tests to fail."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import time
from collections.abc import Iterator

import pytest
from kazoo.client import KazooClient

from ensemble.client import ZooKeeper
from ensemble.client.errors import ConnectionLoss
from ensemble.client.results import Data
from ensemble.client.watches import WatchEvent
from tests.mixed.conftest import MakeEnsemble
from tests.mixed.load import assert_nothing_lost, writing
from tests.mixed.servers import Kind, MixedEnsemble
from tests.processes.conftest import HOST, RawSession, four_letter

pytestmark = [
    pytest.mark.process,
    pytest.mark.timeout(300),
    # kazoo 2.11 on Python 3.11
    pytest.mark.filterwarnings("ignore:.*:DeprecationWarning:kazoo"),
]

EPHEMERAL = 1
QUICK = {(3, 1, "ours"), (3, 2, "apache")}
"""Those that run with the suite."""


def mixes() -> Iterator[object]:
    """Yield the number of servers, how many of them are ours, and the kind of the leader."""
    for servers in (3, 5):
        for ours in range(1, servers):
            for leader in ("ours", "apache"):
                marks = () if (servers, ours, leader) in QUICK else (pytest.mark.slow,)
                name = f"{servers}-servers-{ours}-ours-led-by-{leader}"
                yield pytest.param(servers, ours, leader, marks=marks, id=name)


def kinds_of(servers: int, ours: int, leader: Kind) -> list[Kind]:
    """Order the kinds so that the leader is last, and each is among the first learners if it is one at all."""
    left: dict[Kind, int] = {"ours": ours, "apache": servers - ours}
    left[leader] -= 1
    kinds: list[Kind] = []
    while any(left.values()):
        kind = max(left, key=lambda each: (left[each], each != leader))
        left[kind] -= 1
        kinds.append(kind)
    return [*kinds, leader]


def begin(ensemble: MixedEnsemble) -> int:
    """Start all servers so that the last one leads: it is in the first quorum there is."""
    last = len(ensemble.kinds)
    first = range(1, last // 2 + 1)
    ensemble.start(last, *first)
    ensemble.until_led_by(last)
    ensemble.start(*range(last // 2 + 1, last))
    ensemble.until_led_by(last)
    return last


@pytest.mark.parametrize(("servers", "ours", "leader_kind"), list(mixes()))
def test_any_mix_of_servers_is_one_ensemble(
    ensemble_of: MakeEnsemble, servers: int, ours: int, leader_kind: Kind
) -> None:
    kinds = kinds_of(servers, ours, leader_kind)
    assert (kinds.count("ours"), kinds[-1], len(kinds)) == (ours, leader_kind, servers)
    ensemble = ensemble_of(*kinds, extra="snapCount=100")
    leader = begin(ensemble)
    session = move_through_all(ensemble)
    asyncio.run(watch_through_a_move(ensemble, leader))
    with ensemble.client(leader) as client:
        for learner in one_of_each_kind(ensemble, leader):
            catch_up(ensemble, client, learner, f"/away-{learner}", wiped=False)
            catch_up(ensemble, client, learner, f"/wiped-{learner}", wiped=True)
    state = ensemble.assert_one_state()
    take_back(ensemble, leader)
    after = ensemble.assert_one_state()
    assert {path for path in state if "ephemeral" not in path} <= set(after)
    assert not any(path.startswith("/only-here") for path in after)
    session.close()


def move_through_all(ensemble: MixedEnsemble) -> RawSession:
    """A session moves from server to server by its password, and makes an ephemeral at each."""
    session = RawSession(ensemble.port(1), 20_000)
    key = (session.session_id, session.password)
    for sid in [*sorted(ensemble.kinds), 1]:
        moved = RawSession(ensemble.port(sid), 20_000, session=key)
        assert moved.session_id == key[0]
        session.close()
        session = moved
        assert session.create(f"/ephemeral-{sid}-{time.monotonic_ns()}", flags=EPHEMERAL) == 0
    state = ensemble.assert_one_state()
    assert len([path for path in state if path.startswith("/ephemeral-")]) == len(ensemble.kinds) + 1
    stranger = RawSession(ensemble.port(2), session=(key[0], b"x" * 16))
    assert stranger.session_id == 0
    stranger.close()
    return session


async def watch_through_a_move(ensemble: MixedEnsemble, leader: int) -> None:
    """A watch comes with its client to another server, and fires there, once."""
    fired: list[WatchEvent] = []
    learners = ",".join(f"{HOST}:{ensemble.port(sid)}" for sid in ensemble.kinds if sid != leader)
    async with ZooKeeper(learners, session_timeout_ms=20_000) as watcher:
        await watcher.create("/watched", b"before")
        await watcher.get("/watched", watch=fired.append)
        (place,) = attached_to(ensemble, watcher.session_id)
        ensemble.kill(place)
        # Answered by another server, which was told of the watch before anything else.
        data, _ = await read_again(watcher, "/watched")
        assert data == b"before"
        assert attached_to(ensemble, watcher.session_id) not in ([], [place])
        async with ZooKeeper(f"{HOST}:{ensemble.port(leader)}") as writer:
            await writer.set("/watched", b"after")
            await writer.set("/watched", b"again")
        await watcher.sync("/watched")
        assert [event.type.name for event in fired] == ["NODE_DATA_CHANGED"]
    ensemble.start(place)
    ensemble.until_led_by(leader)


async def read_again(client: ZooKeeper, path: str) -> Data:
    """Read from whichever server the client reaches next."""
    while True:
        with contextlib.suppress(ConnectionLoss):
            return await client.get(path)


def attached_to(ensemble: MixedEnsemble, session_id: int) -> list[int]:
    """Return the servers that say they have a client with this session."""
    mark = f"sid=0x{session_id & (1 << 64) - 1:x},"
    return [sid for sid in ensemble.running if mark in four_letter(ensemble.port(sid), "cons")]


def one_of_each_kind(ensemble: MixedEnsemble, leader: int) -> list[int]:
    """Return a learner of each kind that there is."""
    found = {kind: sid for sid, kind in ensemble.kinds.items() if sid != leader}
    return sorted(found.values())


def catch_up(ensemble: MixedEnsemble, client: KazooClient, learner: int, prefix: str, *, wiped: bool) -> None:
    """A learner that was away, or has lost its disk, is brought up: by what, is for its leader to choose."""
    ensemble.kill(learner)
    for result in [client.create_async(f"{prefix}-{n}", b"v" * n) for n in range(150)]:
        result.get(30)
    if wiped:
        shutil.rmtree(ensemble.home(learner) / "data" / "version-2")
    ensemble.start(learner)
    ensemble.until_led()
    assert ensemble.mode(learner) == "follower"
    with ensemble.client(learner) as there:
        there.sync("/")
        assert there.exists(f"{prefix}-149") is not None


def take_back(ensemble: MixedEnsemble, leader: int) -> None:
    """What only a leader that dies has logged is cut off, or replaced, when it comes back under another."""
    others = [sid for sid in ensemble.kinds if sid != leader]
    with ensemble.client(leader) as client:
        ensemble.pause(*others)
        for number in range(3):
            client.create_async(f"/only-here-{number}", b"")
        ensemble.until_logged(leader, b"/only-here-2")
        # Killed while they stand still: what was sent to them never leaves their sockets.
        ensemble.kill(*others, leader)
    ensemble.start(*others)
    ensemble.until_led()
    ensemble.start(leader)
    ensemble.until_led()


# ------------------------------------------------------------------ an ensemble replaced as a whole


@pytest.mark.slow
@pytest.mark.parametrize("servers", [3, 5])
def test_a_whole_ensemble_is_replaced_under_load_and_back(ensemble_of: MakeEnsemble, servers: int) -> None:
    kinds: list[Kind] = ["apache"] * servers
    ensemble = ensemble_of(*kinds, extra="snapCount=200")
    ensemble.start(*ensemble.kinds)
    ensemble.until_led()
    with writing(ensemble) as writers:
        for kind in ("ours", "apache"):
            for sid in sorted(ensemble.kinds):
                ensemble.stop(sid)
                ensemble.start(sid, kind=kind)
                ensemble.until_led()
                assert [writer.wrong for writer in writers] == [[], []]
    state = ensemble.assert_one_state()
    assert_nothing_lost(writers, state)


# ------------------------------------------------------------------ that this can fail


def acknowledged_by_a_leader_alone(ensemble: MixedEnsemble, mutant: str) -> None:
    """What is acknowledged when nobody follows outlives the leader, if anything is."""
    ensemble.start(1)
    ensemble.start(3, mutant=mutant)
    ensemble.until_modes(s3="leader")
    acknowledged: list[str] = []
    session = RawSession(ensemble.port(3))
    ensemble.kill(1)
    with contextlib.closing(session), contextlib.suppress(OSError):
        while len(acknowledged) < 3 and session.create(f"/alone-{len(acknowledged)}") == 0:
            acknowledged.append(f"/alone-{len(acknowledged)}")
    ensemble.kill(3)
    ensemble.start(1, 2)
    ensemble.until_led()
    state = ensemble.assert_one_state()
    assert [path for path in acknowledged if path not in state] == []


def test_a_leader_alone_acknowledges_nothing(ensemble_of: MakeEnsemble) -> None:
    acknowledged_by_a_leader_alone(ensemble_of("apache", "apache", "ours"), mutant="")


def test_a_leader_that_takes_half_for_a_quorum_is_caught(ensemble_of: MakeEnsemble) -> None:
    with pytest.raises(AssertionError, match="alone-0"):
        acknowledged_by_a_leader_alone(ensemble_of("apache", "apache", "ours"), mutant="half_is_a_quorum")
