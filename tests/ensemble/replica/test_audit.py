"""The audit log: who changed what, in Apache's form."""

from __future__ import annotations

from ensemble.errors import Code
from ensemble.replica.access.audit import Audit
from ensemble.replica.config import ZnodeConfig
from ensemble.tree.operations import (
    OPEN_ACL,
    Acl,
    Auth,
    Create,
    CreateMode,
    Delete,
    Identity,
    Multi,
    Op,
    Perm,
    SetAcl,
    SetData,
)
from tests.ensemble.replica.harness import Client, World, client


def audited(**settings: object) -> tuple[World, list[str]]:
    """A world whose first server writes audit lines."""
    world = World(**settings)
    lines: list[str] = []
    world.only.replica.service.audit = Audit(lines.append, "operator")
    return world, lines


def who(user: Client, name: str = "127.0.0.1") -> str:
    return f"session={user.session_id:#x}\tuser={name}\tip=127.0.0.1"


def test_changes_are_told_with_who_made_them() -> None:
    world, lines = audited()
    user = client(world)
    user.create("/a")
    user.create("/a/s-", mode=CreateMode.EPHEMERAL_SEQUENTIAL)
    user.set("/a", b"x")
    user.error(Op.DELETE, Delete("/a/s-0000000000", -1))
    user.error(Op.SET_ACL, SetAcl("/a", (Acl(Perm.READ | Perm.ADMIN, Identity("world", "anyone")),), -1))
    user.get("/a")
    assert lines == [
        f"{who(user)}\toperation=create\tznode=/a\tznode_type=persistent\tresult=success",
        f"{who(user)}\toperation=create\tznode=/a/s-0000000000\tznode_type=ephemeral_sequential\tresult=success",
        f"{who(user)}\toperation=setData\tznode=/a\tresult=success",
        f"{who(user)}\toperation=delete\tznode=/a/s-0000000000\tresult=success",
        f"{who(user)}\toperation=setAcl\tznode=/a\tacl=world:anyone:ra\tresult=success",
    ]


def test_what_is_refused_is_told_with_what_was_asked() -> None:
    world, lines = audited()
    user = client(world)
    assert user.error(Op.DELETE, Delete("/nope", -1)) == Code.NO_NODE
    assert lines == [f"{who(user)}\toperation=delete\tznode=/nope\tresult=failure"]


def test_users_are_named_without_their_passwords() -> None:
    world, lines = audited()
    user = client(world)
    user.error(Op.AUTH, Auth(0, "digest", b"ann:secret"))
    user.create("/a")
    assert lines[-1].startswith(f"{who(user, '127.0.0.1,ann')}\toperation=create")


def test_a_multi_is_told_as_its_parts_or_as_one_failure() -> None:
    world, lines = audited()
    user = client(world)
    create = (int(Op.CREATE), Create("/m", b"", OPEN_ACL, CreateMode.PERSISTENT))
    user.ask(Op.MULTI, Multi([create, (int(Op.SET_DATA), SetData("/m", b"x", -1))]))
    user.ask(Op.MULTI, Multi([create]))
    assert lines == [
        f"{who(user)}\toperation=create\tznode=/m\tznode_type=persistent\tresult=success",
        f"{who(user)}\toperation=setData\tznode=/m\tresult=success",
        f"{who(user)}\toperation=multiOperation\tresult=failure",
    ]


def test_of_what_a_multi_creates_the_kind_is_told_where_apache_tells_it() -> None:
    world, lines = audited(znodes=ZnodeConfig(extended_types=True))
    user = client(world)
    creates = [
        (int(Op.CREATE_CONTAINER), Create("/c", b"", OPEN_ACL, CreateMode.CONTAINER)),
        (int(Op.CREATE), Create("/s-", b"", OPEN_ACL, CreateMode.PERSISTENT_SEQUENTIAL)),
        (int(Op.CREATE_TTL), Create("/t", b"", OPEN_ACL, CreateMode.PERSISTENT_WITH_TTL, 1000)),
    ]
    user.ask(Op.MULTI, Multi([*creates]))
    assert [line.partition("operation=create\t")[2] for line in lines] == [
        "znode=/c\tznode_type=container\tresult=success",
        "znode=/s-0000000001\tresult=success",
        "znode=/t\tresult=success",
    ]


def test_the_end_of_a_session_tells_what_went_with_it() -> None:
    world, lines = audited()
    user = client(world)
    user.create("/e", mode=CreateMode.EPHEMERAL)
    lines.clear()
    assert user.connection is not None
    user.connection.on_closed()
    world.advance(10_000, step_ms=500)
    assert lines == [
        f"session={user.session_id:#x}\tuser=operator\toperation=ephemeralZNodeDeletionOnSessionCloseOrExpire"
        "\tznode=/e\tresult=success"
    ]


def test_the_server_itself_is_told_of() -> None:
    _, lines = audited()
    audit = Audit(lines.append, "operator")
    audit.started()
    audit.stopping()
    audit.failed_to_start()
    assert lines == [
        "user=operator\toperation=serverStart\tresult=success",
        "user=operator\toperation=serverStop\tresult=invoked",
        "user=operator\toperation=serverStart\tresult=failure",
    ]


def test_a_mode_that_is_none_is_a_failure_like_any_other() -> None:
    world, lines = audited()
    user = client(world)
    assert user.error(Op.CREATE, Create("/a", b"", OPEN_ACL, 99)) == Code.BAD_ARGUMENTS
    assert lines == [f"{who(user)}\toperation=create\tznode=/a\tresult=failure"]


def test_nobody_writes_a_line_of_its_own() -> None:
    world, lines = audited()
    user = client(world)
    forged = "/a\nuser=admin\toperation=delete"
    assert user.error(Op.DELETE, Delete(forged, -1)) == Code.NO_NODE
    assert lines == [
        f"{who(user)}\toperation=delete\tznode=/a\\nuser=admin\\toperation=delete\tresult=failure"
    ]
    user.error(Op.AUTH, Auth(0, "digest", "ann\nresult=x\u2028:secret".encode()))
    user.create("/b")
    assert lines[-1].startswith(
        f"{who(user, '127.0.0.1,ann')}\\nresult=x\\u2028\t".replace("\tip=127.0.0.1", "", 1)
    )
