"""``manage.py shell_zk`` as a stranger uses it, and beside zkCli.sh: the same lines, the same answers."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.apache import free_port
from tests.ours import running_ours
from tests.processes.conftest import ROOT

ZKCLI = Path("/usr/share/zookeeper/bin/zkCli.sh")
LINES = """\
ls /
create /a hello
create -s -e /a/e- x
create /a/b "two words"
create /a/n
get /a
get -s /a/b
get /a/n
set /a bye
set -v 0 /a again
set -s /a hi
ls -s /a
ls -R /a
ls -w /a
create /a/c
stat -w /a
set /a x
getAcl /a
setAcl /a/b world:anyone:cdr
getAcl -s /a/b
whoami
addauth digest u:p
create /secret x auth:u:cdrwa
getAcl /secret
getEphemerals
getAllChildrenNumber /a
sync /a
config
setquota -n 5 /a
listquota /a
delquota -n /a
listquota /a
addWatch -m persistent /a
set /a y
ls -R /
sync /a
printwatches
printwatches off
delete /a
delete -v 7 /a/b
deleteall /a
ls /
get /gone
stat /gone
create /x/y
create -c -e /x
create -c /box
create -c /box
create a
create /a/
create /a//b
create /a/../b x
get a
ls /a/
stat /a/.
get /a true
ls /a true
stat /a true
create -t 0 /ttl x
create -t 5 -e /ttl
create /q x
create /q/r/s x
create /q/r x
setquota -n 5 /q
setquota -N 3 /q/r
listquota /q/r
setquota -b 0 /q
setquota -n 1 /q
setquota -N 0 /q
setquota -B -1 /q
listquota /q
delquota -n /q
listquota /q
delquota /q
delquota /q
delquota /none
setquota -n 5 /q/r
setquota -n 5 /q
setquota -n 5 /zookeeper/quota/q
listquota /zookeeper/quota
redo 0
history
quit
"""

pytestmark = pytest.mark.process

SUPER = "DigestAuthenticationProvider.superDigest"


def digest_of(credential: str) -> str:
    """Return what ``superDigest`` is set to, as docs/access.md says to make it."""
    hashed = hashlib.sha1(credential.encode()).digest()
    return f"{credential.partition(':')[0]}:{base64.b64encode(hashed).decode()}"


def ours(port: int, *words: str, lines: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "manage.py"), "shell_zk", f"127.0.0.1:{port}", *words]
    return subprocess.run(command, input=lines, capture_output=True, text=True, timeout=60)


def comparable(said: str) -> tuple[list[str], list[str]]:
    """Return what was answered and which watches fired, without what a shell says of itself, and without times.

    Watches are apart: they are shown when they come, which may be before or after the next answer, or between two of
    its lines: zkCli prints from two threads.
    """
    said = re.sub(r"(.time) = .*", r"\1 = (a time)", said)
    event = r"WatchedEvent state:.*"
    others = (
        r"Connecting to .*|Welcome to ZooKeeper!|JLine support is disabled|SLF4J: .*|.*\| (INFO|WARN|DEBUG) .*|"
        r"WATCHER::|"
    )
    lines = [line for line in said.splitlines() if not re.fullmatch(others, line)]
    fired = [line for line in lines if re.fullmatch(event, line) and "type:None" not in line]
    return [line for line in lines if not re.fullmatch(event, line)], sorted(fired)


def test_a_watch_that_fires_amid_an_answer_is_apart() -> None:
    said = "/\n\nWATCHER::\n/a\n\nWatchedEvent state:SyncConnected type:NodeDataChanged path:/a\n/b\n"
    assert comparable(said) == (
        ["/", "/a", "/b"],
        ["WatchedEvent state:SyncConnected type:NodeDataChanged path:/a"],
    )


@pytest.mark.skipif(
    not ZKCLI.exists() or shutil.which("java") is None,
    reason="needs Apache's zkCli.sh and Java (Debian: zookeeper)",
)
def test_it_answers_as_zkcli_does(tmp_path: Path):
    (tmp_path / "theirs").mkdir()
    (tmp_path / "ours").mkdir()
    with running_ours(tmp_path / "theirs") as port:
        command = [str(ZKCLI), "-server", f"127.0.0.1:{port}"]
        theirs = subprocess.run(command, input=LINES, capture_output=True, text=True, timeout=60)
    with running_ours(tmp_path / "ours") as port:
        done = ours(port, lines=LINES)
    answers, fired = comparable(done.stdout)
    assert (answers, fired) == comparable(theirs.stdout)
    assert "[zookeeper]" in answers
    assert any("NodeDataChanged" in event for event in fired)
    assert comparable(done.stderr) == comparable(theirs.stderr)


def test_one_command_and_its_exit_code(tmp_path: Path):
    with running_ours(tmp_path) as port:
        made = ours(port, "create", "/a", "two words")
        assert (made.returncode, made.stderr) == (0, "Created /a\n")
        assert ours(port, "get", "/a").stdout == "two words\n"
        refused = ours(port, "get", "/b")
        assert (refused.returncode, refused.stderr) == (1, "Node does not exist: /b\n")


def test_nobody_there_is_said_in_a_sentence(tmp_path: Path):
    done = subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), "shell_zk", "--timeout", "500", "127.0.0.1:1", "ls", "/"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("error: 127.0.0.1:1: ")
    assert "Traceback" not in done.stderr


def test_a_refused_reconfiguration_says_what_would_help(tmp_path: Path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "myid").write_text("1")
    quorum, election = free_port(), free_port()
    settings = (
        f"server.1=127.0.0.1:{quorum}:{election}\ninitLimit=5\nsyncLimit=5\nstandaloneEnabled=false\n"
        f"reconfigEnabled=true\n{SUPER}={digest_of('super:secret')}\n"
    )
    with running_ours(tmp_path, settings) as port:
        done = ours(port, lines="reconfig -remove 2\naddauth digest super:secret\nreconfig -add nonsense\n")
    refused, wrong = done.stderr.splitlines()
    assert refused == (
        "Insufficient permission : /zookeeper/config; addauth as a superuser, or as somebody who may write there"
    )
    assert wrong == "Arguments are not valid : the leader's log says what it refused, and why"
    assert "a change of the membership is refused: server.nonsense" in (tmp_path / "server.log").read_text()


def test_at_a_terminal_it_says_whom_it_waits_for(tmp_path: Path):
    ours_end, theirs = os.openpty()
    command = [sys.executable, str(ROOT / "manage.py"), "shell_zk", "127.0.0.1:1"]
    environment = os.environ | {"XDG_STATE_HOME": str(tmp_path)}
    waiting = subprocess.Popen(
        command,
        stdin=theirs,
        stdout=theirs,
        stderr=subprocess.STDOUT,
        env=environment,
        start_new_session=True,
    )
    os.close(theirs)
    try:
        with open(ours_end, "rb", buffering=0, closefd=False) as terminal:
            assert terminal.readline() == b"Connecting to 127.0.0.1:1 (Ctrl-C gives up)\r\n"
        waiting.send_signal(signal.SIGINT)
        assert waiting.wait(20) == 130
    finally:
        waiting.kill()
        os.close(ours_end)
