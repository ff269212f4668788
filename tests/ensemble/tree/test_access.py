"""Access control lists: what they allow, what a client may store, and what it may see of them."""

from __future__ import annotations

import pytest

from ensemble.errors import Code, KeeperError
from ensemble.limits import ACL_ENTRIES_MAX
from ensemble.tree.access.access import Policy
from ensemble.tree.operations import OPEN_ACL, READ_ACL, Acl, Identity, Perm

ALICE = Identity("digest", "alice:hash")
POLICY = Policy()
EVERY_SCHEME = Policy(frozenset({"digest", "ip", "sasl", "x509", "ensemble"}))
HOST = Identity("ip", "10.1.2.3")


def allows(acl: tuple[Acl, ...], perm: int, *identities: Identity) -> bool:
    try:
        POLICY.check(acl, perm, identities)
    except KeeperError as refusal:
        return refusal.code != Code.NO_AUTH
    return True


@pytest.mark.parametrize(
    ("acl", "perm", "identities", "allowed"),
    [
        (OPEN_ACL, Perm.ADMIN, (), True),
        (tuple(OPEN_ACL), Perm.ADMIN, (), True),
        ((), Perm.ADMIN, (), True),
        (READ_ACL, Perm.READ, (), True),
        (READ_ACL, Perm.WRITE, (), False),
        (READ_ACL, Perm.READ | Perm.ADMIN, (), True),
        (READ_ACL, Perm.WRITE, (Identity("super", ""),), True),
        ((Acl(31, ALICE),), Perm.READ, (ALICE,), True),
        ((Acl(31, ALICE),), Perm.READ, (Identity("digest", "alice:other"),), False),
        ((Acl(31, ALICE),), Perm.READ, (Identity("ip", "alice:hash"),), False),
        ((Acl(1, ALICE), Acl(2, ALICE)), Perm.WRITE, (HOST, ALICE), True),
        ((Acl(31, Identity("world", "alice")),), Perm.READ, (Identity("world", "alice"),), False),
        ((Acl(31, Identity("sasl", "a")),), Perm.READ, (Identity("sasl", "a"),), False),
    ],
)
def test_check(acl: tuple[Acl, ...], perm: int, identities: tuple[Identity, ...], allowed: bool) -> None:
    assert allows(acl, perm, *identities) is allowed


@pytest.mark.parametrize(
    ("expression", "address", "matches"),
    [
        ("10.1.2.3", "10.1.2.3", True),
        ("10.1.2.3", "10.1.2.4", False),
        ("10.1.0.0/16", "10.1.2.3", True),
        ("10.1.9.9/16", "10.1.2.3", True),
        ("10.1.0.0/16", "10.2.0.1", False),
        ("0.0.0.0/0", "10.1.2.3", True),
        ("10.1.2.0/23", "10.1.3.255", True),
        ("010.01.2.003", "10.1.2.3", True),
        ("0" * 5000 + "10.1.2.3/-" + "0" * 5000, "9.9.9.9", True),
        ("::1", "::1", True),
        ("2001:db8::/32", "2001:db8::5", True),
        ("2001:db8::/32", "10.1.2.3", False),
        ("::/0", "10.1.2.3", False),
        ("10.1.2.3", "localhost", False),
        ("+10.1.2.3/+16", "10.1.9.9", True),
        ("1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8", True),
        ("1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0", True),
        ("::", "0:0:0:0:0:0:0:0", True),
        ("2001:db8::8000/113", "2001:db8::ffff", True),
        ("2001:db8::8000/113", "2001:db8::7fff", False),
        ("fe80::1", "fe80::1%eth0", False),
    ],
)
def test_addresses_and_networks(expression: str, address: str, matches: bool) -> None:
    assert allows((Acl(31, Identity("ip", expression)),), Perm.READ, Identity("ip", address)) is matches


def test_duplicates_go_and_order_stays() -> None:
    acl = (Acl(1, ALICE), *OPEN_ACL, Acl(1, ALICE), Acl(2, ALICE))
    assert POLICY.fixup(acl, ()) == (Acl(1, ALICE), *OPEN_ACL, Acl(2, ALICE))


def test_the_open_list_stays_one_object() -> None:
    assert POLICY.fixup((Acl(31, Identity("world", "anyone")),) * 2, ()) is OPEN_ACL


def test_auth_stands_for_proven_identities_only() -> None:
    asked = (Acl(5, Identity("auth", "whatever")),)
    bob = Identity("digest", "bob:hash")
    assert POLICY.fixup(asked, (HOST, ALICE, bob)) == (Acl(5, ALICE), Acl(5, bob))


@pytest.mark.parametrize(
    "identity",
    [
        Identity("", ""),
        Identity("world", "somebody"),
        Identity("super", ""),
        Identity("nonsense", "x"),
        Identity("sasl", "x"),
        Identity("auth", ""),
        Identity("digest", "nocolon"),
        Identity("digest", "a:b:c"),
        Identity("digest", "a:"),
        Identity("digest", ":"),
        Identity("ip", "host"),
        Identity("ip", "10.0.0.0/33"),
        Identity("ip", "10.0.0.0/"),
        Identity("ip", "10.0.0.0/255.0.0.0"),
        Identity("ip", "10.0.0.0/-1"),
        Identity("ip", "10.0.0.0/" + "1" * 5000),
        Identity("ip", "::1/129"),
        Identity("ip", "1.2.3"),
        Identity("ip", "1.2.3.256"),
        Identity("ip", "1:2:3:4:5:6:7"),
        Identity("ip", "1::2::3"),
        Identity("ip", "1:2:3:4::5:6:7:8"),
        Identity("ip", "1:::2"),
        Identity("ip", "::12345"),
        Identity("ip", "::ffff:10.1.2.3"),
        Identity("ip", "fe80::1%eth0"),
        Identity("x509", "CN=client"),
    ],
)
def test_what_no_scheme_knows_is_refused(identity: Identity) -> None:
    with pytest.raises(KeeperError) as refusal:
        POLICY.fixup((*OPEN_ACL, Acl(31, identity)), (HOST,), "/a")
    assert (refusal.value.code, refusal.value.path) == (Code.INVALID_ACL, "/a")


@pytest.mark.parametrize(
    ("identity", "valid"),
    [
        (Identity("sasl", "ann"), True),
        (Identity("sasl", "zookeeper/host@REALM"), True),
        (Identity("sasl", "ann@REALM"), True),
        (Identity("sasl", "a/b/c@REALM"), False),
        (Identity("sasl", "ann@REALM@OTHER"), False),
        (Identity("x509", "CN=client"), True),
        (Identity("x509", ""), True),
        (Identity("x509", 'cn=a + OU = "b, c" ; 2.5.4.3=#0c0161'), True),
        (Identity("x509", "CN=a\\, b,O=c"), True),
        (Identity("x509", "OID.2.5.4.3=a"), True),
        (Identity("x509", "client"), False),
        (Identity("x509", "XX=client"), False),
        (Identity("x509", "CN=a,"), False),
        (Identity("x509", 'CN="a'), False),
        (Identity("ensemble", "main"), False),
    ],
)
def test_what_schemes_that_are_enabled_take_for_a_name(identity: Identity, valid: bool) -> None:
    if valid:
        assert EVERY_SCHEME.fixup((Acl(31, identity),), ()) == (Acl(31, identity),)
        return
    with pytest.raises(KeeperError, match="INVALID_ACL"):
        EVERY_SCHEME.fixup((Acl(31, identity),), ())


def test_a_scheme_that_is_not_enabled_lets_nobody_in() -> None:
    ann = Identity("sasl", "ann")
    EVERY_SCHEME.check((Acl(31, ann),), Perm.READ, (ann,))
    with pytest.raises(KeeperError, match="NO_AUTH"):
        POLICY.check((Acl(31, ann),), Perm.READ, (ann,))
    with pytest.raises(KeeperError, match="INVALID_ACL"):
        POLICY.fixup((Acl(31, Identity("auth", "")),), (ann,))


def test_who_counts_as_a_user_of_sasl() -> None:
    acl = (Acl(31, Identity("sasl", "ann")),)
    EVERY_SCHEME.check(acl, Perm.READ, (Identity("sasl", "super"),))
    with pytest.raises(KeeperError, match="NO_AUTH"):
        EVERY_SCHEME.check(acl, Perm.READ, (Identity("sasl", "bob"),))
    anybody = Policy(frozenset({"sasl"}), any_sasl_user="ann")
    anybody.check(acl, Perm.READ, (Identity("sasl", "bob"),))
    with pytest.raises(KeeperError, match="NO_AUTH"):
        anybody.check(acl, Perm.READ, (ALICE,))


def test_without_access_control_everybody_may_do_everything() -> None:
    Policy(skip=True).check((Acl(Perm.READ, ALICE),), Perm.ADMIN, ())


def test_an_empty_list_is_refused() -> None:
    with pytest.raises(KeeperError) as refusal:
        POLICY.fixup((), (ALICE,))
    assert refusal.value.code == Code.INVALID_ACL


def test_password_hashes_are_for_administrators() -> None:
    acl = (Acl(31, ALICE), *READ_ACL, Acl(1, HOST))
    masked = (Acl(31, Identity("digest", "alice:x")), *READ_ACL, Acl(1, HOST))
    assert POLICY.visible(acl, ()) == masked
    assert POLICY.visible(acl, (ALICE,)) == acl
    assert POLICY.visible((Acl(Perm.ADMIN, ALICE),), (ALICE,)) == (Acl(Perm.ADMIN, ALICE),)
    with pytest.raises(KeeperError) as refusal:
        POLICY.visible((Acl(31, ALICE),), ())
    assert refusal.value.code == Code.NO_AUTH


def test_a_list_that_grows_with_the_clients_identities_is_bounded() -> None:
    """One frame of ``auth`` entries from a client with many identities made millions of entries."""
    identities = tuple(Identity("digest", f"user{number}:hash") for number in range(63))
    anyone = Identity("auth", "")
    few = tuple(Acl(perms, anyone) for perms in range(ACL_ENTRIES_MAX // 63))
    assert len(POLICY.fixup(few, identities)) == len(few) * 63
    with pytest.raises(KeeperError, match="INVALID_ACL"):
        POLICY.fixup((*few, Acl(Perm.ALL << 20, anyone)), identities)
