"""Who a client may be, and what it must prove: the settings of one server, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ensemble.tree.access.access import Policy


@dataclass(frozen=True, slots=True)
class AccessConfig:
    """The schemes of this server, who is ``super`` under each, and which of them a client must have passed."""

    policy: Policy = field(default_factory=Policy)
    """Which schemes there are: here, and in access lists."""
    digest_algorithm: str = "sha1"
    """Of scheme digest, as hashlib names it (``DigestAuthenticationProvider.digestAlg``)."""
    super_digest: str = field(default="", repr=False)
    """``user:hash`` of the digest user who is ``super``; empty for nobody."""
    x509_super_user: str = ""
    """The subject of the certificate whose owner is ``super``; empty for nobody."""
    sasl_super_users: frozenset[str] = frozenset()
    sasl_accounts: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Users and their passwords for SASL DIGEST-MD5; without any this server offers no SASL."""
    sasl_failed_allowed: bool = False
    """Whether a client whose SASL failed may go on without (``allowSaslFailedClients``)."""
    ensemble_names: frozenset[str] | None = None
    """What a client may take this ensemble for (scheme ``ensemble``); None when any name will do."""
    required_schemes: frozenset[str] = frozenset()
    """A client may ask for nothing before it has passed one of these; empty when none is required."""

    @property
    def sasl_required(self) -> bool:
        """Whether SASL is one of the schemes a client must have passed."""
        return "sasl" in self.required_schemes
