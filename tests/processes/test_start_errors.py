"""What the commands say when they cannot start: one sentence on stderr, and exit code 1."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.processes.conftest import HOST, ROOT, four_letter, free_base_port
from tests.waiting import until

pytestmark = pytest.mark.process


@pytest.fixture
def used_port() -> Iterator[int]:
    """A port somebody listens on."""
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        listener.listen()
        yield listener.getsockname()[1]


def manage(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), *arguments],
        capture_output=True,
        text=True,
        timeout=30,
        cwd=cwd,
        check=False,
    )


def the_sentence(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert done.stderr.endswith(f"{line}\n"), "something is said behind the reason"
    return line


def node_config(directory: Path, port: int, *more: str) -> Path:
    path = directory / "zoo.cfg"
    data = directory / "data"
    path.write_text("\n".join([f"dataDir={data}", f"clientPort={port}", f"clientPortAddress={HOST}", *more]))
    return path


def test_node_with_a_used_port(tmp_path: Path, used_port: int) -> None:
    done = manage("node", "--config", str(node_config(tmp_path, used_port)), cwd=tmp_path)
    assert f"port {used_port} (clientPort) is already in use; stop the process" in the_sentence(done)


def test_node_with_a_data_directory_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    done = manage("node", "--config", str(node_config(tmp_path, free_base_port())), cwd=tmp_path)
    sentence = the_sentence(done)
    assert str(tmp_path / "data") in sentence
    assert "a file is in the way of a directory; move it, or name another directory" in sentence


def test_node_without_its_snapshots(tmp_path: Path) -> None:
    version = tmp_path / "data" / "version-2"
    version.mkdir(parents=True)
    (version / "currentEpoch").write_text("1")
    done = manage("node", "--config", str(node_config(tmp_path, free_base_port())), cwd=tmp_path)
    assert "no snapshot" in the_sentence(done)


def test_node_with_a_wrong_line(tmp_path: Path) -> None:
    config = node_config(tmp_path, free_base_port(), "tickTime=soon")
    assert "tickTime=soon is not a number" in the_sentence(
        manage("node", "--config", str(config), cwd=tmp_path)
    )


def test_node_with_an_admin_port_but_no_token(tmp_path: Path) -> None:
    port = free_base_port()
    config = node_config(tmp_path, port, f"coordinator.adminPort={port + 1}")
    assert "COORDINATOR_ADMIN_TOKEN" in the_sentence(manage("node", "--config", str(config), cwd=tmp_path))


@pytest.mark.parametrize("command", ["ensemble", "demo"])
def test_an_ensemble_with_a_used_port_names_the_flag(tmp_path: Path, used_port: int, command: str) -> None:
    arguments = ["--servers", "1", "--port", str(used_port), "--data-dir", str(tmp_path / "data")]
    if command == "demo":
        arguments += ["--no-browser", "--web-port", str(free_base_port())]
    sentence = the_sentence(manage(command, *arguments, cwd=tmp_path))
    assert f"{used_port} is already in use; choose another with --port" in sentence


def test_a_demo_with_a_used_web_port_names_the_flag(tmp_path: Path, used_port: int) -> None:
    done = manage("demo", "--no-browser", "--web-port", str(used_port), cwd=tmp_path)
    assert f"{used_port} is already in use; choose another with --web-port" in the_sentence(done)


def test_an_ensemble_of_another_size_is_refused(tmp_path: Path) -> None:
    seat = '{"sid": 1, "client_port": 1, "quorum_port": 2, "election_port": 3, "admin_port": 4}'
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "ensemble.json").write_text(f'{{"servers": [{seat}], "supervisor_port": 5}}')
    done = manage("ensemble", "--servers", "3", "--port", str(free_base_port()), cwd=tmp_path)
    assert "holds an ensemble of 1; say --servers 1 or --fresh" in the_sentence(done)


def test_a_demo_keeps_the_panel_and_the_servers_apart(tmp_path: Path) -> None:
    port = free_base_port()
    done = manage("demo", "--no-browser", "--port", str(port), "--web-port", str(port + 1), cwd=tmp_path)
    assert f"port {port + 1} is wanted for clients and for the panel; change --port" in the_sentence(done)


def test_a_demo_whose_panel_ends_announces_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("COORDINATOR_PANEL_DB", str(tmp_path / "file" / "panel.sqlite3"))
    port = free_base_port(2)
    arguments = ["--servers", "1", "--port", str(port), "--web-port", str(port + 1), "--no-traffic"]
    done = manage("demo", "--no-browser", *arguments, cwd=tmp_path)
    assert done.returncode == 1
    assert f"1 server: {HOST}:{port}\n" in done.stdout
    assert "http" not in done.stdout
    assert "Traceback" not in done.stderr
    assert done.stderr.endswith("error: the panel ended; what it wrote above says why\n")


@pytest.mark.parametrize("imported", ["django.utils", "ensemble.zab.messages"])
def test_ctrl_c_during_the_start_leaves_no_traceback(tmp_path: Path, imported: str) -> None:
    config = node_config(tmp_path, free_base_port())
    node = subprocess.Popen(
        [sys.executable, "-X", "importtime", str(ROOT / "manage.py"), "node", "--config", str(config)],
        stderr=subprocess.PIPE,
        text=True,
    )
    assert node.stderr is not None
    while imported not in node.stderr.readline():
        assert node.poll() is None
    node.send_signal(signal.SIGINT)
    _, said = node.communicate(timeout=10)
    assert node.returncode in (0, -signal.SIGINT)
    assert "Traceback" not in said


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_node_warns_by_name_and_stops_clean(tmp_path: Path, number: signal.Signals) -> None:
    port = free_base_port()
    config = node_config(tmp_path, port, "4lw.commands.whitelist=*", "colour=blue")
    node = subprocess.Popen(
        [sys.executable, str(ROOT / "manage.py"), "node", "--config", str(config)],
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ,
    )
    until(lambda: four_letter(port, "ruok") == "imok")
    node.send_signal(number)
    _, said = node.communicate(timeout=10)
    assert node.returncode == 0
    assert "colour is not a key this server knows" in said
    assert "Traceback" not in said


def test_an_empty_tree_needs_permission_where_it_is_not_made_by_itself(tmp_path: Path) -> None:
    port = free_base_port()
    config = node_config(tmp_path, port, "db.autocreate=false")
    sentence = the_sentence(manage("node", "--config", str(config), cwd=tmp_path))
    assert "write an empty file named initialize into dataDir" in sentence
    (tmp_path / "data" / "initialize").write_text("")
    node = subprocess.Popen([sys.executable, str(ROOT / "manage.py"), "node", "--config", str(config)])
    try:
        until(lambda: four_letter(port, "ruok") == "imok")
        assert not (tmp_path / "data" / "initialize").exists()
    finally:
        node.kill()
        node.wait(10)


def test_a_slow_disk_is_said_with_the_file_and_what_helps(tmp_path: Path) -> None:
    port = free_base_port()
    config = node_config(tmp_path, port, "fsync.warningthresholdms=0")
    node = subprocess.Popen(
        [sys.executable, str(ROOT / "manage.py"), "node", "--config", str(config)],
        stderr=subprocess.PIPE,
        text=True,
    )
    assert node.stderr is not None
    try:
        # A server that begins to lead writes nothing yet; its first session does.
        until(lambda: four_letter(port, "ruok") == "imok")
        with socket.create_connection((HOST, port)) as client:
            client.sendall(
                bytes.fromhex("0000002c" + "00" * 12 + "00002710" + "00" * 8 + "00000010" + "00" * 16)
            )
            assert client.recv(4096)
            line = next(line for line in node.stderr if "disk: syncing" in line)
        assert "version-2/log." in line
        assert "more than fsync.warningthresholdms=0; every write waits for that" in line
    finally:
        node.kill()
        node.wait(10)
        node.stderr.close()
