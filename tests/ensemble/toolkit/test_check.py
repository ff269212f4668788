"""Every kind of damage, what is said of it, and that the command which is to mend it does."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from ensemble.runtime.disk.files import ReadOnlyFiles
from ensemble.storage.records import HEADER, encode
from ensemble.toolkit import txnlog
from ensemble.toolkit.check import Checker, Finding, Place, Severity
from ensemble.tree import txns
from ensemble.zxid import make
from tests.ensemble.toolkit.harness import Directory, history, log_of, snapshot_of, written
from tests.processes.conftest import ROOT


def checked(directory: Directory, sid: int | None = 1) -> tuple[list[Finding], Checker]:
    place = Place("/zk", directory)
    checker = Checker(place, place, sid=sid)
    return list(checker.findings()), checker


def sound() -> Directory:
    return written(history(1, 1, 6), "snapshot", history(1, 7, 9), "snapshot", history(2, 1, 4))


def test_a_sound_directory_has_a_verdict_and_no_finding() -> None:
    findings, checker = checked(sound())
    assert findings == []
    assert checker.verdict is not None
    assert (checker.verdict.zxid, checker.verdict.current_epoch) == (make(2, 4), 2)
    assert (checker.verdict.znodes, checker.verdict.sessions) == (4 + 6, 1)


def test_an_empty_directory_is_a_warning() -> None:
    directory = Directory()
    directory.write_atomic("myid", b"1")
    findings, checker = checked(directory)
    assert [(finding.severity, finding.name) for finding in findings] == [(Severity.WARNING, "version-2")]
    assert checker.verdict is not None


def rewrite(directory: Directory, name: str, entries: list[txns.Txn]) -> None:
    content = HEADER + b"".join([encode(txns.encode(entry)) for entry in entries])
    directory.write_atomic(name, content)


def torn(directory: Directory) -> None:
    content = directory.read(log_of(2, 1)).rstrip(b"\0")
    directory.write_atomic(log_of(2, 1), content[: len(content) - 30])


def wrong_length(directory: Directory) -> None:
    second = txnlog.read(directory.read(log_of(1, 7)), "log").entries[1]
    directory.spoil(log_of(1, 7), second.offset + 11)


def misnamed(directory: Directory) -> None:
    directory.write_atomic(log_of(1, 8), directory.read(log_of(1, 7)))
    directory.remove(log_of(1, 7))


def gap_within(directory: Directory) -> None:
    entries = history(2, 1, 9)
    rewrite(directory, log_of(2, 1), entries[:3] + entries[5:])


def no_transaction(directory: Directory) -> None:
    payload = txns.encode(history(2, 1, 1)[0])[:28] + (4711).to_bytes(4, "big")
    directory.write_atomic(log_of(2, 1), HEADER + encode(payload))


E, W, N = Severity.ERROR, Severity.WARNING, Severity.NOTE


@pytest.mark.parametrize(
    ("spoil", "severity", "name", "said", "mend"),
    [
        (lambda d: d.remove("myid"), E, "myid", "is missing", "echo 1 > /zk/myid"),
        (lambda d: d.write_atomic("myid", b"one"), E, "myid", "holds 'one', not a server id", "echo 1 > /zk/myid"),
        (lambda d: d.write_atomic("myid", b"9" * 5000), E, "myid", "not a server id", "echo 1 > /zk/myid"),
        (lambda d: d.write_atomic("myid", b"2"), E, "myid", "directory of another server", "echo 1 > /zk/myid"),
        (lambda d: d.write_atomic("version-2/currentEpoch", b"x"), E, "version-2/currentEpoch", "not a number", "rm /zk/version-2/currentEpoch"),
        (lambda d: d.write_atomic("version-2/acceptedEpoch", b"x"), E, "version-2/acceptedEpoch", "not a number", "cp /zk/version-2/currentEpoch /zk/version-2/acceptedEpoch"),
        (lambda d: d.write_atomic("version-2/acceptedEpoch", b"2\n00000000"), E, "version-2/acceptedEpoch", "checksum does not hold", "cp /zk/version-2/currentEpoch /zk/version-2/acceptedEpoch"),
        (lambda d: d.remove("version-2/acceptedEpoch"), E, "version-2/acceptedEpoch", "is missing", "cp /zk/version-2/currentEpoch /zk/version-2/acceptedEpoch"),
        (lambda d: d.write_atomic("version-2/acceptedEpoch", b"1"), E, "version-2/acceptedEpoch", "before the current epoch 2", "cp /zk/version-2/currentEpoch /zk/version-2/acceptedEpoch"),
        (lambda d: d.write_atomic("version-2/log.x1", b""), W, "version-2/log.x1", "not read", ""),
        (lambda d: d.write_atomic("version-2/notes.txt", b""), N, "version-2/notes.txt", "no file of a server", ""),
        (lambda d: d.write_atomic("version-2/snapshot.5.tmp", b""), N, "version-2/snapshot.5.tmp", "half of a file", ""),
        (lambda d: d.spoil(snapshot_of(1, 9), 60), W, snapshot_of(1, 9), "0x100000006 is the newest good one", f"rm /zk/{snapshot_of(1, 9)}"),
        (lambda d: d.write_atomic(snapshot_of(1, 9), d.read(snapshot_of(1, 9))[:-70]), W, snapshot_of(1, 9), "incomplete or corrupt", f"rm /zk/{snapshot_of(1, 9)}"),
        (torn, N, log_of(2, 1), "torn by a crash", ""),
        (wrong_length, E, log_of(1, 7), "no crash explains them: what came after 1:7 is lost", "mv /zk/version-2 /zk/version-2.bad"),
        (misnamed, E, log_of(1, 8), "begins with transaction 1:7", f"mv /zk/{log_of(1, 8)} /zk/{log_of(1, 7)}"),
        (gap_within, E, log_of(2, 1), "between 2:3 and 2:6 are missing", "mv /zk/version-2 /zk/version-2.bad"),
        (no_transaction, E, log_of(2, 1), "at offset 16 is no transaction", "mv /zk/version-2 /zk/version-2.bad"),
        (lambda d: d.remove(log_of(1, 7)), N, log_of(2, 1), "", ""),
        (lambda d: d.spoil(log_of(2, 1), 60), E, log_of(2, 1), "the checksum of transaction 2:1 at offset 16 is wrong", "mv /zk/version-2 /zk/version-2.bad"),
        (lambda d: d.write_atomic(log_of(2, 1), b"nonsense"), E, log_of(2, 1), "does not begin as a transaction log", "mv /zk/version-2 /zk/version-2.bad"),
    ],
)  # fmt: skip
def test_each_damage_is_named_with_what_mends_it(
    spoil: Callable[[Directory], None], severity: Severity, name: str, said: str, mend: str
) -> None:
    directory = sound()
    spoil(directory)
    findings, checker = checked(directory)
    if not said:
        assert findings == []  # a new epoch begins at 1, and snapshot 1:9 stands for what is missing
        assert checker.verdict is not None
        return
    about = [finding for finding in findings if finding.name == name]
    assert about, findings
    assert about[0].severity is severity
    assert said in about[0].what
    assert about[0].mend.split("  #")[0] == mend
    if severity is not Severity.ERROR:
        assert checker.verdict is not None


def test_without_any_good_snapshot_all_has_to_come_from_the_others() -> None:
    directory = sound()
    for name in ("version-2/snapshot.0", snapshot_of(1, 6), snapshot_of(1, 9)):
        directory.spoil(name, 60)
    findings, checker = checked(directory)
    assert checker.verdict is None
    assert {finding.severity for finding in findings} == {Severity.ERROR}
    assert "no other snapshot is left" in findings[0].what
    assert findings[-1].what.startswith("a server would not start: ")


def test_a_server_that_stands_alone_is_told_to_repair() -> None:
    directory = sound()
    directory.remove("myid")
    directory.spoil(log_of(2, 1), 60)
    findings, _ = checked(directory, sid=None)
    wrong = next(finding for finding in findings if "checksum" in finding.what)
    assert wrong.mend == f"python manage.py txnlog /zk/{log_of(2, 1)} --repair --replace"


# -- on real files, with the commands carried out ------------------------------------------------------------


def on_disk(directory: Directory, path: Path) -> Checker:
    """Write the files out; the checker speaks of them."""
    for name in [*directory.names("version-2"), *directory.names("")]:
        inner = name if name == "myid" else f"version-2/{name}"
        target = path / inner
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(directory.read(inner))
    place = Place(str(path), ReadOnlyFiles(path))
    return Checker(place, place)


@pytest.mark.process
@pytest.mark.parametrize(
    "spoil",
    [
        lambda d: d.remove("myid"),
        lambda d: d.write_atomic("version-2/currentEpoch", b"x"),
        lambda d: d.write_atomic("version-2/acceptedEpoch", b"1"),
        lambda d: d.spoil(snapshot_of(1, 9), 60),
        misnamed,
        lambda d: (d.remove("myid"), d.spoil(log_of(2, 1), d.read(log_of(2, 1)).index(b"data"))),
    ],
)
def test_the_command_mends_it(tmp_path: Path, spoil: Callable[[Directory], object]) -> None:
    directory = sound()
    spoil(directory)
    findings = list(on_disk(directory, tmp_path / "zk").findings())
    mends = [finding.mend for finding in findings if finding.mend]
    assert mends
    command = next((mend for mend in mends if "manage.py" in mend), mends[0]).replace("echo N", "echo 1")
    subprocess.run(["/bin/sh", "-c", command], check=True, cwd=ROOT, timeout=60)
    place = Place(str(tmp_path / "zk"), ReadOnlyFiles(tmp_path / "zk"))
    left = [found for found in Checker(place, place).findings() if found.severity is not Severity.NOTE]
    assert [found for found in left if not found.name.endswith(".bad")] == []
