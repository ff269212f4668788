"""The election port: hellos and notifications of every age."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ensemble.errors import WireError
from ensemble.wire import elections
from ensemble.wire.elections import Hello, HelloDecoder
from ensemble.zab.messages import Notification, ServerState, Vote
from tests.ensemble.wire.strategies import each_byte, longs, notifications

VOTE = "00000000 0000000000000003 0000000100000002 0000000000000005"
LOOKING_3 = Notification(7, ServerState.LOOKING, Vote(3, 0x100000002, 1), 5)


def test_golden_notification() -> None:
    raw = bytes.fromhex(VOTE + "0000000000000001 00000002 00000002 763d")
    expected = Notification(7, ServerState.LOOKING, Vote(3, 0x100000002, 1), 5, b"v=")
    assert elections.decode_notification(7, raw) == expected
    assert elections.encode_notification(expected) == raw


def test_notifications_of_older_servers() -> None:
    assert elections.decode_notification(7, bytes.fromhex(VOTE)) == LOOKING_3
    older = bytes.fromhex(VOTE + "0000000000000001 00000001")
    assert len(older) == 40
    assert elections.decode_notification(7, older) == LOOKING_3


def test_a_later_version_may_say_more() -> None:
    raw = bytes.fromhex(VOTE + "0000000000000001 00000003 00000000 ff")
    assert elections.decode_notification(7, raw) == LOOKING_3


@given(notifications)
def test_notification_round_trip(notification: Notification) -> None:
    payload = elections.encode_notification(notification)
    assert elections.decode_notification(notification.sender, payload) == notification


@given(st.binary(max_size=64))
def test_whatever_notification_arrives(payload: bytes) -> None:
    try:
        notification = elections.decode_notification(1, payload)
    except WireError:
        return
    assert elections.decode_notification(1, elections.encode_notification(notification)) == notification


BAD_NOTIFICATIONS = [
    ("nothing", ""),
    ("cut short", VOTE[:-2]),
    ("state 4", "00000004" + VOTE[8:]),
    ("half an epoch", VOTE + "00000000"),
    ("a configuration longer than the message", VOTE + "0000000000000001 00000002 00000003 7878"),
    ("a negative configuration", VOTE + "0000000000000001 00000002 fffffffe 7878"),
    ("bytes left over", VOTE + "0000000000000001 00000002 00000001 7878"),
]


@pytest.mark.parametrize("text", [b[1] for b in BAD_NOTIFICATIONS], ids=[b[0] for b in BAD_NOTIFICATIONS])
def test_bad_notifications(text: str) -> None:
    with pytest.raises(WireError):
        elections.decode_notification(1, bytes.fromhex(text))


# --- hello ---------------------------------------------------------------------------------------------


def _feed(chunks: list[bytes]) -> tuple[Hello, bytes] | None:
    decoder = HelloDecoder()
    for index, chunk in enumerate(chunks):
        result = decoder.feed(chunk)
        if result is not None:
            hello, rest = result
            return hello, rest + b"".join(chunks[index + 1 :])
    return None


def test_golden_hellos() -> None:
    one = bytes.fromhex("ffffffffffff0000 0000000000000002 0000000b") + b"host-2:3888"
    assert elections.encode_hello(2, [("host-2", 3888)]) == one
    assert _feed([one + b"rest"]) == (Hello(2, (("host-2", 3888),)), b"rest")
    two = bytes.fromhex("ffffffffffff0001 0000000000000002 00000010") + b"a:3888|[::1]:389"
    assert elections.encode_hello(2, [("a", 3888), ("::1", 389)]) == two
    assert _feed(each_byte(two)) == (Hello(2, (("a", 3888), ("::1", 389))), b"")


def test_the_bare_id_of_an_old_server() -> None:
    assert _feed([bytes(7) + b"\5" + b"rest"]) == (Hello(5, ()), b"rest")


@given(
    longs,
    st.lists(st.tuples(st.sampled_from(["a", "10.0.0.1", "fe80::1"]), st.integers(1, 65535)), min_size=1),
)
def test_hello_round_trip(sid: int, addresses: list[tuple[str, int]]) -> None:
    raw = elections.encode_hello(sid, addresses[:50])
    expected = (Hello(sid, tuple(addresses[:50])), b"tail")
    assert _feed([raw + b"tail"]) == _feed(each_byte(raw + b"tail")) == expected


BAD_HELLOS = [
    ("another version", "fffffffffffffffe 0000000000000002 00000001 61"),
    ("no address", "ffffffffffff0000 0000000000000002 00000000"),
    ("a negative length", "ffffffffffff0000 0000000000000002 ffffffff"),
    ("a huge length", "ffffffffffff0000 0000000000000002 00000801"),
    ("no port", "ffffffffffff0000 0000000000000002 00000001 61"),
    ("no number for a port", "ffffffffffff0000 0000000000000002 00000003 613a61"),
    ("port 0", "ffffffffffff0000 0000000000000002 00000003 613a30"),
    ("a port of other digits", "ffffffffffff0000 0000000000000002 00000004 613ac2b2"),
    ("a port of Arabic digits", "ffffffffffff0000 0000000000000002 00000004 613ad9a1"),
    ("no host", "ffffffffffff0000 0000000000000002 00000003 3a3939"),
    ("not UTF-8", "ffffffffffff0000 0000000000000002 00000003 ff3a39"),
]


@pytest.mark.parametrize("text", [bad[1] for bad in BAD_HELLOS], ids=[bad[0] for bad in BAD_HELLOS])
def test_bad_hellos(text: str) -> None:
    raw = bytes.fromhex(text)
    for chunks in ([raw], each_byte(raw)):
        with pytest.raises(WireError):
            _feed(chunks)


@given(st.binary(max_size=60))
def test_whatever_hello_arrives(raw: bytes) -> None:
    results = []
    for chunks in ([raw], each_byte(raw)):
        try:
            results.append(_feed(chunks))
        except WireError:
            results.append(None)
    assert results[0] == results[1]


def test_a_round_that_nobody_counts_to_is_refused() -> None:
    def at(round_: int) -> bytes:
        return elections.encode_notification(Notification(2, ServerState.LOOKING, Vote(2, 0, 0), round_))

    assert elections.decode_notification(2, at(elections.ROUND_MAX)).round == elections.ROUND_MAX
    with pytest.raises(WireError, match="round"):
        elections.decode_notification(2, at(elections.ROUND_MAX + 1))
