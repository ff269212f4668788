"""``manage.py panel``: one line with the address, a used port is one sentence, SIGTERM ends it clean."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.process


def _environment(tmp_path: Path, **more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("COORDINATOR_")}
    return (
        kept
        | {
            "COORDINATOR_PANEL_DB": str(tmp_path / "below" / "panel.sqlite3"),
            "PYTHONWARNINGS": "error::RuntimeWarning",
        }
        | more
    )


def _panel(tmp_path: Path, *arguments: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(ROOT / "manage.py"), "panel", *arguments],
        env=_environment(tmp_path, **environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture
def used_port() -> Iterator[int]:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        yield int(holder.getsockname()[1])


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_used_port_is_one_sentence(tmp_path: Path, used_port: int) -> None:
    process = _panel(tmp_path, "--port", str(used_port))
    output, errors = process.communicate(timeout=30)
    assert process.returncode == 1
    assert output == ""
    assert re.fullmatch(
        rf"CommandError: The panel cannot listen on 127\.0\.0\.1:{used_port} .* with --port\.\n", errors
    )


def test_servers_that_are_none_are_one_sentence(tmp_path: Path) -> None:
    _, errors = _panel(tmp_path, COORDINATOR_SERVERS="here").communicate(timeout=30)
    assert (
        errors
        == "CommandError: COORDINATOR_SERVERS: 'here' is not SID=HOST:PORT or SID=HOST:PORT=ADMIN_URL.\n"
    )


def test_a_database_that_cannot_be_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "text").write_text(
        "not a database, and long enough for SQLite to see that it is not one" * 20
    )
    process = _panel(tmp_path, "--port", str(_free_port()), COORDINATOR_PANEL_DB=str(tmp_path / "text"))
    output, errors = process.communicate(timeout=30)
    (sentence,) = errors.splitlines()
    assert sentence.endswith("name another in COORDINATOR_PANEL_DB.")
    assert "http" not in output


def test_no_gateway_needs_redis(tmp_path: Path) -> None:
    process = _panel(tmp_path, "--no-gateway")
    assert "--no-gateway needs COORDINATOR_REDIS_URL" in process.communicate(timeout=30)[1]
    assert process.returncode == 1


def test_it_serves_pages_and_files_and_ends_clean(tmp_path: Path) -> None:
    port = _free_port()
    process = _panel(tmp_path, "--port", str(port), COORDINATOR_PANEL_TOKEN="t0ken")
    assert process.stdout is not None
    address = process.stdout.readline().removeprefix("Panel: ").strip()
    assert address == f"http://127.0.0.1:{port}/?token=t0ken"
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
    try:
        with _when_up(browser, address) as page:
            assert page.url == f"http://127.0.0.1:{port}/ensemble/"
            assert "No ensemble" in page.read().decode()
        with browser.open(f"http://127.0.0.1:{port}/static/vendor/htmx-2.0.11.min.js") as file:
            assert file.headers["X-Content-Type-Options"] == "nosniff"
            assert file.headers["Content-Type"].startswith("text/javascript")
        for outside in (
            "/static/../manage.py",
            "/static/%2e%2e/manage.py",
            "/static//etc/passwd",
            "/static/",
        ):
            with pytest.raises(urllib.error.HTTPError) as nothing:
                browser.open(f"http://127.0.0.1:{port}{outside}")
            assert nothing.value.code in (400, 403, 404)
            nothing.value.close()
    finally:
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=20)
    assert process.returncode == 0
    assert errors == ""


def _when_up(browser: urllib.request.OpenerDirector, address: str) -> Any:
    while True:
        try:
            return browser.open(address, timeout=10)
        except urllib.error.URLError as error:
            if not isinstance(error.reason, ConnectionRefusedError):
                raise
