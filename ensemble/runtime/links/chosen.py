"""Which of the ways to other servers a configuration asks for: plain, by TLS, with SASL, or both."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ensemble.runtime.config.quorum_sasl import QuorumSasl
from ensemble.runtime.links.ways import SecureWays, Ways
from ensemble.runtime.tls.settings import TlsConfig


def ways_of(
    tls: TlsConfig,
    sasl: QuorumSasl | None,
    hosts: Callable[[], Iterable[str]],
    *,
    keep_alive: bool = False,
    log: Callable[[str], None],
) -> Ways:
    """Return the ways that the configuration asks for; ``hosts`` are the names that servers may bear.

    Raises :class:`ConfigError` when a key store cannot be used.
    """
    found = Ways(keep_alive=keep_alive)
    if tls.quorum is not None:
        # Only now: what reads certificates takes long to import.
        from ensemble.runtime.tls.contexts import TlsContexts
        from ensemble.runtime.tls.doorstep import Doorstep

        doorstep = Doorstep(TlsContexts(tls.quorum, log=log), unified=tls.quorum_unified, hosts=hosts)
        found = SecureWays(doorstep, encrypts=tls.quorum_dials, log=log, keep_alive=keep_alive)
    if sasl is not None:
        from ensemble.runtime.links.sasl import SaslWays

        found = SaslWays(found, sasl, log=log)
    return found
