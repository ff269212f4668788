"""Several operations as one request: writes that happen together or not at all, and reads in one round trip."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from ensemble.client.caller import ANY_VERSION, Caller
from ensemble.client.chroot import Chroot
from ensemble.client.errors import BadArguments, MultiError, code_of, refusal
from ensemble.client.results import Data
from ensemble.errors import CoordinatorError
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
    Read,
    SetData,
)
from ensemble.tree.owner import TTL_MS_MAX
from ensemble.wire import replies
from ensemble.wire.replies import OpResult, Stat

NO_TTL = -1
_SEQUENTIAL = (
    CreateMode.PERSISTENT_SEQUENTIAL,
    CreateMode.EPHEMERAL_SEQUENTIAL,
    CreateMode.PERSISTENT_SEQUENTIAL_WITH_TTL,
)
_TTL = (CreateMode.PERSISTENT_WITH_TTL, CreateMode.PERSISTENT_SEQUENTIAL_WITH_TTL)


def create_request(
    chroot: Chroot,
    path: str,
    data: bytes | None,
    acl: Sequence[Acl],
    mode: CreateMode,
    ttl_ms: int,
    *,
    stat: bool,
) -> tuple[int, Create]:
    """Return op code and record of a create: the mode decides, and whether a stat is wanted."""
    inside = chroot.inside(path, sequential=mode in _SEQUENTIAL)
    if mode in _TTL and not 0 < ttl_ms <= TTL_MS_MAX:
        raise BadArguments(path, f"ttl must be positive and cannot be larger than: {TTL_MS_MAX}")
    if mode not in _TTL and ttl_ms != NO_TTL:
        raise BadArguments(path, f"a ttl needs a mode with one, such as CreateMode.{_TTL[0].name}")
    if mode in _TTL:
        op = Op.CREATE_TTL
    elif mode is CreateMode.CONTAINER:
        op = Op.CREATE_CONTAINER
    else:
        op = Op.CREATE2 if stat else Op.CREATE
    return op, Create(inside, data, tuple(acl), mode, ttl_ms)


class Transaction:
    """Collects writes; ``commit`` sends them as one multi::

    transaction = zk.transaction()
    transaction.check("/owner", version=3)
    transaction.create("/jobs/7", b"...")
    created = (await transaction.commit())[1].path
    """

    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self._chroot = caller.chroot
        self._ops: list[tuple[int, Operation]] = []
        self._paths: list[str] = []

    def __len__(self) -> int:
        return len(self._ops)

    def create(
        self,
        path: str,
        data: bytes | None = b"",
        *,
        acl: Sequence[Acl] = OPEN_ACL,
        mode: CreateMode = CreateMode.PERSISTENT,
        ttl_ms: int = -1,
    ) -> Self:
        """Create a znode; its result has ``path`` (of a container or with a TTL ``stat``, too).

        A plain create, as Java's client sends: Apache's 3.8 forgets a multi with a create2 when it reads its
        log again.
        """
        op, create = create_request(self._chroot, path, data, acl, mode, ttl_ms, stat=False)
        return self._add(op, create, path)

    def delete(self, path: str, *, version: int = ANY_VERSION) -> Self:
        """Delete a znode of that version."""
        return self._add(Op.DELETE, Delete(self._chroot.inside(path), version), path)

    def set(self, path: str, data: bytes | None, *, version: int = ANY_VERSION) -> Self:
        """Set the data of a znode of that version; its result has ``stat``."""
        return self._add(Op.SET_DATA, SetData(self._chroot.inside(path), data, version), path)

    def check(self, path: str, *, version: int = ANY_VERSION) -> Self:
        """Go on only if the znode is there and has that version."""
        return self._add(Op.CHECK, Check(self._chroot.inside(path), version), path)

    async def commit(self) -> list[OpResult]:
        """Send; return one result for each operation, in order.

        Raises ``MultiError`` for the operation at fault: then nothing was done.
        """
        results = await self._caller.call(Op.MULTI, Multi(list(self._ops)), None, replies.read_multi)
        for index, result in enumerate(results):
            # Before the one at fault stand zeros, so the first other code is its own.
            if result.op == Op.ERROR and result.error:
                path = self._paths[index] if index < len(self._paths) else None
                raise MultiError(code_of(result.error), path, index)
        return [self._outside(result) for result in results]

    def _outside(self, result: OpResult) -> OpResult:
        if result.path is None or not self._chroot.root:
            return result
        return OpResult(result.op, path=self._chroot.outside(result.path), stat=result.stat)

    def _add(self, op: int, operation: Operation, path: str) -> Self:
        self._ops.append((op, operation))
        self._paths.append(path)
        return self


Answer = Data | list[str] | CoordinatorError


class Reads:
    """Collects reads; ``fetch`` sends them as one multiRead::

        host, jobs = await zk.multi_read().get("/host").get_children("/jobs").fetch()

    The answers are of one moment, and stand in the order of the reads.
    """

    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self._ops: list[tuple[int, Operation]] = []
        self._paths: list[str] = []

    def get(self, path: str) -> Self:
        """Read data and stat of a znode."""
        return self._add(Op.GET_DATA, path)

    def get_children(self, path: str) -> Self:
        """Read the names of a znode's children."""
        return self._add(Op.GET_CHILDREN, path)

    async def fetch(self) -> list[Answer]:
        """Send; return ``Data`` or names for each read that succeeded, and its error for one that did not."""
        multi = Multi(list(self._ops))
        results = await self._caller.call(Op.MULTI_READ, multi, None, replies.read_multi)
        return [_answer(result, path) for result, path in zip(results, self._paths, strict=True)]

    def _add(self, op: int, path: str) -> Self:
        self._ops.append((op, Read(self._caller.chroot.inside(path))))
        self._paths.append(path)
        return self


def _answer(result: OpResult, path: str) -> Answer:
    if result.op == Op.ERROR:
        return refusal(result.error, path)
    if result.children is not None:
        return list(result.children)
    assert isinstance(result.stat, Stat)
    return Data(result.data, result.stat)
