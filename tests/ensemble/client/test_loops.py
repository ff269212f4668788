"""The client on an event loop that is not asyncio's own: uvloop, as our servers run on."""

from __future__ import annotations

import asyncio

import uvloop

from ensemble.client import EventStream, EventType, ZooKeeper


def test_the_client_works_on_a_uvloop_loop(ours: str) -> None:
    async def story() -> tuple[bytes, EventType]:
        async with ZooKeeper(ours, session_timeout_ms=10_000) as zk:
            await zk.create("/on-uvloop", b"one")
            changed = EventStream()
            await zk.get("/on-uvloop", watch=changed)
            await zk.set("/on-uvloop", b"two")
            event = await changed
            data, _ = await zk.get("/on-uvloop")
            return data, event.type

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(asyncio.wait_for(story(), 10)) == (b"two", EventType.NODE_DATA_CHANGED)
