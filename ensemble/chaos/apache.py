"""Apache's servers in a chaos run: a nursery some of whose children are theirs, on the same zoo.cfg.

What is done to processes and links is done to them too. Faults of disks are not: the shim is below our servers
only. Where they are known to break a promise, the deviation has a name here, and a run says how often it was met.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from ensemble.errors import ConfigError
from ensemble.runtime.supervision import nursery
from ensemble.zxid import epoch_of

VARIABLE = "CHAOS_APACHE"
"""The server ids that are Apache's, separated by commas."""
JARS = Path("/usr/share/java")
MAIN = "org.apache.zookeeper.server.quorum.QuorumPeerMain"
OPTIONS = (
    "-Xmx256m",
    "-XX:TieredStopAtLevel=1",
    # A server that looks for a leader repeats itself ever more rarely, in the end once a minute.
    "-Dzookeeper.fastleader.maxNotificationInterval=1000",
)
VAGUE_EVENTS = "they met a server of Apache's before 3.9, whose events do not say which change they tell of"
UNCONFIRMED_SYNC = "a leader answers a sync without asking a quorum whether it leads (ZOOKEEPER-1675)"
UNAPPLIED_SYNC = (
    "a leader answers a sync of its own client before it has applied all that it has committed itself"
)
UNKNOWN_SESSION = "a leader that was replaced calls a session expired that lives on"
EARLY_EXPIRY = "a leader that finds the time of a session over refuses what it asks for, until the transaction that ends it"
STALE_SNAPSHOT = (
    "a server that leads takes a snapshot of what only it has logged; when it is cut off its log later, the snapshot "
    "stays and is loaded (ZOOKEEPER-4837)"
)

_SENT_SNAPSHOT = re.compile(r"Sending snapshot .*send zxid of db as 0x([0-9a-f]+)")
_LED = re.compile(r"Have quorum of supporters.*setting last processed zxid: 0x([0-9a-f]+)$", re.MULTILINE)
_ROLE_OR_SNAPSHOT = re.compile(
    r"QuorumPeer - (?P<role>LOOKING|FOLLOWING|LEADING)$|Snapshotting: 0x(?P<zxid>[0-9a-f]+)", re.MULTILINE
)


def snapshots_sent(log: str) -> set[int]:
    """Return the zxids of the snapshots that a leader says it has sent to learners."""
    return {int(zxid, 16) for zxid in _SENT_SNAPSHOT.findall(log)}


def epochs_led(log: str) -> set[int]:
    """Return the epochs in which a server says it led."""
    return {epoch_of(int(zxid, 16)) for zxid in _LED.findall(log)}


def snapshots_taken_leading(log: str) -> set[int]:
    """Return the zxids of the snapshots that a server says it took after it was elected."""
    leading, taken = False, set()
    for found in _ROLE_OR_SNAPSHOT.finditer(log):
        if found["role"]:
            leading = found["role"] == "LEADING"
        elif leading:
            taken.add(int(found["zxid"], 16))
    return taken


def check() -> None:
    """Raise :class:`ConfigError` when there is no such server on this machine."""
    if shutil.which("java") is None or not (JARS / "zookeeper.jar").exists():
        raise ConfigError(
            "servers of Apache's need Java and its zookeeper.jar; install libzookeeper-java and a JRE, "
            "or leave out --apache"
        )


class MixedNursery(nursery.Nursery):
    """Some of its children become Apache's server."""

    def serve(self, sid: int, config: str, listening: Callable[[], None]) -> int:
        """Be our server, or become Apache's, which says nothing when it listens: whoever waits has to ask it."""
        if str(sid) not in os.environ.get(VARIABLE, "").split(","):
            return super().serve(sid, config, listening)
        listening()
        environment = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
        # This logger first: of several that are installed, the first one found is used.
        path = f"{JARS}/slf4j-simple.jar:{JARS}/zookeeper.jar:{JARS}/*"
        sys.stderr.flush()
        return os.execvpe("java", ["java", *OPTIONS, "-cp", path, MAIN, config], environment)  # noqa: S606, S607


if __name__ == "__main__":
    nursery.main(MixedNursery)
