"""Where the servers of these tests listen."""

from __future__ import annotations

import socket

from ensemble.membership import ServerAddress

HOST = "127.0.0.1"


def free_ports(count: int) -> list[int]:
    """Return ports that nobody listens on, all different."""
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind((HOST, 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def addresses(*sids: int) -> list[ServerAddress]:
    """Return servers on this machine."""
    ports = free_ports(2 * len(sids))
    return [ServerAddress(sid, HOST, ports[2 * i], ports[2 * i + 1]) for i, sid in enumerate(sids)]
