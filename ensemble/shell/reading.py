"""Commands that read: ls, get, stat, getEphemerals, getAllChildrenNumber, sync."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from ensemble.client import NoNode, Watcher
from ensemble.shell import formats
from ensemble.shell.registry import ShellError, command, flags

if TYPE_CHECKING:
    from ensemble.shell.shell import Shell


def _path(parser: ArgumentParser) -> None:
    parser.add_argument("path")
    # Old scripts say ``get /path true`` for ``get -w /path``; zkCli still takes it, with a word of warning.
    parser.add_argument("watch", nargs="?", help="deprecated: use -w")


def _old_watch(shell: Shell, words: Namespace, name: str, options: str = "[-w]") -> None:
    if words.watch:
        shell.complain(
            f"'{name} path [watch]' has been deprecated. Please use '{name} {options} path' instead."
        )
        words.w = True


def _declare_ls(parser: ArgumentParser) -> None:
    flags(parser, s="the stat, too", w="watch the children", R="all that is below, too")
    _path(parser)


@command("ls", "[-s] [-w] [-R] path", "the names of a znode's children", _declare_ls)
async def ls(shell: Shell, words: Namespace) -> None:
    _old_watch(shell, words, "ls")
    client, watch = shell.client, shell.watcher if words.w else None
    if words.R:
        await _list_below(shell, words.path, watch)
        return
    names, stat = await client.get_children2(words.path, watch=watch)
    shell.say(formats.listing(sorted(names)))
    if words.s:
        shell.say_all(formats.stat_lines(stat))


async def _list_below(shell: Shell, top: str, watch: Watcher | None) -> None:
    """Say every path from ``top`` on: a znode's children together, then what is below the first of them."""
    waiting = [top]
    while waiting:
        path = waiting.pop()
        try:
            names = await shell.client.get_children(path, watch=watch)
        except NoNode:
            if path == top:
                raise
            continue  # gone since its parent was asked
        if path == top:
            shell.say(top)
        below = [f"{path.rstrip('/')}/{name}" for name in sorted(names)]
        shell.say_all(below)
        waiting += reversed(below)


def _declare_get(parser: ArgumentParser) -> None:
    flags(parser, s="the stat, too", w="watch for a change", b="data in base64", x="data as a hex dump")
    _path(parser)


@command("get", "[-s] [-w] [-b] [-x] path", "the data of a znode", _declare_get)
async def get(shell: Shell, words: Namespace) -> None:
    _old_watch(shell, words, "get", "[-s] [-w]")
    data, stat = await shell.client.get(words.path, watch=shell.watcher if words.w else None)
    form = formats.hex_dump if words.x else formats.base64_text if words.b else formats.plain
    shell.say(form(data))
    if words.s:
        shell.say_all(formats.stat_lines(stat))


def _declare_stat(parser: ArgumentParser) -> None:
    flags(parser, w="watch for a change, or for the znode to come")
    _path(parser)


@command("stat", "[-w] path", "versions, times and sizes of a znode", _declare_stat)
async def stat(shell: Shell, words: Namespace) -> None:
    _old_watch(shell, words, "stat")
    found = await shell.client.exists(words.path, watch=shell.watcher if words.w else None)
    if found is None:
        raise NoNode(words.path)
    shell.say_all(formats.stat_lines(found))


def _declare_ephemerals(parser: ArgumentParser) -> None:
    parser.add_argument("path", nargs="?", default="/")


@command("getEphemerals", "path", "this session's ephemerals, below a path or all", _declare_ephemerals)
async def get_ephemerals(shell: Shell, words: Namespace) -> None:
    shell.say(formats.listing(await shell.client.get_ephemerals(words.path)))


def _declare_one_path(parser: ArgumentParser) -> None:
    parser.add_argument("path")


@command("getAllChildrenNumber", "path", "how many znodes are below a path", _declare_one_path)
async def count(shell: Shell, words: Namespace) -> None:
    shell.say(str(await shell.client.count_all_children(words.path)))


@command("sync", "path", "wait until this server has all that is committed", _declare_one_path)
async def sync(shell: Shell, words: Namespace) -> None:
    await shell.client.sync(words.path)
    shell.say("Sync is OK")


def number(text: str, what: str) -> int:
    """Read a whole number; ``ShellError`` names ``what`` is none."""
    try:
        return int(text)
    except ValueError:
        raise ShellError(f"{what} must be a number, not {text}") from None
