"""What servers say to each other, as values; ``wire`` turns them into Apache's bytes.

Names and numbers are Apache's (Leader.java, QuorumPacket, FastLeaderElection.Notification).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum


class PacketType(IntEnum):
    """Types of the packets on the quorum port."""

    REQUEST = 1
    PROPOSAL = 2
    ACK = 3
    COMMIT = 4
    PING = 5
    REVALIDATE = 6
    SYNC = 7
    INFORM = 8
    COMMITANDACTIVATE = 9
    NEWLEADER = 10
    FOLLOWERINFO = 11
    UPTODATE = 12
    DIFF = 13
    TRUNC = 14
    SNAP = 15
    OBSERVERINFO = 16
    LEADERINFO = 17
    ACKEPOCH = 18
    INFORMANDACTIVATE = 19


@dataclass(slots=True)
class Packet:
    """One packet on the quorum port.

    ``data`` is opaque here. For a SNAP received it is the whole snapshot: on the wire that is the packet with
    null data, the raw stream and its closing signature, which ``wire`` adds and takes away.
    """

    type: int
    zxid: int
    data: bytes | None = None
    auth: tuple[tuple[str, str], ...] = ()
    """(scheme, id) pairs, carried by REQUEST only."""


Run = Sequence[tuple[int, bytes | None]]
"""Packets of one kind that go together: the zxid and the data of each."""


class ServerState(IntEnum):
    """What a server says of itself in an election message."""

    LOOKING = 0
    FOLLOWING = 1
    LEADING = 2
    OBSERVING = 3


@dataclass(slots=True, frozen=True)
class Vote:
    """A proposed leader: compared by (epoch, zxid, sid), the greater wins."""

    leader: int
    zxid: int
    epoch: int

    def beats(self, other: Vote) -> bool:
        """Tell whether this vote is strictly better than ``other``."""
        return (self.epoch, self.zxid, self.leader) > (other.epoch, other.zxid, other.leader)


@dataclass(slots=True, frozen=True)
class Notification:
    """One election message: the sender's state, its vote, and the round (logical clock) it votes in."""

    sender: int
    state: ServerState
    vote: Vote
    round: int
    config: bytes = b""
    """The sender's quorum configuration text, as Apache's version-2 notifications carry."""


@dataclass(slots=True, frozen=True)
class LearnerInfo:
    """The data of FOLLOWERINFO and OBSERVERINFO."""

    sid: int
    protocol_version: int
    config_version: int


PROTOCOL_VERSION = 0x10000
"""ZAB 1.0, as spoken since ZooKeeper 3.4."""
