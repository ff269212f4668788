"""Disks that fail: the shim below the servers' C library, and file systems that are full.

The shim is C, compiled when a run begins. What it does to a server stands in a file of a few lines, which this
module writes. A power cut is a kill, and then all writes taken back that had not been synced.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from struct import Struct

from ensemble.errors import ConfigError

SOURCE = Path(__file__).with_name("shim.c")
_RECORD = Struct("=4q")
_WRITTEN, _SYNCED = 1, 2
BALLAST_CHUNK_BYTES = 1 << 16
_CLONE_NEWNS = 0x00020000
_MS_REC, _MS_PRIVATE = 0x4000, 0x40000


def compile_shim(directory: Path) -> Path:
    """Compile the shim into ``directory``; :class:`ConfigError` when there is no C compiler."""
    compiler = shutil.which("cc")
    if compiler is None:
        raise ConfigError("faults of disks need a C compiler; install gcc, or leave them out with --faults")
    library = directory / "shim.so"
    command = [compiler, "-O2", "-shared", "-fPIC", "-o", str(library), str(SOURCE), "-ldl"]
    subprocess.run(command, check=True)  # noqa: S603 - our own source
    return library


@dataclass(slots=True)
class Disk:
    """The disk of one server."""

    home: Path
    """The directory of the server, which holds its ``data``."""
    lines: dict[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def data(self) -> Path:
        """The server's ``dataDir``."""
        return self.home / "data"

    def trouble(self, kind: str, error: int = 0, ms: int = 0) -> None:
        """Have calls of a kind that the shim names fail with an errno, and take so long; or ``undo`` be possible (1).

        ``clock``, which the shim can reach as well, is off by ``ms``, whatever its sign.
        """
        self.lines[kind] = (error, ms)
        (self.home / "met").unlink(missing_ok=True)
        self._write()

    def met(self) -> list[str]:
        """Return the calls that have failed since :meth:`trouble`, each with its errno and path."""
        path = self.home / "met"
        return path.read_text(encoding="utf-8").splitlines() if path.exists() else []

    def mend(self) -> None:
        """End all trouble, and give the space back."""
        self.lines = {}
        self._write()
        (self.data / "ballast").unlink(missing_ok=True)

    def _write(self) -> None:
        text = "".join(f"{kind} {error} {ms}\n" for kind, (error, ms) in self.lines.items())
        temporary = self.home / "trouble.new"
        temporary.write_text(text, encoding="ascii")
        temporary.rename(self.home / "trouble")

    def fill(self) -> None:
        """Leave no space on the file system of the server; to be done only to one of its own."""
        if not self.data.is_mount():
            raise ConfigError(f"{self.data} is not a file system of its own; it is not to be filled")
        with (self.data / "ballast").open("wb", buffering=0) as file:
            size = BALLAST_CHUNK_BYTES
            while size:
                try:
                    file.write(bytes(size))
                except OSError:
                    size //= 2

    def rot(self, rng: Random) -> str:
        """Flip one bit of what is used of a log or a snapshot; return the name of the file."""
        directory = self.data / "version-2"
        paths = sorted([*directory.glob("log.*"), *directory.glob("snapshot.*")])
        # A server that dies may leave a log file in which nothing is written yet.
        used = [path for path in paths if path.read_bytes().strip(b"\0")]
        path = rng.choice(used)
        content = bytearray(path.read_bytes())
        content[rng.randrange(len(content.rstrip(b"\0")))] ^= 1 << rng.randrange(8)
        path.write_bytes(content)
        return path.name

    def lose_unsynced(self) -> int:
        """Take back what a power cut would lose, of a server that is dead; return how many writes it was."""
        path = self.home / "undo"
        if not path.exists():
            return 0
        data = path.read_bytes()
        path.unlink()
        writes: list[tuple[int, str, int, bytes]] = []
        durable: dict[str, int] = {}
        at = 0
        while at + _RECORD.size <= len(data):
            begin = at
            kind, name_length, offset, length = _RECORD.unpack_from(data, at)
            at += _RECORD.size
            name = os.fsdecode(data[at : at + name_length])
            at += name_length
            if kind == _WRITTEN:
                writes.append((begin, name, offset, data[at : at + length]))
                at += length
            elif kind == _SYNCED:
                durable[name] = max(durable.get(name, 0), offset)
        lost = [write for write in writes if write[0] >= durable.get(write[1], 0)]
        for _, name, offset, old in reversed(lost):
            _restore(Path(name), offset, old)
        return len(lost)


def _restore(path: Path, offset: int, old: bytes) -> None:
    """Put back what stood there, as far as the file still reaches."""
    if not path.exists():
        return
    with path.open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(offset)
        file.write(old[: max(0, size - offset)])


def keep_mounts_private() -> bool:
    """Give this process mounts of its own, which end with it; False when that is not allowed."""
    libc = ctypes.CDLL(None, use_errno=True)
    if os.geteuid() != 0 or libc.unshare(_CLONE_NEWNS) != 0:
        return False
    return bool(libc.mount(b"none", b"/", None, _MS_REC | _MS_PRIVATE, None) == 0)


def mount_small(path: Path, size_bytes: int) -> bool:
    """Mount a file system in memory, of bounded size; False when that is not allowed."""
    libc = ctypes.CDLL(None, use_errno=True)
    options = f"size={size_bytes}".encode()
    return bool(libc.mount(b"tmpfs", os.fsencode(path), b"tmpfs", 0, options) == 0)


def unmount(path: Path) -> None:
    """Undo :func:`mount_small`."""
    ctypes.CDLL(None, use_errno=True).umount2(os.fsencode(path), 2)
