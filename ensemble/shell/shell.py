"""One line after the other: what it asks for is done, what it answers is said, what it cannot do is explained."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Iterable
from importlib import import_module

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ensemble.client import ClientError, ConfigError, EventType, KeeperError, State, WatchEvent, ZooKeeper
from ensemble.shell import line as lines
from ensemble.shell.refusals import sentence
from ensemble.shell.registry import COMMANDS, Command, ShellError, parse

for _room in ("reading", "writing", "access", "watching", "quotas", "members", "session"):
    import_module(f"ensemble.shell.{_room}")  # each registers its commands

VERSION = "3.9.5-coordinator"

_EVENTS = {
    EventType.NONE: "None",
    EventType.NODE_CREATED: "NodeCreated",
    EventType.NODE_DELETED: "NodeDeleted",
    EventType.NODE_DATA_CHANGED: "NodeDataChanged",
    EventType.NODE_CHILDREN_CHANGED: "NodeChildrenChanged",
}
_STATES = {
    State.CONNECTING: "CONNECTING",
    State.CONNECTED: "CONNECTED",
    State.CONNECTED_READ_ONLY: "CONNECTEDREADONLY",
    State.EXPIRED: "CLOSED",
    State.AUTH_FAILED: "AUTH_FAILED",
    State.CLOSED: "CLOSED",
}


class Shell:
    """A session, and the lines typed in it."""

    version = VERSION

    def __init__(
        self,
        servers: str,
        *,
        open_client: Callable[[str], ZooKeeper],
        out: Console | None = None,
        err: Console | None = None,
    ) -> None:
        """``open_client`` makes a client of a connect string; the shell starts and closes it."""
        self.servers = servers
        self._open_client = open_client
        self._client: ZooKeeper | None = None
        self._out = out or Console(soft_wrap=True, highlight=False)
        self._err = err or Console(soft_wrap=True, highlight=False, stderr=True)
        self.history: list[str] = []
        self.prints_watches = True
        self.over = False
        self.failed = False
        """Whether a line was refused since this was last set to False."""

    # ------------------------------------------------------------------ the session

    @property
    def client(self) -> ZooKeeper:
        """The client; ``ShellError`` when there is none."""
        if self._client is None or self._client.state.over:
            raise ShellError("Not connected; type connect host:port")
        return self._client

    @property
    def state(self) -> str:
        """Where the session stands, as the prompt shows it."""
        return "CLOSED" if self._client is None else _STATES[self._client.state]

    @property
    def prompt(self) -> str:
        """What zkCli puts in front of each line."""
        return f"[zk: {self.servers}({self.state}) {len(self.history)}] "

    async def connect(self, servers: str) -> None:
        """Leave the present session for one at ``servers``; ``ShellError`` when nobody is there."""
        await self.close()
        self.servers = servers
        try:
            client = self._open_client(servers)
            await client.start()
        except (ClientError, ConfigError) as error:
            raise ShellError(f"{servers}: {error}") from None
        self._client = client

    async def close(self) -> None:
        """End the session, if there is one."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    # ------------------------------------------------------------------ lines

    async def execute(self, text: str) -> None:
        """Remember a line, carry it out, and say what came of it, whatever it was."""
        if not text.strip():
            return
        self.history.append(text)
        try:
            await self.run(text)
        except KeeperError as refusal:
            self._fail(sentence(refusal))
        except (ShellError, ClientError) as error:
            self._fail(str(error))

    async def run(self, text: str) -> None:
        """Carry out one line; raises what stands in its way."""
        words = lines.split(text)
        if not words:
            return
        name, *rest = words
        command = COMMANDS.get(name)
        if command is None:
            raise ShellError(f"Command not found {name}; type help")
        parsed = parse(command, rest)
        if not command.offline and self._client is None:
            raise ShellError("Not connected; type connect host:port")
        await command.run(self, parsed)

    def _fail(self, why: str) -> None:
        self.failed = True
        self._err.print(Text(why, style="red"))

    # ------------------------------------------------------------------ what is said

    def say(self, text: str) -> None:
        """Answer, on standard output."""
        self._out.print(Text(text))

    def say_all(self, texts: Iterable[str]) -> None:
        """Answer in several lines."""
        for text in texts:
            self.say(text)

    def complain(self, text: str) -> None:
        """Say something besides the answer, on standard error."""
        self._err.print(Text(text))

    def watcher(self, event: WatchEvent) -> None:
        """Show a watch that fired."""
        if self.prints_watches:
            path = event.path or "null"
            kind = _EVENTS.get(event.type, str(event.type))
            self.say(f"\nWATCHER::\n\nWatchedEvent state:SyncConnected type:{kind} path:{path}")

    def show_help(self, commands: list[Command]) -> None:
        """Show what there is to type; of a single command, its options, too."""
        table = Table.grid(padding=(0, 2))
        for command in sorted(commands, key=lambda each: each.name.lower()):
            usage = Text(command.name, style="bold cyan")
            usage.append(f" {command.usage}", style="not bold")
            table.add_row(usage, Text(command.summary, style="dim"))
            if len(commands) == 1:
                for option, meaning in command.options:
                    table.add_row(Text(f"  {option}", style="green"), Text(meaning, style="dim"))
        self._out.print(table)


async def standard_input() -> AsyncIterator[str]:
    """Yield the lines of a script that is piped in; the session lives on while it makes us wait."""
    while text := await asyncio.to_thread(sys.stdin.readline):
        yield text.rstrip("\n")
