"""Quotas: limits on how many znodes, and how many bytes of data, there are at and below a path.

They are znodes themselves, below ``/zookeeper/quota``. A soft limit is logged by the servers when exceeded; a
hard one refuses the write (servers of 3.7 and newer with ``enforceQuota``). Facts: StatsTrack, Quotas.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Self, TypeVar

from ensemble import paths
from ensemble.client.caller import Caller
from ensemble.client.chroot import Chroot
from ensemble.client.errors import BadArguments, MultiError, NoNode, NotEmpty
from ensemble.client.subtree import Subtrees
from ensemble.client.watches import Watcher, WatchKind
from ensemble.errors import Code
from ensemble.jute import Reader
from ensemble.tree.operations import Operation

T = TypeVar("T")

ROOT: Final = "/zookeeper/quota"
LIMITS: Final = "zookeeper_limits"
STATS: Final = "zookeeper_stats"
UNLIMITED: Final = -1


def _numbers(text: bytes) -> dict[str, int]:
    """Read ``count=5,bytes=-1=;countHardLimit=7``: the second ``=`` is there for readers of 3.4."""
    numbers: dict[str, int] = {}
    for pair in text.decode().replace(";", ",").split(","):
        name, _, number = pair.rstrip("=").partition("=")
        if name:
            numbers[name] = int(number or UNLIMITED)
    return numbers


@dataclass(frozen=True, slots=True)
class Quota:
    """Limits; -1 is none. Names of znodes do not count as bytes of data."""

    count: int = UNLIMITED
    data_bytes: int = UNLIMITED
    count_hard: int = UNLIMITED
    data_bytes_hard: int = UNLIMITED

    @classmethod
    def parse(cls, text: bytes) -> Self:
        """Read what a server keeps."""
        numbers = _numbers(text)
        names = ("count", "bytes", "countHardLimit", "byteHardLimit")
        return cls(*[numbers.get(name, UNLIMITED) for name in names])

    def encode(self) -> bytes:
        """Write what a server keeps."""
        hard = f"byteHardLimit={self.data_bytes_hard};countHardLimit={self.count_hard}"
        return f"count={self.count},bytes={self.data_bytes}=;{hard}".encode()


@dataclass(frozen=True, slots=True)
class Usage:
    """What is used of a quota: znodes and bytes of data at and below its path."""

    count: int
    data_bytes: int

    @classmethod
    def parse(cls, text: bytes) -> Self:
        """Read what a server keeps."""
        numbers = _numbers(text)
        return cls(numbers.get("count", 0), numbers.get("bytes", 0))


class _Unrooted(Subtrees):
    """The same client without its chroot: quotas lie outside."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self.chroot = Chroot()

    async def call(
        self,
        op: int,
        operation: Operation,
        path: str | None,
        read: Callable[[Reader], T],
        *,
        watch: Watcher | None = None,
        watch_kind: WatchKind = WatchKind.DATA,
    ) -> T:
        return await self._caller.call(op, operation, path, read, watch=watch, watch_kind=watch_kind)


class Quotas(Subtrees):
    """Operations on the quota of a path."""

    async def set_quota(self, path: str, quota: Quota) -> None:
        """Put limits on what is at and below ``path``, in place of those it had; ``NoNode`` when there is no
        such znode. Servers count one quota along a path, so ``BadArguments`` when a znode above or below has
        one, and for the root, whose quota no server looks at."""
        if await self.exists(path) is None:
            raise NoNode(path)
        zk, directory = _Unrooted(self), self._quota_directory(path)
        await self._refuse_nesting(zk, path, directory)
        await zk.ensure_path(directory)
        # The server counts what there is when the znode for it is created, behind that of the limits.
        both = zk.transaction().create(f"{directory}/{LIMITS}", quota.encode())
        both.create(f"{directory}/{STATS}", b"count=0,bytes=0")
        try:
            await both.commit()
        except MultiError as error:
            if error.code is not Code.NODE_EXISTS:
                raise
            await zk.set(f"{directory}/{LIMITS}", quota.encode())

    async def get_quota(self, path: str) -> tuple[Quota, Usage] | None:
        """Return the limits on ``path`` and what is used of them; None when it has none of its own."""
        zk, directory = _Unrooted(self), self._quota_directory(path)
        try:
            limits = await zk.get(f"{directory}/{LIMITS}")
            used = await zk.get(f"{directory}/{STATS}")
        except NoNode:
            return None
        return Quota.parse(limits.data or b""), Usage.parse(used.data or b"")

    async def delete_quota(self, path: str) -> None:
        """Lift the limits on ``path``; ``NoNode`` when it has none."""
        zk, directory = _Unrooted(self), self._quota_directory(path)
        await zk.delete(f"{directory}/{LIMITS}")
        try:
            await zk.delete(f"{directory}/{STATS}")
            while directory != ROOT:
                await zk.delete(directory)
                directory = paths.parent_of(directory)
        except (NoNode, NotEmpty):
            return  # a quota of somebody below, or somebody faster

    async def _refuse_nesting(self, zk: _Unrooted, path: str, directory: str) -> None:
        if directory == ROOT:
            raise BadArguments(path, "the root cannot have a quota; set one on each of its children")
        above = paths.parent_of(directory)
        while above != ROOT:
            if await zk.exists(f"{above}/{LIMITS}") is not None:
                raise BadArguments(path, f"{path} has a parent {self._shown(above)} which has a quota")
            above = paths.parent_of(above)
        if await zk.exists(directory) is None:
            return
        async for below in zk.walk(directory):
            if below.endswith(f"/{LIMITS}") and (found := paths.parent_of(below)) != directory:
                raise BadArguments(path, f"{path} has a child {self._shown(found)} which has a quota")

    def _shown(self, directory: str) -> str:
        return self.chroot.outside(directory[len(ROOT) :])

    def _quota_directory(self, path: str) -> str:
        inside = self.chroot.inside(path)
        return ROOT if inside == "/" else ROOT + inside
