"""A snapshot from elsewhere becomes the state of all servers, or nothing changes."""

from __future__ import annotations

import gzip
from contextlib import suppress

import pytest

from ensemble.errors import CorruptionError
from ensemble.replica.agreement.restoring import Restorable, examine
from ensemble.storage import compression, snapshots
from ensemble.storage.settings import StorageSettings
from ensemble.tree import snapshot
from ensemble.zxid import epoch_of, make
from tests.ensemble.replica.harness import Client, Server, World, client


class Ending:
    """How a restoration ended."""

    def __init__(self) -> None:
        self.told: list[tuple[int, str]] = []

    def __call__(self, zxid: int, why: str) -> None:
        self.told.append((zxid, why))

    @property
    def zxid(self) -> int:
        """Where the state was installed; 0 when it was not."""
        ((zxid, _),) = self.told
        return zxid

    @property
    def why(self) -> str:
        """Why it was not."""
        ((_, why),) = self.told
        return why


def saved(world: World, settings: StorageSettings | None = None) -> bytes:
    """Return the state of a world as a snapshot file."""
    tree = world.leader.replica.tree
    body = list(snapshot.dump(tree))
    return b"".join(snapshots.encode(tree.zxid, body, tree.digest(), settings or StorageSettings()))


def elsewhere(epochs: int = 1, ephemeral: bool = False) -> bytes:
    """Return the snapshot of another ensemble, some epochs old."""
    world = World()
    user = client(world)
    user.create("/restored", b"from elsewhere")
    user.create("/restored/child", b"x" * 300)
    for _ in range(epochs):
        world.restart(1)
        client(world).set("/restored", b"again")
    return saved(world)


def restore(server: Server, found: Restorable) -> Ending:
    """Ask a server to restore; it is to begin."""
    ending = Ending()
    assert server.replica.restore(found, ending) == ""
    return ending


def assert_restored(world: World) -> None:
    """All servers hold that state, in memory and on disk, and go on from it."""
    user = client(world, world.leader)
    path = user.create(f"/after-{world.clock.now_us}")
    world.advance(2000)
    for sid in list(world.servers):
        for server in (world.servers[sid], world.restart(sid)):
            world.advance(1000)
            nodes = server.replica.tree.nodes
            assert {"/restored", "/restored/child", path} <= set(nodes)
            assert "/old" not in nodes
    assert len({server.replica.tree.digest() for server in world.servers.values()}) == 1


@pytest.mark.parametrize("voters", [1, 3, 5])
def test_the_leader_restores_for_all(voters: int) -> None:
    world = World(voters=voters)
    users = [client(world, server) for server in world.servers.values()]
    users[0].create("/old")
    before, leader, before_ms = world.leader.replica.tree.zxid, world.leader, world.clock.wall_ms()
    ending = restore(leader, examine(elsewhere()))
    world.advance(3000)
    assert world.leader is leader
    saved_ms = [server.replica.application.snapshots.saved_ms for server in world.servers.values()]
    assert min(saved_ms) >= before_ms
    assert ending.zxid == make(leader.replica.peer.epoch, 1) > before
    assert all(user.closed for user in users)
    assert {server.replica.tree.zxid for server in world.servers.values()} == {ending.zxid}
    assert_restored(world)


def test_the_leader_is_elected_again_though_others_would_win() -> None:
    world = World(voters=3)
    assert world.leader.replica.config.sid == 3
    world.cut.add(3)
    world.advance(12_000)
    world.cut.clear()
    world.restart(3)
    world.advance(3000)
    leader = world.leader
    assert leader.replica.config.sid != 3
    ending = restore(leader, examine(elsewhere()))
    world.advance(3000)
    assert world.leader is leader
    assert ending.zxid
    assert_restored(world)


def test_sessions_are_those_of_the_snapshot() -> None:
    other = World()
    other.advance(500)  # session ids are made of the time
    kept = client(other, timeout_ms=30_000)
    kept.create("/restored")
    kept.create("/restored/child", mode=1)
    data = saved(other)
    world = World(voters=3)
    gone = client(world, world.follower)
    gone.create("/old", mode=1)
    restore(world.leader, examine(data))
    world.advance(3000)
    server = world.follower
    refused = Client(world, server).connect(session_id=gone.session_id, password=gone.password)
    assert refused is not None
    assert refused.session_id == 0
    again = client(world, server, session_id=kept.session_id, password=kept.password)
    assert again.session_id == kept.session_id
    for each in world.servers.values():
        assert each.replica.tree.sessions.keys() == {kept.session_id}
        assert each.replica.tree.get("/restored/child").ephemeral_owner == kept.session_id


def test_its_zxids_lie_in_the_past_even_if_the_snapshot_is_far_ahead() -> None:
    world = World(voters=3)
    found = examine(elsewhere(epochs=12))
    assert epoch_of(found.zxid) > 10 > world.leader.replica.peer.epoch
    ending = restore(world.leader, found)
    world.advance(3000)
    assert ending.zxid > found.zxid
    assert_restored(world)


def test_a_client_that_saw_more_than_the_snapshot_may_come_back() -> None:
    world = World()
    seen = client(world)
    for number in range(50):
        seen.create(f"/old-{number}")
    zxid = world.only.replica.tree.zxid
    restore(world.only, examine(elsewhere()))
    world.advance(1000)
    assert client(world, zxid=zxid).session_id


def test_a_server_that_was_away_is_not_taken_for_one_that_has_it() -> None:
    world = World(voters=3)
    client(world, world.leader).create("/old")
    away = world.follower
    sid = away.replica.config.sid
    world.cut.add(sid)
    world.advance(12_000)
    restore(world.leader, examine(elsewhere()))
    world.advance(12_000)
    assert "/old" in away.replica.tree.nodes
    world.cut.clear()
    world.restart(sid)
    world.advance(3000)
    assert_restored(world)


def test_without_a_quorum_nothing_changes() -> None:
    world = World(voters=3)
    client(world, world.leader).create("/old")
    leader = world.leader
    digest = leader.replica.tree.digest()
    ending = restore(leader, examine(elsewhere()))
    world.cut.update(sid for sid in world.servers if sid != leader.replica.config.sid)
    world.advance(5000)
    assert ending.told == []
    leader.replica.cancel_restore("it took too long")
    assert ending.why == "nothing has changed: it took too long"
    assert leader.replica.tree.digest() == digest
    world.cut.clear()
    for sid in list(world.servers):
        world.restart(sid)
    world.advance(12_000)
    assert {server.replica.tree.digest() for server in world.servers.values()} == {digest}


@pytest.mark.parametrize("reached", [False, True], ids=["nobody-has-it", "others-have-it"])
def test_when_the_leader_dies_on_the_way_one_state_wins(
    monkeypatch: pytest.MonkeyPatch, reached: bool
) -> None:
    world = World(voters=3)
    client(world, world.leader).create("/old")
    leader = world.leader
    sid = leader.replica.config.sid
    install = leader.replica.application.restore

    def install_and_cut(found: Restorable, zxid: int) -> None:
        install(found, zxid)
        world.cut.update([sid] if reached else world.servers)  # what comes to those who are cut off is lost

    monkeypatch.setattr(leader.replica.application, "restore", install_and_cut)
    ending = restore(leader, examine(elsewhere()))
    world.advance(6000)
    world.cut = {sid}
    world.advance(12_000)
    assert "/restored" in leader.replica.tree.nodes
    assert "no quorum took it over" in ending.why
    others = [server for server in world.servers.values() if server is not leader]
    leads = next(server for server in others if server.replica.service.leading)
    client(world, leads).create("/later")
    won, lost = ("/restored", "/old") if reached else ("/old", "/restored")
    world.cut.clear()
    world.restart(sid)
    world.advance(12_000)
    for server in world.servers.values():
        assert {won, "/later"} <= set(server.replica.tree.nodes)
        assert lost not in server.replica.tree.nodes
    assert len({server.replica.tree.digest() for server in world.servers.values()}) == 1


def test_only_the_leader_restores_and_one_at_a_time() -> None:
    world = World(voters=3)
    found = examine(elsewhere())
    leader = world.leader.replica.config.sid
    assert (
        world.follower.replica.restore(found, Ending()) == f"the leader restores for all; ask server {leader}"
    )
    ending = restore(world.leader, found)
    assert "there is no leader" in world.servers[leader].replica.restore(found, Ending())
    world.advance(3000)
    assert ending.zxid


# ------------------------------------------------------------------ what is no snapshot


def test_every_damaged_byte_is_seen() -> None:
    data = elsewhere()
    for place in range(len(data)):
        spoiled = bytearray(data)
        spoiled[place] ^= 0x41
        with pytest.raises(CorruptionError):
            examine(bytes(spoiled))
    with pytest.raises(CorruptionError):
        examine(data + b"x")


def test_every_early_end_is_seen_or_leaves_the_whole_state() -> None:
    data = elsewhere()
    body = examine(data).body
    whole = []
    for end in range(len(data)):
        with suppress(CorruptionError):
            assert examine(data[:end]).body == body
            whole.append(end)
    # Without the digest, and without the last zxid: older servers wrote no more.
    assert len(whole) == 2


def test_a_snapshot_taken_while_transactions_came_in_is_refused() -> None:
    world = World()
    client(world).create("/a")
    tree = world.only.replica.tree
    body = list(snapshot.dump(tree))
    digest = tree.digest()
    client(world).create("/b")
    whole = b"".join(snapshots.encode(tree.zxid, body, digest, StorageSettings()))
    assert "/a" in examine(whole).tree.nodes
    fuzzy = b"".join(snapshots.encode(tree.zxid, body, tree.digest(), StorageSettings()))
    with pytest.raises(CorruptionError, match="take one while no client writes"):
        examine(fuzzy)


@pytest.mark.parametrize("method", compression.METHODS)
@pytest.mark.parametrize("digest", [True, False])
@pytest.mark.parametrize("last_zxid", [True, False])
def test_any_layout_and_compression_is_read(method: str, digest: bool, last_zxid: bool) -> None:
    world = World()
    client(world).create("/a")
    data = saved(world, StorageSettings(compression=method, digest=digest, last_zxid=last_zxid))
    found = examine(data)
    assert "/a" in found.tree.nodes
    assert found.zxid == world.only.replica.tree.zxid
    if method:
        with pytest.raises(CorruptionError):
            examine(data[:-9])


def test_an_epoch_that_leaves_none_behind_it_is_refused() -> None:
    world = World()
    tree = world.only.replica.tree
    for epoch, sound in ((1000, True), ((1 << 31) - 1, False)):
        encoded = b"".join(
            snapshots.encode(make(epoch, 5), snapshot.dump(tree), tree.digest(), StorageSettings())
        )
        if sound:
            assert epoch_of(examine(encoded).zxid) == epoch
            continue
        with pytest.raises(CorruptionError, match="no epochs left"):
            examine(encoded)


def test_bytes_behind_the_last_znode_are_no_snapshot() -> None:
    tree = World().only.replica.tree
    body = [*snapshot.dump(tree), b"more"]
    with pytest.raises(CorruptionError):
        examine(b"".join(snapshots.encode(tree.zxid, body, tree.digest(), StorageSettings())))
    with pytest.raises(CorruptionError, match="does not begin"):
        examine(gzip.compress(b"no snapshot"))
