"""Transactions that happen once, though the connection breaks before the answer comes.

Each carries one more operation: it sets an ephemeral znode of our own, a mark, from one version to the next. Sent again,
it finds the mark one version further if it was carried out before, and is refused as a whole. The mark is gone with the
session: only who loses that cannot know.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import ensemble.recipes.protected as protected
from ensemble.client import Code, CreateMode, MultiError, Transaction, ZooKeeper
from ensemble.recipes.errors import Lost

_MARK: Final = "mark"


class Once:
    """One mark below a directory, and the transactions under it, one after the other."""

    def __init__(self, zk: ZooKeeper, directory: str) -> None:
        self._zk = zk
        self._directory = directory
        self._mark: str | None = None
        self._version = 0
        self._turn = asyncio.Lock()

    async def commit(self, fill: Callable[[Transaction], object]) -> None:
        """Carry out what ``fill`` puts into a transaction: once, or not at all.

        Raises ``MultiError`` when it is refused, its ``index`` counted from 0 in what ``fill`` added; and
        ``SessionExpired`` when the session ends: then it may have happened, or not.
        """
        async with self._turn:
            if self._mark is None:
                await self._make_mark()
            try:
                await self._commit(fill)
            except asyncio.CancelledError:
                # Which version the mark has depends on what is still under way.
                await self._drop_mark()
                raise

    async def close(self) -> None:
        """Take the mark away; the next transaction makes another."""
        async with self._turn:
            await self._drop_mark()

    async def _commit(self, fill: Callable[[Transaction], object]) -> None:
        assert self._mark is not None
        mark, version = self._mark, self._version

        async def attempt() -> None:
            transaction = self._zk.transaction().set(mark, b"", version=version)
            fill(transaction)
            try:
                await transaction.commit()
            except MultiError as error:
                if error.index:
                    raise MultiError(error.code, error.path, error.index - 1) from None
                if error.code is not Code.BAD_VERSION:
                    self._mark = None
                    raise Lost(
                        f"somebody deleted {mark}: whether the transaction happened is not known"
                    ) from error
                # Nobody but us sets it: this is the second time that the servers see the transaction.

        await protected.AGAIN(attempt)
        self._version += 1

    async def _make_mark(self) -> None:
        prefix = protected.new_prefix()
        try:
            self._mark = await protected.create(
                self._zk, self._directory, prefix, _MARK, b"", CreateMode.EPHEMERAL
            )
        except asyncio.CancelledError:
            await protected.finish(protected.withdraw(self._zk, self._directory, prefix))
            raise
        self._version = 0

    async def _drop_mark(self) -> None:
        mark, self._mark = self._mark, None
        if mark is not None:
            await protected.finish(protected.remove(self._zk, mark))
