#!/usr/bin/env python
"""The one entry point: ``demo``, ``ensemble``, ``node``, ``panel`` and Django's own commands."""

from __future__ import annotations

import os
import signal
import sys

INTERRUPTED = 130
"""The exit code shells give a command that Ctrl-C ended."""


def main() -> None:
    """Run the command named on the command line."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "coordinator.settings")
    try:
        _prepare()
        from django.core.management import execute_from_command_line

        execute_from_command_line(sys.argv)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


def _prepare() -> None:
    """Import what takes long; whoever presses Ctrl-C meanwhile wants no traceback."""
    before = signal.getsignal(signal.SIGINT)
    if before is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    import django

    django.setup()
    signal.signal(signal.SIGINT, before)


if __name__ == "__main__":
    main()
