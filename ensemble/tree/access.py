"""Access control lists: who may do what with a znode.

Schemes: ``world`` (everybody), ``digest`` (a user and the hash of a password), ``ip`` (an address or a
network), and in requests ``auth`` (whoever asks). The identity ``super`` may do everything. How a client
came by its identities is not known here.
"""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from ensemble.errors import Code, KeeperError
from ensemble.limits import ACL_ENTRIES_MAX
from ensemble.tree.operations import OPEN_ACL, Acl, Identity, Perm

_ANYONE = Identity("world", "anyone")
_AUTHENTICATED = ("digest",)
"""Schemes by which a client proves who it is; its address (``ip``) proves nothing."""


def check(acl: tuple[Acl, ...], perm: int, identities: tuple[Identity, ...], path: str | None = None) -> None:
    """Raise ``KeeperError(NO_AUTH)`` unless one of ``identities`` has one of the bits of ``perm``.

    An empty list allows everything (Apache's checkACL).
    """
    if acl is OPEN_ACL or not acl:
        return
    for perms, identity in acl:
        if perms & perm and (identity == _ANYONE or _held(identity, identities)):
            return
    if any(identity.scheme == "super" for identity in identities):
        return
    raise KeeperError(Code.NO_AUTH, path)


def fixup(acl: tuple[Acl, ...], identities: tuple[Identity, ...], path: str | None = None) -> tuple[Acl, ...]:
    """Return the list to store for the list a client asked for.

    Duplicates go, and ``auth`` becomes the client's own authenticated identities. Raises
    ``KeeperError(INVALID_ACL)`` for an empty list, an unknown scheme, an id that its scheme does not know,
    ``auth`` from a client that has none (Apache's fixupACL), or one that has so many that the list explodes.
    """
    if acl is OPEN_ACL:
        return acl
    fixed: list[Acl] = []
    for entry in dict.fromkeys(acl):
        scheme, who = entry.identity
        if scheme == "auth":
            own = [Acl(entry.perms, identity) for identity in identities if identity.scheme in _AUTHENTICATED]
            if not own:
                raise KeeperError(Code.INVALID_ACL, path)
            fixed += own
            if len(fixed) > ACL_ENTRIES_MAX:
                raise KeeperError(Code.INVALID_ACL, path)
        elif entry.identity == _ANYONE or _is_valid(scheme, who):
            fixed.append(entry)
        else:
            raise KeeperError(Code.INVALID_ACL, path)
    if not fixed:
        raise KeeperError(Code.INVALID_ACL, path)
    result = tuple(fixed)
    return OPEN_ACL if result == OPEN_ACL else result


def visible(
    acl: tuple[Acl, ...], identities: tuple[Identity, ...], path: str | None = None
) -> tuple[Acl, ...]:
    """Return what getACL answers: password hashes are for those with ADMIN only (CVE-2019-0201).

    Raises ``KeeperError(NO_AUTH)`` without READ and ADMIN.
    """
    check(acl, Perm.READ | Perm.ADMIN, identities, path)
    try:
        check(acl, Perm.ADMIN, identities, path)
    except KeeperError:
        return tuple([Acl(entry.perms, _masked(entry.identity)) for entry in acl])
    return acl


def _masked(identity: Identity) -> Identity:
    if identity.scheme != "digest":
        return identity
    user, colon, _ = identity.id.partition(":")
    return Identity("digest", f"{user}:x" if colon else user)


def _held(identity: Identity, identities: tuple[Identity, ...]) -> bool:
    scheme, who = identity
    if scheme == "digest":
        return identity in identities
    if scheme == "ip":
        return any(held.scheme == "ip" and _in_network(held.id, who) for held in identities)
    return False


def _is_valid(scheme: str, who: str) -> bool:
    if scheme == "digest":
        # Java's split drops empty parts at the end.
        return len(who.rstrip(":").split(":")) == 2
    return scheme == "ip" and _network(who) is not None


@lru_cache(maxsize=1024)
def _in_network(address: str, expression: str) -> bool:
    network = _network(expression)
    if network is None:
        return False
    try:
        return ip_address(address) in network
    except ValueError:
        return False


def _network(expression: str) -> IPv4Network | IPv6Network | None:
    """Read an address, or an address and the number of leading bits that count; None for anything else."""
    address, slash, bits = expression.partition("/")
    if slash and not (bits.isascii() and bits.isdigit()):
        return None
    parts = address.split(".")
    if all(part.isascii() and part.isdigit() for part in parts):
        # Leading zeros are decimal, as for Java.
        address = ".".join([str(int(part[:4])) for part in parts])
    try:
        return ip_network(address + slash + bits, strict=False)
    except ValueError:
        return None
