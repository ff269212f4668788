"""Several writes as one: all are carried out, under one zxid, or none is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from ensemble import paths
from ensemble.client.errors import MultiError, code_of
from ensemble.tree.operations import (
    OPEN_ACL,
    Acl,
    Check,
    Create,
    CreateMode,
    Delete,
    Multi,
    Op,
    Operation,
    SetData,
)
from ensemble.wire.replies import OpResult

_ANY_VERSION = -1
_SEQUENTIAL = (
    CreateMode.PERSISTENT_SEQUENTIAL,
    CreateMode.EPHEMERAL_SEQUENTIAL,
    CreateMode.PERSISTENT_SEQUENTIAL_WITH_TTL,
)
_TTL = (CreateMode.PERSISTENT_WITH_TTL, CreateMode.PERSISTENT_SEQUENTIAL_WITH_TTL)


def create_request(
    path: str, data: bytes | None, acl: Sequence[Acl], mode: CreateMode, ttl_ms: int, *, stat: bool
) -> tuple[int, Create]:
    """Return op code and record of a create: the mode decides, and whether a stat is wanted."""
    paths.validate(path, sequential=mode in _SEQUENTIAL)
    if mode in _TTL:
        op = Op.CREATE_TTL
    elif mode is CreateMode.CONTAINER:
        op = Op.CREATE_CONTAINER
    else:
        op = Op.CREATE2 if stat else Op.CREATE
    return op, Create(path, data, tuple(acl), mode, ttl_ms)


class Transaction:
    """Collects operations; ``commit`` sends them as one multi::

    transaction = zk.transaction()
    transaction.check("/owner", version=3)
    transaction.create("/jobs/7", b"...")
    created = (await transaction.commit())[1].path
    """

    def __init__(self, send: Callable[[Multi], Awaitable[list[OpResult]]]) -> None:
        self._send = send
        self._ops: list[tuple[int, Operation]] = []
        self._paths: list[str] = []

    def create(
        self,
        path: str,
        data: bytes | None = b"",
        *,
        acl: Sequence[Acl] = OPEN_ACL,
        mode: CreateMode = CreateMode.PERSISTENT,
        ttl_ms: int = -1,
    ) -> Transaction:
        """Create a znode; its result has ``path`` (and ``stat``, from servers that know create2 inside a
        multi: Apache's 3.8 answers it as a plain create)."""
        op, create = create_request(path, data, acl, mode, ttl_ms, stat=True)
        return self._add(op, create, path)

    def delete(self, path: str, *, version: int = _ANY_VERSION) -> Transaction:
        """Delete a znode of that version."""
        paths.validate(path)
        return self._add(Op.DELETE, Delete(path, version), path)

    def set(self, path: str, data: bytes | None, *, version: int = _ANY_VERSION) -> Transaction:
        """Set the data of a znode of that version; its result has ``stat``."""
        paths.validate(path)
        return self._add(Op.SET_DATA, SetData(path, data, version), path)

    def check(self, path: str, *, version: int = _ANY_VERSION) -> Transaction:
        """Go on only if the znode is there and has that version."""
        paths.validate(path)
        return self._add(Op.CHECK, Check(path, version), path)

    async def commit(self) -> list[OpResult]:
        """Send; return one result for each operation, in order.

        Raises ``MultiError`` for the operation at fault: then nothing was done.
        """
        results = await self._send(Multi(list(self._ops)))
        for index, result in enumerate(results):
            # Before the one at fault stand zeros, so the first other code is its own.
            if result.op == Op.ERROR and result.error:
                path = self._paths[index] if index < len(self._paths) else None
                raise MultiError(code_of(result.error), path, index)
        return results

    def _add(self, op: int, operation: Operation, path: str) -> Transaction:
        self._ops.append((op, operation))
        self._paths.append(path)
        return self
