"""What happened in a world, as lines of text."""

from __future__ import annotations

from collections import deque

from ensemble.simulator.clock import Timeline
from ensemble.trace import Event, Listener

_COMMON_FIELDS = ("n", "at", "sid", "kind")


class Transcript(deque[Event]):
    """What happened, as lines of text; kept only when somebody wants it.

    It takes the place of a trace listener's queue, so each event is written when it happens, in true time.
    """

    def __init__(self, timeline: Timeline) -> None:
        super().__init__()
        self.listener = Listener()
        self.listener.events = self
        self.lines: list[str] = []
        self._timeline = timeline

    def note(self, line: str) -> None:
        """Write a line of the world's own."""
        self.lines.append(f"{self._timeline.now_us:>10} {line}")

    def append(self, event: Event) -> None:
        """Write an event of a server's trace."""
        fields = " ".join([f"{key}={value}" for key, value in event.items() if key not in _COMMON_FIELDS])
        self.note(f"server {event['sid']} {event['kind']} {fields}")
