"""What a client is told of its write: the body of the reply, from what the transaction did."""

from __future__ import annotations

from collections.abc import Callable

from ensemble.tree.operations import Op
from ensemble.tree.tree import Outcome
from ensemble.wire import replies


def body_of(op: int, outcome: Outcome) -> bytes:
    """Return the body of the reply to operation ``op``, which was carried out."""
    build = _BODIES.get(op)
    return b"" if build is None else build(outcome)


def _path(outcome: Outcome) -> bytes:
    return replies.path_body(outcome.path or "")


def _path_and_stat(outcome: Outcome) -> bytes:
    return replies.create2_body(outcome.path or "", outcome.stat())


def _data_and_stat(outcome: Outcome) -> bytes:
    return replies.data_body(outcome.node.data if outcome.node is not None else None, outcome.stat())


def _multi(outcome: Outcome) -> bytes:
    return replies.multi_body(
        [
            (part.type, part.error, b"" if part.error else body_of(part.type, part))
            for part in outcome.results or ()
        ]
    )


_BODIES: dict[int, Callable[[Outcome], bytes]] = {
    Op.CREATE: _path,
    Op.CREATE2: _path_and_stat,
    Op.CREATE_CONTAINER: _path_and_stat,
    Op.CREATE_TTL: _path_and_stat,
    Op.SET_DATA: Outcome.stat,
    Op.RECONFIG: _data_and_stat,
    Op.SET_ACL: Outcome.stat,
    Op.MULTI: _multi,
}
"""Deletions and checks have none."""
