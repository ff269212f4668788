"""What only the operating system knows of this process, as metrics."""

from __future__ import annotations

import os
import resource

from ensemble.replica.monitoring.metrics.registry import Registry
from ensemble.runtime.lag import LoopLag

OPEN_FILES = "/proc/self/fd"


def register(registry: Registry, lag: LoopLag) -> None:
    """Tell of open files, where the system does, and of the event loop's lag."""
    registry.gauge("max_file_descriptor_count", open_files_max)
    if os.path.isdir(OPEN_FILES):
        registry.gauge("open_file_descriptor_count", open_files)
    registry.gauge("event_loop_lag_ms", lambda: lag.worst_us / 1000)


def open_files() -> int:
    """Count this process's open files, sockets included."""
    return len(os.listdir(OPEN_FILES)) - 1  # the listing itself is one


def open_files_max() -> int:
    """Return how many files this process may open."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]
