"""What comes on the ports between servers: packets to a leader and to a learner, elections, quorum SASL."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from ensemble.errors import InvariantViolation, WireError
from ensemble.limits import ELECTION_FRAME_BYTES_MAX, ELECTION_HELLO_BYTES_MAX
from ensemble.ports import Link
from ensemble.tree import snapshot
from ensemble.tree.tree import Tree
from ensemble.wire import packets
from ensemble.wire.elections import (
    HelloDecoder,
    decode_notification,
    encode_hello,
    encode_notification,
)
from ensemble.wire.frames import FrameBuffer, frame
from ensemble.wire.packets import PacketDecoder, encode
from ensemble.wire.quorum_auth import AuthPacket, AuthStatus, decode_auth, encode_auth
from ensemble.zab.messages import (
    PROTOCOL_VERSION,
    LearnerInfo,
    Notification,
    Packet,
    PacketType,
    ServerState,
    Vote,
)
from ensemble.zxid import make
from tests.ensemble.members import plain
from tests.ensemble.replica.harness import Server, World, client
from tests.ensemble.replica.ports import Wire
from tests.ensemble.wire.strategies import outcome
from tests.fuzz.rooms import Kept, Room, rounds, zxids
from tests.fuzz.target import INVARIANT, Target, held_at_most, in_pieces

_PACKETS = tuple(
    encode(Packet(kind, make(1, 3), bytes(20))) for kind in PacketType if kind != PacketType.SNAP
)
"""One of each kind but the one whose state follows it."""
_MEMBERSHIP = b"server.1=h1:1:2:participant\nserver.2=h2:1:2:participant\nserver.3=h3:1:2:observer;0.0.0.0:3\nversion=100000001"


# --- the parsers ---------------------------------------------------------------------------------------


def _feed_packets(data: bytes) -> None:
    whole = outcome(PacketDecoder(), [data])
    assert whole == outcome(PacketDecoder(), in_pieces(data)), "a stream means the same however it was cut"
    again = b"".join([encode(packet) for packet in whole[0]])
    assert outcome(PacketDecoder(), [again])[0] == whole[0]
    decoder = PacketDecoder()
    for piece in in_pieces(data):
        try:
            decoder.feed(piece)
        except WireError:
            break
        assert decoder.held <= len(data)
    for packet in whole[0]:
        for decode in (
            packets.decode_forward,
            packets.decode_revalidate,
            packets.decode_revalidated,
            packets.decode_touches,
            packets.decode_learner_info,
            packets.decode_int,
            packets.decode_activation,
        ):
            _only_wire_errors(decode, packet.data)


def _only_wire_errors(decode: Callable[..., object], *what: object) -> object:
    try:
        return decode(*what)
    except WireError:
        return None


def _snapshot_body() -> bytes:
    return b"".join(snapshot.dump(Tree()))


def _packet_seeds() -> Iterable[bytes]:
    info = packets.encode_learner_info(LearnerInfo(3, PROTOCOL_VERSION, 0))
    yield encode(Packet(PacketType.FOLLOWERINFO, 0, info))
    yield encode(
        Packet(PacketType.REQUEST, -1, packets.encode_forward(1, 2, 1, b"x"), (("ip", "h"), ("x509", "CN=a")))
    )
    yield encode(Packet(PacketType.SNAP, 1, _snapshot_body())) + encode(Packet(PacketType.UPTODATE, -1))
    yield encode(Packet(PacketType.PING, 1, packets.encode_touches([(1, 4000), (2, 4000)])))
    yield encode(Packet(PacketType.INFORMANDACTIVATE, 5, packets.encode_activation(2, b"txn")))


def _feed_election(data: bytes) -> None:
    """Read a whole connection: the hello, then notifications in frames."""
    whole = _election([data])
    assert whole == _election(in_pieces(data)), "a stream means the same however it was cut"


def _election(pieces: list[bytes]) -> tuple[list[object], bool]:
    greeting: HelloDecoder | None = HelloDecoder()
    frames = FrameBuffer(ELECTION_FRAME_BYTES_MAX)
    values: list[object] = []
    for piece in pieces:
        try:
            if greeting is not None:
                found = greeting.feed(piece)
                if found is None:
                    assert len(greeting._held) <= ELECTION_HELLO_BYTES_MAX + 20
                    continue
                greeting = None
                values.append(found[0])
                if found[0].addresses and len(found[0].addresses) > 1:
                    again = HelloDecoder().feed(encode_hello(*found[0]))
                    assert again == (found[0], b"")
                piece = found[1]
            for payload in frames.feed(piece) if piece else []:
                values.append(payload)
                notification = _only_wire_errors(decode_notification, 2, payload)
                if isinstance(notification, Notification):
                    assert decode_notification(2, encode_notification(notification)) == notification
            if frames.fault is not None:
                raise frames.fault
        except WireError:
            return values, True
    return values, False


def _notifications() -> Iterable[Notification]:
    for state in ServerState:
        yield Notification(2, state, Vote(2, make(1, 0), 1), 2, _MEMBERSHIP)
        yield Notification(2, state, Vote(3, make(9, 9), 9), 9)


def _election_seeds() -> Iterable[bytes]:
    hellos = [encode_hello(2, [("h", 3888)]), encode_hello(2, [("::1", 1), ("h", 2)]), (2).to_bytes(8, "big")]
    for hello in hellos:
        yield hello + b"".join([frame(encode_notification(each)) for each in _notifications()])


def _feed_auth(data: bytes) -> None:
    found = _only_wire_errors(decode_auth, data)
    if isinstance(found, tuple):
        packet, rest = found
        again = encode_auth(packet)
        assert decode_auth(again + rest) == (packet, rest)


# --- whole servers -------------------------------------------------------------------------------------


def _settled(world: World) -> None:
    world.settle()
    for _ in range(3):
        world.advance(500, step_ms=250)


def _serve(room: Room) -> None:
    """What servers have been told must not keep them from serving once whoever said so is gone."""
    world = room.world
    for server in world.servers.values():
        for _ in range(60):
            if server.replica.peer.serving:
                break
            world.advance(1000, step_ms=250)
        assert server.replica.peer.serving, server.lines[-3:]
    assert room.witness(world.leader).sync() == 0
    for server in world.servers.values():
        assert server.replica.tree.get("/kept").data == b"data"


def _call(world: World, server: Server, data: bytes) -> None:
    """Open a link to a server as a stranger would, and say ``data``."""
    link = Wire(world, server.replica.config.sid)
    link.other = None
    server.replica.on_link_accepted(link)
    for piece in (data[:7], data[7:]):
        if link.open:
            server.replica.on_link_data(link, piece)
        world.settle()
    _settled(world)
    if link.open:
        server.replica.on_link_closed(link)


def _ensemble(**settings: Any) -> Room:
    room = Room(World(voters=3, **settings))
    client(room.world, room.world.leader).create("/kept", b"data")
    _serve(room)
    return room


def _looking(**settings: Any) -> Room:
    """One of three servers, which never hears of the others."""
    return Room(World(membership=plain((1, 2, 3)), **settings))


def _call_leader(room: Room, data: bytes) -> None:
    world, before = room.world, room.state()
    leader = world.leader
    world.cut.add(next(sid for sid in world.servers if world.servers[sid] not in (leader, world.follower)))
    _call(world, leader, data)
    world.cut.clear()
    _serve(room)
    if room.state() != before:  # and clients hear of it
        for server in world.servers.values():
            assert client(world, server).get("/kept") == b"data"


_leaders = [
    Kept(partial(_ensemble, reconfig_enabled=enabled), _call_leader, zxids) for enabled in (False, True)
]


def _feed_leader(data: bytes) -> None:
    _leaders[data[:1] == b"\1"].feed(data[1:])


def _leader_seeds() -> Iterable[bytes]:
    info = packets.encode_learner_info(LearnerInfo(1, PROTOCOL_VERSION, 0))
    for kind in (PacketType.FOLLOWERINFO, PacketType.OBSERVERINFO):
        hello = encode(Packet(kind, make(1, 0), info))
        acked = hello + encode(Packet(PacketType.ACKEPOCH, make(1, 2), packets.encode_int(-1)))
        synced = acked + encode(Packet(PacketType.ACK, make(1, 0)))
        for first in (b"\0", b"\1"):
            yield first + hello
            yield first + acked
            yield first + synced
            for packet in (
                Packet(PacketType.ACK, make(1, 1)),
                Packet(PacketType.PING, make(1, 1), packets.encode_touches([(0x100000001, 4000)])),
                Packet(PacketType.REVALIDATE, 0, packets.encode_revalidate(0x100000001, 4000)),
                Packet(PacketType.REQUEST, -1, packets.encode_forward(0, 0, -10, (4000).to_bytes(4, "big"))),
                Packet(PacketType.REQUEST, -1, packets.encode_forward(1, 2, 9, b"\0\0\0\1/")),
                Packet(PacketType.REQUEST, -1, packets.encode_forward(1, 2, -11, b"")),
            ):
                yield first + synced + encode(packet)


def _lead(room: Room, data: bytes) -> None:
    """Speak as the leader does, from the first packet on."""
    world, lost = room.world, room.world.only.replica
    link = Wire(world, lost.config.sid)
    lost.peer._on_elected(Vote(2, 0, 0))
    lost.on_link_dialed(2, link)
    _say(room, world.only, [link], data)


def _lead_on(room: Room, data: bytes) -> None:
    """Speak as the leader does, in its place."""
    follower = room.world.follower
    _say(room, follower, list(follower.replica._network.links), data)


def _say(room: Room, server: Server, links: Iterable[Link], data: bytes) -> None:
    world = room.world
    try:
        for link in links:
            for piece in (data[:8], data[8:]):
                server.replica.on_link_data(link, piece)
                world.settle()
        _settled(world)
        for link in links:
            if link in server.replica._network.links:
                server.replica.on_link_closed(link)
        _settled(world)
    except InvariantViolation:
        del world.servers[server.replica.config.sid]  # it has stopped


_learner = Kept(_looking, _lead, zxids)
_follower = Kept(_ensemble, _lead_on, zxids)


def _feed_learner(data: bytes) -> None:
    (_learner if data[:1] == b"\1" else _follower).feed(data[1:])


def _learner_seeds() -> Iterable[bytes]:
    hello = encode(Packet(PacketType.LEADERINFO, make(2, 0), packets.encode_int(PROTOCOL_VERSION)))
    diff = encode(Packet(PacketType.DIFF, make(1, 2)))
    proposal = encode(Packet(PacketType.PROPOSAL, make(1, 3), _txn(make(1, 3))))
    new_leader = encode(Packet(PacketType.NEWLEADER, make(2, 0), _MEMBERSHIP))
    up_to_date = encode(Packet(PacketType.UPTODATE, -1))
    yield b"\1" + hello + diff + new_leader + up_to_date
    yield b"\1" + hello + encode(Packet(PacketType.TRUNC, make(1, 1))) + new_leader + up_to_date
    yield (
        b"\1"
        + hello
        + encode(Packet(PacketType.SNAP, make(1, 5), _snapshot_body()))
        + new_leader
        + up_to_date
    )
    yield b"\0" + proposal + encode(Packet(PacketType.COMMIT, make(1, 3)))
    yield b"\0" + encode(Packet(PacketType.PING, make(1, 2)))
    yield b"\0" + encode(Packet(PacketType.SYNC, make(1, 2)))
    yield b"\0" + encode(Packet(PacketType.REVALIDATE, make(1, 2), packets.encode_revalidated(1, True)))
    yield b"\0" + encode(Packet(PacketType.COMMITANDACTIVATE, make(1, 3), packets.encode_activation(2)))


def _txn(zxid: int) -> bytes:
    from ensemble.tree import txns

    return txns.encode(txns.Txn(1, 1, zxid, 0, 5, txns.SetDataTxn("/kept", b"new", 1)))


def _vote(room: Room, data: bytes) -> None:
    """Say election messages in the name of voters. Whatever a server is talked into, it can look for a leader again."""
    world, before = room.world, (room.state(), rounds(room))
    payloads = _only_wire_errors(FrameBuffer(ELECTION_FRAME_BYTES_MAX).feed, data)
    for number, payload in enumerate(payloads if isinstance(payloads, list) else []):
        for sid, server in world.servers.items():
            server.replica.on_election_message((sid + number % 2) % 3 + 1, payload)
        world.settle()
    _settled(world)
    if (room.state(), rounds(room)) != before:
        for server in world.servers.values():
            server.replica.peer._look("the test wants it so")
        _settled(world)


_voters = [
    Kept(partial(build, reconfig_enabled=enabled), _vote, zxids, rounds)
    for build in (_ensemble, _looking)
    for enabled in (False, True)
]


def _feed_votes(data: bytes) -> None:
    """The first byte says whether memberships are looked at, the second whether the server looks or serves."""
    _voters[(data[:1] == b"\1") + 2 * (data[1:2] == b"\1")].feed(data[2:])


def _vote_seeds() -> Iterable[bytes]:
    for first in (b"\0\0", b"\1\0", b"\0\1", b"\1\1"):
        for notification in _notifications():
            yield first + frame(encode_notification(notification))
        yield first + b"".join([frame(encode_notification(each)) for each in _notifications()])


TARGETS = (
    Target(
        "packets",
        "peer packets",
        INVARIANT,
        _feed_packets,
        _packet_seeds,
        words=(b"\0\0\0\x0aBenWasHere", b"\0\0\0\1/"),
        memory=held_at_most,
        examples=250,
    ),
    Target(
        "election",
        "election messages",
        INVARIANT,
        _feed_election,
        _election_seeds,
        words=(b"\xff\xff\xff\xff\xff\xff\0\0", b"|", b"[::1]:2"),
        memory=held_at_most,
        examples=250,
    ),
    Target(
        "quorum-auth",
        "peer packets",
        INVARIANT,
        _feed_auth,
        lambda: [encode_auth(AuthPacket(status, b"token")) for status in AuthStatus],
        memory=held_at_most,
        examples=100,
    ),
    Target(
        "leader",
        "peer packets",
        "Whatever a learner says to a leader costs that link alone: the ensemble serves on, and holds what it held.",
        _feed_leader,
        _leader_seeds,
        words=_PACKETS,
        examples=60,
    ),
    Target(
        "learner",
        "peer packets",
        "Whatever a leader says to a learner ends in its own refusal; what is committed and cannot be read stops it, and nothing else does.",
        _feed_learner,
        _learner_seeds,
        words=_PACKETS,
        examples=60,
    ),
    Target(
        "votes",
        "election messages",
        "Whatever a voter says in an election, no server raises, and each can look for a leader again.",
        _feed_votes,
        _vote_seeds,
        words=(_MEMBERSHIP, b"version=", b"server.9=h:1:2;3\n"),
        examples=60,
    ),
)
