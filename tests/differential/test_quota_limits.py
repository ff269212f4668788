"""Limits of a quota in odd texts, asked of Apache's server and of ours where limits are enforced."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ensemble.tree.operations import OPEN_ACL, Check, Create, Delete, Multi, Op, SetData
from tests.differential.servers import RICH_SETTINGS, running_both
from tests.differential.wire.frames import MARSHALLING_ERROR, OK, create
from tests.raw import raw

pytestmark = [pytest.mark.process, pytest.mark.timeout(300)]

READABLE = (
    b"",
    b"count=100,,bytes=100",
    b"\xff=1",
    b"count=100,bytes=100=;",
    b"=5",
    b" count=5",
    b"count=-5,bytes=-9",
)
UNREADABLE = (
    b"garbage",
    None,
    b"count=x,bytes=1",
    b"count=,bytes=5",
    b"count,bytes",
    b"count=+7,bytes=99999999999999999999",
    b",count=5",
    b"count= 5",
)


@pytest.fixture(scope="module")
def ports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, int]]:
    with running_both(tmp_path_factory, RICH_SETTINGS) as both:
        yield both


def answers(port: int, number: int, limits: bytes | None) -> list[int]:
    """What writes below a quota with ``limits`` are answered, and one when the limits are set anew."""
    path, quota = f"/{number}", f"/zookeeper/quota/{number}"
    with raw(port) as zk:
        zk.connect()
        for each in (path, f"{path}/old", quota):
            assert zk.create(each) == OK
        assert zk.error(Op.CREATE, Create(f"{quota}/zookeeper_limits", limits, OPEN_ACL, 0)) == OK
        assert zk.error(Op.CREATE, Create(f"{quota}/zookeeper_stats", b"count=0,bytes=0", OPEN_ACL, 0)) == OK
        return [
            zk.create(f"{path}/a"),
            zk.error(Op.SET_DATA, SetData(path, b"xx", -1)),
            zk.error(Op.SET_DATA, SetData(f"{path}/old", b"", 0)),
            zk.error(Op.MULTI, Multi([(int(Op.CHECK), Check(path, -1)), create(f"{path}/b")])),
            zk.error(Op.DELETE, Delete(f"{path}/old", -1)),
            zk.error(Op.SET_DATA, SetData(f"{quota}/zookeeper_limits", b"count=9,bytes=9", -1)),
            zk.create(f"{path}/c"),
        ]


def test_limits_that_cannot_be_read_allow_nothing_below_them(ports: tuple[int, int]) -> None:
    for number, limits in enumerate(UNREADABLE):
        expected = [MARSHALLING_ERROR] * 4 + [OK] * 3
        assert [answers(port, number, limits) for port in ports] == [expected, expected]


def test_odd_limits_that_can_be_read_limit_what_they_say(ports: tuple[int, int]) -> None:
    for number, limits in enumerate(READABLE, len(UNREADABLE)):
        assert [answers(port, number, limits) for port in ports] == [[OK] * 7] * 2
