"""Commands about the shell itself: connect, close, quit, history, redo, version, help."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from ensemble.shell.registry import COMMANDS, ShellError, command

if TYPE_CHECKING:
    from ensemble.shell.shell import Shell

_SHOWN = 11
"""Lines of history shown, as zkCli."""


def _declare_connect(parser: ArgumentParser) -> None:
    parser.add_argument("servers", nargs="?", metavar="host:port")


@command("connect", "host:port", "another ensemble, or a new session", _declare_connect, offline=True)
async def connect(shell: Shell, words: Namespace) -> None:
    await shell.connect(words.servers or shell.servers)


@command("close", "", "end the session", offline=True)
async def close(shell: Shell, words: Namespace) -> None:
    await shell.close()


@command("quit", "", "end the session and leave", offline=True)
async def quit_(shell: Shell, words: Namespace) -> None:
    await shell.close()
    shell.over = True


@command("history", "", "the last lines typed, with their numbers", offline=True)
async def history(shell: Shell, words: Namespace) -> None:
    first = max(0, len(shell.history) - _SHOWN)
    for index, line in enumerate(shell.history[first:], first):
        shell.say(f"{index} - {line}")


def _declare_redo(parser: ArgumentParser) -> None:
    parser.add_argument("number")


@command("redo", "cmdno", "a line of the history once more", _declare_redo, offline=True)
async def redo(shell: Shell, words: Namespace) -> None:
    lines = shell.history[:-1]
    if not words.number.isdigit() or int(words.number) >= len(lines):
        raise ShellError("Command index out of range")
    line = lines[int(words.number)]
    if line.split(maxsplit=1)[:1] == ["redo"]:
        raise ShellError("No redoing redos")
    shell.history[-1] = line
    await shell.run(line)


@command("version", "", "which shell this is", offline=True)
async def version(shell: Shell, words: Namespace) -> None:
    shell.say(f"ZooKeeper CLI version: {shell.version}")


def _declare_help(parser: ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", metavar="command")


@command("help", "[command]", "all commands, or one with its options", _declare_help, offline=True)
async def help_(shell: Shell, words: Namespace) -> None:
    if words.name is None:
        shell.show_help(list(COMMANDS.values()))
    elif words.name in COMMANDS:
        shell.show_help([COMMANDS[words.name]])
    else:
        raise ShellError(f"Command not found {words.name}; type help")
