"""Every command of the shell: its name, what it takes, what it does, and the help that is made of these."""

from __future__ import annotations

import argparse
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, NoReturn

Run = Callable[[Any, argparse.Namespace], Awaitable[None]]
"""A command's work; its first argument is the shell, which knows the commands by this registry."""
Declare = Callable[[argparse.ArgumentParser], None]


class ShellError(Exception):
    """What is wrong with a line, in one sentence for who typed it."""


@dataclass(frozen=True, slots=True)
class Command:
    """One command."""

    name: str
    usage: str
    """What stands behind the name, as zkCli's help shows it."""
    summary: str
    parser: argparse.ArgumentParser
    run: Run
    offline: bool
    """It needs no connection."""

    @property
    def options(self) -> list[tuple[str, str]]:
        """The options and what they are for."""
        return [
            (action.option_strings[0], action.help or "")
            for action in self.parser._actions
            if action.option_strings
        ]

    @property
    def takes_path(self) -> bool:
        """Whether a word of it is a path, which the terminal can complete."""
        return any(action.dest == "path" for action in self.parser._actions)


COMMANDS: dict[str, Command] = {}


class _Parser(argparse.ArgumentParser):
    """Says what is wrong instead of leaving the program."""

    def error(self, message: str) -> NoReturn:
        raise ShellError(f"{message}\n{self.usage}")


def command(
    name: str, usage: str, summary: str, declare: Declare | None = None, *, offline: bool = False
) -> Callable[[Run], Run]:
    """Make a function the command ``name``; ``declare`` adds options and words to its parser."""

    def register(run: Run) -> Run:
        parser = _Parser(
            prog=name,
            usage=f"{name} {usage}".rstrip(),
            add_help=False,
            allow_abbrev=False,
            exit_on_error=False,
        )
        if declare is not None:
            declare(parser)
        COMMANDS[name] = Command(name, usage, summary, parser, run, offline)
        return run

    return register


def flags(parser: argparse.ArgumentParser, **meanings: str) -> None:
    """Add options that take no value."""
    for letter, meaning in meanings.items():
        parser.add_argument(f"-{letter}", action="store_true", help=meaning)


def parse(command: Command, words: list[str]) -> argparse.Namespace:
    """Read what stands behind the name; ``ShellError`` with the usage when it does not fit."""
    try:
        return command.parser.parse_intermixed_args(words)
    except argparse.ArgumentError as error:
        raise ShellError(f"{error}\n{command.parser.usage}") from None
