"""What the simulator found, one test each: the smallest story that shows it (see the commits for the seeds)."""

from __future__ import annotations

from ensemble.tree.sessions import password_of
from ensemble.wire.replies import decode_connect_reply
from ensemble.wire.requests import ConnectRequest, encode_connect
from tests.ensemble.replica.harness import Client, World, client
from tests.ensemble.zab.harness import MemoryHistory, Table


def test_a_session_whose_end_is_only_proposed_is_not_called_expired() -> None:
    """C5: a leader that had been replaced proposed the end, told the client, and the session lived on."""
    world = World()
    before, after = client(world), Client(world)
    assert world.only.replica.expire_session(before.session_id)
    after.send(
        encode_connect(ConnectRequest(0, 0, 4000, before.session_id, before.password, read_only=False))
    )
    assert decode_connect_reply(after.received[4:]).session_id == before.session_id
    assert not after.closed
    world.settle()
    assert before.session_id not in world.only.replica.tree.sessions
    assert after.closed


def test_a_session_that_is_not_known_is_called_expired_only_by_who_still_leads() -> None:
    """C5: a replaced leader, which had never heard of a session its successor opened, called it expired."""
    world = World()
    client(world)
    unknown, user = 0x1234, Client(world)
    user.send(encode_connect(ConnectRequest(0, 0, 4000, unknown, password_of(unknown), read_only=False)))
    assert user.received == b""
    assert world.only.replica.peer.pending_syncs == 1
    world.settle()
    assert decode_connect_reply(user.received[4:]).timeout_ms == 0
    assert user.closed


def test_a_server_that_promised_a_greater_epoch_is_not_shut_out_for_ever() -> None:
    """C9: it refused the leader's epoch, looked again, found the same leader, and so on."""
    table = Table({sid: MemoryHistory() for sid in (1, 2, 3)})
    table.histories[1].accepted_epoch = 5
    table.start(2, 3)
    assert table.leader.epoch == 1
    table.start(1)
    table.advance(3_000)
    assert table.leader.epoch == 6
    assert all(peer.serving for peer in table.peers.values())
