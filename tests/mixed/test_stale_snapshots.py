"""ZOOKEEPER-4837: a leader of Apache's that nobody follows takes a snapshot of what only it has logged.

Its log is cut when it follows the next leader, and the snapshot stays. Who is started on such a directory is told
to truncate it: Apache's server loads the snapshot again, and has from then on what nobody ever committed; ours does
away with it.
"""

from __future__ import annotations

import contextlib
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from ensemble.chaos.apache import snapshots_taken_leading
from ensemble.chaos.book import Book
from ensemble.runtime.disk.files import ReadOnlyFiles
from ensemble.storage.names import snapshot_files
from tests.mixed.conftest import MakeEnsemble
from tests.mixed.servers import START_S_MAX, Kind, MixedEnsemble
from tests.processes.conftest import HOST
from tests.waiting import until

pytestmark = [
    pytest.mark.process,
    pytest.mark.slow,
    pytest.mark.timeout(240),
    # kazoo 2.11 on Python 3.11
    pytest.mark.filterwarnings("ignore:.*:DeprecationWarning:kazoo"),
]

LONELY = "/only-here"


def snapshots(ensemble: MixedEnsemble, sid: int) -> list[int]:
    return [zxid for zxid, _ in snapshot_files(ReadOnlyFiles(ensemble.home(sid) / "data"))]


@contextlib.contextmanager
def voting_without_following(ensemble: MixedEnsemble, sid: int, leader: int) -> Iterator[None]:
    """Have a server that is started meanwhile reach another's election port only."""
    config = ensemble.home(sid) / "zoo.cfg"
    before = config.read_text()
    with socket.socket() as nobody:
        nobody.bind((HOST, 0))  # and does not listen
        host, _, election = ensemble.address(leader).split(":")
        config.write_text(
            before.replace(ensemble.address(leader), f"{host}:{nobody.getsockname()[1]}:{election}")
        )
        yield
    config.write_text(before)


def told_to_truncate(ensemble: MixedEnsemble, kind: Kind) -> None:
    """Server 3 logs what nobody else has, leads for a moment without followers, and dies. The others go on; then a
    server of the kind given is started on its directory.
    """
    ensemble.start(2, 3)
    ensemble.until_led_by(3)
    ensemble.start(1)
    ensemble.until_led_by(3)
    with ensemble.client(3) as client:
        client.create("/agreed", b"")
        # What the followers are sent from now on never leaves their sockets.
        ensemble.pause(1, 2)
        client.create_async(LONELY, b"")
        ensemble.until_logged(3, LONELY.encode())
        ensemble.kill(1, 2)
    before = snapshots(ensemble, 3)
    with voting_without_following(ensemble, 1, leader=3):
        ensemble.start(1)
        until(lambda: snapshots(ensemble, 3) != before, START_S_MAX)
        ensemble.kill(1, 3)
    ensemble.start(1, 2)
    ensemble.until_led_by(2)
    with ensemble.client(2) as client:
        client.create("/instead", b"")
    ensemble.start(3, kind=kind)
    ensemble.until_led_by(2)
    with ensemble.client(2) as client:
        client.create("/afterwards", b"")


def paths(ensemble: MixedEnsemble, sid: int) -> list[str]:
    with ensemble.client(sid) as client:
        client.sync("/")
        return sorted(client.get_children("/"))


def test_ours_does_away_with_a_snapshot_of_what_is_cut_off_its_log(ensemble_of: MakeEnsemble) -> None:
    ensemble = ensemble_of("ours", "ours", "apache")
    told_to_truncate(ensemble, "ours")
    assert LONELY not in ensemble.assert_one_state()


def test_apaches_loads_it_and_what_we_read_from_its_directory_it_reads_itself(
    ensemble_of: MakeEnsemble,
) -> None:
    ensemble = ensemble_of("ours", "ours", "apache")
    told_to_truncate(ensemble, "apache")
    agreed = ["afterwards", "agreed", "instead", "zookeeper"]
    assert [paths(ensemble, sid) for sid in (1, 2)] == [agreed, agreed]
    assert paths(ensemble, 3) == sorted([*agreed, LONELY[1:]])
    ensemble.kill(1, 2, 3)
    ours, theirs = (ReadOnlyFiles(ensemble.home(sid) / "data") for sid in (2, 3))
    book = Book()
    book.collect(ours, 1 << 63)
    book.note_snapshots(3, theirs)
    (explained,) = book.stale(3, snapshots_taken_leading(ensemble.log(3)))
    tree = book.recover(3, theirs)
    assert LONELY in tree.nodes
    assert tree.digest() == explained.digest() != book.recover(2, ours).digest()
    alone = ensemble_of("apache")
    states = [state_of_copy(alone, kind, ensemble.home(3) / "data") for kind in ("apache", "ours")]
    assert LONELY in states[0]
    assert states[0] == states[1]


def state_of_copy(alone: MixedEnsemble, kind: Kind, data: Path) -> dict[str, object]:
    """What a server of one kind makes of a copy of a directory."""
    home = alone.home(1) / "data" / "version-2"
    shutil.rmtree(home, ignore_errors=True)
    shutil.copytree(data / "version-2", home)
    alone.start(1, kind=kind)
    until(lambda: alone.mode(1) == "standalone", START_S_MAX)
    state = alone.assert_one_state()
    alone.kill(1)
    return dict(state)
