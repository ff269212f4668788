"""Commands about watches: addWatch, removewatches, printwatches."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from ensemble.client import WatcherType
from ensemble.shell.registry import ShellError, command, flags

if TYPE_CHECKING:
    from ensemble.shell.shell import Shell

_MODES = ("PERSISTENT", "PERSISTENT_RECURSIVE")


def _declare_add_watch(parser: ArgumentParser) -> None:
    parser.add_argument("-m", metavar="mode", default=_MODES[1], help="persistent or persistent_recursive")
    parser.add_argument("path")


@command(
    "addWatch",
    f"[-m mode] path # optional mode is one of [{', '.join(_MODES)}] - default is {_MODES[1]}",
    "a watch that stays",
    _declare_add_watch,
)
async def add_watch(shell: Shell, words: Namespace) -> None:
    mode = words.m.upper()
    if mode not in _MODES:
        raise ShellError(f"{words.m} is no mode; use one of {', '.join(_MODES).lower()}")
    await shell.client.add_watch(words.path, shell.watcher, recursive=mode == _MODES[1])


_TYPES = {
    "c": WatcherType.CHILDREN,
    "d": WatcherType.DATA,
    "p": WatcherType.PERSISTENT,
    "r": WatcherType.PERSISTENT_RECURSIVE,
}


def _declare_removewatches(parser: ArgumentParser) -> None:
    flags(parser, c="of the children", d="of the data", p="persistent ones", r="recursive ones", a="any")
    flags(parser, l="forget them here when no server can be told")
    parser.add_argument("path")


@command("removewatches", "path [-c|-d|-a] [-l]", "take watches back", _declare_removewatches)
async def removewatches(shell: Shell, words: Namespace) -> None:
    kind = next((kind for letter, kind in _TYPES.items() if getattr(words, letter)), WatcherType.ANY)
    await shell.client.remove_watches(words.path, kind=kind, local=words.l)


def _declare_printwatches(parser: ArgumentParser) -> None:
    parser.add_argument("switch", nargs="?", metavar="on|off")


@command("printwatches", "on|off", "whether watches that fire are shown", _declare_printwatches, offline=True)
async def printwatches(shell: Shell, words: Namespace) -> None:
    if words.switch is None:
        shell.say(f"printwatches is {'on' if shell.prints_watches else 'off'}")
    else:
        shell.prints_watches = words.switch == "on"
