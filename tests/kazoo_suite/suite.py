"""Sets kazoo's suite up, runs it, and reads what came out."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path
from xml.etree import ElementTree as ET

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
ENVIRONMENT = ROOT / "tests" / "artifacts" / "kazoo-venv"
REQUIREMENTS = HERE / "requirements.txt"
APACHE_VERSION = "3.8.0"
"""Of Debian's package; the suite leaves out what a server of that version cannot do."""
JARS = ("zookeeper", "netty-all", "netty-codec", "netty-resolver", "slf4j-simple")
TEST_SECONDS_MAX = 180


def prepare() -> Path:
    """Make the suite's environment unless it is there; return its interpreter."""
    python = ENVIRONMENT / "bin" / "python"
    done = ENVIRONMENT / REQUIREMENTS.name
    if not done.exists() or done.read_text() != REQUIREMENTS.read_text():
        venv.create(ENVIRONMENT, with_pip=True, clear=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "-r", REQUIREMENTS], check=True)
        done.write_text(REQUIREMENTS.read_text())
    return python


def run(report: Path, *, apache: bool, port: int, tests: list[str]) -> int:
    """Run ``tests`` (pytest arguments; empty for all) on servers from ``port`` on; return pytest's exit code."""
    python = prepare()
    environment = os.environ | {
        "ZOOKEEPER_VERSION": APACHE_VERSION,
        "ZOOKEEPER_PORT_OFFSET": str(port),
        "ZOOKEEPER_CLASSPATH": ":".join(f"/usr/share/java/{name}.jar" for name in JARS),
        "COORDINATOR_PYTHON": sys.executable,
        "COORDINATOR_MANAGE": str(ROOT / "manage.py"),
    }
    # On the variable CI the suite leaves tests out that are slow elsewhere; here every one of them counts.
    environment.pop("CI", None)
    if not apache:
        environment["PATH"] = f"{HERE / 'bin'}{os.pathsep}{environment['PATH']}"
    arguments = tests if any(not word.startswith("-") for word in tests) else [*tests, "kazoo.tests"]
    command = [
        *(str(python), "-m", "pytest", "-q", "-rfE", "--import-mode=importlib", "-p", "no:cacheprovider"),
        *(
            "-c",
            os.devnull,
            f"--rootdir={ENVIRONMENT}",
            f"--timeout={TEST_SECONDS_MAX}",
            f"--junitxml={report}",
        ),
        *("-W", "ignore", "--pyargs", *arguments),
    ]
    return subprocess.run(command, env=environment, cwd=ENVIRONMENT, check=False).returncode


def outcomes(report: Path) -> dict[str, str]:
    """Return passed, failed or skipped for each test of a run, by its name."""
    found = {}
    for case in ET.parse(report).iter("testcase"):
        kinds = {child.tag for child in case} & {"failure", "error", "skipped"}
        name = f"{case.get('classname')}::{case.get('name')}"
        found[name] = "skipped" if kinds == {"skipped"} else "failed" if kinds else "passed"
    return found
