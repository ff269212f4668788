"""What a client proves on its connection, and what that opens."""

from __future__ import annotations

import pytest

from ensemble.errors import Code
from ensemble.replica.access.authentication import digest_identity
from ensemble.tree.operations import (
    OPEN_ACL,
    Acl,
    Auth,
    Create,
    Identity,
    NoBody,
    Op,
    Perm,
    Read,
    Sasl,
)
from ensemble.wire import replies
from tests.ensemble.replica.harness import World, client


def test_digest_identities_open_what_they_protect() -> None:
    world = World()
    owner, stranger = client(world), client(world)
    owner.send(owner.request(Op.AUTH, Auth(0, "digest", b"ann:secret"), xid=-4))
    assert owner.headers() == [(-4, 0, 0)]
    identity = digest_identity(b"ann:secret")
    owner.create("/hers", b"1", acl=(Acl(Perm.ALL, Identity("auth", "")),))
    assert owner.get("/hers") == b"1"
    assert stranger.error(Op.GET_DATA, Read("/hers")) == Code.NO_AUTH
    assert stranger.error(Op.EXISTS, Read("/hers")) == Code.NO_AUTH
    assert stranger.error(Op.GET_CHILDREN2, Read("/hers")) == Code.NO_AUTH
    assert stranger.set("/hers", b"x") == Code.NO_AUTH
    acl, _ = replies.read_acls(replies.body_reader(owner.ask(Op.GET_ACL, Read("/hers"))))
    assert acl == (Acl(Perm.ALL, identity),)
    who = replies.read_identities(replies.body_reader(owner.ask(Op.WHO_AM_I, NoBody())))
    assert who == [Identity("ip", "127.0.0.1"), Identity("digest", "ann")]


def test_an_identity_holds_for_the_writes_pipelined_behind_it() -> None:
    world = World()
    user = client(world)
    acl = (Acl(Perm.ALL, Identity("auth", "")),)
    stream = user.request(Op.CREATE, Create("/a", b"", OPEN_ACL, 0))
    stream += user.request(Op.AUTH, Auth(0, "digest", b"ann:secret"), xid=-4)
    stream += user.request(Op.CREATE, Create("/b", b"", acl, 0))
    user.send(stream)
    world.settle()
    assert [header[::2] for header in user.headers()] == [(1, 0), (-4, 0), (2, 0)]


@pytest.mark.parametrize("scheme", ["digest", "kerberos", "ensemble"])
def test_no_credential_is_logged_or_traced(scheme: str) -> None:
    """CVE-2026-24308 is a secret in a log."""
    world = World()
    for credential in (b"ann:hidden", b"ann\xff:hidden", b"ann:hidden" + bytes(5000)):
        user = client(world)
        user.send(user.request(Op.AUTH, Auth(0, scheme, credential), xid=-4))
        world.settle()
    told = [*world.only.lines, *map(str, world.only.listener.events)]
    assert told
    assert not any("hidden" in each for each in told)


@pytest.mark.parametrize(
    ("scheme", "credential"),
    [("kerberos", b"x"), ("digest", None), ("digest", b"a:" + bytes(5000))],
)
def test_a_failed_authentication_is_answered_and_ends_the_connection(
    scheme: str, credential: bytes | None
) -> None:
    world = World()
    user = client(world)
    stream = user.request(Op.CREATE, Create("/a", b"", OPEN_ACL, 0))
    stream += user.request(Op.AUTH, Auth(0, scheme, credential), xid=-4)
    stream += user.request(Op.CREATE, Create("/discarded", b"", OPEN_ACL, 0))
    user.send(stream)
    world.settle()
    assert [header[::2] for header in user.headers()] == [(1, 0), (-4, Code.AUTH_FAILED)]
    assert user.closed
    assert world.only.replica.tree.find("/discarded") is None
    assert not any("5000" in line for line in world.only.lines)


@pytest.mark.parametrize(
    ("credential", "identity"),
    [
        (b"u:p\xfc", "u:6CtHK7C6iAk/ZYK1Hf0L2NA4tRg="),
        (b"u:\xc3", "u:NP+S9gihaPOxs49p+sWDO0/R0ac="),
        (b"u:\xe2\x82", "u:NP+S9gihaPOxs49p+sWDO0/R0ac="),
        (b"u:\xc0\x80", "u:tBXHUAUzZXYCqAcMeZihzl82Xwo="),
        (b"u:\xed\xa0\xbd\xed\xb8\x80", "u:tBXHUAUzZXYCqAcMeZihzl82Xwo="),
        (b"u:\xf0\x9f\x98\x80", "u:jJrVWxbcrh8H8NliuTU6Me6qGLY="),
        (b"\xfc:p", "\N{REPLACEMENT CHARACTER}:CF2aQmKhCpl6NRwvXg6ky6/tkEA="),
    ],
)
def test_a_credential_that_is_no_utf_8_has_the_hash_of_what_java_reads(
    credential: bytes, identity: str
) -> None:
    """The identities are those of Apache's server, asked."""
    assert digest_identity(credential) == Identity("digest", identity)


def test_a_credential_without_a_colon_is_all_user() -> None:
    user = client(World())
    for credential in (b"ann", b""):
        user.send(user.request(Op.AUTH, Auth(0, "digest", credential), xid=-4))
    assert user.headers() == [(-4, 0, 0)] * 2
    who = replies.read_identities(replies.body_reader(user.ask(Op.WHO_AM_I, NoBody())))
    assert [identity.id for identity in who] == ["127.0.0.1", "ann", ""]


def test_a_client_that_offers_sasl_is_told_that_there_is_none() -> None:
    user = client(World())
    answer = user.ask(Op.SASL, Sasl(b"token"))
    assert replies.decode_header(answer)[1:] == (0, 0)
    assert replies.body_reader(answer).optional_bytes() is None
    assert user.create("/a") == "/a"
