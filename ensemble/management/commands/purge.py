"""``manage.py purge DIR [LOGDIR] -n N``: remove what the newest N snapshots do not need."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from ensemble.errors import ConfigError, StorageError
from ensemble.management import tools
from ensemble.runtime.disk.files import ReadOnlyFiles
from ensemble.toolkit import purge, snapshot


class Command(BaseCommand):
    """Remove old snapshots and the logs that only they need, as zkCleanup.sh does."""

    help = "Remove all but the newest N snapshots that can be read, and the transaction logs none of those needs."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("directory", metavar="DIR", help="the dataDir of a server")
        parser.add_argument(
            "log_directory", metavar="LOGDIR", nargs="?", help="its dataLogDir, when it is another"
        )
        parser.add_argument(
            "-n", dest="keep", type=int, required=True, metavar="N", help="snapshots to keep, 3 or more"
        )
        parser.add_argument("--dry-run", action="store_true", help="only say what would be removed")

    def handle(self, *args: Any, **options: Any) -> None:
        """Remove, or say what would be removed."""
        with tools.told_in_a_sentence():
            if options["keep"] < purge.KEEP_MIN:
                raise ConfigError(f"-n {options['keep']} is too few; write -n {purge.KEEP_MIN} or more")
            data = tools.home(options["directory"])
            log = tools.home(options["log_directory"]) if options["log_directory"] else data
            if not options["dry_run"]:
                for directory in {data, log}:
                    tools.refuse_in_use(directory)
            files = ReadOnlyFiles(data)

            def sound(name: str) -> bool:
                try:
                    snapshot.load(files.read(name), name)
                except StorageError as error:
                    self.stderr.write(f"{error}; it does not count")
                    return False
                return True

            snapshots, logs = purge.plan(files, ReadOnlyFiles(log), options["keep"], sound)
            # Logs last: what a crash leaves can always be opened.
            for path in [*(data / name for name in snapshots), *(log / name for name in logs)]:
                self.stdout.write(f"{'Would remove' if options['dry_run'] else 'Removing'} file: {path}")
                if not options["dry_run"]:
                    path.unlink()
            if not snapshots and not logs:
                self.stdout.write("nothing to remove")
