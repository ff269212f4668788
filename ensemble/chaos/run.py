"""A run: servers, clients, one fault after the other, and at the end the judgement.

Between two faults the ensemble has to recover, which is a promise too: all servers serve within a bound.
"""

from __future__ import annotations

import asyncio
import itertools
import shutil
import tempfile
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from ensemble.chaos.apache import STALE_SNAPSHOT, snapshots_sent, snapshots_taken_leading
from ensemble.chaos.book import Book
from ensemble.chaos.disk_faults import DISK_FAULTS
from ensemble.chaos.faults import FAULTS, RING_SERVERS_MIN
from ensemble.chaos.judge import Judgement, judge
from ensemble.chaos.servers import Make, Servers
from ensemble.chaos.stale import StaleState
from ensemble.chaos.tap import Tap
from ensemble.chaos.trouble import RECOVER_S_MAX, FaultFailed, NotMet, Trouble
from ensemble.chaos.workloads import WORKLOADS, Surroundings, clients
from ensemble.client import ClientError, ZooKeeper
from ensemble.errors import ConfigError, CoordinatorError
from ensemble.runtime.disk.files import ReadOnlyFiles
from ensemble.simulator.checks.checkers import HistoryViolation
from ensemble.simulator.clients.history import UNKNOWN, History
from ensemble.zxid import text

RECOVER_WITH_APACHE_S_MAX = 60.0
"""The same for ensembles with servers of Apache's, whose machines take seconds to start."""
NO_END = 1 << 63
CALM_S = (0.5, 1.5)
CLIENTS_S_MAX = 30.0
ANSWERS_PER_S_MIN = 20.0
FAULTS_PER_S_MIN = 1 / 25
"""Less than that, and nothing is proved: the run is void."""

Say = Callable[[str], None]


@dataclass(slots=True)
class Plan:
    """What is to be done."""

    seconds: float = 30.0
    seed: int = 1
    make: Make = field(default_factory=Make)
    faults: Sequence[str] = tuple(FAULTS)
    workloads: Sequence[str] = WORKLOADS
    answers_per_s_min: float = ANSWERS_PER_S_MIN
    keep: Path | None = None
    """Where to leave the servers' directories when a promise was broken; a folder that is not there yet."""

    @property
    def recover_s_max(self) -> float:
        """All servers serve again by then, after whatever was done to them."""
        return RECOVER_WITH_APACHE_S_MAX if self.make.apache else RECOVER_S_MAX


@dataclass(slots=True)
class Report:
    """What was done, and what came of it."""

    plan: Plan
    seconds: float = 0.0
    faults: dict[str, int] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    asked: int = 0
    answered: int = 0
    unknown: int = 0
    sessions: int = 0
    transactions: int = 0
    gap_ms: int = 0
    """The longest time in which no write at all was acknowledged."""
    judgement: Judgement = field(default_factory=Judgement)
    notes: list[str] = field(default_factory=list)
    void: list[str] = field(default_factory=list)
    history: History = field(default_factory=History)
    log: list[tuple[int, bytes]] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)
    """What is known of servers whose trees are wrong."""
    kept: Path | None = None
    """Where the servers' directories are, when a promise was broken."""

    @property
    def violations(self) -> list[str]:
        """The promises that were broken."""
        return self.judgement.violations


class Run:
    """One run; ``go`` does it all."""

    def __init__(self, plan: Plan, say: Say = lambda text: None) -> None:
        self._plan = plan
        self._say = say
        self._report = Report(plan)
        self._book = Book()
        self._started = time.monotonic()

    async def go(self) -> Report:
        """Do it. Whatever happens, no process is left, and no file but what is to be kept of a broken run.

        Raises ``ConfigError`` when it cannot even begin.
        """
        directory = Path(tempfile.mkdtemp(prefix="chaos-"))
        try:
            await self._in(directory)
        finally:
            shutil.rmtree(directory, ignore_errors=True)
        return self._report

    async def _in(self, directory: Path) -> None:
        servers = Servers(self._plan.make, directory)
        tap = Tap(self._report.history, lambda: time.monotonic_ns() // 1000, servers.epochs)
        try:
            await servers.open()
            await tap.open(servers.ports)
            if not await servers.until(servers.all_serve, self._plan.recover_s_max):
                self._violated(
                    f"C9: the servers do not serve {self._plan.recover_s_max:g} s after their first start"
                )
                return
            await self._work(servers, tap)
            await self._finish(servers, tap)
        except ConfigError:
            raise
        except (CoordinatorError, FaultFailed) as error:
            self._violated(f"C9: {error}")
        finally:
            await tap.close()
            if self.violations and self._plan.keep is not None:
                await servers.halt()
                await asyncio.to_thread(servers.keep, self._plan.keep)
                self._report.kept = self._plan.keep
            await servers.close()

    # -- clients and faults ------------------------------------------------------------------------------

    async def _work(self, servers: Servers, tap: Tap) -> None:
        surroundings = Surroundings(tap.addresses, self._plan.seed, lambda: list(tap.sessions))
        tasks = [
            asyncio.ensure_future(each)
            for name in self._plan.workloads
            for each in clients(name, surroundings)
        ]
        begun = time.monotonic()
        try:
            await self._torment(servers, tap, begun)
        finally:
            self._report.seconds = time.monotonic() - begun
            surroundings.stop()
            done, late = await asyncio.wait(tasks, timeout=CLIENTS_S_MAX)
            for task in late:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        if late:
            self._violated(
                f"C9: {len(late)} clients wait for an answer {CLIENTS_S_MAX:g} s after the last fault"
            )
        for failure in [str(task.exception()) for task in done if task.exception()] + surroundings.failures:
            self._violated(f"a client failed: {failure}")

    async def _torment(self, servers: Servers, tap: Tap, begun: float) -> None:
        rng = Random(self._plan.seed)  # noqa: S311 - to be repeatable

        async def collect() -> None:
            await self._collect(servers)

        trouble = Trouble(servers, rng, self._plan.recover_s_max, collect)
        names = self._possible(servers)
        left: list[str] = []
        while time.monotonic() - begun < self._plan.seconds:
            await asyncio.sleep(rng.uniform(*CALM_S))
            if not left:
                left = rng.sample(names, len(names))  # each once, before any comes again
            name = left.pop()
            self._tell(begun, f"{name} ...")
            await collect()
            try:
                await FAULTS[name](trouble)
                self._report.faults[name] = self._report.faults.get(name, 0) + 1
            except NotMet as why:
                trouble.notes.append(f"not met: {why}")
            for note in trouble.notes:
                self._tell(begun, f"{name}: {note}")
            self._report.notes += trouble.notes
            trouble.notes = []
            if not await servers.until(servers.all_serve, self._plan.recover_s_max):
                modes = await servers.modes()
                self._violated(
                    f"C9: not all servers serve {self._plan.recover_s_max:g} s after {name}: {modes}"
                )
                return
            await self._collect(servers)
            self._tell(begun, f"{name}: all serve, {tap.answered} answers so far")

    def _possible(self, servers: Servers) -> list[str]:
        skipped: dict[str, str] = {}
        if not self._plan.make.disk_faults:
            skipped.update(dict.fromkeys(DISK_FAULTS, "disk faults are off"))
        elif not servers.small:
            skipped["disk-full"] = "only root may mount a file system of bounded size"
        if len(servers.sids) < RING_SERVERS_MIN:
            skipped["majorities-ring"] = f"of {len(servers.sids)} servers each neighbours all others"
        self._report.skipped = {name: why for name, why in skipped.items() if name in self._plan.faults}
        possible = [name for name in self._plan.faults if name not in skipped]
        if not possible:
            why = "; ".join(f"{name}, as {why}" for name, why in self._report.skipped.items())
            raise ConfigError(f"nothing can be done to the servers: {why}; name other --faults")
        return possible

    async def _collect(self, servers: Servers) -> None:
        for sid in servers.sids:
            word = await servers.word(sid, "srvr")
            if "Zxid" in word:
                files, apache = ReadOnlyFiles(servers.disks[sid].data), sid in servers.apache
                await asyncio.to_thread(self._book.collect, files, int(word["Zxid"], 16), apache=apache)
        for sid, disk in servers.disks.items():
            self._book.note_snapshots(sid, ReadOnlyFiles(disk.data))

    # -- the end -----------------------------------------------------------------------------------------

    async def _finish(self, servers: Servers, tap: Tap) -> None:
        """C9: a write and a sync succeed at every server, all agree; then the disks are read."""
        newest = 0
        if not self.violations:
            await self._write_everywhere(tap)

            async def agree() -> bool:
                nonlocal newest
                words = [await servers.word(sid, "srvr") for sid in servers.sids]
                zxids = {word.get("Zxid", "0x0") for word in words}
                newest = int(next(iter(zxids)), 16)
                return len(zxids) == 1 and newest > 0

            if not await servers.until(agree, self._plan.recover_s_max):
                self._violated(f"C9: the servers' zxids still differ after {self._plan.recover_s_max:g} s")
        await self._collect(servers)
        await servers.kill(servers.sids)
        await tap.close()
        self._sum_up(tap)
        if not self.violations:
            self._say("judging ...")
            await asyncio.to_thread(self._judge, servers, newest)
        self._report.judgement.violations += tap.violations

    async def _write_everywhere(self, tap: Tap) -> None:
        for sid, port in tap.ports.items():
            try:
                async with asyncio.timeout(self._plan.recover_s_max):
                    async with ZooKeeper(f"127.0.0.1:{port}") as zk:
                        await zk.create(f"/end-{sid}", b"")
                        await zk.sync("/")
            except (ClientError, TimeoutError) as error:
                self._violated(f"C9: no write at server {sid} in the end: {error!r}")

    def _judge(self, servers: Servers, agreed: int) -> None:
        """Judge all that was logged; beyond ``agreed`` that is the end of sessions nobody closed."""
        report, book = self._report, self._book
        disks = {sid: ReadOnlyFiles(disk.data) for sid, disk in servers.disks.items()}
        for sid, files in disks.items():
            book.collect(files, NO_END, apache=sid in servers.apache)
        report.log, report.transactions = book.entries, len(book.entries)
        if book.newest < agreed:
            report.void.append("the log of all transactions could not be gathered from the servers' disks")
            return
        trees = {}
        for sid, files in disks.items():
            try:
                book.compare(sid, files, agreed, apache=sid in servers.apache)
                trees[sid] = book.recover(sid, files)
            except HistoryViolation as violation:
                self._violated(str(violation))
        stale = self._stale_states(servers)
        found = judge(report.history, report.log, trees, servers.apache, stale, servers.led())
        found.violations[:0] = report.judgement.violations
        report.judgement = found
        for sid, sentences in found.wrong_trees.items():
            report.findings += [f"server {sid} at {text(book.newest)}: {sentence}" for sentence in sentences]
            report.findings.append(f"server {sid}: {self._where_from(disks[sid], found.digest)}")
        if found.violations:
            report.findings += [
                f"server {state.sid}: snapshot {text(state.zxid)} is of what was never committed - {STALE_SNAPSHOT}"
                for state in stale
            ]

    def _stale_states(self, servers: Servers) -> list[StaleState]:
        """Follow what leaders of Apache's took snapshots of that was never committed, also to whom they sent it."""
        book, found = self._book, []
        for leader in servers.apache:
            log = servers.log(leader)
            sent = snapshots_sent(log)
            for state in book.stale(leader, snapshots_taken_leading(log)):
                for sid in servers.ours:
                    state.sent(sid, book.snapshots_seen[sid] & sent)
                found.append(state)
        return found

    def _where_from(self, files: ReadOnlyFiles, digest: int) -> str:
        """Tell from which of a server's snapshots on the log leads to a wrong tree."""
        first = "none of its snapshots leads"
        for name, tree in self._book.snapshots(files):
            if tree.digest() == digest:
                return f"{first} to a wrong tree, {name} to the model's"
            first = f"its snapshots from {name} on lead"
        return f"{first} to a wrong tree, and there is none before"

    def _sum_up(self, tap: Tap) -> None:
        report, calls = self._report, self._report.history.calls
        report.asked, report.answered = len(calls), tap.answered
        report.unknown = sum(call.returned_us == UNKNOWN for call in calls)
        report.sessions = len(tap.sessions)
        report.transactions = len(self._book.entries)
        written = sorted(call.returned_us for call in calls if call.is_write and call.returned_us != UNKNOWN)
        gaps = (later - earlier for earlier, later in itertools.pairwise(written))
        report.gap_ms = max(gaps, default=0) // 1000
        rate, faults = report.answered / report.seconds, sum(report.faults.values())
        if rate < self._plan.answers_per_s_min:
            least = self._plan.answers_per_s_min
            report.void.append(f"{rate:.1f} answers a second; it takes {least:g} to prove anything")
        if faults < self._plan.seconds * FAULTS_PER_S_MIN:
            report.void.append(f"only {faults} faults in {report.seconds:.0f} s")
        report.void += [f"workload {name} got no answer" for name in self._idle(calls_paths(report.history))]

    def _idle(self, tops: Collection[str]) -> list[str]:
        return [name for name in self._plan.workloads if name in TOPS and TOPS[name] not in tops]

    @property
    def violations(self) -> list[str]:
        """What is broken so far."""
        return self._report.judgement.violations

    def _violated(self, what: str) -> None:
        self._say(what)
        self._report.judgement.violations.append(what)

    def _tell(self, begun: float, text: str) -> None:
        self._say(f"{time.monotonic() - begun:6.1f} s  {text}")


TOPS = {
    "register": "registers",
    "set": "set",
    "queue": "queue",
    "sequence": "sequences",
    "watch": "watched",
    "persistent-watch": "watched",
    "ephemeral": "ephemerals",
    "lock": "lock",
    "counter": "counter",
}
"""Below which znode each workload is at home."""


def calls_paths(history: History) -> set[str]:
    """Return the first words of all paths that an answered request named."""
    paths = {getattr(call.operation, "path", "") or "" for call in history.calls if call.answer is not None}
    return {path.split("/")[1].partition("-")[0] for path in paths if path.startswith("/")}
