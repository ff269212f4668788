"""The audit log beside Apache's own: the same operations, the same lines.

Not asked, because they are to differ: Apache 3.8.0 tells of no createTTL outside a multi, and fails to tell of a
request that it cannot read again, or whose mode is none; here that is a failure like any other, its null path an empty
one. What could begin a line or a field of its own is escaped here. Users of one connection, and ephemerals of one
session, come in the order of a hash there.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ensemble.jute import pack_int, pack_long, pack_string
from ensemble.tree.operations import (
    OPEN_ACL,
    Acl,
    Auth,
    Check,
    Create,
    CreateMode,
    Delete,
    Identity,
    Multi,
    Op,
    Operation,
    Perm,
    Read,
    SetAcl,
    SetData,
)
from ensemble.wire.requests import request_frame
from tests.apache import running_apache
from tests.ours import running_ours
from tests.raw import RawClient, raw

pytestmark = [pytest.mark.process, pytest.mark.timeout(300)]

EXTENDED = "extendedTypesEnabled=true\n"
SIMPLE = "-Dorg.slf4j.simpleLogger."
PROPERTIES = (
    "-Dzookeeper.audit.enable=true",
    f"{SIMPLE}defaultLogLevel=off",
    f"{SIMPLE}log.org.apache.zookeeper.audit.Slf4jAuditLogger=info",
    f"{SIMPLE}showThreadName=false",
    f"{SIMPLE}showLogName=false",
)
JARS = ("slf4j-api.jar", "slf4j-simple.jar")
PERSISTENT, EPHEMERAL, SEQUENTIAL = (
    CreateMode.PERSISTENT,
    CreateMode.EPHEMERAL,
    CreateMode.PERSISTENT_SEQUENTIAL,
)
CONTAINER, WITH_TTL = CreateMode.CONTAINER, CreateMode.PERSISTENT_WITH_TTL
AUTH = (Acl(Perm.ALL, Identity("auth", "")),)
LISTED = (
    Acl(Perm.READ | Perm.CREATE, Identity("world", "anyone")),
    Acl(Perm.ALL, Identity("digest", "a:b")),
    Acl(0, Identity("ip", "10.0.0.0/8")),
)


def made(path: str, mode: int = PERSISTENT, acl: tuple[Acl, ...] = OPEN_ACL, ttl_ms: int = -1) -> Create:
    return Create(path, b"", acl, mode, ttl_ms)


def parts(*operations: tuple[Op, Operation]) -> Multi:
    return Multi([(int(op), operation) for op, operation in operations])


OPERATIONS: tuple[tuple[Op, Operation], ...] = (
    (Op.CREATE, made("/a")),
    (Op.CREATE2, made("/a/e", EPHEMERAL)),
    (Op.CREATE, made("/a/s-", SEQUENTIAL)),
    (Op.CREATE2, made("/a/e-", CreateMode.EPHEMERAL_SEQUENTIAL)),
    (Op.CREATE_CONTAINER, made("/c", CONTAINER)),
    (Op.CREATE, made("/é")),
    (Op.CREATE, made("/a")),
    (Op.CREATE, made("/no/parent", SEQUENTIAL)),
    (Op.CREATE, made("no-slash")),
    (Op.CREATE, made("")),
    (Op.CREATE, made("/a/")),
    (Op.CREATE, made("/no-list", acl=())),
    (Op.CREATE, made("/t", WITH_TTL)),
    (Op.CREATE_CONTAINER, made("/c", CONTAINER)),
    (Op.GET_DATA, Read("/a")),
    (Op.EXISTS, Read("/none")),
    (Op.SET_DATA, SetData("/a", b"x", -1)),
    (Op.SET_DATA, SetData("/a", b"x", 7)),
    (Op.SET_DATA, SetData("/none", b"x", -1)),
    (Op.SET_ACL, SetAcl("/none", OPEN_ACL, -1)),
    (Op.SET_ACL, SetAcl("/c", (), -1)),
    (Op.SET_ACL, SetAcl("/c", AUTH, -1)),
    (Op.SET_ACL, SetAcl("/c", OPEN_ACL, -1)),
    (Op.SET_ACL, SetAcl("/a", LISTED, -1)),
    (Op.SET_DATA, SetData("/a", b"not allowed", -1)),
    (Op.DELETE, Delete("/a/e", -1)),
    (Op.DELETE, Delete("/é", -1)),
    (Op.DELETE, Delete("/é", -1)),
    (Op.DELETE, Delete("/", -1)),
    (
        Op.MULTI,
        parts(
            (Op.CREATE, made("/m")),
            (Op.CREATE, made("/m/s-", SEQUENTIAL)),
            (Op.CREATE2, made("/m/e", EPHEMERAL)),
            (Op.CREATE_CONTAINER, made("/m/c", CONTAINER)),
            (Op.CREATE_TTL, made("/m/t", WITH_TTL, ttl_ms=100_000)),
            (Op.SET_DATA, SetData("/m", b"x", -1)),
            (Op.CHECK, Check("/m", -1)),
            (Op.DELETE, Delete("/m/e", -1)),
        ),
    ),
    (Op.MULTI, parts((Op.CREATE, made("/m/x")), (Op.DELETE, Delete("/none", -1)))),
    (Op.MULTI, parts()),
    (Op.MULTI_READ, parts((Op.GET_DATA, Read("/c")))),
    (Op.DELETE, Delete("/m/t", -1)),
)


def play(port: int) -> str:
    """Do all of it; return the session as log lines have it."""
    with raw(port) as zk:
        zk.connect()
        for op, operation in OPERATIONS:
            zk.error(op, operation)
        spoilt(zk)
        for credential in (b"ann:secret", b":nobody"):
            zk.send(zk.request(Op.AUTH, Auth(0, "digest", credential), xid=-4))
            assert zk.frame() is not None
        zk.error(Op.CREATE, made("/ann", acl=AUTH))
        zk.error(Op.SET_ACL, SetAcl("/ann", AUTH, -1))
        zk.error(Op.CREATE, made("/ann/e", EPHEMERAL))
        assert zk.end() == 0
        return f"session={zk.session[0]:#x}\t"


def spoilt(zk: RawClient) -> None:
    """Ask what the audit log tells of though there is nothing in it."""
    reconfig = pack_string("server.9=h:1:2;3") + pack_string(None) + pack_string(None) + pack_long(-1)
    for op, record in (
        (Op.RECONFIG, reconfig),
        (Op.MULTI, b"\0\0"),
        (Op.DELETE, pack_string(None) + pack_int(-1)),
    ):
        zk.xid += 1
        zk.send(request_frame(zk.xid, op, record))
        assert zk.frame() is not None


def lines_of(log: Path, session: str) -> list[str]:
    """The lines about a session, each from its first field on, with names in order and without the order of hashes."""
    lines = [
        line[line.index(session) + len(session) :] for line in log.read_text().splitlines() if session in line
    ]
    told = [
        re.sub(r"user=(\S+)", lambda found: f"user={','.join(sorted(found[1].split(',')))}", line)
        for line in lines
    ]
    ephemerals = [line for line in told if "ephemeralZNodeDeletion" in line]
    return [line for line in told if line not in ephemerals] + sorted(ephemerals)


def test_the_same_operations_make_the_same_lines(tmp_path: Path) -> None:
    theirs, mine = tmp_path / "apache", tmp_path / "ours"
    theirs.mkdir()
    mine.mkdir()
    audit = f"audit.enable=true\ncoordinator.auditFile={mine / 'audit'}\n"
    with (
        running_apache(theirs, EXTENDED, PROPERTIES, JARS) as apache,
        running_ours(mine, EXTENDED + "admin.enableServer=false\n" + audit) as ours,
    ):
        expected = lines_of(theirs / "server.log", play(apache))
        found = lines_of(mine / "audit", play(ours))
    assert len(expected) > len(OPERATIONS)
    assert found == expected
