"""Single faults, looked at closely: that each does what its name says, and what the servers make of it."""

from __future__ import annotations

import asyncio
import errno
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from types import MappingProxyType

import pytest

from ensemble.chaos import disk_faults
from ensemble.chaos.disk_faults import DISK_FAULTS
from ensemble.chaos.disks import Disk, compile_shim
from ensemble.chaos.faults import FAULTS
from ensemble.chaos.servers import SYNC_LIMIT_MS, Make, Servers
from ensemble.chaos.trouble import FaultFailed, NotMet, Trouble
from ensemble.chaos.workloads import Surroundings, clients
from ensemble.client import ZooKeeper
from ensemble.errors import ConfigError
from ensemble.runtime.supervision.supervisor import ActionRefused

pytestmark = pytest.mark.process


@asynccontextmanager
async def three(
    directory: Path, settings: Mapping[str, str] = MappingProxyType({}), nursery: str = Make().nursery
) -> AsyncIterator[Servers]:
    servers = Servers(Make(settings=settings, nursery=nursery), directory)
    try:
        await servers.open()
        assert await servers.until(servers.all_serve, 20)
        yield servers
    finally:
        await servers.close()


@asynccontextmanager
async def client(servers: Servers, *sids: int) -> AsyncIterator[ZooKeeper]:
    async with ZooKeeper(",".join(f"127.0.0.1:{servers.ports[sid]}" for sid in sids)) as zk:
        yield zk


async def test_all_that_servers_say_to_each_other_goes_through_the_relays(tmp_path: Path):
    async with three(tmp_path) as servers:
        leader = await servers.leader()
        assert leader is not None
        rest = [sid for sid in servers.sids if sid != leader]
        servers.links.block([(leader, sid) for sid in rest] + [(sid, leader) for sid in rest])

        async def replaced() -> bool:
            modes = await servers.modes()
            return modes[leader] == "" and "leader" in [modes[sid] for sid in rest]

        assert await servers.until(replaced, 20)
        successor = await servers.leader()
        epochs, led = servers.epochs(), servers.led()
        assert (led[epochs[leader]], led[max(epochs.values())]) == (leader, successor)
        assert epochs[leader] < min(epochs[sid] for sid in rest)
        servers.links.heal()
        assert await servers.until(servers.all_serve, 20)
        assert len(set(servers.epochs().values())) == 1
        assert servers.links.carried_bytes > 0


async def test_in_a_ring_each_server_hears_its_two_neighbours_and_a_majority_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    for seed in range(2):  # by silence, and by connections that break
        servers = Servers(Make(servers=5), tmp_path)
        monkeypatch.setattr(Servers, "sids", [1, 2, 3, 4, 5])
        trouble = Trouble(servers, Random(seed))
        parted: list[set[frozenset[int]]] = []

        async def look(
            self: Trouble, least: float, most: float, parted: list[set[frozenset[int]]] = parted
        ) -> None:
            links = self.servers.links
            assert all((b, a) in links.blocked for a, b in links.blocked)
            parted.append(links.cut | {frozenset(way) for way in links.blocked})

        monkeypatch.setattr(Trouble, "last", look)
        await FAULTS["majorities-ring"](trouble)
        (apart,) = parted
        heard = [frozenset(b for b in range(1, 6) if frozenset((a, b)) not in apart) for a in range(1, 6)]
        assert [len(majority) for majority in heard] == [3] * 5
        assert len(set(heard)) == 5
        assert servers.links.blocked == servers.links.cut == set()


async def test_between_two_restarts_it_is_collected_what_servers_have_logged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    done: list[str] = []

    async def act(self: Servers, sid: int, action: str) -> None:
        done.append(f"{action} {sid}")

    async def until(self: Servers, condition: object, seconds: float) -> bool:
        done.append("all serve")
        return True

    async def collect() -> None:
        done.append("collect")

    monkeypatch.setattr(Servers, "sids", [1, 2])
    monkeypatch.setattr(Servers, "act", act)
    monkeypatch.setattr(Servers, "until", until)
    await FAULTS["rolling"](Trouble(Servers(Make(), tmp_path), Random(1), collect=collect))
    assert done == ["restart 1", "all serve", "collect", "restart 2", "all serve", "collect"]


CALLS = """
import os, sys
directory = sys.argv[1] + "/version-2"
def write(): file = os.open(directory + "/new", os.O_WRONLY | os.O_CREAT); os.pwrite(file, b"x", 0); return file
calls = {
    "open": write,
    "write": write,
    "sync": lambda: os.fsync(write()),
    "allocate": lambda: os.posix_fallocate(write(), 0, 100),
    "truncate": lambda: os.ftruncate(write(), 0),
    "rename": lambda: os.rename(directory + "/file", directory + "/other"),
    "unlink": lambda: os.unlink(directory + "/file"),
    "directory": lambda: os.fsync(os.open(directory, os.O_RDONLY)),
    "read": lambda: os.read(os.open(directory + "/file", os.O_RDONLY), 10),
}
try:
    calls[sys.argv[2]]()
except OSError as error:
    print(error.errno, end="")
"""
PATHS = {"rename": "other", "unlink": "file", "read": "file", "directory": ""}


@pytest.mark.parametrize(
    "call", ["open", "write", "sync", "allocate", "truncate", "rename", "unlink", "directory", "read"]
)
def test_each_call_of_a_disk_can_fail_and_no_other_with_it(tmp_path: Path, call: str):
    library = compile_shim(tmp_path)
    disk = Disk(tmp_path / "server-1")
    directory = disk.data / "version-2"
    directory.mkdir(parents=True)

    def said(made: str) -> str:
        (directory / "file").write_bytes(b"x")
        return subprocess.run(
            [sys.executable, "-c", CALLS, str(disk.data), made],
            env={"LD_PRELOAD": str(library), "CHAOS_ROOT": str(tmp_path)},
            check=True,
            capture_output=True,
            text=True,
        ).stdout

    disk.trouble(call, errno.ENOSPC)
    assert said("rename" if call != "rename" else "unlink") == ""
    assert disk.met() == []
    assert said(call) == str(errno.ENOSPC)
    assert disk.met() == [f"{call} {errno.ENOSPC} {directory / PATHS.get(call, 'new')}".rstrip("/")]
    disk.mend()
    assert said(call) == ""


@asynccontextmanager
async def writing(servers: Servers) -> AsyncIterator[None]:
    """A few clients that write all the time."""
    surroundings = Surroundings(",".join(f"127.0.0.1:{port}" for port in servers.ports.values()), seed=1)
    work = [
        asyncio.ensure_future(each) for name in ("set", "register") for each in clients(name, surroundings)
    ]
    try:
        yield
    finally:
        surroundings.stop()
        await asyncio.wait(work, timeout=20)
        assert surroundings.failures == []


async def met(name: str, servers: Servers) -> Trouble:
    """Carry a fault out, more than once when nothing comes upon it: a leader may have nothing to cut off."""
    for seed in range(5):
        trouble = Trouble(servers, Random(seed))
        try:
            await DISK_FAULTS[name](trouble)
        except NotMet:
            assert await servers.until(servers.all_serve, 30)
            continue
        return trouble
    raise AssertionError(f"{name} was never met")


@pytest.mark.parametrize(
    "names",
    [
        ("rename-error", "unlink-error"),
        pytest.param(
            ("open-error", "allocate-error", "directory-error", "read-error", "truncate-error"),
            marks=pytest.mark.slow,
        ),
    ],
)
async def test_a_server_of_which_any_call_of_its_disk_fails_says_so_and_ends(
    tmp_path: Path, names: tuple[str, ...]
):
    async with three(tmp_path, {"snapCount": "200"}) as servers, writing(servers):
        for name in names:
            trouble = await met(name, servers)
            drawn, ended = trouble.notes
            assert f"from now on {name.removesuffix('-error')} fails with E" in drawn
            assert re.search("ended: the disk cannot be relied on|does not start: ", ended)
            assert re.search("Input/output error|No space left on device", ended)
            assert await servers.until(servers.all_serve, 30)


async def test_a_server_that_shrugs_a_failing_disk_off_is_caught(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(disk_faults, "EXIT_S_MAX", 1.0)
    nursery = "tests.chaos.careless_renames"
    async with three(tmp_path, {"snapCount": "200"}, nursery) as servers, writing(servers):
        with pytest.raises(FaultFailed, match=r"still runs 1 s after its disk began to fail \(\['rename "):
            await DISK_FAULTS["rename-error"](Trouble(servers, Random(1)))


@pytest.mark.parametrize(("kind", "place"), [("sync", "leader"), ("write", "follower")])
async def test_a_server_whose_disk_fails_ends_at_once_and_the_others_go_on(
    tmp_path: Path, kind: str, place: str
):
    async with three(tmp_path) as servers:
        leader = await servers.leader()
        assert leader is not None
        victim = leader if place == "leader" else next(sid for sid in servers.sids if sid != leader)
        rest = [sid for sid in servers.sids if sid != victim]
        servers.disks[victim].trouble(kind, errno.EIO)
        async with client(servers, *rest) as zk:
            # An acknowledgement of the one whose disk fails must not be counted; the others are a quorum.
            await zk.create(
                "/after",
                b"kept",
            )

            async def ended() -> bool:
                return servers.state(victim) == "failed"

            assert await servers.until(ended, 10)
            code, words = servers.end_of(victim)
            assert code == 74
            assert "the disk cannot be relied on" in words
            assert "Input/output error" in words
            servers.disks[victim].mend()
            await servers.start([victim])
            assert await servers.until(servers.all_serve, 20)
        async with client(servers, victim) as zk:
            await zk.sync("/")
            assert (await zk.get("/after")).data == b"kept"


async def test_a_leader_whose_disk_does_not_answer_gives_way_and_comes_back(tmp_path: Path):
    """Its own sync is no more in time than anybody's; until it is over others lead (B7, row 9)."""
    async with three(tmp_path) as servers:
        leader = await servers.leader()
        assert leader is not None
        rest = [sid for sid in servers.sids if sid != leader]
        async with client(servers, *rest) as zk:
            servers.disks[leader].trouble("sync", ms=4 * SYNC_LIMIT_MS)
            await zk.create("/during", b"")  # by the disks of the others

            async def replaced() -> bool:
                modes = await servers.modes()
                return modes[leader] == "" and "leader" in [modes[sid] for sid in rest]

            assert await servers.until(replaced, 20)
            servers.disks[leader].mend()
            await zk.create("/after", b"")
            assert await servers.until(servers.all_serve, 30)
            assert servers.state(leader) == "running"
        async with client(servers, leader) as zk:
            await zk.sync("/")
            assert {"during", "after"} <= set(await zk.get_children("/"))
        assert "its disk did not answer within syncLimit" in servers.log(leader)


@pytest.mark.parametrize("prefix", ["log.", "snapshot."])
async def test_a_stopped_server_with_a_spoiled_file_refuses_or_is_healed_by_its_peers(
    tmp_path: Path, prefix: str
):
    async with three(tmp_path) as servers:
        leader = await servers.leader()
        victim = next(sid for sid in servers.sids if sid != leader)
        async with client(servers, *servers.sids) as zk:
            await asyncio.gather(*(zk.create(f"/{number}", b"x" * 50) for number in range(200)))
        await servers.act(victim, "stop")
        directory = servers.disks[victim].data / "version-2"
        path = max(directory.glob(f"{prefix}*"))
        content = bytearray(path.read_bytes())
        # In the middle of what is used of it; the rest of a log is zeros.
        content[len(content.rstrip(b"\0")) // 2] ^= 0x10
        path.write_bytes(content)
        with pytest.raises(ActionRefused, match=rf"{prefix}.*corrupt.*restore .*, or empty version-2"):
            await servers.act(victim, "start")
        assert [mode for mode in (await servers.modes()).values() if mode] != []
        servers.spoil(victim)
        await servers.start([victim])
        assert await servers.until(servers.all_serve, 20)
        async with client(servers, victim) as zk:
            await zk.sync("/")
            assert len(await zk.get_children("/")) >= 200


async def test_a_client_that_waits_for_servers_that_are_gone_ends_when_it_is_told_to(tmp_path: Path):
    async with three(tmp_path) as servers:
        surroundings = Surroundings(",".join(f"127.0.0.1:{port}" for port in servers.ports.values()), seed=1)
        (work,) = clients("counter", surroundings)
        counting = asyncio.ensure_future(work)
        async with client(servers, *servers.sids) as zk:

            async def counted() -> bool:
                return await zk.exists("/counter") is not None

            assert await servers.until(counted, 20)
        await servers.kill(servers.sids)
        surroundings.stop()
        counting.cancel()
        async with asyncio.timeout(20):
            await asyncio.wait([counting])


WRITER = """
import os, sys
file = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
os.pwrite(file, b"durable", 0)
os.fdatasync(file)
os.pwrite(file, b"LOST", 0)
os.pwrite(file, b"lost too", 100)
os._exit(9)
"""


def test_a_power_cut_takes_back_what_was_not_synced_and_nothing_else(tmp_path: Path):
    library = compile_shim(tmp_path)
    disk = Disk(tmp_path / "server-1")
    disk.data.mkdir(parents=True)
    disk.trouble("undo", 1)
    path = disk.data / "file"
    subprocess.run(
        [sys.executable, "-c", WRITER, str(path)],
        env={"LD_PRELOAD": str(library), "CHAOS_ROOT": str(tmp_path)},
        check=False,
    )
    assert path.read_bytes().startswith(b"LOSTble")
    assert disk.lose_unsynced() == 2
    assert path.read_bytes() == b"durable" + bytes(101)
    assert disk.lose_unsynced() == 0


def test_without_a_compiler_the_sentence_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigError, match=r"install gcc, or leave them out with --faults"):
        compile_shim(tmp_path)


CLOCK = """
import os, sys, time
before, steady = time.time(), time.monotonic()
file = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
os.fdatasync(file)
print(time.time() - before, time.monotonic() - steady)
"""


@pytest.mark.parametrize("shift_s", [3600.25, -3600.25])
def test_a_wrong_clock_is_the_wall_clock_only(tmp_path: Path, shift_s: float):
    library = compile_shim(tmp_path)
    disk = Disk(tmp_path / "server-1")
    disk.data.mkdir(parents=True)
    disk.trouble("clock", ms=int(shift_s * 1000))
    said = subprocess.run(
        [sys.executable, "-c", CLOCK, str(disk.data / "file")],
        env={"LD_PRELOAD": str(library), "CHAOS_ROOT": str(tmp_path)},
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    wall_s, steady_s = map(float, said.split())
    assert abs(wall_s - shift_s) < 10
    assert 0 <= steady_s < 10


def test_a_bit_flips_where_something_is_written(tmp_path: Path):
    disk = Disk(tmp_path / "server-1")
    directory = disk.data / "version-2"
    directory.mkdir(parents=True)
    used = directory / "log.1"
    used.write_bytes(b"written" + bytes(57))
    (directory / "log.2").write_bytes(bytes(64))
    for seed in range(20):
        assert disk.rot(Random(seed)) == "log.1"
    assert used.read_bytes() != b"written" + bytes(57)
    assert used.read_bytes()[7:] == bytes(57)
