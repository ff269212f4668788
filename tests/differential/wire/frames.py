"""What tests of single frames say and hear."""

from __future__ import annotations

from ensemble.errors import Code
from ensemble.tree.operations import (
    OPEN_ACL,
    Create,
    Op,
    Operation,
)
from ensemble.wire import replies

INT_MIN = -(2**31)

OK, NO_NODE, MARSHALLING_ERROR, UNIMPLEMENTED, BAD_ARGUMENTS = (
    Code.OK,
    Code.NO_NODE,
    Code.MARSHALLING_ERROR,
    Code.UNIMPLEMENTED,
    Code.BAD_ARGUMENTS,
)

EXPIRED = replies.ConnectReply(0, 0, 0, bytes(16), False)

NOT_REACHED = Code.RUNTIME_INCONSISTENCY


def header(frame: bytes | None) -> tuple[int, int, int]:
    assert frame is not None, "the server has hung up"
    return replies.decode_header(frame)


def create(path: str, mode: int = 0) -> tuple[int, Operation]:
    return int(Op.CREATE), Create(path, b"", OPEN_ACL, mode)


def results(frame: bytes) -> list[tuple[int, int]]:
    """Op and error of each part of a multi's answer."""
    return [(int(part.op), part.error) for part in replies.read_multi(replies.body_reader(frame))]
