"""A directory whose log holds transactions twice (ZOOKEEPER-4712): a server of either kind makes the same of it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ensemble.storage.names import log_name
from ensemble.storage.records import HEADER, Entry, encode, scan
from ensemble.toolkit import txnlog
from tests.mixed.conftest import MakeEnsemble
from tests.mixed.servers import START_S_MAX, Kind, MixedEnsemble, Znode
from tests.waiting import until

pytestmark = [
    pytest.mark.process,
    pytest.mark.timeout(120),
    # kazoo 2.11 on Python 3.11
    pytest.mark.filterwarnings("ignore:.*:DeprecationWarning:kazoo"),
]


def logged_by_apache(ensemble: MixedEnsemble) -> tuple[Path, list[Entry]]:
    """Have Apache's server write a log file; return its directory, and what stands in the file."""
    serving(ensemble, "apache")
    with ensemble.client(1) as client:
        for number in range(12):
            client.create(f"/n{number}", b"first")
            client.set(f"/n{number}", b"second")
            client.create(f"/n{number}/gone", b"")
        client.create("/e", b"", ephemeral=True)
        for number in range(0, 12, 2):
            client.delete(f"/n{number}/gone")
            client.set(f"/n{number}", b"third")
        transaction = client.transaction()
        transaction.delete("/n1/gone")
        transaction.create("/n1/instead", b"")
        transaction.set_data("/n1", b"fourth")
        assert len(transaction.commit()) == 3
    ensemble.kill(1)
    (file,) = (ensemble.home(1) / "data" / "version-2").glob("log.*")
    entries, _ = scan(file.read_bytes())
    assert len(entries) > 45
    return file.parent, entries


def serving(ensemble: MixedEnsemble, kind: Kind) -> None:
    ensemble.start(1, kind=kind)
    until(lambda: ensemble.mode(1) == "standalone", START_S_MAX)


def state_with(ensemble: MixedEnsemble, kind: Kind, sound: Path, runs: list[list[Entry]]) -> dict[str, Znode]:
    """Return what a server of one kind makes of a directory whose log files hold ``runs``."""
    home = ensemble.home(1) / "data" / "version-2"
    shutil.rmtree(home, ignore_errors=True)
    shutil.copytree(sound, home, ignore=shutil.ignore_patterns("log.*"))
    for run in runs:
        content = HEADER + b"".join([encode(payload) for _, payload in run]) + bytes(1024)
        (home.parent / log_name(run[0][0])).write_bytes(content)
    serving(ensemble, kind)
    state = ensemble._state(1)
    ensemble.kill(1)
    return state


def test_both_kinds_start_on_it_and_show_the_same(ensemble_of: MakeEnsemble, tmp_path: Path) -> None:
    ensemble = ensemble_of("apache")
    directory, entries = logged_by_apache(ensemble)
    sound = tmp_path / "sound"
    shutil.copytree(directory, sound)
    again = [[*entries[:-10], *entries[5:-10], *entries[5:]]]
    theirs = state_with(ensemble, "apache", sound, again)
    assert theirs["/n1"][0] == b"fourth"
    assert {"/n1/instead", "/n3/gone"} <= set(theirs)
    assert not {"/n1/gone", "/n2/gone", "/e"} & set(theirs)
    assert state_with(ensemble, "ours", sound, again) == theirs


@pytest.mark.slow
def test_nor_does_it_matter_where_the_log_was_rolled(ensemble_of: MakeEnsemble, tmp_path: Path) -> None:
    ensemble = ensemble_of("apache")
    directory, entries = logged_by_apache(ensemble)
    sound = tmp_path / "sound"
    shutil.copytree(directory, sound)
    theirs = state_with(ensemble, "apache", sound, [entries])
    for rolled in (
        [entries],
        [entries[:20], entries[5:]],
        [entries[:20], entries[20:40] + entries[5:]],
        [entries[:20] + entries[5:10], entries[10:]],
        [entries[:20], entries[5:40], entries[40:45] + entries[5:42], entries[42:]],
    ):
        for kind in ("apache", "ours"):
            assert state_with(ensemble, kind, sound, rolled) == theirs


@pytest.mark.slow
def test_of_a_second_pass_that_was_cut_off_we_do_not_bring_back_what_is_old(
    ensemble_of: MakeEnsemble, tmp_path: Path
) -> None:
    """Apache's server carries out what it logged again, and ends with what was true then."""
    ensemble = ensemble_of("apache")
    directory, entries = logged_by_apache(ensemble)
    sound = tmp_path / "sound"
    shutil.copytree(directory, sound)
    cut_off = [[*entries, *entries[5:12]]]
    right = state_with(ensemble, "apache", sound, [entries])
    assert state_with(ensemble, "ours", sound, cut_off) == right
    theirs = state_with(ensemble, "apache", sound, cut_off)
    assert (theirs["/n2"][0], right["/n2"][0]) == (b"second", b"third")


@pytest.mark.slow
@pytest.mark.parametrize("snap_count", [1000, 10])
def test_apaches_learner_writes_such_a_log_and_ours_goes_on_with_it(
    ensemble_of: MakeEnsemble, snap_count: int
) -> None:
    """Its leader, a server of ours, sends commits as Apache's does, on which it fails. The lower the count, the more
    often the log is rolled."""
    ensemble = ensemble_of("apache", "ours", "ours", extra=f"snapCount={snap_count}\n")
    ensemble.start(3, mutant="commits_before_uptodate")
    ensemble.start(2)
    ensemble.until_led_by(3)
    with ensemble.client(2) as client:
        for number in range(40):
            client.create(f"/n{number}", b"")
    ensemble.start(1)
    ensemble.until_led_by(3)
    assert ensemble.log(1).count('"pif" is null') == 3
    with ensemble.client(1) as client:
        client.create("/afterwards", b"")
    ensemble.kill(1, 2, 3)
    files = sorted((ensemble.home(1) / "data" / "version-2").glob("log.*"))
    logged = [zxid for file in files for zxid in zxids_in(file.read_bytes())]
    assert len(logged) > len(set(logged)) > 40
    ensemble.start(1, kind="ours")
    ensemble.start(2, 3)
    ensemble.until_led()
    assert {"/n0", "/n39", "/afterwards"} <= set(ensemble.assert_one_state())


def zxids_in(data: bytes) -> list[int]:
    """Return what a log file holds, in whatever order."""
    return [entry.zxid for entry in txnlog.read(data, "log").entries]
