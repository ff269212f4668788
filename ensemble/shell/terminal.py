"""The prompt: completion of commands, options and paths, history over sessions, watches that do not garble it."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncGenerator, Iterable
from pathlib import Path

from prompt_toolkit import PromptSession
from prompt_toolkit.auto_suggest import AutoSuggestFromHistory
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.formatted_text import HTML
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.patch_stdout import patch_stdout

from ensemble.client import ClientError, KeeperError
from ensemble.shell.registry import COMMANDS, ShellError
from ensemble.shell.shell import Shell

COMPLETIONS_MAX = 1000
"""Of a znode with more children only so many are offered."""


class ShellCompleter(Completer):
    """Offers what may stand at the cursor: a command, one of its options, or a path of the tree."""

    def __init__(self, shell: Shell) -> None:
        self._shell = shell

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        """Offer nothing: paths have to be asked for, so :meth:`get_completions_async` does the work."""
        return ()

    async def get_completions_async(
        self, document: Document, complete_event: CompleteEvent
    ) -> AsyncGenerator[Completion, None]:
        """Yield what may stand at the cursor."""
        before = document.text_before_cursor
        word = document.get_word_before_cursor(WORD=True)
        name, blank, _ = before.lstrip().partition(" ")
        if not blank:
            for command in sorted(COMMANDS.values(), key=lambda each: each.name.lower()):
                if command.name.lower().startswith(name.lower()):
                    yield Completion(command.name, -len(name), display_meta=command.summary)
            return
        if name not in COMMANDS:
            return
        command = COMMANDS[name]
        if word.startswith("-"):
            for option, meaning in command.options:
                if option.startswith(word):
                    yield Completion(option, -len(word), display_meta=meaning)
        elif word.startswith("/") and command.takes_path:
            for path in await self._paths(word):
                yield Completion(path, -len(word), display=path.rpartition("/")[2])

    async def _paths(self, word: str) -> list[str]:
        parent, _, start = word.rpartition("/")
        try:
            names = await self._shell.client.get_children(parent or "/")
        except (ShellError, ClientError, KeeperError):
            return []  # there is nothing to offer below a path that is not there
        fitting = sorted([name for name in names if name.startswith(start)])
        return [f"{parent}/{name}" for name in fitting[:COMPLETIONS_MAX]]


def remembered(path: Path) -> History:
    """Return the history kept in a file, or one of this session alone where no file can be kept."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
    except OSError:
        return InMemoryHistory()
    return FileHistory(str(path))


async def converse(shell: Shell, history: Path) -> None:
    """Ask for lines until ``quit`` or the end of input (Ctrl-D); Ctrl-C drops the line being typed or carried out."""
    session: PromptSession[str] = PromptSession(
        history=remembered(history),
        completer=ShellCompleter(shell),
        auto_suggest=AutoSuggestFromHistory(),
        complete_while_typing=False,
        bottom_toolbar=lambda: _toolbar(shell),
        refresh_interval=1.0,
    )
    # A watch may fire while a line is being typed: what it prints goes above the prompt.
    with patch_stdout(raw=True):
        while not shell.over:
            try:
                text = await session.prompt_async(lambda: shell.prompt)
            except KeyboardInterrupt:
                continue
            except EOFError:
                break
            await carry_out(shell, text)


async def carry_out(shell: Shell, text: str) -> None:
    """Carry out a line; Ctrl-C gives it up, and the shell goes on."""
    loop = asyncio.get_running_loop()
    work = asyncio.create_task(shell.execute(text))
    loop.add_signal_handler(signal.SIGINT, work.cancel)
    try:
        await asyncio.wait([work])
    finally:
        loop.remove_signal_handler(signal.SIGINT)
        work.cancel()
    if work.cancelled():
        shell.complain("Given up; what was asked of a server may still be done")
    else:
        work.result()


def _toolbar(shell: Shell) -> HTML:
    try:
        client = shell.client
    except ShellError:
        return HTML("not connected - <b>connect host:port</b>")
    server = client.server
    where = f"{server[0]}:{server[1]}" if server else "no server"
    return HTML("{} - session <b>0x{}</b> - {} - <i>Tab</i> completes, <i>help</i> lists").format(
        where, f"{client.session_id & 0xFFFF_FFFF_FFFF_FFFF:x}", shell.state
    )
