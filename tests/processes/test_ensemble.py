"""Three real servers: elections, kills, pauses, cuts, the admin ports, a clean end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from pathlib import Path

import pytest
from kazoo.client import KazooClient

from ensemble.admin.client import Refused, Unreachable
from tests.processes.conftest import HOST, RawSession, RunningEnsemble
from tests.waiting import until

pytestmark = [
    pytest.mark.process,
    # kazoo 2.11 on Python 3.11
    pytest.mark.filterwarnings("ignore:.*:DeprecationWarning:kazoo"),
]


def create(port: int, path: str) -> bool:
    """Try to create a znode through one server."""
    try:
        with contextlib.closing(RawSession(port)) as session:
            return session.create(path) == 0
    except OSError:
        return False


def is_closed(session: RawSession) -> bool:
    """Tell whether the server has hung up on a session."""
    try:
        session.data("/")
    except OSError:
        return True
    return False


def alive(pid: int) -> bool:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, 0)
        return True
    return False


def test_a_client_survives_the_leaders_death_and_return(three_servers: RunningEnsemble) -> None:
    client = KazooClient(three_servers.addresses, timeout=10)
    client.start(timeout=10)
    try:
        client.create("/before", b"1")
        leader = three_servers.leader()
        three_servers.kill(leader)
        until(lambda: client.retry(client.exists, "/before"))
        client.retry(client.create, "/during", b"2")
        assert three_servers.leader() != leader

        status = three_servers.act(leader, "start")
        assert (status["state"], status["restarts"]) == ("running", 1)
        until(lambda: three_servers.mode(leader) == "follower")
        session = RawSession(three_servers.port(leader))
        assert (session.data("/before"), session.data("/during")) == (b"1", b"2")
        session.close()
    finally:
        client.stop()
        client.close()


def test_what_the_supervisor_does_and_tells(three_servers: RunningEnsemble) -> None:
    follower = next(sid for sid in three_servers.sids if sid != three_servers.leader())
    assert three_servers.act(follower, "kill")["state"] == "killed"
    assert three_servers.mode(follower) == ""
    with pytest.raises(Refused, match=f"server {follower} is killed; there is no process") as refused:
        three_servers.act(follower, "stop")
    assert refused.value.status == 409
    assert three_servers.act(follower, "start")["state"] == "running"
    with pytest.raises(Refused, match="is running already"):
        three_servers.act(follower, "start")
    assert three_servers.act(follower, "stop")["state"] == "stopped"
    assert three_servers.act(follower, "restart")["state"] == "running"
    with pytest.raises(Refused, match="no server 9"):
        three_servers.act(9, "kill")
    with pytest.raises(Refused, match="no action dance"):
        three_servers.act(1, "dance")

    three_servers.kill(follower)

    async def state() -> tuple[str, str | None]:
        async with three_servers.supervisor_admin() as supervisor:
            process = (await supervisor.ensemble())["servers"][follower - 1]
            return process["state"], process["reason"]

    until(lambda: asyncio.run(state())[0] == "failed")
    assert asyncio.run(state()) == ("failed", "ended by SIGKILL from elsewhere")


def test_a_paused_leader_is_replaced_and_follows_when_it_wakes(three_servers: RunningEnsemble) -> None:
    leader = three_servers.leader()
    other = next(sid for sid in three_servers.sids if sid != leader)
    assert three_servers.act(leader, "pause")["state"] == "paused"
    until(lambda: create(three_servers.port(other), "/while-it-sleeps"))
    assert three_servers.act(leader, "resume")["state"] == "running"
    until(lambda: three_servers.mode(leader) == "follower")
    session = RawSession(three_servers.port(leader))
    assert session.data("/while-it-sleeps") == b"x"
    session.close()


def test_a_leader_cut_off_steps_down_and_rejoins_when_healed(three_servers: RunningEnsemble) -> None:
    leader = three_servers.leader()
    others = [sid for sid in three_servers.sids if sid != leader]

    async def fault(what: str) -> list[object]:
        async with three_servers.server_admin(leader) as admin:
            return list(await admin.fault({"what": what, "peers": others}))  # type: ignore[typeddict-item]

    assert asyncio.run(fault("cut")) == [{"what": "cut", "peers": others}]
    until(lambda: create(three_servers.port(others[0]), "/majority"))
    until(lambda: three_servers.mode(leader) != "leader")
    assert not create(three_servers.port(leader), "/minority")
    assert asyncio.run(fault("heal")) == []
    until(lambda: three_servers.mode(leader) == "follower")
    session = RawSession(three_servers.port(leader))
    assert (session.data("/majority"), session.data("/minority")) == (b"x", None)
    session.close()


def test_the_admin_port_tells_and_streams(three_servers: RunningEnsemble) -> None:
    leader = three_servers.leader()
    session = RawSession(three_servers.port(leader))

    async def look() -> None:
        async with three_servers.server_admin(leader) as admin:
            status = await admin.status()
            assert (status["sid"], status["role"], status["phase"]) == (leader, "leading", "broadcast")
            assert status["pid"] == three_servers.pid(leader)
            assert status["client_address"] == f"{HOST}:{three_servers.port(leader)}"
            sessions, total = await admin.sessions()
            wanted = f"0x{session.session_id & 0xFFFFFFFFFFFFFFFF:x}"
            assert wanted in [each["session"] for each in sessions]
            assert total == len(sessions)
            assert await admin.watches() == ([], 0)

            stream = admin.stream()
            assert await anext(stream) == {"type": "link", "up": True, "error": None}
            assert (await anext(stream))["type"] == "status"
            assert session.create("/seen") == 0
            kinds: list[str] = []
            while "applied" not in kinds:
                frame = await anext(stream)
                if frame["type"] == "events":
                    assert frame["dropped"] == 0
                    kinds += [str(event["kind"]) for event in frame["events"]]
            life = [kinds.index(kind) for kind in ("submitted", "proposed", "acked", "committed", "applied")]
            assert life == sorted(life)
            await stream.aclose()  # type: ignore[attr-defined]

            await admin.expire_session(wanted)
            with pytest.raises(Refused, match="there is no session 0x1234"):
                await admin.expire_session("0x1234")

    asyncio.run(look())
    until(lambda: is_closed(session))
    session.close()


def test_the_admin_port_refuses_strangers_and_nonsense(three_servers: RunningEnsemble) -> None:
    follower = next(sid for sid in three_servers.sids if sid != three_servers.leader())

    async def try_out() -> None:
        async with three_servers.server_admin(follower, "wrong") as admin:
            with pytest.raises(Refused, match="answers only to its bearer token") as refused:
                await admin.status()
            assert refused.value.status == 401
        async with three_servers.server_admin(follower) as admin:
            with pytest.raises(Refused, match="only the leader can expire"):
                await admin.expire_session("0x1")
            with pytest.raises(Refused, match="what"):
                await admin.fault({"what": "melt"})  # type: ignore[typeddict-item]
            with pytest.raises(Refused, match="a cut names its"):
                await admin.fault({"what": "cut"})

    asyncio.run(try_out())


def test_a_stream_says_when_its_server_goes_and_comes_back(three_servers: RunningEnsemble) -> None:
    async def watch() -> None:
        async with three_servers.server_admin(1) as admin, three_servers.supervisor_admin() as supervisor:
            stream = admin.stream()
            assert (await anext(stream)).get("up") is True
            await supervisor.act(1, "kill")
            links = []
            async for frame in stream:
                if frame["type"] == "link":
                    links.append(frame["up"])
                    if not frame["up"]:
                        with pytest.raises(Unreachable):
                            await admin.status()
                        await supervisor.act(1, "start")
                    else:
                        break
            assert links[-1] is True
            assert False in links
            await stream.aclose()  # type: ignore[attr-defined]

    asyncio.run(watch())


def test_everything_ends_with_the_foreground_process_and_starts_on_the_same_data(tmp_path: Path) -> None:
    running = RunningEnsemble(tmp_path / "data")
    pids = [running.pid(sid) for sid in running.sids]
    assert create(running.port(1), "/kept")
    assert running.close() == 0
    assert not any(alive(pid) for pid in pids)

    again = RunningEnsemble(tmp_path / "data")
    session = RawSession(again.port(2))
    assert session.data("/kept") == b"x"
    session.close()
    pids = [again.pid(sid) for sid in again.sids]
    again.process.kill()
    assert again.close() == -signal.SIGKILL
    until(lambda: not any(alive(pid) for pid in pids))
