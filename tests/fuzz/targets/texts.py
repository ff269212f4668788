"""What people write: zoo.cfg, memberships, JAAS files. Errors are sentences, and each is a ConfigError."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

from ensemble.errors import ConfigError
from ensemble.membership import Membership, parse
from ensemble.runtime.config import properties
from ensemble.runtime.config.server import read
from ensemble.runtime.config.sources import gather
from ensemble.sasl.jaas import Jaas
from ensemble.tree.operations import Op, Reconfig
from tests.ensemble.replica.harness import World
from tests.fuzz.rooms import Kept, Room
from tests.fuzz.target import Target, held_at_most

_CONFIG = b"""tickTime=2000
dataDir=/tmp/absent
clientPort=2181
initLimit=10
syncLimit=5
maxClientCnxns=60
4lw.commands.whitelist=srvr, ruok
server.1=h1:2888:3888:participant;2181
server.2=[::1]:2888:3888|h2:2889:3889
server.3=h3:2888:3888:observer
group.1=1:2
weight.1=2
authProvider.1=org.apache.zookeeper.server.auth.SASLAuthenticationProvider
reconfigEnabled=true
key \\
  =continued \\u0041\\n
"""
_MEMBERSHIP = b"server.1=h1:1:2:participant;0.0.0.0:3\nserver.2=[::1]:1:2|h:3:4:observer\ngroup.1=1\nweight.1=3\nversion=100000001"
_JAAS = b"""// who is who
Server {
    org.apache.zookeeper.server.auth.DigestLoginModule required
    user_ann="sec\\"ret" /* or not */
    user_bob="hidden";
};
Client { org.apache.zookeeper.server.auth.DigestLoginModule required username="ann" password="x"; };
"""


def _sentence(error: ConfigError) -> None:
    """What is said can be printed."""
    str(error).encode("utf-8", "backslashreplace")


_DIRECTORY = Path(tempfile.mkdtemp(prefix="fuzz-"))
atexit.register(shutil.rmtree, _DIRECTORY, ignore_errors=True)


def _feed_config(data: bytes) -> None:
    path = _DIRECTORY / "zoo.cfg"
    path.write_bytes(data.replace(b"dynamicConfigFile", b"dynamicfile"))
    (_DIRECTORY / "myid").write_text("1")
    try:
        gather(path)
        read(path, [f"dataDir={_DIRECTORY}"])
    except ConfigError as error:
        _sentence(error)


def _feed_membership(data: bytes) -> None:
    """Texts come from other servers, from clients that reconfigure, and from files."""
    text = data.decode(errors="replace")
    list(properties.logical_lines(text))
    try:
        found: Membership = parse(text)
    except ConfigError as error:
        _sentence(error)
        return
    assert parse(found.text()).text() == found.text()
    assert 0 <= found.version < 1 << 63


def _reconfigurable() -> Room:
    room = Room(World(voters=2, reconfig_enabled=True))
    room.witness(room.world.leader)
    return room


def _reconfigure(room: Room, data: bytes) -> None:
    joining, leaving, new, *_ = [*data.decode(errors="replace").split("\0"), "", "", ""]
    zk = room.witness(room.world.leader)
    zk.send(zk.request(Op.RECONFIG, Reconfig(joining, leaving, new, -1)))
    room.world.settle()
    assert zk.closed or zk.headers()


_reconfiguration = Kept(_reconfigurable, _reconfigure)


def _feed_reconfig(data: bytes) -> None:
    """The texts of a client that changes the membership; all of them between zero bytes."""
    _reconfiguration.feed(data)


def _feed_jaas(data: bytes) -> None:
    try:
        found = Jaas(data.decode(errors="replace"), "the file")
        for section in ("Server", "Client", "QuorumServer", "QuorumLearner"):
            if section in found:
                try:
                    found.accounts(section)
                    found.login(section)
                except ConfigError as error:
                    _sentence(error)
    except ConfigError as error:
        _sentence(error)


def _reconfig_seeds() -> Iterable[bytes]:
    yield b"server.3=h3:1:2:participant;3\0" + b"\0"
    yield b"\0" + b"1,2\0"
    yield b"\0\0" + _MEMBERSHIP.replace(b"\n", b",")


TARGETS = (
    Target(
        "zoo-cfg",
        "admin input",
        "Whatever stands in zoo.cfg, it is read or refused with one ConfigError that can be printed.",
        _feed_config,
        lambda: [_CONFIG],
        words=tuple(line + b"\n" for line in _CONFIG.splitlines()),
        memory=held_at_most,
        examples=120,
    ),
    Target(
        "membership",
        "admin input",
        "Whatever text is given for a membership, it reads, and then says the same when written, or is a ConfigError.",
        _feed_membership,
        lambda: [_MEMBERSHIP],
        size_max=20_000,
        words=(b"version=", b"server.1=", b"9" * 5000, "²٣".encode(), b"group.1=", b"weight.", b"\x1c", b"|"),
        memory=held_at_most,
        examples=300,
    ),
    Target(
        "reconfig",
        "admin input",
        "Whatever a client asks the membership to become, it is answered, and the leader goes on.",
        _feed_reconfig,
        _reconfig_seeds,
        size_max=20_000,
        words=(b"server.1=", b"9" * 5000, "²".encode(), b",", b"\0"),
        examples=60,
    ),
    Target(
        "jaas",
        "admin input",
        "Whatever stands in a JAAS file, it is read or is one ConfigError.",
        _feed_jaas,
        lambda: [_JAAS],
        words=(b"user_", b'"', b"/*", b"*/", b"};"),
        memory=held_at_most,
        examples=200,
    ),
)
