"""Who a client is taken for, and what it must prove before it is served."""

from __future__ import annotations

from typing import Any

import pytest

from ensemble.errors import Code
from ensemble.replica.access.authentication import IDENTITIES_PER_CONNECTION_MAX, digest_identity
from ensemble.replica.access.config import AccessConfig
from ensemble.sasl.digest_md5 import CLIENT_PORT, NONCE_BYTES, Initiator
from ensemble.tree.access.access import Policy
from ensemble.tree.operations import (
    OPEN_ACL,
    Acl,
    Auth,
    CloseSession,
    Create,
    Identity,
    NoBody,
    Op,
    Perm,
    Read,
    Sasl,
)
from ensemble.wire import replies
from tests.ensemble.replica.harness import Client, World, client

SCHEMES = frozenset({"digest", "ip", "x509", "ensemble"})
OWN = (Acl(Perm.ALL, Identity("auth", "")),)
ANN = (Acl(Perm.ALL, Identity("digest", "ann:hash")),)


def world_with(**settings: Any) -> World:
    return World(access=AccessConfig(**{"policy": Policy(SCHEMES), **settings}))


def prove(user: Client, scheme: str, credential: bytes) -> int:
    user.send(user.request(Op.AUTH, Auth(0, scheme, credential), xid=-4))
    (header,) = user.headers()
    assert header[:2] == (-4, 0)
    return header[2]


def who(user: Client) -> list[Identity]:
    return replies.read_identities(replies.body_reader(user.ask(Op.WHO_AM_I, NoBody())))


def owner_of(certificate: str, world: World) -> Client:
    user = Client(world, subject=certificate)
    assert user.connect() is not None
    return user


def test_the_super_digest_makes_its_user_super() -> None:
    digest = digest_identity(b"super:secret")
    world = world_with(super_digest=digest.id)
    root, other = client(world), client(world)
    assert prove(root, "digest", b"super:secret") == 0
    assert prove(other, "digest", b"super:guess") == 0
    root.create("/hers", b"1", acl=ANN)
    assert root.get("/hers") == b"1"
    assert other.error(Op.GET_DATA, Read("/hers")) == Code.NO_AUTH
    assert who(root) == [Identity("ip", "127.0.0.1"), Identity("super", ""), Identity("digest", "super")]


def test_the_hash_of_a_password_is_the_one_that_is_configured() -> None:
    user = client(world_with(digest_algorithm="sha256"))
    assert prove(user, "digest", b"ann:secret") == 0
    user.create("/hers", acl=OWN)
    acl, _ = replies.read_acls(replies.body_reader(user.ask(Op.GET_ACL, Read("/hers"))))
    assert acl == (Acl(31, Identity("digest", "ann:gW+b8HZum3TwTstGfpl32bPArFr4tjcyRtV13gDSyK0=")),)


def test_who_may_only_read_is_not_told_the_hash_of_a_password() -> None:
    """CVE-2019-0201."""
    world = World()
    owner, stranger = client(world), client(world)
    assert prove(owner, "digest", b"ann:secret") == 0
    identity = digest_identity(b"ann:secret")
    assert identity is not None
    owner.create("/hers", acl=(Acl(Perm.ALL, identity), Acl(Perm.READ, Identity("world", "anyone"))))
    for zk, told in ((owner, identity.id), (stranger, "ann:x")):
        answer = zk.ask(Op.GET_ACL, Read("/hers"))
        acl, _ = replies.read_acls(replies.body_reader(answer))
        assert acl[0] == Acl(Perm.ALL, Identity("digest", told))
        assert (identity.id.encode() in answer) is (zk is owner)


def test_a_disabled_scheme_proves_nothing() -> None:
    world = world_with(policy=Policy(frozenset({"ip"})))
    user = client(world)
    assert user.error(Op.CREATE, Create("/a", b"", ANN, 0)) == Code.INVALID_ACL
    assert prove(user, "digest", b"ann:secret") == Code.AUTH_FAILED
    assert user.closed


def test_the_owner_of_a_certificate_needs_no_auth_packet() -> None:
    world = world_with(x509_super_user="CN=root")
    ann, bob, root = (owner_of(f"CN={name}", world) for name in ("ann", "bob", "root"))
    ann.create("/hers", acl=OWN)
    assert ann.get("/hers") == b""
    assert bob.error(Op.GET_DATA, Read("/hers")) == Code.NO_AUTH
    assert root.get("/hers") == b""
    assert who(root) == [Identity("ip", "127.0.0.1"), Identity("super", ""), Identity("x509", "CN=root")]
    assert prove(ann, "x509", b"") == 0


def test_a_client_without_a_certificate_cannot_pass_x509() -> None:
    user = client(world_with())
    assert prove(user, "x509", b"CN=ann") == Code.AUTH_FAILED
    assert user.closed


def test_a_client_of_another_ensemble_is_closed_without_an_answer() -> None:
    world = world_with(ensemble_names=frozenset({"main", "blue"}))
    ours, theirs, silent = client(world), client(world), client(world)
    assert prove(ours, "ensemble", b"blue") == 0
    assert prove(silent, "ensemble", b"") == 0
    theirs.send(theirs.request(Op.AUTH, Auth(0, "ensemble", b"green"), xid=-4))
    assert theirs.closed
    assert theirs.answers() == []
    assert any("'green'" in line for line in world.only.lines)
    counters = world.only.replica.service.counters
    counted = (counters.ensemble_auth_success, counters.ensemble_auth_fail, counters.ensemble_auth_skip)
    assert counted == (1, 1, 1)


def test_any_name_will_do_for_an_ensemble_that_has_none() -> None:
    user = client(world_with())
    assert prove(user, "ensemble", b"green") == 0


def test_a_connection_has_so_many_identities_and_no_more() -> None:
    user = client(world_with())
    for number in range(IDENTITIES_PER_CONNECTION_MAX - 1):
        assert prove(user, "digest", b"user%d:x" % number) == 0
    assert prove(user, "digest", b"user0:x") == 0
    assert prove(user, "digest", b"onemore:x") == Code.AUTH_FAILED


# --- what must be proved -------------------------------------------------------------------------------


def strict_world() -> World:
    return world_with(required_schemes=frozenset({"digest"}))


@pytest.mark.parametrize(
    ("op", "operation"),
    [
        (Op.PING, NoBody()),
        (Op.GET_DATA, Read("/")),
        (Op.EXISTS, Read("/")),
        (Op.CREATE, Create("/a", b"", OPEN_ACL, 0)),
        (Op.SYNC, Read("/")),
        (Op.CLOSE_SESSION, CloseSession()),
    ],
)
def test_a_client_that_has_proved_nothing_is_refused_whatever_it_asks(op: Op, operation: Any) -> None:
    world = strict_world()
    user = client(world)
    user.send(user.request(op, operation) + user.request(Op.CREATE, Create("/behind", b"", OPEN_ACL, 0)))
    world.settle()
    assert user.headers() == [(1, 0, Code.SESSION_CLOSED_REQUIRE_AUTH)]
    assert user.closed
    assert world.only.replica.tree.find("/a") is None
    assert world.only.replica.tree.find("/behind") is None


def test_a_client_that_has_proved_itself_is_served_also_in_the_same_breath() -> None:
    world = strict_world()
    user = client(world)
    stream = user.request(Op.AUTH, Auth(0, "digest", b"ann:secret"), xid=-4)
    stream += user.request(Op.CREATE, Create("/a", b"1", OPEN_ACL, 0)) + user.request(Op.GET_DATA, Read("/a"))
    user.send(stream)
    world.settle()
    assert [header[::2] for header in user.headers()] == [(-4, 0), (1, 0), (2, 0)]
    assert user.get("/a") == b"1"


def test_what_is_sent_behind_the_connect_request_is_judged_in_its_order() -> None:
    world = strict_world()
    user = Client(world)
    behind = user.request(Op.AUTH, Auth(0, "digest", b"ann:secret"), xid=-4)
    behind += user.request(Op.GET_DATA, Read("/"))
    assert user.connect(behind=behind) is not None
    assert [header[::2] for header in user.headers()] == [(-4, 0), (1, 0)]
    other = Client(world)
    assert other.connect(behind=other.request(Op.GET_DATA, Read("/"))) is not None
    assert other.headers() == [(1, 0, Code.SESSION_CLOSED_REQUIRE_AUTH)]
    assert other.closed


def test_the_address_of_a_client_can_be_proof_enough() -> None:
    user = client(world_with(required_schemes=frozenset({"ip"})))
    assert user.create("/a") == "/a"


# --- SASL ----------------------------------------------------------------------------------------------

SASL = Policy(SCHEMES | {"sasl"})
ACCOUNTS = {"ann": "secret", "root": "topsecret"}


def world_of_sasl(**settings: Any) -> World:
    return world_with(**{"policy": SASL, "sasl_accounts": ACCOUNTS, **settings})


def token(user: Client, sent: bytes) -> tuple[int, bytes | None]:
    """Send a token; return the error and the token of the answer."""
    answer = user.ask(Op.SASL, Sasl(sent))
    xid, zxid, error = replies.decode_header(answer)
    assert (xid, zxid) == (user.xid, 0)
    return error, replies.body_reader(answer).optional_bytes()


def log_in(user: Client, name: str, password: str) -> int:
    """Go through the exchange; return the error of its last answer."""
    ours = Initiator(name, password, CLIENT_PORT, random_bytes=bytes(NONCE_BYTES))
    error, said = token(user, b"")
    assert error == 0
    assert said is not None
    error, said = token(user, ours.step(said))
    if said is not None:
        ours.step(said)
        assert ours.complete
    return error


def test_a_user_whom_sasl_proves_is_known_by_name() -> None:
    world = world_of_sasl(sasl_super_users=frozenset({"root"}))
    ann, root, stranger = client(world), client(world), client(world)
    assert log_in(ann, "ann", "secret") == 0
    assert log_in(root, "root", "topsecret") == 0
    ann.create("/hers", b"1", acl=OWN)
    assert ann.get("/hers") == b"1"
    assert root.get("/hers") == b"1"
    assert stranger.error(Op.GET_DATA, Read("/hers")) == Code.NO_AUTH
    acl, _ = replies.read_acls(replies.body_reader(root.ask(Op.GET_ACL, Read("/hers"))))
    assert acl == (Acl(31, Identity("sasl", "ann")),)
    assert who(root) == [Identity("ip", "127.0.0.1"), Identity("sasl", "root"), Identity("super", "")]


def test_every_exchange_has_a_nonce_of_its_own() -> None:
    world = world_of_sasl()
    assert token(client(world), b"") != token(client(world), b"")


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({}, Code.AUTH_FAILED),
        ({"required_schemes": frozenset({"sasl"})}, Code.SESSION_CLOSED_REQUIRE_AUTH),
        (
            {"required_schemes": frozenset({"sasl"}), "sasl_failed_allowed": True},
            Code.SESSION_CLOSED_REQUIRE_AUTH,
        ),
    ],
)
def test_a_client_whose_sasl_fails_is_told_and_closed(settings: dict[str, Any], code: Code) -> None:
    world = world_of_sasl(**settings)
    user = client(world)
    assert log_in(user, "ann", "guess") == code
    assert user.closed
    assert any("'ann'" in line for line in world.only.lines)
    assert not any("guess" in line for line in world.only.lines)


def test_a_client_whose_sasl_fails_may_stay_where_that_is_allowed() -> None:
    user = client(world_of_sasl(sasl_failed_allowed=True))
    assert log_in(user, "ann", "guess") == 0
    assert user.create("/a") == "/a"
    assert who(user) == [Identity("ip", "127.0.0.1")]


def test_an_exchange_is_not_begun_twice() -> None:
    user = client(world_of_sasl())
    assert log_in(user, "ann", "secret") == 0
    assert token(user, b"") == (Code.AUTH_FAILED, None)
    assert user.closed


def test_a_client_that_must_pass_sasl_does_so_first() -> None:
    world = world_of_sasl(required_schemes=frozenset({"sasl"}))
    user, other = client(world), client(world)
    assert log_in(user, "ann", "secret") == 0
    assert user.create("/a") == "/a"
    assert prove(other, "digest", b"ann:secret") == 0
    assert other.error(Op.GET_DATA, Read("/")) == Code.SESSION_CLOSED_REQUIRE_AUTH


def test_sasl_has_packets_of_its_own() -> None:
    assert prove(client(world_of_sasl()), "sasl", b"ann") == Code.AUTH_FAILED


def test_what_a_follower_has_found_out_holds_with_the_leader() -> None:
    settings = AccessConfig(
        policy=SASL, sasl_accounts=ACCOUNTS, sasl_super_users=frozenset({"root"}), x509_super_user="CN=root"
    )
    world = World(voters=3, access=settings)
    ann = client(world, world.follower)
    assert log_in(ann, "ann", "secret") == 0
    ann.create("/hers", b"1", acl=OWN)
    assert ann.set("/hers", b"2") == 0
    stranger, root = client(world, world.follower), client(world, world.follower)
    assert stranger.set("/hers", b"3") == Code.NO_AUTH
    assert log_in(root, "root", "topsecret") == 0
    assert root.set("/hers", b"4") == 0
    certified = Client(world, world.follower, subject="CN=root")
    assert certified.connect() is not None
    world.settle()
    assert certified.set("/hers", b"5") == 0
