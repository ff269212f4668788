"""The keys about SASL between servers: ``quorum.auth.*``, and the JAAS file with its two sections.

Source: QuorumPeerConfig, QuorumAuth, QuorumPeer.initialize.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ensemble.errors import ConfigError
from ensemble.runtime.config.sources import read_text
from ensemble.runtime.config.values import Values
from ensemble.sasl.jaas import Jaas

JAAS_FILE = "java.security.auth.login.config"
LEARNER_SECTION = "QuorumLearner"
SERVER_SECTION = "QuorumServer"


@dataclass(frozen=True, slots=True)
class QuorumSasl:
    """Who this server is among the others, and whom it lets in."""

    accounts: Mapping[str, str] = field(repr=False)
    """Who may come in, with their passwords."""
    login: tuple[str, str] | None = field(repr=False)
    """User and password to show where we connect; None when nothing is shown."""
    required: bool
    """Whether a server that does not prove itself is turned away."""


def read(values: Values) -> QuorumSasl | None:
    """Read the keys; None when servers take each other at their word."""
    enabled = values.flag("quorum.auth.enableSasl", default=False)
    required = values.flag("quorum.auth.serverRequireSasl", default=False)
    shown = values.flag("quorum.auth.learnerRequireSasl", default=False)
    for key, is_set in (("serverRequireSasl", required), ("learnerRequireSasl", shown)):
        if is_set and not enabled:
            raise ConfigError(
                f"quorum.auth.{key}=true needs quorum.auth.enableSasl=true; set both, or drop the line"
            )
    if required and not shown:
        raise ConfigError(
            "quorum.auth.serverRequireSasl=true needs quorum.auth.learnerRequireSasl=true, or no server lets another in;"
            " set both"
        )
    if not enabled:
        return None
    path = values.text(JAAS_FILE)
    if not path:
        raise ConfigError(
            f"quorum.auth.enableSasl=true needs to know who is who; set {JAAS_FILE} to a JAAS file"
            f" with the sections {SERVER_SECTION} and {LEARNER_SECTION}"
        )
    jaas = Jaas(read_text(Path(path), JAAS_FILE, "give the path of a JAAS file"), path)
    server = values.text("quorum.auth.server.saslLoginContext", SERVER_SECTION)
    learner = values.text("quorum.auth.learner.saslLoginContext", LEARNER_SECTION)
    return QuorumSasl(
        accounts=jaas.accounts(server), login=jaas.login(learner) if shown else None, required=required
    )
