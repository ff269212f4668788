"""A client's history written by hand, true or false."""

from __future__ import annotations

from struct import Struct

import pytest

from ensemble.simulator.checks import checkers, watching
from ensemble.simulator.checks.checkers import HistoryViolation
from ensemble.simulator.checks.model import Model
from ensemble.simulator.clients.history import (
    Answer,
    Attached,
    Call,
    History,
    Replied,
    Seen,
)
from ensemble.tree.operations import (
    OPEN_ACL,
    Create,
    CreateMode,
    Op,
    Operation,
    Read,
    SetData,
)
from ensemble.zxid import make

_HEADER = Struct(">qiqqi")

SESSION, OTHER = 0x11, 0x22

CLIENT = 1001


class Run:
    """Writes a history by hand: what is logged and what was told are stated apart."""

    def __init__(self) -> None:
        self.history = History()
        self.log: list[tuple[int, bytes]] = []
        self.stream: list[Seen] = self.history.streams.setdefault(CLIENT, [])
        self._cxids: dict[int, int] = {}
        self._now = 0
        self._truth = Model()
        self.txn(SESSION, 0, Op.CREATE_SESSION)
        self._truth.open_session(SESSION)
        self.stream.append(Attached(SESSION, 1, resumed=False, relative_zxid=0))

    @property
    def zxid(self) -> int:
        return self.log[-1][0]

    def txn(self, session: int, cxid: int, kind: int, error: int = 0) -> int:
        zxid = make(1, len(self.log) + 1)
        payload = _HEADER.pack(session, cxid, zxid, 5, kind)
        self.log.append(
            (zxid, payload + (error.to_bytes(4, "big", signed=True) if kind == Op.ERROR else b""))
        )
        return zxid

    def call(self, op: int, operation: Operation, session: int = SESSION) -> Call:
        self._cxids[session] = self._cxids.get(session, 0) + 1
        self._now += 10
        call = Call(CLIENT, session, self._cxids[session], op, operation, self._now, 1)
        self.history.calls.append(call)
        return call

    def reply(self, call: Call, answer: Answer, zxid: int) -> Call:
        self._now += 10
        call.returned_us, call.answer, call.zxid = self._now, answer, zxid
        self.stream.append(Replied(call))
        return call

    def write(self, op: int, operation: Operation, session: int = SESSION) -> Call:
        """A write that is logged and answered as it should be."""
        call = self.call(op, operation, session)
        zxid = make(1, len(self.log) + 1)
        answer = self._truth.write(session, op, operation, zxid, 5)
        self.txn(session, call.cxid, Op.ERROR if answer.error else op, answer.error)
        return self.reply(call, answer, zxid)

    def reap(self, path: str, at_ms: int) -> None:
        """A deletion by the ensemble itself."""
        zxid = make(1, len(self.log) + 1)
        name = path.encode()
        payload = _HEADER.pack(0, 0, zxid, at_ms, Op.DELETE_CONTAINER) + len(name).to_bytes(4, "big") + name
        self.log.append((zxid, payload))
        self._truth.reap(path, zxid, at_ms)

    def read(self, op: int, path: str, *, watch: bool = False) -> Call:
        """A read that is answered as it should be, now."""
        call = self.call(op, Read(path, watch))
        return self.reply(call, self._truth.read(op, Read(path)), self.zxid)

    def create(self, path: str, mode: int = CreateMode.PERSISTENT) -> Call:
        return self.write(Op.CREATE, Create(path, b"x", OPEN_ACL, mode))

    def set(self, path: str) -> Call:
        return self.write(Op.SET_DATA, SetData(path, b"y", -1))

    def judge(self) -> None:
        replay = checkers.check(self.history, self.log)
        watching.check_watches(self.history, replay)


def assert_fails(run: Run, checker: str) -> None:
    """Judge, and be told of a violation by this checker."""
    with pytest.raises(HistoryViolation) as caught:
        run.judge()
    assert caught.value.checker == checker, str(caught.value)
