"""The quorum port: golden packets, snapshots in the stream, and any cut of any stream."""

from __future__ import annotations

from collections.abc import Generator

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ensemble import limits
from ensemble.errors import WireError
from ensemble.tree import snapshot
from ensemble.tree.operations import OPEN_ACL, Op
from ensemble.tree.tree import Tree
from ensemble.tree.txns import CreateTxn, Txn
from ensemble.wire import packets, snapstream
from ensemble.wire.packets import PacketDecoder
from ensemble.zab.messages import PROTOCOL_VERSION, LearnerInfo, Packet, PacketType
from tests.ensemble.wire.strategies import each_byte, ints, longs, outcome, pieces, snapshots
from tests.ensemble.wire.strategies import packets as any_packet

SMALLEST_SNAPSHOT = bytes.fromhex("00000000 00000000 00000000 ffffffff" + "00" * 68 + "00000001 2f")

GOLDEN: list[tuple[str, Packet]] = [
    ("00000003 0000000100000002 ffffffff ffffffff", Packet(PacketType.ACK, 0x100000002)),
    ("00000004 0000000100000002 ffffffff ffffffff", Packet(PacketType.COMMIT, 0x100000002)),
    ("0000000c ffffffffffffffff ffffffff ffffffff", Packet(PacketType.UPTODATE, -1)),
    ("00000002 0000000100000002 00000003 616263 ffffffff", Packet(PacketType.PROPOSAL, 0x100000002, b"abc")),
    ("00000005 0000000000000000 00000000 ffffffff", Packet(PacketType.PING, 0, b"")),
    (
        "00000001 ffffffffffffffff 00000001 78 00000001 00000002 6970 00000009 3132372e302e302e31",
        Packet(PacketType.REQUEST, -1, b"x", (("ip", "127.0.0.1"),)),
    ),
    # An Apache leader walks a request's identities without looking for null: never send null.
    ("00000001 ffffffffffffffff 00000001 78 00000000", Packet(PacketType.REQUEST, -1, b"x")),
    (
        "0000000f 0000000100000002 ffffffff ffffffff"
        + SMALLEST_SNAPSHOT.hex()
        + "0000000a 42656e57617348657265",
        Packet(PacketType.SNAP, 0x100000002, SMALLEST_SNAPSHOT),
    ),
]


@pytest.mark.parametrize(("text", "packet"), GOLDEN)
def test_golden_bytes(text: str, packet: Packet) -> None:
    raw = bytes.fromhex(text)
    assert packets.encode(packet) == raw
    assert outcome(PacketDecoder(), [raw]) == ([packet], False)
    assert outcome(PacketDecoder(), each_byte(raw)) == ([packet], False)


def test_every_place_to_cut_once() -> None:
    stream = b"".join([bytes.fromhex(text) for text, _ in GOLDEN])
    expected = [packet for _, packet in GOLDEN]
    for place in range(len(stream)):
        assert outcome(PacketDecoder(), [stream[:place], stream[place:]]) == (expected, False)


def test_null_identities_of_a_request_read_as_none() -> None:
    raw = bytes.fromhex("00000001 ffffffffffffffff 00000001 78 ffffffff")
    assert PacketDecoder().feed(raw) == [Packet(PacketType.REQUEST, -1, b"x")]


@given(st.lists(any_packet, max_size=6), st.lists(st.integers(0)))
def test_packets_do_not_depend_on_the_cuts(sent: list[Packet], cuts: list[int]) -> None:
    stream = b"".join([packets.encode(packet) for packet in sent])
    for chunks in ([stream], pieces(stream, cuts), each_byte(stream)):
        decoder = PacketDecoder()
        assert outcome(decoder, chunks) == (sent, False)
        assert decoder.held == 0


@given(st.lists(any_packet, min_size=1, max_size=4), st.data())
def test_a_broken_stream(sent: list[Packet], data: st.DataObject) -> None:
    """One byte changed: the same packets and the same verdict, however the stream is cut."""
    stream = bytearray(b"".join([packets.encode(packet) for packet in sent]))
    stream[data.draw(st.integers(0, len(stream) - 1))] = data.draw(st.integers(0, 255))
    broken = bytes(stream)
    whole = outcome(PacketDecoder(), [broken])
    assert outcome(PacketDecoder(), each_byte(broken)) == whole
    assert outcome(PacketDecoder(), pieces(broken, data.draw(st.lists(st.integers(0))))) == whole
    again = b"".join([packets.encode(packet) for packet in whole[0]])
    assert outcome(PacketDecoder(), [again]) == (whole[0], False)


@given(st.binary(max_size=120), st.lists(st.integers(0)))
@example(bytes.fromhex("0000000f 0000000000000000 ffffffff ffffffff 7fffffff"), [])
def test_whatever_bytes_arrive(stream: bytes, cuts: list[int]) -> None:
    whole = outcome(PacketDecoder(), [stream])
    assert outcome(PacketDecoder(), each_byte(stream)) == whole
    assert outcome(PacketDecoder(), pieces(stream, cuts)) == whole


HEAD = "0000000100000002"
BAD = [
    ("type 0", f"00000000 {HEAD} ffffffff ffffffff"),
    ("type 20", f"00000014 {HEAD} ffffffff ffffffff"),
    ("data of -2 bytes", f"00000002 {HEAD} fffffffe ffffffff"),
    ("data over the limit", f"00000002 {HEAD} {limits.PEER_FRAME_BYTES_MAX + 1:08x} ffffffff"),
    ("-2 identities", f"00000001 {HEAD} ffffffff fffffffe"),
    ("too many identities", f"00000001 {HEAD} ffffffff 7fffffff"),
    ("an identity of -2 bytes", f"00000001 {HEAD} ffffffff 00000001 fffffffe"),
    ("a huge identity", f"00000001 {HEAD} ffffffff 00000001 7fffffff"),
    ("an identity that is not UTF-8", f"00000001 {HEAD} ffffffff 00000001 00000001 ff 00000000"),
    ("a SNAP with data", f"0000000f {HEAD} 00000001 00 ffffffff"),
    ("a negative number of sessions", f"0000000f {HEAD} ffffffff ffffffff fffffffe"),
    ("no signature", f"0000000f {HEAD} ffffffff ffffffff {SMALLEST_SNAPSHOT.hex()}" + "00" * 14),
    ("a huge path", f"0000000f {HEAD} ffffffff ffffffff 00000000 00000000 7fffffff"),
    (
        "a path of one byte, not /",
        f"0000000f {HEAD} ffffffff ffffffff 00000000 00000000 00000001 61 00000000",
    ),
]


@pytest.mark.parametrize("text", [bad[1] for bad in BAD], ids=[bad[0] for bad in BAD])
def test_bad_input(text: str) -> None:
    raw = bytes.fromhex(text)
    with pytest.raises(WireError):
        PacketDecoder().feed(raw)
    assert outcome(PacketDecoder(), each_byte(raw)) == ([], True)


def test_packets_before_nonsense_are_kept() -> None:
    decoder = PacketDecoder()
    ack = Packet(PacketType.ACK, 1)
    assert decoder.feed(packets.encode(ack) + bytes(20)) == [ack]
    assert decoder.fault is not None
    with pytest.raises(WireError):
        decoder.feed(b"")


@given(snapshots())
def test_the_scanner_finds_the_end_and_never_asks_for_more(body: bytes) -> None:
    """Every step asks for bytes that the snapshot does have, so a link is never waited on in vain."""
    stream = body + snapstream.SIGNATURE
    held = bytearray()
    walk = snapstream.skip_snapshot(held, 0)
    ends: list[int] = []

    def run() -> Generator[int, None, None]:
        ends.append((yield from walk))

    for wanted in run():
        assert len(held) < wanted <= len(stream)
        held += stream[len(held) : wanted]
    assert ends == [len(stream)]


def test_the_snapshot_of_a_tree_is_one() -> None:
    tree = Tree()
    for number, path in enumerate(("/a", "/a/é", "/b"), 1):
        tree.apply(Txn(7, 0, number, 0, Op.CREATE, CreateTxn(path, b"x" * number, OPEN_ACL, False, number)))
    sent = Packet(PacketType.SNAP, tree.zxid, b"".join(snapshot.dump(tree)))
    assert outcome(PacketDecoder(), each_byte(packets.encode(sent))) == ([sent], False)


def test_a_large_packet_in_small_pieces_costs_its_size() -> None:
    """A megabyte byte by byte: a decoder that starts over would look at 10^12 bytes and not come back."""
    packet = Packet(PacketType.PROPOSAL, 1, bytes(2**20))
    assert outcome(PacketDecoder(), each_byte(packets.encode(packet))) == ([packet], False)


def test_many_requests_in_one_chunk() -> None:
    sent = [Packet(PacketType.REQUEST, -1, bytes(100), (("ip", "127.0.0.1"),))] * 2000
    assert PacketDecoder().feed(b"".join([packets.encode(packet) for packet in sent])) == sent


@given(
    st.sampled_from([PacketType.PROPOSAL, PacketType.COMMIT, PacketType.ACK, PacketType.INFORM]),
    st.lists(st.tuples(longs, st.none() | st.binary(max_size=20)), max_size=5),
)
def test_a_run_is_the_packets_it_stands_for(kind: PacketType, run: list[tuple[int, bytes | None]]) -> None:
    alone = [packets.encode(Packet(kind, zxid, data)) for zxid, data in run]
    assert packets.encode_run(kind, run) == b"".join(alone)


# --- what packets carry --------------------------------------------------------------------------------


def test_golden_payloads() -> None:
    assert packets.encode_forward(1, 2, 5, b"xy") == bytes.fromhex("0000000000000001 00000002 00000005 7879")
    assert packets.encode_revalidate(1, 4000) == bytes.fromhex("0000000000000001 00000fa0")
    assert packets.encode_revalidated(1, True) == bytes.fromhex("0000000000000001 01")
    assert packets.encode_touches([(1, 2), (3, 4)]) == bytes.fromhex(
        "0000000000000001 00000002 0000000000000003 00000004"
    )
    info = packets.encode_learner_info(LearnerInfo(3, 0x10000, 1))
    assert info == bytes.fromhex("0000000000000003 00010000 0000000000000001")
    assert packets.encode_int(-1) == bytes.fromhex("ffffffff")
    assert packets.encode_activation(3, b"t") == bytes.fromhex("0000000000000003 74")


@given(longs, ints, ints, st.binary(max_size=20))
def test_payloads_round_trip(one: int, two: int, three: int, rest: bytes) -> None:
    data = packets.encode_forward(one, two, three, rest)
    assert data[packets.FORWARD_BYTES :] == rest
    assert packets.decode_forward(data) == (one, two, three)
    assert packets.decode_revalidate(packets.encode_revalidate(one, two)) == (one, two)
    assert packets.decode_revalidated(packets.encode_revalidated(one, two > 0)) == (one, two > 0)
    assert packets.decode_touches(packets.encode_touches([(one, two)] * 3)) == [(one, two)] * 3
    info = LearnerInfo(one, two, one)
    assert packets.decode_learner_info(packets.encode_learner_info(info)) == info
    assert packets.decode_int(packets.encode_int(two)) == two
    assert packets.decode_activation(packets.encode_activation(one, rest)) == (one, rest)


def test_payloads_that_may_be_absent() -> None:
    assert packets.decode_touches(None) == packets.decode_touches(b"") == []
    assert packets.decode_learner_info(bytes(8) + b"\0\1\0\0") == LearnerInfo(0, 0x10000, 0)


DECODERS = [
    packets.decode_forward,
    packets.decode_revalidate,
    packets.decode_revalidated,
    packets.decode_touches,
    packets.decode_learner_info,
    packets.decode_int,
    packets.decode_activation,
]


@given(st.sampled_from(DECODERS), st.none() | st.binary(max_size=30))
def test_whatever_a_packet_carries(decode: object, data: bytes | None) -> None:
    assert callable(decode)
    try:
        decode(data)
    except WireError:
        return


@pytest.mark.parametrize("decode", [d for d in DECODERS if d is not packets.decode_touches])
def test_payloads_that_must_be_there(decode: object) -> None:
    assert callable(decode)
    for data in (None, b"", b"\0\0\0"):
        with pytest.raises(WireError):
            decode(data)


def test_a_caller_introduces_itself_in_few_bytes_and_has_no_snapshot() -> None:
    info = packets.encode_learner_info(LearnerInfo(3, PROTOCOL_VERSION, 0))
    hello = packets.encode(Packet(PacketType.FOLLOWERINFO, 0, info))
    for chunks in ([hello], each_byte(hello)):
        assert outcome(PacketDecoder(unknown=True), chunks) == (
            [Packet(PacketType.FOLLOWERINFO, 0, info)],
            False,
        )
    for bad in (
        packets.encode(Packet(PacketType.ACK, 1)),
        packets.encode(Packet(PacketType.FOLLOWERINFO, 0, bytes(limits.INTRODUCTION_BYTES_MAX + 1))),
        hello + packets.encode(Packet(PacketType.SNAP, 1, b"")),
    ):
        for chunks in ([bad], each_byte(bad)):
            decoder = PacketDecoder(unknown=True)
            _, refused = outcome(decoder, chunks)
            assert refused
            assert decoder.held <= len(hello) + 20
