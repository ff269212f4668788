"""Calls of other processes to the gateway: how many are under way at a time."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest
from channels.layers import InMemoryChannelLayer

from dashboard.gateway import remote
from dashboard.gateway.remote import CALLS_CHANNEL, CallServer
from tests.waiting import reached


async def test_so_many_calls_are_answered_at_a_time_and_the_others_in_their_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(remote, "CALLS_AT_ONCE_MAX", 2)
    layer = InMemoryChannelLayer()
    begun: list[int] = []
    let_go = asyncio.Event()

    async def call(name: str, number: int) -> int:
        begun.append(number)
        await let_go.wait()
        return number

    serving = asyncio.ensure_future(CallServer(layer, call).run())
    for number in range(5):
        request = {"type": "call", "name": "wait", "arguments": {"number": number}, "reply_to": "asker"}
        await layer.send(CALLS_CHANNEL, request)
    await reached(lambda: len(begun) == 2)
    for _ in range(20):
        await asyncio.sleep(0)
    assert begun == [0, 1]
    let_go.set()
    answers = [await layer.receive("asker") for _ in range(5)]
    assert sorted(answer["result"] for answer in answers) == [0, 1, 2, 3, 4]
    serving.cancel()
    with suppress(asyncio.CancelledError):
        await serving
