"""What is wrong with a server's directories, and the one command that mends each finding.

Two judgements: every file is looked at by itself, with offsets; then the recovery of a starting server runs
over a copy in memory, so that the verdict is the server's own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from shlex import quote

from ensemble.errors import CorruptionError, StorageError, WireError
from ensemble.membership import SID_MAX, is_number
from ensemble.storage import tail
from ensemble.storage.epochs import decode
from ensemble.storage.gaps import Bridges
from ensemble.storage.names import (
    ACCEPTED_EPOCH,
    ASIDE_SUFFIX,
    CURRENT_EPOCH,
    DIRECTORY,
    INSTALLING,
    LOG,
    SNAPSHOT,
    TEMPORARY_SUFFIX,
    VOID,
    log_files,
    log_name,
    snapshot_files,
)
from ensemble.storage.repeats import Earlier, leads_on
from ensemble.storage.store import Store
from ensemble.toolkit import snapshot, txnlog
from ensemble.toolkit.overlay import Files, Overlay
from ensemble.toolkit.words import identifier
from ensemble.tree import snapshot as trees
from ensemble.tree import txns
from ensemble.zxid import follows, text


class Severity(Enum):
    """How much a finding matters."""

    NOTE = "note"
    """Nothing to do."""
    WARNING = "warning"
    """A server starts on it all the same."""
    ERROR = "error"
    """A server would refuse to start, or has lost something."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it should be."""

    severity: Severity
    name: str
    """The file, or the directory."""
    what: str
    mend: str = ""
    """A shell command; empty when there is nothing to do, or nothing that one command could."""


@dataclass(frozen=True, slots=True)
class Place:
    """One of the two directories of a server, and its path for the commands."""

    path: str
    files: Files

    def __call__(self, name: str) -> str:
        """Return the path of a file, quoted for a shell."""
        return quote(f"{self.path}/{name}")


@dataclass(slots=True)
class Verdict:
    """What a server would start from."""

    zxid: int
    accepted_epoch: int
    current_epoch: int
    znodes: int
    sessions: int


_Last = tuple[int, str, int]
"""The newest transaction of the log files so far, the file that holds it, and what stands at the end of the last one."""


class Checker:
    """Looks through the directories of one server (they may be the same one)."""

    def __init__(
        self,
        data: Place,
        log: Place,
        *,
        sid: int | None = None,
        looked_at: Callable[[str], None] = lambda name: None,
    ) -> None:
        """``sid`` is the id the server should have; ``looked_at`` hears of each file that is done with."""
        self._data = data
        self._log = log
        self._sid = sid
        self._looked_at = looked_at
        self._sound: set[int] = set()
        self.verdict: Verdict | None = None
        """Filled by :meth:`findings`; None when a server would not start."""

    def findings(self) -> Iterator[Finding]:
        """Look at everything, and yield what is not as it should be."""
        if not self._data.files.names(DIRECTORY) and not self._log.files.names(DIRECTORY):
            yield Finding(
                Severity.WARNING,
                DIRECTORY,
                "is empty or missing: a server would begin with an empty tree",
                f"ls -d {quote(self._data.path)}/*  # is this the dataDir of zoo.cfg?",
            )
        yield from self._myid()
        yield from self._strays()
        yield from self._epochs()
        yield from self._snapshots()
        yield from self._logs()
        yield from self._judge()

    # -- the small files ---------------------------------------------------------------------------------

    def _myid(self) -> Iterator[Finding]:
        content = self._content("myid", "")
        wanted = "N" if self._sid is None else str(self._sid)
        mend = f"echo {wanted} > {self._data('myid')}"
        if content is None:
            severity = Severity.NOTE if self._sid is None else Severity.ERROR
            yield Finding(severity, "myid", "is missing; every server of an ensemble needs it", mend)
            return
        said = content.strip().decode("ascii", errors="replace")
        if not is_number(said) or int(said) > SID_MAX:
            yield Finding(
                Severity.ERROR, "myid", f"holds {said[:40]!r}, not a server id, a whole number", mend
            )
        elif self._sid is not None and int(said) != self._sid:
            yield Finding(
                Severity.ERROR, "myid", f"says {said}: this is the directory of another server", mend
            )

    def _strays(self) -> Iterator[Finding]:
        ours = {name.rpartition("/")[2] for name in (ACCEPTED_EPOCH, CURRENT_EPOCH, INSTALLING, VOID)}
        known = {name.rpartition("/")[2] for _, name in snapshot_files(self._data.files)}
        known |= {name.rpartition("/")[2] for name in log_files(self._log.files).values()}
        for place in dict.fromkeys((self._data, self._log)):
            for name in place.files.names(DIRECTORY):
                path = f"{DIRECTORY}/{name}"
                if name in (INSTALLING.rpartition("/")[2], VOID.rpartition("/")[2]):
                    yield Finding(
                        Severity.NOTE, path, "was left by a crash; the next start finishes what it names"
                    )
                elif name.endswith((TEMPORARY_SUFFIX, ASIDE_SUFFIX)):
                    yield Finding(Severity.NOTE, path, "is half of a file; the next start removes it")
                elif name not in ours | known:
                    kind = "log" if name.startswith(LOG) else "snapshot" if name.startswith(SNAPSHOT) else ""
                    what = (
                        f"is a {kind} in the wrong directory or of a wrong name"
                        if kind
                        else "is no file of a server"
                    )
                    yield Finding(
                        Severity.WARNING if kind else Severity.NOTE, path, f"{what}; it is not read"
                    )

    def _epochs(self) -> Iterator[Finding]:
        found: dict[str, int] = {}
        copy = f"cp {self._data(CURRENT_EPOCH)} {self._data(ACCEPTED_EPOCH)}"
        for name in (CURRENT_EPOCH, ACCEPTED_EPOCH):
            content = self._content(name.rpartition("/")[2], DIRECTORY)
            fix = copy if name == ACCEPTED_EPOCH and CURRENT_EPOCH in found else f"rm {self._data(name)}"
            if content is None:
                if fix is copy:
                    yield Finding(
                        Severity.ERROR, name, "is missing, and was written before currentEpoch", fix
                    )
                continue
            try:
                found[name] = decode(content, name)
            except CorruptionError as error:
                what = str(error).removeprefix(f"{name} ").partition(": ")[0]
                yield Finding(Severity.ERROR, name, what, fix)
        if len(found) == 2 and found[ACCEPTED_EPOCH] < found[CURRENT_EPOCH]:
            yield Finding(
                Severity.ERROR,
                ACCEPTED_EPOCH,
                f"says {found[ACCEPTED_EPOCH]}, before the current epoch {found[CURRENT_EPOCH]}: one of them was replaced",
                copy,
            )

    # -- snapshots and logs ------------------------------------------------------------------------------

    def _snapshots(self) -> Iterator[Finding]:
        wrong: list[tuple[str, str]] = []
        for zxid, name in snapshot_files(self._data.files):
            try:
                snapshot.load(self._data.files.read(name), name)
                self._sound.add(zxid)
            except (StorageError, WireError) as error:
                wrong.append((name, str(error).removeprefix(f"{name} ")))
            self._looked_at(name)
        for name, why in wrong:
            if self._sound:
                others = f"; {identifier(max(self._sound))} is the newest good one"
                yield Finding(Severity.WARNING, name, why + others, f"rm {self._data(name)}")
            else:
                yield Finding(Severity.ERROR, name, f"{why}; no other snapshot is left", self._fetch_again())

    def _logs(self) -> Iterator[Finding]:
        last: _Last | None = None
        files = log_files(self._log.files)
        earlier = Earlier(self._log.files, files)
        newest = max(files, default=0)
        for first, name in files.items():
            try:
                data = self._log.files.read(name)
                log = txnlog.read(data, name)
            except StorageError as error:
                yield Finding(Severity.ERROR, name, str(error).removeprefix(f"{name} "), self._fetch_again())
                continue
            finally:
                self._looked_at(name)
            again: set[int] = set()
            if tail.batch_start(data, log.end) is None:  # ours logs nothing twice
                again = txnlog.repeats(log, last[0] if last else None, earlier, first)
                yield from self._again(name, log, again)
            yield from self._entries(name, first, log, last, again)
            yield from self._ending(name, data, log, is_newest=first == newest)
            newer = [entry.zxid for entry in log.entries if entry.offset not in again]
            if newer or last:
                zxid, where, latest = last or (0, name, 0)
                latest = log.entries[-1].zxid if log.entries else latest
                last = (newer[-1], name, latest) if newer else (zxid, where, latest)

    def _again(self, name: str, log: txnlog.Log, again: set[int]) -> Iterator[Finding]:
        zxids = [entry.zxid for entry in log.entries if entry.offset in again]
        if zxids:
            what = (
                f"holds {len(zxids)} entries that were logged before, from {text(min(zxids))} to {text(max(zxids))}: a "
                "server of Apache's joined a second time and was sent them again (ZOOKEEPER-4712). This is harmless: each "
                "counts once"
            )
            yield Finding(Severity.NOTE, name, what)

    def _entries(
        self, name: str, first: int, log: txnlog.Log, last: _Last | None, again: set[int]
    ) -> Iterator[Finding]:
        if log.entries and log.entries[0].good and log.entries[0].zxid != first:
            begins = log.entries[0].zxid
            yield Finding(
                Severity.ERROR,
                name,
                f"begins with transaction {text(begins)}, not with that of its name",
                f"mv {self._log(name)} {self._log(log_name(begins))}",
            )
        previous, before, latest = last or (None, "", None)
        for entry in log.entries:
            if entry.offset in again:
                latest = entry.zxid
                continue
            if not entry.good:
                yield Finding(
                    Severity.ERROR,
                    name,
                    f"the checksum of transaction {text(entry.zxid)} at offset {entry.offset} is wrong",
                    self._repair(name),
                )
            else:
                try:
                    entry.txn()
                except WireError as error:
                    yield Finding(
                        Severity.ERROR,
                        name,
                        f"the entry at offset {entry.offset} is no transaction: {error}",
                        self._fetch_again(),
                    )
            if previous is not None and not follows(entry.zxid, previous):
                yield from self._gap(name, previous, before, entry)
            elif previous is not None and latest is not None and latest != previous:
                yield from self._stops_short(name, previous, latest, entry)
            previous, before, latest = entry.zxid, name, entry.zxid

    def _stops_short(
        self, name: str, newest: int, repeat: int, entry: txnlog.LoggedEntry
    ) -> Iterator[Finding]:
        if not leads_on(Bridges(self._sound, max(self._sound, default=0)), newest, repeat, entry.zxid):
            what = (
                f"transaction {text(entry.zxid)} at offset {entry.offset} comes after a repeat that ends at "
                f"{text(repeat)}, and {text(newest)} was read before: which of the two it follows cannot be told"
            )
            yield Finding(Severity.ERROR, name, what, self._fetch_again())

    def _gap(self, name: str, previous: int, before: str, entry: txnlog.LoggedEntry) -> Iterator[Finding]:
        where = f"after {text(previous)}" + (f" of {before}" if before != name else "")
        if entry.zxid <= previous:
            what = (
                f"transaction {text(entry.zxid)} at offset {entry.offset} comes {where}: the order is broken"
            )
            yield Finding(Severity.ERROR, name, what, self._fetch_again())
        elif any(previous < zxid < entry.zxid and follows(entry.zxid, zxid) for zxid in self._sound):
            what = f"transactions between {text(previous)} and {text(entry.zxid)} are in a snapshot only"
            yield Finding(Severity.NOTE, name, what)
        elif any(zxid >= entry.zxid for zxid in self._sound):
            what = f"transactions between {text(previous)} and {text(entry.zxid)} are missing; a newer snapshot holds them"
            yield Finding(Severity.WARNING, name, what, self._purge())
        else:
            what = f"transactions between {text(previous)} and {text(entry.zxid)} are missing (offset {entry.offset})"
            yield Finding(Severity.ERROR, name, what, self._fetch_again())

    def _ending(self, name: str, data: bytes, log: txnlog.Log, *, is_newest: bool) -> Iterator[Finding]:
        if not log.rest:
            return
        bad = f"{log.rest} bytes at offset {log.end} make no entry"
        try:
            tail.judge(data, log.end, log.entries[-1].zxid if log.entries else 0, name)
        except CorruptionError:
            held = text(log.entries[-1].zxid) if log.entries else "nothing"
            what = f"{bad}, and no crash explains them: what came after {held} is lost"
            yield Finding(
                Severity.ERROR, name, what, self._fetch_again() if self._in_ensemble() else self._repair(name)
            )
        else:
            what = f"{bad}: a write was torn by a crash; the next start drops it"
            yield Finding(Severity.NOTE if is_newest else Severity.WARNING, name, what)

    # -- the verdict -------------------------------------------------------------------------------------

    def _judge(self) -> Iterator[Finding]:
        data = Overlay(self._data.files)
        log = data if self._log == self._data else Overlay(self._log.files)
        try:
            store = Store.open(data, log)
            found = store.read_snapshot()
            if found is None:
                raise CorruptionError("no snapshot can be read")
            zxid, body = found
            tree, _ = trees.load(body)
            entries = store.read_after(zxid)
            if entries is None:
                raise CorruptionError(f"the log does not lead on from the snapshot at {text(zxid)}")
            for _, payload in entries:
                tree.apply(txns.decode(payload))
        except (StorageError, WireError) as error:
            yield Finding(
                Severity.ERROR, DIRECTORY, f"a server would not start: {error}", self._fetch_again()
            )
            return
        self.verdict = Verdict(
            store.zxid_logged, store.accepted_epoch, store.current_epoch, len(tree.nodes), len(tree.sessions)
        )

    # -- commands ----------------------------------------------------------------------------------------

    def _in_ensemble(self) -> bool:
        return self._sid is not None or self._content("myid", "") is not None

    def _fetch_again(self) -> str:
        """Let a server of an ensemble fetch everything; one that stands alone has only its backups."""
        if not self._in_ensemble():
            return ""
        moves = [
            f"mv {place(DIRECTORY)} {place(DIRECTORY + '.bad')}"
            for place in dict.fromkeys((self._data, self._log))
        ]
        return " && ".join(moves) + "  # the leader sends everything anew"

    def _repair(self, name: str) -> str:
        if self._in_ensemble():
            return self._fetch_again()
        return f"python manage.py txnlog {self._log(name)} --repair --replace"

    def _purge(self) -> str:
        places = " ".join(quote(place.path) for place in dict.fromkeys((self._data, self._log)))
        return f"python manage.py purge {places} -n 3"

    def _content(self, name: str, directory: str) -> bytes | None:
        if name not in self._data.files.names(directory):
            return None
        return self._data.files.read(f"{directory}/{name}" if directory else name)
