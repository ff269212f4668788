"""One server process as its supervisor knows it: its state, and why it ended."""

from __future__ import annotations

import signal
from pathlib import Path

from ensemble.admin.schema import ProcessState, ProcessStatus
from ensemble.runtime.supervision.layout import Seat

LOG_TAIL_BYTES = 8192
REASON_CHARS_MAX = 500


class Process:
    """A record; the supervisor changes it when its orders are carried out.

    ::

        starting -> running <-> paused          stopped | killed: somebody asked for it
                       |                         failed: nobody did
                       +-> stopped | killed | failed -> starting
    """

    def __init__(self, seat: Seat, config: Path, log: Path) -> None:
        self.seat = seat
        self.config = config
        self.log = log
        self.state: ProcessState = "stopped"
        self.pid: int | None = None
        self.exit_code: int | None = None
        self.reason: str | None = None
        self.starts = 0
        self.wanted_end: ProcessState | None = None
        """What the state is to be when the process has ended as somebody asked."""

    @property
    def alive(self) -> bool:
        """Whether there is, or is about to be, a process."""
        return self.state in ("starting", "running", "paused")

    def begin(self) -> None:
        """A start was ordered."""
        self.state, self.pid, self.exit_code, self.reason = "starting", None, None, None
        self.wanted_end = None
        self.starts += 1

    def ended(self, code: int) -> None:
        """The process is gone; ``code`` below zero is the signal that ended it."""
        self.pid, self.exit_code = None, code
        if self.wanted_end is not None:
            self.state, self.reason = self.wanted_end, None
        elif code == 0:
            self.state, self.reason = "stopped", "it was asked to stop by somebody else"
        elif code < 0:
            self.state, self.reason = "failed", f"ended by {signal.Signals(-code).name} from elsewhere"
        else:
            self.state, self.reason = "failed", self.last_words() or f"ended with exit code {code}"

    def last_words(self) -> str | None:
        """Return the last error the server wrote, or else its last line."""
        try:
            with self.log.open("rb") as file:
                file.seek(0, 2)
                file.seek(max(0, file.tell() - LOG_TAIL_BYTES))
                text = file.read().decode(errors="replace")
        except OSError:
            return None
        lines = [line for line in text.splitlines() if line.strip()]
        errors = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
        return (errors or lines)[-1][:REASON_CHARS_MAX] if lines else None

    def status(self) -> ProcessStatus:
        """Return what the supervisor's port tells of this process."""
        return ProcessStatus(
            sid=self.seat.sid,
            state=self.state,
            pid=self.pid,
            client_port=self.seat.client_port,
            admin_url=self.seat.admin_url,
            exit_code=self.exit_code,
            reason=self.reason,
            restarts=max(0, self.starts - 1),
        )
