"""Events that a client's reader has not read yet."""

from __future__ import annotations

import pytest

from ensemble import limits
from ensemble.client import EventStream, WatchEnded
from ensemble.client.watches import WatchEvent
from ensemble.tree.operations import EventType


async def test_a_reader_that_lags_too_far_is_told_so_behind_what_there_was(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(limits, "WATCH_QUEUE_EVENTS_MAX", 2)
    stream = EventStream()
    for number in range(5):
        stream(WatchEvent(EventType.NODE_DATA_CHANGED, f"/{number}"))
    assert stream.pending == 2
    assert [(await stream).path, (await stream).path] == ["/0", "/1"]
    with pytest.raises(WatchEnded, match="more than 2 events were not read"):
        await stream
