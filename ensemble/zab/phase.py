"""The phases of ZAB, named as in the paper and in Apache's ZabState."""

from __future__ import annotations

from enum import Enum


class Phase(Enum):
    """What a server is doing towards one order of transactions."""

    ELECTION = "election"
    DISCOVERY = "discovery"
    SYNCHRONIZATION = "synchronization"
    BROADCAST = "broadcast"
