"""One demo (no traffic of its own, one server: rows change when a test says so) and a browser that looks at it."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from kazoo.client import KazooClient
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.processes.conftest import ROOT, free_base_port

CHROMIUM = shutil.which("chromium")
ARGUMENTS = ["--no-sandbox", "--disable-background-networking", "--disable-gpu"]
SOON_MS = 10_000


@pytest.fixture(scope="package")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """The panel's address with its token, and where clients connect."""
    if CHROMIUM is None:
        pytest.skip("needs chromium")
    folder = tmp_path_factory.mktemp("demo")
    base = free_base_port(20)
    command = [sys.executable, "manage.py", "demo", "--servers", "1", "--port", str(base), "--no-traffic"]
    command += ["--web-port", str(base + 10), "--data-dir", str(folder / "data"), "--no-browser"]
    environment = os.environ | {"COORDINATOR_PANEL_DB": str(folder / "panel.sqlite3")}
    output = folder / "output"
    with output.open("w") as to:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=to, stderr=subprocess.STDOUT)
    try:
        yield _address(process, output), f"127.0.0.1:{base}"
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)


def _address(process: subprocess.Popen[bytes], output: Path) -> str:
    for _ in range(400):
        if found := re.search(r"http://\S+\?token=\S+", output.read_text()):
            return found[0]
        try:
            process.wait(0.05)
        except subprocess.TimeoutExpired:
            continue
        break
    raise AssertionError(f"the demo printed no address:\n{output.read_text()}")


@pytest.fixture(scope="module")
def chromium(demo: tuple[str, str]) -> Iterator[Browser]:
    """One headless Chromium; its loop must be gone before tests that bring their own."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def zk(demo: tuple[str, str]) -> Iterator[KazooClient]:
    """A client that is not the panel; what it created is gone afterwards."""
    client = KazooClient(demo[1])
    client.start(timeout=15)
    yield client
    for name in set(client.get_children("/")) - {"zookeeper"}:
        client.delete(f"/{name}", recursive=True)
    client.stop()
    client.close()


@pytest.fixture
def page(chromium: Browser, demo: tuple[str, str]) -> Iterator[Page]:
    """A viewer who came with the token; nothing may go wrong in the page meanwhile."""
    context = chromium.new_context(viewport={"width": 1440, "height": 900}, color_scheme="light")
    context.set_default_timeout(SOON_MS)
    expect.set_options(timeout=SOON_MS)
    made = context.new_page()
    complaints: list[str] = []
    made.on("pageerror", lambda error: complaints.append(str(error)))
    made.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    made.goto(demo[0])
    yield made
    context.close()
    expect.set_options(timeout=5000)
    assert complaints == []


@pytest.fixture
def base(demo: tuple[str, str]) -> str:
    """The panel's address without its token."""
    return demo[0].partition("/?")[0]
