"""What ``envi`` tells of the machine and the process: Apache's keys where they mean something here.

Of Apache's list are missing: java.*, of which there is none, and os.memory.*, which are the Java heap's.
"""

from __future__ import annotations

import getpass
import os
import platform
import socket
import sys

ARCHITECTURES = {"x86_64": "amd64"}
"""Java's names where they differ from the system's."""


def gather() -> dict[str, str]:
    """Return keys and values, in Apache's order."""
    system = os.uname()
    return {
        "host.name": socket.gethostname(),
        "python.version": platform.python_version(),
        "python.implementation": platform.python_implementation(),
        "python.executable": sys.executable,
        "os.name": system.sysname,
        "os.arch": ARCHITECTURES.get(system.machine, system.machine),
        "os.version": system.release,
        "user.name": _user(),
        "user.home": os.path.expanduser("~"),
        "user.dir": os.getcwd(),
    }


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return str(os.getuid())
