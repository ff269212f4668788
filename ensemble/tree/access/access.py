"""Access control lists: who may do what with a znode.

Schemes: ``world`` (everybody), ``digest`` (a user and the hash of a password), ``ip`` (an address or a
network), ``x509`` (the subject of a certificate), ``sasl`` (a user that SASL proved), and in requests ``auth``
(whoever asks). The identity ``super`` may do everything. How a client came by its identities is not known here.
"""

from __future__ import annotations

from dataclasses import dataclass

from ensemble.errors import Code, KeeperError
from ensemble.limits import ACL_ENTRIES_MAX
from ensemble.tree.access import addresses, principals
from ensemble.tree.operations import OPEN_ACL, Acl, Identity, Perm

_ANYONE = Identity("world", "anyone")
_PROVEN = frozenset({"digest", "sasl", "x509"})
"""Schemes by which a client proves who it is; its address (``ip``) proves nothing."""


@dataclass(frozen=True, slots=True)
class Policy:
    """The rules of one server: those of its lists, and which schemes it knows.

    An entry of a scheme that is not known lets nobody in and cannot be written (Apache's ProviderRegistry).
    """

    schemes: frozenset[str] = frozenset({"digest", "ip"})
    skip: bool = False
    """Whether everybody may do everything (``skipACL``)."""
    any_sasl_user: str = ""
    """An id of scheme ``sasl`` that stands for every user SASL proved (``letAnySaslUserDoX``)."""

    def check(
        self, acl: tuple[Acl, ...], perm: int, identities: tuple[Identity, ...], path: str | None = None
    ) -> None:
        """Raise ``KeeperError(NO_AUTH)`` unless one of ``identities`` has one of the bits of ``perm``.

        An empty list allows everything (Apache's checkACL).
        """
        if acl is OPEN_ACL or not acl or self.skip:
            return
        for perms, identity in acl:
            if perms & perm and (identity == _ANYONE or self._held(identity, identities)):
                return
        if any(identity.scheme == "super" for identity in identities):
            return
        raise KeeperError(Code.NO_AUTH, path)

    def fixup(
        self, acl: tuple[Acl, ...], identities: tuple[Identity, ...], path: str | None = None
    ) -> tuple[Acl, ...]:
        """Return the list to store for the list a client asked for.

        Duplicates go, and ``auth`` becomes the client's own proven identities. Raises
        ``KeeperError(INVALID_ACL)`` for an empty list, an unknown scheme, an id that its scheme does not know,
        ``auth`` from a client that has none (Apache's fixupACL), or one that has so many that the list explodes.
        """
        if acl is OPEN_ACL:
            return acl
        fixed: list[Acl] = []
        for entry in dict.fromkeys(acl):
            if entry.identity.scheme == "auth":
                own = [Acl(entry.perms, identity) for identity in identities if self._is_proof(identity)]
                if not own:
                    raise KeeperError(Code.INVALID_ACL, path)
                fixed += own
                if len(fixed) > ACL_ENTRIES_MAX:
                    raise KeeperError(Code.INVALID_ACL, path)
            elif entry.identity == _ANYONE or self._is_valid(entry.identity):
                fixed.append(entry)
            else:
                raise KeeperError(Code.INVALID_ACL, path)
        if not fixed:
            raise KeeperError(Code.INVALID_ACL, path)
        result = tuple(fixed)
        return OPEN_ACL if result == OPEN_ACL else result

    def visible(
        self, acl: tuple[Acl, ...], identities: tuple[Identity, ...], path: str | None = None
    ) -> tuple[Acl, ...]:
        """Return what getACL answers: password hashes are for those with ADMIN only (CVE-2019-0201).

        Raises ``KeeperError(NO_AUTH)`` without READ and ADMIN.
        """
        self.check(acl, Perm.READ | Perm.ADMIN, identities, path)
        try:
            self.check(acl, Perm.ADMIN, identities, path)
        except KeeperError:
            return tuple([Acl(entry.perms, _masked(entry.identity)) for entry in acl])
        return acl

    def _is_proof(self, identity: Identity) -> bool:
        return identity.scheme in _PROVEN and identity.scheme in self.schemes

    def _held(self, identity: Identity, identities: tuple[Identity, ...]) -> bool:
        scheme, who = identity
        if scheme not in self.schemes:
            return False
        if scheme == "digest" or scheme == "x509":
            return identity in identities
        if scheme == "ip":
            return any(held.scheme == "ip" and addresses.matches(held.id, who) for held in identities)
        if scheme == "sasl":
            return any(held.scheme == "sasl" and self._is_sasl_user(held.id, who) for held in identities)
        return False

    def _is_sasl_user(self, user: str, who: str) -> bool:
        return user == who or user == "super" or (who != "" and who == self.any_sasl_user)

    def _is_valid(self, identity: Identity) -> bool:
        scheme, who = identity
        if scheme not in self.schemes:
            return False
        if scheme == "digest":
            # Java's split drops empty parts at the end.
            return len(who.rstrip(":").split(":")) == 2
        if scheme == "ip":
            return addresses.is_valid(who)
        if scheme == "sasl":
            return principals.is_sasl_name(who)
        return scheme == "x509" and principals.is_distinguished_name(who)


def _masked(identity: Identity) -> Identity:
    if identity.scheme != "digest":
        return identity
    user, colon, _ = identity.id.partition(":")
    return Identity("digest", f"{user}:x" if colon else user)
