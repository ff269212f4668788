"""A snapshot sent to the AdminServer: spooled, proved, and handed to the replica.

It comes as fast as it comes: until it is whole it lies in a file without a name, and is proved on a thread while
the server serves on.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import IO, TYPE_CHECKING

from ensemble.errors import CorruptionError
from ensemble.limits import SNAPSHOT_BYTES_MAX
from ensemble.replica.agreement.restoring import Restorable, examine

if TYPE_CHECKING:
    from ensemble.replica.replica import Replica


class RefusedError(Exception):
    """A snapshot that is sound and was not restored; says why."""


async def restore(
    replica: Replica, chunks: AsyncIterator[bytes], directory: Path, wake: Callable[[], None]
) -> int:
    """Replace the ensemble's state by the snapshot that ``chunks`` make up; return the zxid the state then has.

    ``directory`` has room for the snapshot; ``wake`` begins a step. ``CorruptionError`` when it is no snapshot,
    ``RefusedError`` when it is not restored here or now, ``OSError`` when it cannot be spooled.
    """
    with tempfile.TemporaryFile(dir=directory) as spooled:
        await _spool(chunks, spooled)
        found = await asyncio.to_thread(_examine, spooled, replica.config.znodes.emulate_353_ttl)
    return await _hand_over(replica, found, wake)


async def _spool(chunks: AsyncIterator[bytes], spooled: IO[bytes]) -> None:
    size = 0
    async for chunk in chunks:
        size += len(chunk)
        if size > SNAPSHOT_BYTES_MAX:
            raise CorruptionError(
                f"the snapshot is larger than the {SNAPSHOT_BYTES_MAX} bytes that servers send"
            )
        await asyncio.to_thread(spooled.write, chunk)


def _examine(spooled: IO[bytes], emulate_353_ttl: bool) -> Restorable:
    spooled.seek(0)
    return examine(spooled.read(), emulate_353_ttl=emulate_353_ttl)


async def _hand_over(replica: Replica, found: Restorable, wake: Callable[[], None]) -> int:
    ended: asyncio.Future[tuple[int, str]] = asyncio.get_running_loop().create_future()

    def done(zxid: int, why: str) -> None:
        if not ended.done():
            ended.set_result((zxid, why))

    wake()
    refusal = replica.restore(found, done)
    if refusal:
        raise RefusedError(refusal)
    config = replica.config
    # Twice: an election comes before the time that initLimit bounds.
    limit_s = 2 * config.init_limit_ticks * config.tick_ms / 1000
    await asyncio.wait([ended], timeout=limit_s)
    if not ended.done():
        wake()
        replica.cancel_restore(f"no quorum took part within {limit_s:.0f} s")
    zxid, why = await ended
    if not zxid:
        raise RefusedError(why)
    return zxid
