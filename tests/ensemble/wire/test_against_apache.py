"""Our bytes on Apache's ports: we join an Apache leader as a learner, and its elections as a voter.

Two real servers of an ensemble of three run; the third is this test. What a real leader sends, snapshot
stream included, must decode and encode to the same bytes; what we send must make it go on.
"""

from __future__ import annotations

import asyncio
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from ensemble.client import ClientError, CreateMode, ZooKeeper
from ensemble.wire import elections, packets
from ensemble.wire.frames import FrameBuffer, frame
from ensemble.zab.messages import LearnerInfo, Notification, Packet, PacketType, ServerState, Vote
from tests.waiting import reached

pytestmark = [pytest.mark.process, pytest.mark.timeout(90)]

JARS = Path("/usr/share/java")
MAIN = "org.apache.zookeeper.server.quorum.QuorumPeerMain"
US = 3


class Ensemble:
    """Two Apache servers, and ports for a third."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._processes: list[subprocess.Popen[bytes]] = []
        with _free_ports(9) as ports:
            self.client_ports, self.quorum_ports, self.election_ports = ports[:3], ports[3:6], ports[6:]

    def start(self) -> None:
        for sid in (1, 2):
            home = self._directory / str(sid)
            (home / "data").mkdir(parents=True)
            (home / "data" / "myid").write_text(str(sid))
            members = [
                f"server.{n}=127.0.0.1:{quorum}:{election}"
                for n, quorum, election in zip((1, 2, 3), self.quorum_ports, self.election_ports, strict=True)
            ]
            lines = [
                "tickTime=500",
                "initLimit=10",
                "syncLimit=10",
                f"dataDir={home / 'data'}",
                f"clientPort={self.client_ports[sid - 1]}",
                "admin.enableServer=false",
                "4lw.commands.whitelist=srvr",
                *members,
            ]
            (home / "zoo.cfg").write_text("\n".join(lines) + "\n")
            classpath = f"{JARS / 'zookeeper.jar'}:{JARS / 'zookeeper-jute.jar'}:{JARS}/*:{home}"
            # Always a snapshot, never a difference: it is the snapshot stream that is to be seen.
            options = ["-Xmx128m", "-Dzookeeper.forceSnapshotSync=true"]
            with (home / "server.log").open("wb") as log:
                command = ["java", *options, "-cp", classpath, MAIN, "zoo.cfg"]
                self._processes.append(subprocess.Popen(command, cwd=home, stdout=log, stderr=log))

    def stop(self) -> None:
        for process in self._processes:
            process.kill()
            process.wait()

    async def leader(self) -> int:
        """Wait for a leader and return its sid."""

        async def found() -> int:
            for sid in (1, 2):
                with suppress(OSError):
                    reader, writer = await asyncio.open_connection("127.0.0.1", self.client_ports[sid - 1])
                    writer.write(b"srvr")
                    text = await reader.read()
                    writer.close()
                    if b"Mode: leader" in text:
                        return sid
            return 0

        return await reached(found, 60)


class _free_ports:
    """Ports that are free, all held at once so that they differ."""

    def __init__(self, count: int) -> None:
        self._sockets = [socket.socket() for _ in range(count)]

    def __enter__(self) -> list[int]:
        for one in self._sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in self._sockets]

    def __exit__(self, *_: object) -> None:
        for one in self._sockets:
            one.close()


class Learner:
    """Our end of a quorum link; keeps the raw stream to compare with."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._decoder = packets.PacketDecoder()
        self._queue: list[Packet] = []
        self.raw = b""
        self.received: list[Packet] = []

    def send(self, packet_type: PacketType, zxid: int, data: bytes | None = None) -> None:
        self._writer.write(packets.encode(Packet(packet_type, zxid, data)))

    async def next(self) -> Packet:
        """Return the next packet that is not a ping; answer pings as learners do."""
        while True:
            while not self._queue:
                chunk = await self._reader.read(1000)
                assert chunk, "the leader closed the link"
                self.raw += chunk
                self._queue = self._decoder.feed(chunk)
            packet = self._queue.pop(0)
            self.received.append(packet)
            if packet.type != PacketType.PING:
                return packet
            self.send(PacketType.PING, packet.zxid, b"")

    async def until(self, wanted: Callable[[Packet], bool]) -> Packet:
        while not wanted(packet := await self.next()):
            continue
        return packet


@pytest.fixture
async def apache_ensemble(tmp_path: Path) -> AsyncIterator[Ensemble]:
    if shutil.which("java") is None or not (JARS / "zookeeper.jar").exists():
        pytest.skip("needs Java and Debian's zookeeper package")
    ensemble = Ensemble(tmp_path)
    ensemble.start()
    try:
        yield ensemble
    finally:
        ensemble.stop()


@asynccontextmanager
async def _connected(port: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def _join(learner: Learner) -> Packet:
    """Discovery and the snapshot; returns the SNAP packet. Leaves off behind UPTODATE."""
    info = packets.encode_learner_info(LearnerInfo(US, 0x10000, 0))
    learner.send(PacketType.FOLLOWERINFO, 0, info)
    hello = await learner.next()
    assert hello.type == PacketType.LEADERINFO
    assert packets.decode_int(hello.data) == 0x10000
    learner.send(PacketType.ACKEPOCH, 0, packets.encode_int(0))
    snapshot = await learner.next()
    assert snapshot.type == PacketType.SNAP
    new_leader = await learner.until(lambda packet: packet.type == PacketType.NEWLEADER)
    assert new_leader.zxid == hello.zxid
    assert new_leader.data is not None
    assert b"server.3=127.0.0.1" in new_leader.data
    learner.send(PacketType.ACK, new_leader.zxid)
    assert (await learner.until(lambda packet: packet.type == PacketType.UPTODATE)).zxid == -1
    learner.send(PacketType.ACK, new_leader.zxid)
    return snapshot


async def test_a_leader_takes_us_in(apache_ensemble: Ensemble) -> None:
    async with asyncio.timeout(60):
        leader = await apache_ensemble.leader()
        servers = [("127.0.0.1", apache_ensemble.client_ports[leader - 1])]
        async with ZooKeeper(servers, session_timeout_ms=10_000) as zk:
            await zk.create("/a", None)
            await zk.create("/a/é", b"x" * 5000, mode=CreateMode.EPHEMERAL)
            async with _connected(apache_ensemble.quorum_ports[leader - 1]) as (reader, writer):
                learner = Learner(reader, writer)
                snapshot = await _join(learner)
                body = snapshot.data or b""
                assert zk.session_id.to_bytes(8, "big") in body[:100]
                assert "/a/é".encode() in body
                assert body.endswith(b"\0\0\0\1/")

                await zk.set("/a", b"after")
                proposal = await learner.until(lambda packet: packet.type == PacketType.PROPOSAL)
                assert b"after" in (proposal.data or b"")
                learner.send(PacketType.ACK, proposal.zxid)
                commit = await learner.until(lambda packet: packet.type == PacketType.COMMIT)
                assert commit.zxid == proposal.zxid

                forward = packets.encode_revalidate(zk.session_id, 10_000)
                learner.send(PacketType.REVALIDATE, 0, forward)
                answer = await learner.until(lambda packet: packet.type == PacketType.REVALIDATE)
                assert packets.decode_revalidated(answer.data) == (zk.session_id, True)

                encoded = b"".join([packets.encode(packet) for packet in learner.received])
                assert learner.raw.startswith(encoded)
            with suppress(ClientError):
                await zk.delete("/a/é")


async def test_a_voter_answers_us(apache_ensemble: Ensemble) -> None:
    async with asyncio.timeout(60):
        leader = await apache_ensemble.leader()
        async with _connected(apache_ensemble.election_ports[leader - 1]) as (reader, writer):
            writer.write(elections.encode_hello(US, [("127.0.0.1", apache_ensemble.election_ports[2])]))
            looking = Notification(US, ServerState.LOOKING, Vote(US, 0, 0), 1, b"")
            writer.write(frame(elections.encode_notification(looking)))
            buffer = FrameBuffer(2**19)
            # First comes the last message there was for us, sent again; then the answer to ours.
            while True:
                chunk = await reader.read(1000)
                assert chunk, "the voter closed the connection"
                for payload in buffer.feed(chunk):
                    answer = elections.decode_notification(leader, payload)
                    assert elections.encode_notification(answer) == payload
                    assert b"server.3=127.0.0.1" in answer.config
                    if (answer.state, answer.vote.leader) == (ServerState.LEADING, leader):
                        return
