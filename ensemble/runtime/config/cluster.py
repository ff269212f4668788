"""Keys about how servers and clients reach each other, and how patient they are.

Source: the administrator's guide; QuorumCnxManager, Learner, Leader and NIOServerCnxnFactory.
"""

from __future__ import annotations

from dataclasses import dataclass

from ensemble.errors import ConfigError
from ensemble.membership import Membership
from ensemble.runtime.config.values import Values


@dataclass(frozen=True, slots=True)
class Cluster:
    """How this server takes part."""

    leader_serves: bool = True
    """Whether clients may connect while this server leads."""
    connect_timeout_ms: int = 5000
    """How long a call to another server may take."""
    listen_on_all_addresses: bool = False
    """Whether the quorum and election ports are opened on every address of the machine."""
    several_addresses: bool = False
    """Whether a server may have more than one address."""
    bind_attempts: int = 1
    """How often to try to open the election port, a second apart; 0 for as long as it takes."""
    keep_alive: bool = False
    """Whether the kernel probes silent links to other servers."""
    client_keep_alive: bool = False
    """Whether the kernel probes silent clients."""


DEFAULTS = Cluster()


def read(values: Values) -> Cluster:
    """Read the keys."""
    return Cluster(
        leader_serves=values.choice("leaderServes", "yes", ("yes", "no")) == "yes",
        connect_timeout_ms=values.number("cnxTimeout", 5000, 1, 3_600_000, "milliseconds"),
        listen_on_all_addresses=values.flag("quorumListenOnAllIPs", default=False),
        several_addresses=values.flag("multiAddress.enabled", default=False),
        bind_attempts=values.number("electionPortBindRetry", 1, 0, 1_000_000, "attempts"),
        keep_alive=values.flag("tcpKeepAlive", default=False),
        client_keep_alive=values.flag("clientTcpKeepAlive", default=False),
    )


def judge(settings: Cluster, membership: Membership) -> None:
    """Raise :class:`ConfigError` for addresses that are not allowed for."""
    several = [server.sid for server in membership.servers if server.further]
    if several and not settings.several_addresses:
        raise ConfigError(
            f"server.{several[0]} has several addresses; set multiAddress.enabled=true or keep one"
        )
