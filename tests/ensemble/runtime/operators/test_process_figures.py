"""What the operating system knows of the process."""

from __future__ import annotations

import asyncio
from pathlib import Path

from ensemble.replica.monitoring.metrics.registry import Registry
from ensemble.runtime.lag import LoopLag
from ensemble.runtime.operators import process_figures


async def test_open_files_are_counted(tmp_path: Path) -> None:
    registry = Registry()
    process_figures.register(registry, LoopLag(asyncio.get_running_loop()))
    before = dict(registry.rows())
    with (tmp_path / "file").open("w"):
        during = dict(registry.rows())
    assert int(during["open_file_descriptor_count"]) == int(before["open_file_descriptor_count"]) + 1
    assert int(before["max_file_descriptor_count"]) > int(during["open_file_descriptor_count"])
    assert before["event_loop_lag_ms"] == 0
