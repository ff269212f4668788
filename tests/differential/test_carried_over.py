"""TTL znodes, containers and quotas on disk: one kind of server goes on where the other has stopped."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from ensemble.jute import BOOL, pack_bytes, pack_int, pack_long, pack_string
from ensemble.tree.operations import OPEN_ACL, Op
from ensemble.wire.records import pack_acl
from tests.differential.runner import Player, Seen
from tests.differential.servers import RICH_SETTINGS, running_apaches, running_ours
from tests.differential.steps import Ask, Connect, How, Request

pytestmark = [pytest.mark.process, pytest.mark.timeout(120)]

BASE = "/d00000000"
QUOTA = f"/zookeeper/quota{BASE}"
PATHS = ["t", "t/child", "c", "c/child"]
Server = Callable[[Path, str], AbstractContextManager[int]]
SERVERS: tuple[Server, Server] = (running_ours, running_apaches)


def create(path: str, data: bytes = b"", op: Op = Op.CREATE2, mode: int = 0) -> Request:
    record = pack_string(path) + pack_bytes(data) + pack_acl(OPEN_ACL) + pack_int(mode)
    return Request(int(op), record + (pack_long(3_600_000) if op == Op.CREATE_TTL else b""), path, path)


def read(path: str) -> Request:
    return Request(int(Op.GET_DATA), pack_string(path) + BOOL.pack(False), path, path)


def ask(port: int, *requests: Request) -> list[Seen]:
    """Send requests one after the other; return the answers without the numbers of the transactions."""
    steps = Player(port, BASE).play([Connect(0, How.NEW), *[Ask(0, (request,)) for request in requests]])
    return [(seen[5], seen[6]) for ((*seen,),) in steps[1:]]


SET_UP = [
    create(BASE, b"12"),
    create(QUOTA),
    create(f"{QUOTA}/zookeeper_limits", b"count=-1,bytes=-1=;countHardLimit=6"),
    create(f"{QUOTA}/zookeeper_stats", b"count=0,bytes=0"),
    create(f"{BASE}/t", b"345", Op.CREATE_TTL, 5),
    create(f"{BASE}/t/child"),
    create(f"{BASE}/c", b"6", Op.CREATE_CONTAINER, 4),
    create(f"{BASE}/c/child"),
]


@pytest.mark.parametrize(("first", "second"), [SERVERS, SERVERS[::-1]])
def test_what_one_wrote_the_other_reads(tmp_path: Path, first: Server, second: Server) -> None:
    everything = [
        *[read(f"{BASE}/{path}") for path in PATHS],
        read(f"{QUOTA}/zookeeper_stats"),
        read(f"{QUOTA}/zookeeper_limits"),
    ]
    with first(tmp_path, RICH_SETTINGS) as port:
        assert {error for error, _ in ask(port, *SET_UP)} == {0}
        before = ask(port, *everything)
    with second(tmp_path, RICH_SETTINGS) as port:
        assert ask(port, *everything) == before
        answers = ask(port, create(f"{BASE}/t/more"), create(f"{BASE}/t/too-much"), everything[-2])
        assert [error for error, _ in answers] == [0, -125, 0]
    with first(tmp_path, RICH_SETTINGS) as port:
        (error, (data, _)), *_ = ask(port, everything[-2])
        assert (error, data) == (0, b"count=6,bytes=6")
