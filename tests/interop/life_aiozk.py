"""``life_aiozk.py HOSTS``: the life of a znode, as aiozk sees it."""

from __future__ import annotations

import asyncio
import sys

import aiozk
from aiozk import exc


async def live(hosts: str) -> None:
    client = aiozk.ZKClient(hosts, session_timeout=10)
    await client.start()
    try:
        print("created", await client.create("/life", "hello"))
        watched = client.wait_for_events([aiozk.WatchEvent.DATA_CHANGED], "/life")
        print("data", (await client.get_data("/life", watch=True)).decode())
        await client.set_data("/life", "goodbye")
        print("version", (await client.get("/life"))[1].version)
        await watched
        print("watch NODE_DATA_CHANGED /life")
        transaction = client.begin_transaction()
        transaction.create("/life/a", "1")
        transaction.create("/life/b", "2")
        transaction.check_version("/life", 1)
        result = await transaction.commit()
        print("multi", len(result.created) + len(result.checked))
        print("children", ",".join(sorted(await client.get_children("/life"))))
        print("sequential", await client.create("/life/s-", "", ephemeral=True, sequential=True))
        try:
            await client.create("/missing/child", "x")
        except exc.NoNode as refusal:
            print("refused", refusal.error_code)
    finally:
        await client.close()


asyncio.run(live(sys.argv[1]))
