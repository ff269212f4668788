"""Child processes: that they find this package, and do not outlive their parent however it ends."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from pathlib import Path

import ensemble

_PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    """Have the kernel kill this process when its parent dies; to be called in the child.

    Linux only (prctl(2)); elsewhere the closing of the pipe between the two has to do.
    """
    if sys.platform != "linux":
        return
    parent = os.getppid()
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)  # it died before the kernel was asked


def python_path() -> str:
    """Return the ``PYTHONPATH`` with which a child imports this package wherever it is started."""
    here = str(Path(ensemble.__path__[0]).parent)
    return os.pathsep.join(filter(None, [here, os.environ.get("PYTHONPATH")]))
