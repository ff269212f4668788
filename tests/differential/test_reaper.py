"""Which containers and TTL znodes Apache's leader deletes by itself, and which ours does: the same."""

from __future__ import annotations

import time

import pytest

from ensemble.jute import BOOL, pack_bytes, pack_int, pack_long, pack_string
from ensemble.tree.operations import OPEN_ACL, Op
from ensemble.wire.records import pack_acl
from tests.differential.runner import Player
from tests.differential.servers import RICH_SETTINGS, running_both
from tests.differential.steps import BASE, Ask, Connect, How, Request

pytestmark = [pytest.mark.process, pytest.mark.timeout(120)]

CHECK_MS = 300
TTL_MS = 400
LATE_S = 20

PERSISTENT, CONTAINER, TTL = 0, 4, 5
STAYING = [
    "a-container-never-used",
    "a-container-in-use",
    "a-ttl-with-a-child",
    "a-ttl-of-an-hour",
    "a-znode",
]
GOING = ["a-container-used", "a-ttl", "a-ttl-used"]


def create(path: str, mode: int, ttl_ms: int = TTL_MS) -> Request:
    op = {CONTAINER: Op.CREATE_CONTAINER, TTL: Op.CREATE_TTL}.get(mode, Op.CREATE)
    record = pack_string(path) + pack_bytes(b"") + pack_acl(OPEN_ACL) + pack_int(mode)
    return Request(int(op), record + (pack_long(ttl_ms) if mode == TTL else b""), f"{op.name} {path!r}", path)


def delete(path: str) -> Request:
    return Request(int(Op.DELETE), pack_string(path) + pack_int(-1), f"DELETE {path!r}", path)


def set_up() -> list[Request]:
    modes = {"a-container": CONTAINER, "a-ttl": TTL}
    requests = [create(BASE, PERSISTENT)]
    for name in (*STAYING, *GOING):
        mode = next((mode for start, mode in modes.items() if name.startswith(start)), PERSISTENT)
        requests.append(create(f"{BASE}/{name}", mode, 3_600_000 if name.endswith("hour") else TTL_MS))
    requests += [
        create(f"{BASE}/{name}/child", PERSISTENT) for name in ("a-container-in-use", "a-ttl-with-a-child")
    ]
    for name in ("a-container-used", "a-ttl-used", "a-znode"):
        requests += [create(f"{BASE}/{name}/child", PERSISTENT), delete(f"{BASE}/{name}/child")]
    return requests


def children(port: int, base: str) -> list[str]:
    record = pack_string(BASE) + BOOL.pack(False)
    ask = Ask(0, (Request(int(Op.GET_CHILDREN), record, "GET_CHILDREN", BASE),))
    (*_, body) = Player(port, base).play([Connect(0, How.NEW), ask])[-1][-1]
    names: list[str] = body[0]
    return names


def play(port: int, base: str, requests: list[Request]) -> None:
    for step in Player(port, base).play([Connect(0, How.NEW), *[Ask(0, (each,)) for each in requests]])[1:]:
        assert step[0][5] == 0, step


def await_staying(ports: tuple[int, ...], base: str) -> None:
    """Wait until what is left on every server is what is to stay."""
    deadline = time.monotonic() + LATE_S
    waiting = list(ports)
    while waiting:
        assert time.monotonic() < deadline, {port: children(port, base) for port in waiting}
        time.sleep(CHECK_MS / 1000)
        waiting = [port for port in waiting if children(port, base) != sorted(STAYING)]


def test_the_same_znodes_go_by_themselves(tmp_path_factory: pytest.TempPathFactory) -> None:
    base = "/d99999999"
    with running_both(tmp_path_factory, RICH_SETTINGS, check_ms=CHECK_MS) as ports:
        for port in ports:
            play(port, base, set_up())
        await_staying(ports, base)
        # A look that takes this one has looked at all the others once more.
        for port in ports:
            play(port, base, [create(f"{BASE}/a-later-ttl", TTL)])
        await_staying(ports, base)
