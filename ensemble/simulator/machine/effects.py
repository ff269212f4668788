"""The ports of a simulated process. Every call of one is an *effect*: it is counted, and a crash may fall before it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Protocol

from ensemble.simulator.machine.disk import SimulatedDisk
from ensemble.simulator.network.network import SimulatedNetwork


class Life(Protocol):
    """The process that uses the ports."""

    sid: int

    def effect(self, name: str) -> None:
        """Count an effect, or die instead."""

    def later(self, done: Callable[[], None]) -> Callable[[], None]:
        """Wrap a callback that the world makes later, so that it comes as a step."""

    def before_effect(self, effect: str, name: str) -> None:
        """Be told that a call is about to be made that changes files at once."""

    def after_effect(self, effect: str, name: str) -> None:
        """Be told that it was made."""


class EffectDisk:
    """A disk whose every call is an effect (implements ``ports.Disk``)."""

    __slots__ = ("_disk", "_process")

    def __init__(self, disk: SimulatedDisk, process: Life) -> None:
        self._disk = disk
        self._process = process

    def names(self, directory: str) -> list[str]:
        """See ``ports.Disk``."""
        return self._disk.names(directory)

    def read(self, name: str) -> bytes:
        """See ``ports.Disk``."""
        return self._disk.read(name)

    def write_atomic(self, name: str, data: bytes) -> None:
        """See ``ports.Disk``."""
        self._at_once("write_atomic", name, partial(self._disk.write_atomic, name, data))

    def truncate(self, name: str, size: int) -> None:
        """See ``ports.Disk``."""
        self._at_once("truncate", name, partial(self._disk.truncate, name, size))

    def remove(self, name: str) -> None:
        """See ``ports.Disk``."""
        self._at_once("remove", name, partial(self._disk.remove, name))

    def write(self, name: str, offset: int, data: bytes) -> None:
        """See ``ports.Disk``."""
        self._process.effect("write")
        self._disk.write(name, offset, data)

    def allocate(self, name: str, size: int) -> None:
        """See ``ports.Disk``."""
        self._process.effect("allocate")
        self._disk.allocate(name, size)

    def sync(self, done: Callable[[], None]) -> None:
        """See ``ports.Disk``."""
        self._process.effect("sync")
        self._disk.sync(self._process.later(done))

    def write_aside(self, name: str, chunks: Iterable[bytes], done: Callable[[], None]) -> None:
        """See ``ports.Disk``."""
        self._process.effect("write_aside")
        self._disk.write_aside(name, chunks, self._process.later(done))

    def _at_once(self, effect: str, name: str, call: Callable[[], None]) -> None:
        process = self._process
        process.effect(effect)
        process.before_effect(effect, name)
        call()
        process.after_effect(effect, name)


class EffectNetwork:
    """The network as one process sees it (implements ``ports.Network``)."""

    __slots__ = ("_network", "_process")

    def __init__(self, network: SimulatedNetwork, process: Life) -> None:
        self._network = network
        self._process = process

    def send_election(self, sid: int, payload: bytes) -> None:
        """See ``ports.Network``."""
        self._process.effect("send_election")
        self._network.mail.send(self._process.sid, sid, payload)

    def dial(self, sid: int) -> None:
        """See ``ports.Network``."""
        self._process.effect("dial")
        self._network.dial(self._process.sid, sid)
