"""Multis: what their parts amount to, and the shape of a refused one. Nothing or all of them happens."""

from __future__ import annotations

from ensemble.errors import Code, KeeperError
from ensemble.tree.operations import Create, CreateMode, Op, Operation
from ensemble.tree.txns import ErrorTxn, MultiTxn

PARTS: frozenset[int] = frozenset(
    {Op.CREATE, Op.CREATE2, Op.CREATE_CONTAINER, Op.CREATE_TTL, Op.DELETE, Op.SET_DATA, Op.CHECK}
)
"""What a multi can be made of."""

_CREATE = int(Op.CREATE)
_CREATE_CONTAINER = int(Op.CREATE_CONTAINER)
_ERROR = int(Op.ERROR)
_WITH_TTL = (CreateMode.PERSISTENT_WITH_TTL, CreateMode.PERSISTENT_SEQUENTIAL_WITH_TTL)


def part_of(op: int, operation: Operation) -> tuple[int, Operation]:
    """Return what a part of a multi amounts to; raise MARSHALLING_ERROR for what cannot be one.

    Inside a multi the mode of a create outranks its code, and a time to live without the mode for it is
    dropped (Apache's MultiOperationRecord and Op.create).
    """
    if op not in PARTS:
        raise KeeperError(Code.MARSHALLING_ERROR)
    if not isinstance(operation, Create):
        return op, operation
    mode = operation.mode
    if op == Op.CREATE_TTL:
        if mode in _WITH_TTL:
            return op, operation
        operation = Create(operation.path, operation.data, operation.acl, mode)
        op = _CREATE
    elif not 0 <= mode <= CreateMode.CONTAINER:
        raise KeeperError(Code.MARSHALLING_ERROR)
    return _CREATE_CONTAINER if mode == CreateMode.CONTAINER else op, operation


def refused(count: int, at: int, code: Code) -> MultiTxn:
    """Shape a refused multi: 0 before the part that failed, its code, then "did not get that far"."""
    codes = [int(Code.OK)] * at + [int(code)] + [int(Code.RUNTIME_INCONSISTENCY)] * (count - at - 1)
    return MultiTxn([(_ERROR, ErrorTxn(each)) for each in codes])
