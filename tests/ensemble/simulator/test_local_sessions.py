"""Whole runs in which sessions are their own server's until they own an ephemeral."""

from __future__ import annotations

from random import Random

from ensemble.simulator.checks.checkers import Entry
from ensemble.simulator.clients.history import Attached
from ensemble.simulator.schedules.plan import Plan
from ensemble.simulator.world import World
from ensemble.tree.operations import Op

SEEDS = range(1, 61)


def test_every_promise_holds_with_local_sessions() -> None:
    upgraded = sessions = 0
    for seed in SEEDS:
        plan = Plan.draw(Random(seed))
        plan.local_sessions = True
        world = World(seed, plan=plan)
        world.run()
        log = [Entry.decode(zxid, payload) for zxid, payload in world.monitor.committed]
        upgraded += sum(entry.type == Op.CREATE_SESSION for entry in log)
        sessions += len(
            {
                seen.session
                for stream in world.history.streams.values()
                for seen in stream
                if isinstance(seen, Attached)
            }
        )
    assert 0 < upgraded < sessions
