"""The commands for files, on directories of our server and of Apache's."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from kazoo.client import KazooClient

from tests.apache import free_port, running_apache
from tests.processes.conftest import HOST, ROOT, four_letter
from tests.waiting import until

pytestmark = [
    pytest.mark.process,
    # kazoo 2.11 on Python 3.11
    pytest.mark.filterwarnings("ignore:.*:DeprecationWarning:kazoo"),
]

SETTINGS = "snapCount=20\nautopurge.purgeInterval=0\n"


def manage(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "manage.py"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@contextmanager
def running_ours(directory: Path, settings: str) -> Iterator[int]:
    port = free_port()
    config = directory / "zoo.cfg"
    config.write_text(
        f"dataDir={directory / 'data'}\nclientPort={port}\nclientPortAddress={HOST}\n{settings}"
    )
    node = subprocess.Popen(
        [sys.executable, str(ROOT / "manage.py"), "node", "--config", str(config)], stderr=subprocess.DEVNULL
    )
    try:
        until(lambda: four_letter(port, "ruok") == "imok")
        yield port
    finally:
        node.kill()
        node.wait(10)


@pytest.fixture(params=["ours", "apache", "apache gz"], scope="module")
def data(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory whose server was killed after some hundred writes."""
    home = tmp_path_factory.mktemp("server")
    run = running_ours if request.param == "ours" else running_apache
    settings = SETTINGS + ("snapshot.compression.method=gz\n" if "gz" in request.param else "")
    with run(home, settings) as port:
        client = KazooClient(f"{HOST}:{port}")
        client.start(timeout=30)
        client.create("/ephemeral", ephemeral=True)
        for number in range(90):
            client.create(f"/node-{number:02}", b"x" * number)
        client.set("/node-00", b"changed")
        version = home / "data" / "version-2"
        until(lambda: len(list(version.glob("snapshot.*"))) > 4)
        client.stop()
        client.close()
    return home / "data"


def newest(data: Path, pattern: str, holds: bytes = b"") -> Path:
    files = [path for path in (data / "version-2").glob(pattern) if holds in path.read_bytes()]
    return max(files, key=lambda path: int(path.name.split(".")[1], 16))


def test_a_sound_directory_checks_out(data: Path) -> None:
    done = manage("check_data", data)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "a server starts from transaction" in done.stdout
    assert "error" not in done.stdout
    assert manage("check_data", data / "version-2").stdout == done.stdout


def test_a_directory_is_told_from_that_of_another_server(data: Path) -> None:
    done = manage("check_data", data, "--id", "3")
    assert done.returncode == 2
    assert "error   myid is missing; every server of an ensemble needs it" in done.stdout
    assert f"$ echo 3 > {data}/myid" in done.stdout


def test_the_log_is_listed_in_order(data: Path) -> None:
    done = manage("txnlog", data, "--json")
    assert done.returncode == 0, done.stderr
    entries = [json.loads(line) for line in done.stdout.splitlines()]
    created = [entry["path"] for entry in entries if entry["type"].startswith("create") and "path" in entry]
    assert created == ["/ephemeral", *(f"/node-{number:02}" for number in range(90))]
    lines = manage("txnlog", data).stdout
    assert " setData /node-00 version 1 7 bytes" in lines
    assert " createSession timeout 10000 ms" in lines
    assert "EOF reached after" in lines


def test_a_snapshot_is_listed_and_summed_up(data: Path) -> None:
    file = newest(data, "snapshot.*")
    lines = manage("snapshot", file).stdout.splitlines()
    assert "/node-07" in lines
    assert lines[lines.index("/node-07") + 10] == "  dataLength = 7"
    (tree,) = [
        part for part in json.loads(manage("snapshot", file, "--json").stdout) if isinstance(part, list)
    ]
    names = [part["name"] if isinstance(part, dict) else part[0]["name"] for part in tree]
    assert {"ephemeral", "node-00", "zookeeper"} <= set(names)
    summary = manage("snapshot", file, "--summary", "/", "--depth", "1").stdout.split()
    assert summary[:4] == ["path", "children", "data", "bytes"]
    same = manage("snapshot", file, "--compare", file)
    assert (same.returncode, same.stdout.endswith(": the same\n")) == (0, True)
    older = newest(data, "snapshot.0*")
    differs = manage("snapshot", older, "--compare", file)
    assert differs.returncode == 1
    assert "/node-07: only in the second\n" in differs.stdout


def test_purge_keeps_what_the_newest_snapshots_need(data: Path, tmp_path: Path) -> None:
    copy = tmp_path / "data"
    subprocess.run(["cp", "-r", str(data), str(copy)], check=True)
    before = len(list((copy / "version-2").iterdir()))
    would = manage("purge", copy, "-n", "3", "--dry-run").stdout.replace("Would remove", "Removing")
    assert len(list((copy / "version-2").iterdir())) == before
    done = manage("purge", copy, "-n", "3")
    assert done.stdout == would
    assert done.stdout.count("Removing file: ") == before - len(list((copy / "version-2").iterdir())) > 2
    assert len(list((copy / "version-2").glob("snapshot.*"))) == 3
    check = manage("check_data", copy)
    assert check.returncode == 0, check.stdout
    assert manage("purge", copy, "-n", "2").stderr == "error: -n 2 is too few; write -n 3 or more\n"


def test_a_wrong_checksum_is_named_mended_and_gone(data: Path, tmp_path: Path) -> None:
    copy = tmp_path / "data"
    subprocess.run(["cp", "-r", str(data), str(copy)], check=True)
    # Apache's server begins a new log when it likes: the newest may hold the end of the session alone.
    file = newest(copy, "log.*", holds=b"/node-")
    content = bytearray(file.read_bytes())
    content[content.index(b"/node-") + 6] ^= 1
    file.write_bytes(content)
    shown = manage("txnlog", file)
    assert shown.returncode == 1
    assert "CRC ERROR - " in shown.stdout
    check = manage("check_data", copy)
    assert check.returncode == 2
    assert f"$ python manage.py txnlog {file} --repair --replace" in check.stdout
    done = manage("txnlog", file, "--repair", "--replace")
    assert done.stdout == f"{file} has been written with 1 fixed CRC error(s)\n"
    assert file.with_name(file.name + ".bad").exists()
    assert manage("txnlog", file).returncode == 0
    assert "CRC ERROR" not in manage("txnlog", copy).stdout
    again = manage("txnlog", file, "--repair", "--replace")
    assert again.stderr == f"error: {file}.bad exists already; move it away, then {file}.fixed to {file}\n"


def test_a_log_is_cut_behind_a_transaction(data: Path, tmp_path: Path) -> None:
    copy = tmp_path / "data"
    subprocess.run(["cp", "-r", str(data), str(copy)], check=True)
    file = newest(copy, "log.*")
    first = json.loads(manage("txnlog", file, "--json").stdout.splitlines()[0])["zxid"]
    done = manage("txnlog", file, "--chop", first)
    assert done.returncode == 0, done.stderr
    chopped = file.with_name(f"{file.name}.chopped{first[2:]}")
    assert "EOF reached after 1 txns." in manage("txnlog", chopped).stdout
    assert "already; move it away first" in manage("txnlog", file, "--chop", first).stderr
    assert "does not hold" in manage("txnlog", file, "--chop", "0xffffffffff").stderr


def test_a_running_server_keeps_its_files(tmp_path: Path) -> None:
    with running_ours(tmp_path, SETTINGS):
        data = tmp_path / "data"
        assert "in use by a running server; stop it first" in manage("purge", data, "-n", "3").stderr
        assert "is in use by a running server" in manage("check_data", data).stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["txnlog", "nowhere"], "nowhere is not a file"),
        (["snapshot", "nowhere"], "nowhere is not a file"),
        (["purge", "nowhere", "-n", "3"], "nowhere is not a directory"),
        (["check_data", "nowhere"], "nowhere is not a directory"),
    ],
)
def test_what_is_not_there_is_one_sentence(arguments: list[str], said: str) -> None:
    done = manage(*arguments)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ")
    assert said in line
