"""What the tools call a log in which Apache's server has logged things twice: by its name, and no damage."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from django.core.management import call_command

from ensemble.storage.records import HEADER, encode, scan
from ensemble.storage.repeats import Earlier
from ensemble.toolkit import txnlog
from ensemble.toolkit.check import Checker, Finding, Place, Severity
from ensemble.tree import txns
from ensemble.tree.txns import Txn
from ensemble.zxid import make
from tests.ensemble.toolkit.harness import Directory, history, log_of, written

HISTORY = history(1, 1, 12)


def part(first: int, last: int) -> list[Txn]:
    """Return a part of the history, from one counter to another."""
    return HISTORY[first - 1 : last]


def directory_of(*files: list[Txn]) -> Directory:
    """Return a directory with the snapshot of an empty tree, and log files as Apache writes them."""
    directory = written(part(1, 1))
    directory.remove(log_of(1, 1))
    for entries in files:
        content = HEADER + b"".join([encode(txns.encode(entry)) for entry in entries])
        directory.write_atomic(f"version-2/log.{entries[0].zxid:x}", content + bytes(64))
    return directory


def checked(directory: Directory) -> tuple[list[Finding], Checker]:
    place = Place("/zk", directory)
    checker = Checker(place, place, sid=1)
    return list(checker.findings()), checker


@pytest.mark.parametrize(
    ("files", "noted"),
    [
        ([part(1, 5) + part(3, 12)], {log_of(1, 1): "3 entries that were logged before, from 1:3 to 1:5"}),
        ([part(1, 5), part(3, 12)], {log_of(1, 3): "3 entries that were logged before, from 1:3 to 1:5"}),
        (
            [part(1, 5), part(6, 8) + part(3, 6), part(7, 12)],
            {log_of(1, 6): "4 entries that were logged before, from 1:3 to 1:6", log_of(1, 7): "2 entries"},
        ),
    ],
    ids=["in-one-file", "in-the-next-file", "in-both"],
)
def test_a_repeat_is_noted_by_its_name_and_is_harmless(files: list[list[Txn]], noted: dict[str, str]) -> None:
    findings, checker = checked(directory_of(*files))
    assert [finding.name for finding in findings] == list(noted)
    for finding in findings:
        assert (finding.severity, finding.mend) == (Severity.NOTE, "")
        assert noted[finding.name] in finding.what
        assert (
            "joined a second time and was sent them again (ZOOKEEPER-4712). This is harmless" in finding.what
        )
    assert checker.verdict is not None
    assert checker.verdict.zxid == make(1, 12)
    assert checker.verdict.znodes == 4 + 6


def test_another_transaction_of_the_same_zxid_is_no_repeat() -> None:
    other = Txn(7, 1, *(getattr(HISTORY[2], name) for name in ("zxid", "time_ms", "type", "record")))
    findings, checker = checked(directory_of([*part(1, 5), other, *part(4, 12)]))
    assert checker.verdict is None
    wrong = [finding for finding in findings if finding.severity is Severity.ERROR]
    assert "transaction 1:3 at offset" in wrong[0].what
    assert "comes after 1:5: the order is broken" in wrong[0].what


@pytest.mark.parametrize("one_file", [True, False])
def test_an_epoch_behind_a_repeat_that_stops_short_is_an_error(one_file: bool) -> None:
    later = history(2, 1, 3)
    files = [part(1, 5) + part(2, 3) + later] if one_file else [part(1, 5) + part(2, 3), later]
    findings, checker = checked(directory_of(*files))
    assert checker.verdict is None
    (wrong, server) = (finding for finding in findings if finding.severity is Severity.ERROR)
    assert wrong.name == (log_of(1, 1) if one_file else log_of(2, 1))
    assert "transaction 2:1 at offset" in wrong.what
    assert "a repeat that ends at 1:3, and 1:5 was read before: which of the two it follows" in wrong.what
    assert server.what.startswith("a server would not start: ")


def test_a_file_of_ours_that_goes_backwards_is_damage() -> None:
    directory = written(part(1, 5))
    data = directory.read(log_of(1, 1))
    end = scan(data)[1]
    again = b"".join([encode(txns.encode(entry)) for entry in part(3, 4)])
    directory.write_atomic(log_of(1, 1), data[:end] + again + data[end : end + 200])
    findings, checker = checked(directory)
    assert checker.verdict is None
    assert any("the order is broken" in finding.what for finding in findings)


def test_a_log_that_goes_backwards_is_cut_where_it_holds_a_transaction_first() -> None:
    directory = directory_of(part(1, 5) + part(2, 4))
    for counter in range(1, 6):
        cut = txnlog.chopped(directory.read(log_of(1, 1)), "log", make(1, counter))
        assert [zxid for zxid, _ in scan(cut)[0]] == [entry.zxid for entry in part(1, counter)]


def test_repeats_are_told_by_their_bytes_also_across_files() -> None:
    directory = directory_of(part(1, 5), part(6, 8) + part(3, 7))
    files: dict[int, str] = {make(1, 1): log_of(1, 1), make(1, 6): log_of(1, 6)}
    log = txnlog.read(directory.read(log_of(1, 6)), "log")
    again = txnlog.repeats(log, make(1, 5), Earlier(directory, files), make(1, 6))
    assert again == {entry.offset for entry in log.entries[3:]}
    alone = txnlog.repeats(log, None, Earlier(directory, {}), 0)
    assert alone == {entry.offset for entry in log.entries[6:]}


def test_the_list_of_a_log_marks_what_was_logged_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = directory_of(part(1, 5), part(6, 8) + part(3, 7))
    (tmp_path / "version-2").mkdir()
    for name in (log_of(1, 1), log_of(1, 6)):
        (tmp_path / name).write_bytes(directory.read(name))
    call_command("txnlog", str(tmp_path))
    lines = capsys.readouterr().out.splitlines()
    marked = [line for line in lines if line.startswith("LOGGED AGAIN - ")]
    assert [line.split(" zxid ")[1][:11] for line in marked] == [hex(entry.zxid) for entry in part(3, 7)]
    assert lines[-2] == "EOF reached after 8 txns."
    assert lines[-1].startswith("5 of them were logged again by a server of Apache's")
    call_command("txnlog", str(tmp_path / log_of(1, 6)), "--json")
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [entry.get("again", False) for entry in told] == [False] * 6 + [True] * 2
