"""Commands that write: create, set, delete, deleteall."""

from __future__ import annotations

import base64
import binascii
from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from ensemble.client import OPEN_ACL, CreateMode
from ensemble.shell import formats
from ensemble.shell.reading import number
from ensemble.shell.registry import ShellError, command, flags

if TYPE_CHECKING:
    from ensemble.shell.shell import Shell

_MODES: dict[tuple[bool, bool, bool], CreateMode] = {
    (False, False, False): CreateMode.PERSISTENT,
    (True, False, False): CreateMode.PERSISTENT_SEQUENTIAL,
    (False, True, False): CreateMode.EPHEMERAL,
    (True, True, False): CreateMode.EPHEMERAL_SEQUENTIAL,
    (False, False, True): CreateMode.PERSISTENT_WITH_TTL,
    (True, False, True): CreateMode.PERSISTENT_SEQUENTIAL_WITH_TTL,
}
"""By sequential, ephemeral, with a TTL."""


def _declare_create(parser: ArgumentParser) -> None:
    flags(parser, s="sequential: the name gets a number", e="ephemeral: lives as long as this session")
    flags(parser, c="container: goes when its last child has gone")
    parser.add_argument(
        "-t", metavar="ttl", help="goes when it is that old, in milliseconds, and has no children"
    )
    parser.add_argument("path")
    parser.add_argument("data", nargs="?")
    parser.add_argument("acl", nargs="?", help="scheme:id:perms, several with commas")


@command("create", "[-s] [-e] [-c] [-t ttl] path [data] [acl]", "a new znode", _declare_create)
async def create(shell: Shell, words: Namespace) -> None:
    if words.c and (words.e or words.s):
        raise ShellError("-c cannot be combined with -s or -e. Containers cannot be ephemeral or sequential.")
    if words.t and words.e:
        raise ShellError("TTLs cannot be used with Ephemeral znodes")
    if words.t and words.c:
        raise ShellError("TTLs cannot be used with Container znodes")
    mode = CreateMode.CONTAINER if words.c else _MODES[words.s, words.e, bool(words.t)]
    made = await shell.client.create(
        words.path,
        None if words.data is None else words.data.encode(),
        acl=OPEN_ACL if words.acl is None else formats.parse_acl(words.acl),
        mode=mode,
        ttl_ms=number(words.t, "-t") if words.t else -1,
    )
    shell.complain(f"Created {made}")


def _declare_set(parser: ArgumentParser) -> None:
    flags(parser, s="the stat, too", b="data is given in base64")
    parser.add_argument("-v", metavar="version", default="-1", help="only if the data has that version")
    parser.add_argument("path")
    parser.add_argument("data")
    parser.add_argument("version", nargs="?", help="deprecated: use -v")


_SET_USAGE = "path data [-s] [-v version] [-b]"


@command("set", _SET_USAGE, "new data for a znode", _declare_set)
async def set_(shell: Shell, words: Namespace) -> None:
    try:
        data = base64.b64decode(words.data, validate=True) if words.b else words.data.encode()
    except binascii.Error:
        raise ShellError("the data is not in base64") from None
    if words.version is not None and not words.version.lstrip("-").isdigit():
        raise ShellError(f"{words.version} is too much; put data with blanks in quotes\nset {_SET_USAGE}")
    stat = await shell.client.set(words.path, data, version=number(words.version or words.v, "-v"))
    if words.s:
        shell.say_all(formats.stat_lines(stat))


def _declare_delete(parser: ArgumentParser) -> None:
    parser.add_argument("-v", metavar="version", default="-1", help="only if the data has that version")
    parser.add_argument("path")
    parser.add_argument("version", nargs="?", help="deprecated: use -v")


@command("delete", "[-v version] path", "away with a znode that has no children", _declare_delete)
async def delete(shell: Shell, words: Namespace) -> None:
    if words.version:
        shell.complain(
            "'delete path [version]' has been deprecated. Please use 'delete [-v version] path' instead."
        )
    await shell.client.delete(words.path, version=number(words.version or words.v, "-v"))


def _declare_deleteall(parser: ArgumentParser) -> None:
    parser.add_argument("-b", metavar="batch size", help="accepted; batches are as large as a frame allows")
    parser.add_argument("path")


@command("deleteall", "path [-b batch size]", "away with a znode and all below it", _declare_deleteall)
async def deleteall(shell: Shell, words: Namespace) -> None:
    if words.b is not None:
        number(words.b, "-b")
    await shell.client.delete_recursively(words.path)
