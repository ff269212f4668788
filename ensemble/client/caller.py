"""What operations need of a client: a way to send a request, and where its paths begin."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Final, TypeVar

from ensemble.client.chroot import Chroot
from ensemble.client.watches import Watcher, WatchKind
from ensemble.jute import Reader
from ensemble.tree.operations import Operation

T = TypeVar("T")

ANY_VERSION: Final = -1


def nothing(_reader: Reader) -> None:
    """Read the body of an answer that has none."""


class Caller(ABC):
    """Sends requests and waits for their answers. Its paths are the server's; :attr:`chroot` has both."""

    chroot: Chroot

    @abstractmethod
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
        """Send any operation; ``read`` decodes the body of its answer. The watcher is registered when the
        answer says that the server did."""
