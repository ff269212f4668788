"""``manage.py txnlog FILE|DIR``: transaction logs, shown, mended or cut."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand
from rich.console import Console
from rich.progress import track

from ensemble.errors import ConfigError, StorageError, WireError
from ensemble.management import tools
from ensemble.runtime.disk.files import ReadOnlyFiles
from ensemble.storage.names import log_files
from ensemble.storage.repeats import Earlier
from ensemble.toolkit import txnlog


class Command(BaseCommand):
    """Show, mend or cut transaction logs of our servers and of Apache's."""

    help = (
        "Show the transactions of a log file, or of all log files of a dataLogDir, one line each; exit code 1 when "
        "one fails its checksum. Works on Apache ZooKeeper's files."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument(
            "path", metavar="FILE|DIR", help="a log file, or the directory that holds version-2"
        )
        parser.add_argument("-d", "--data", action="store_true", help="show the data of the znodes, too")
        parser.add_argument("--json", action="store_true", help="one JSON object a line; data is base64")
        work = parser.add_mutually_exclusive_group()
        work.add_argument("--repair", action="store_true", help="write FILE.fixed with every checksum right")
        work.add_argument(
            "--chop",
            metavar="ZXID",
            help="write FILE.choppedZXID, which ends with that transaction (0x… or decimal)",
        )
        parser.add_argument(
            "--replace",
            action="store_true",
            help="put what was written in the place of FILE, which becomes FILE.bad",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Do the one thing asked for."""
        with tools.told_in_a_sentence():
            path = Path(options["path"])
            if options["repair"]:
                self._repair(tools.existing(options["path"]), replace=options["replace"])
            elif options["chop"]:
                self._chop(
                    tools.existing(options["path"]), _zxid(options["chop"]), replace=options["replace"]
                )
            elif path.is_dir():
                self._end(self._show_all(tools.home(options["path"]), options))
            else:
                log = _read(tools.existing(options["path"]))
                again = txnlog.repeats(log, None, Earlier(ReadOnlyFiles(path.parent), {}), 0)
                self._end(self._show(path, log, again, options))

    def _end(self, wrong: int) -> None:
        if wrong:
            self.stdout.flush()
            sys.exit(1)

    def _show_all(self, home: Path, options: dict[str, Any]) -> int:
        """Show the log files of a directory and return how much is wrong with them."""
        files = log_files(ReadOnlyFiles(home))
        earlier = Earlier(ReadOnlyFiles(home), files)
        wrong, newest = 0, None
        terminal = Console(stderr=True)
        for first in track(list(files), "reading", console=terminal, disable=not sys.stderr.isatty()):
            log = _read(home / files[first])
            again = txnlog.repeats(log, newest, earlier, first)
            wrong += self._show(home / files[first], log, again, options)
            newest = max([newest or 0, *[entry.zxid for entry in log.entries if entry.good]])
        return wrong

    def _show(self, path: Path, log: txnlog.Log, again: set[int], options: dict[str, Any]) -> int:
        """Show a file and return how much is wrong with it; ``again`` are the offsets of repeats."""
        wrong = sum(not entry.good for entry in log.entries) + bool(log.rest)
        if options["json"]:
            for entry in log.entries:
                repeat = {"again": True} if entry.offset in again else {}
                self.stdout.write(json.dumps(txnlog.as_json(entry) | repeat))
            return wrong
        self.stdout.write(self.style.MIGRATE_HEADING(str(path)))
        for entry in log.entries:
            try:
                line = txnlog.line(entry.txn(), with_data=options["data"])
            except WireError as error:
                line = f"offset {entry.offset}: no transaction: {error}"
            line = f"LOGGED AGAIN - {line}" if entry.offset in again else line
            self.stdout.write(line if entry.good else self.style.ERROR(f"CRC ERROR - {line}"))
        if log.rest:
            self.stdout.write(self.style.ERROR(f"{log.rest} bytes at offset {log.end} make no entry"))
        self.stdout.write(f"EOF reached after {len(log.entries)} txns.")
        if again:
            self.stdout.write(
                f"{len(again)} of them were logged again by a server of Apache's that joined a second time "
                "(ZOOKEEPER-4712): harmless, each counts once."
            )
        return wrong

    def _repair(self, path: Path, *, replace: bool) -> None:
        data, wrong = txnlog.repaired(_content(path), path.name)
        written = self._write(path, ".fixed", data, replace=replace)
        self.stdout.write(f"{written} has been written with {wrong} fixed CRC error(s)")

    def _chop(self, path: Path, zxid: int, *, replace: bool) -> None:
        written = self._write(
            path, f".chopped{zxid:x}", txnlog.chopped(_content(path), path.name, zxid), replace=replace
        )
        self.stdout.write(f"{written} has been written; it ends with transaction 0x{zxid:x}")

    def _write(self, path: Path, suffix: str, data: bytes, *, replace: bool) -> Path:
        target = path.with_name(path.name + suffix)
        if replace:
            tools.refuse_in_use(tools.home(str(path.parent)))
        tools.create(target, data)
        if not replace:
            return target
        bad = path.with_name(path.name + ".bad")
        if bad.exists():
            raise ConfigError(f"{bad} exists already; move it away, then {target} to {path}")
        path.rename(bad)
        target.rename(path)
        return path


def _read(path: Path) -> txnlog.Log:
    return txnlog.read(_content(path), path.name)


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise StorageError(f"{path}: {error.strerror}") from None


def _zxid(text: str) -> int:
    try:
        return int(text, 0)
    except ValueError:
        raise ConfigError(f"--chop {text} is not a zxid; write it as 0x100000005") from None
