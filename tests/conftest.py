"""What all tests share: under ``COORDINATOR_STRICT=1`` (CI) a skipped test is a failed run."""

from __future__ import annotations

import os
import signal

import pytest


def pytest_configure() -> None:
    """Let Ctrl-C reach what tests start, also where they run in a shell's background, which ignores it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what a machine lacks, so that a newcomer knows which tests did not run, and why."""
    skipped = terminalreporter.stats.get("skipped", [])
    if skipped and not os.environ.get("COORDINATOR_STRICT"):
        terminalreporter.write_line(
            f"{len(skipped)} tests were skipped; see the reasons above (Debian: zookeeper redis-server chromium gcc)."
        )


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("COORDINATOR_STRICT") and reporter is not None and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
