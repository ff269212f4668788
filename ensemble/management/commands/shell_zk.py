"""``manage.py shell_zk``: zkCli's commands, against our servers or Apache's."""

from __future__ import annotations

import asyncio
import os
import ssl
import sys
from argparse import REMAINDER
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from ensemble.client import ZooKeeper
from ensemble.shell.registry import ShellError
from ensemble.shell.shell import Shell, standard_input
from ensemble.shell.terminal import converse

HISTORY = (
    Path(os.environ.get("XDG_STATE_HOME", Path.home() / ".local" / "state")) / "coordinator" / "shell_zk"
)


class Command(BaseCommand):
    """Parses arguments and lets the shell do the rest."""

    help = "A shell with zkCli's commands, for our servers or Apache's. Without a command it asks for lines."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "servers", nargs="?", default="127.0.0.1:2181", help="host:port,.../chroot (default: %(default)s)"
        )
        parser.add_argument("command", nargs=REMAINDER, help="one command of zkCli, for example: ls /")
        parser.add_argument(
            "--timeout", type=int, default=30_000, metavar="MS", help="session time-out asked for"
        )
        parser.add_argument("--read-only", action="store_true", help="take a server without a quorum, too")
        parser.add_argument("--ca", metavar="FILE", help="speak TLS, and trust the authorities of this file")
        parser.add_argument("--certificate", metavar="FILE", help="speak TLS, with this certificate and key")

    def handle(self, *args: Any, **options: Any) -> None:
        context = _tls(options["ca"], options["certificate"])

        def open_client(servers: str) -> ZooKeeper:
            return ZooKeeper(
                servers, session_timeout_ms=options["timeout"], read_only=options["read_only"], ssl=context
            )

        shell = Shell(options["servers"], open_client=open_client)
        try:
            asyncio.run(_run(shell, options["command"]))
        except KeyboardInterrupt:
            sys.exit(130)
        except ShellError as error:
            sys.exit(f"error: {error}")
        sys.exit(shell.failed)


async def _run(shell: Shell, words: list[str]) -> None:
    if not words and sys.stdin.isatty():
        print(f"Connecting to {shell.servers} (Ctrl-C gives up)")
    await shell.connect(shell.servers)
    try:
        if words:
            await shell.execute(" ".join([f'"{word}"' if " " in word else word for word in words]))
        elif sys.stdin.isatty():
            print("Welcome to ZooKeeper! Type help, or press Tab.")
            await converse(shell, HISTORY)
            shell.failed = False
        else:
            async for text in standard_input():
                await shell.execute(text)
                if shell.over:
                    break
    finally:
        await shell.close()


def _tls(authorities: str | None, certificate: str | None) -> ssl.SSLContext | None:
    if authorities is None and certificate is None:
        return None
    context = ssl.create_default_context(cafile=authorities)
    if certificate is not None:
        context.load_cert_chain(certificate)
    return context
