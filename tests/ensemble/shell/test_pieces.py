"""The shell's pieces: lines, options, forms of output, and what the terminal completes."""

from __future__ import annotations

import asyncio
import io
import os
import signal

import pytest
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document
from rich.console import Console

from ensemble.client import Acl, Identity, KeeperError, Perm, ZooKeeper
from ensemble.client.errors import refusal
from ensemble.errors import Code
from ensemble.shell import formats, line, refusals
from ensemble.shell.registry import COMMANDS, ShellError, parse
from ensemble.shell.shell import Shell
from ensemble.shell.terminal import ShellCompleter, carry_out

ZKCLI = {
    "addauth",
    "addWatch",
    "close",
    "config",
    "connect",
    "create",
    "delete",
    "deleteall",
    "delquota",
    "get",
    "getAcl",
    "getAllChildrenNumber",
    "getEphemerals",
    "history",
    "listquota",
    "ls",
    "printwatches",
    "quit",
    "reconfig",
    "redo",
    "removewatches",
    "set",
    "setAcl",
    "setquota",
    "stat",
    "sync",
    "version",
    "whoami",
    "help",
}


def test_every_command_of_zkcli_is_there():
    assert set(COMMANDS) == ZKCLI


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("create /a  hello", ["create", "/a", "hello"]),
        ('set /a "two words"', ["set", "/a", "two words"]),
        ("set /a 'it is \"so\"'", ["set", "/a", 'it is "so"']),
        ('set /a ""', ["set", "/a", ""]),
        ("set /a it's", ["set", "/a", "it's"]),
        ("   ", []),
    ],
)
def test_a_line_falls_into_words_as_zkcli_takes_it(typed: str, words: list[str]):
    assert line.split(typed) == words


def test_options_may_stand_anywhere_and_a_wrong_line_shows_the_usage():
    words = parse(COMMANDS["set"], ["/a", "x", "-v", "3", "-s"])
    assert (words.path, words.data, words.v, words.s) == ("/a", "x", "3", True)
    with pytest.raises(ShellError, match=r"get \[-s\] \[-w\]"):
        parse(COMMANDS["get"], [])
    with pytest.raises(ShellError, match="-q"):
        parse(COMMANDS["get"], ["-q", "/a"])


def test_access_lists_are_read_and_written():
    acl = formats.parse_acl("world:anyone:r,digest:bob:hash=:cdrwa")
    assert acl == (
        Acl(Perm.READ, Identity("world", "anyone")),
        Acl(Perm.ALL, Identity("digest", "bob:hash=")),
    )
    assert list(formats.acl_lines(acl)) == ["'world,'anyone", ": r", "'digest,'bob:hash=", ": cdrwa"]


@pytest.mark.parametrize("text", ["world:anyone", "world:anyone:x", "", "a:b:r,nonsense"])
def test_an_access_list_that_is_none_is_refused_whole(text: str):
    with pytest.raises(ShellError):
        formats.parse_acl(text)


def test_data_is_shown_as_text_base64_or_a_hex_dump():
    assert formats.plain(None) == "null"
    assert formats.plain("né".encode()) == "né"
    assert formats.base64_text(b"hi") == "aGk="
    dump = formats.hex_dump(b"0123456789abcdef\n")
    assert "|00000000| 30 31 32 33 34 35 36 37 38 39 61 62 63 64 65 66 |0123456789abcdef|" in dump
    assert "|00000010| 0a                                              |.               |" in dump


def test_a_refusal_reads_as_in_zkcli():
    assert refusals.sentence(refusal(Code.NO_NODE, "/a")) == "Node does not exist: /a"
    assert refusals.sentence(refusal(Code.BAD_VERSION, "/a")) == "version No is not valid : /a"
    assert refusals.sentence(KeeperError(Code.RECONFIG_DISABLED)).endswith("configuration")


class _Tree:
    """Stands in for a client where a completer only wants children."""

    class state:
        over = False

    async def get_children(self, path: str) -> list[str]:
        return {"/": ["app", "apple", "zookeeper"], "/app": ["config"]}[path]


def completions(typed: str) -> list[str]:
    shell = Shell("nowhere", open_client=ZooKeeper)
    shell._client = _Tree()  # type: ignore[assignment]

    async def collect() -> list[str]:
        document, event = Document(typed), CompleteEvent()
        return [each.text async for each in ShellCompleter(shell).get_completions_async(document, event)]

    return asyncio.run(collect())


def test_the_terminal_completes_commands_options_and_paths():
    assert completions("dele") == ["delete", "deleteall"]
    assert completions("ls -") == ["-s", "-w", "-R"]
    assert completions("get /ap") == ["/app", "/apple"]
    assert completions("get -s /app/") == ["/app/config"]
    assert completions("history /") == []
    assert completions("nonsense /") == []


def test_help_names_every_command_and_the_options_of_one():
    out = Console(file=io.StringIO(), width=200)
    shell = Shell("nowhere", open_client=ZooKeeper, out=out)
    asyncio.run(shell.execute("help"))
    asyncio.run(shell.execute("help ls"))
    said = out.file.getvalue()  # type: ignore[attr-defined]
    assert all(name in said for name in ZKCLI)
    assert "all that is below, too" in said


def test_without_a_connection_it_says_how_to_get_one():
    err = Console(file=io.StringIO(), width=200)
    shell = Shell("nowhere", open_client=ZooKeeper, err=err)
    asyncio.run(shell.execute("ls /"))
    assert "connect host:port" in err.file.getvalue()  # type: ignore[attr-defined]
    assert shell.failed


async def test_ctrl_c_gives_up_a_line_and_not_the_shell():
    said = io.StringIO()
    begun = asyncio.Event()

    class Endless(ZooKeeper):
        async def start(self, timeout_ms: int | None = None) -> None:
            begun.set()
            await asyncio.Event().wait()

    shell = Shell("127.0.0.1:1", open_client=Endless, out=Console(file=said), err=Console(file=said))
    line = asyncio.create_task(carry_out(shell, "connect 127.0.0.1:1"))
    await begun.wait()
    os.kill(os.getpid(), signal.SIGINT)
    await asyncio.wait_for(line, 10)
    assert said.getvalue().startswith("Given up")
    await carry_out(shell, "version")
    assert "ZooKeeper CLI version" in said.getvalue()
