"""Commands about who may do what: getAcl, setAcl, addauth, whoami."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from ensemble.shell import formats
from ensemble.shell.reading import number
from ensemble.shell.registry import command, flags

if TYPE_CHECKING:
    from ensemble.shell.shell import Shell


def _declare_get_acl(parser: ArgumentParser) -> None:
    flags(parser, s="the stat, too")
    parser.add_argument("path")


@command("getAcl", "[-s] path", "who may do what with a znode", _declare_get_acl)
async def get_acl(shell: Shell, words: Namespace) -> None:
    acl, stat = await shell.client.get_acl(words.path)
    shell.say_all(formats.acl_lines(acl))
    if words.s:
        shell.say_all(formats.stat_lines(stat))


def _declare_set_acl(parser: ArgumentParser) -> None:
    flags(parser, s="the stat, too", R="for all that is below, too")
    parser.add_argument(
        "-v", metavar="version", default="-1", help="only if the access list has that version"
    )
    parser.add_argument("path")
    parser.add_argument("acl", help="scheme:id:perms, several with commas; perms are letters of cdrwa")


@command("setAcl", "[-s] [-v version] [-R] path acl", "a new access list for a znode", _declare_set_acl)
async def set_acl(shell: Shell, words: Namespace) -> None:
    acl, version = formats.parse_acl(words.acl), number(words.v, "-v")
    if words.R:
        async for path in shell.client.walk(words.path):
            await shell.client.set_acl(path, acl, version=version)
        return
    stat = await shell.client.set_acl(words.path, acl, version=version)
    if words.s:
        shell.say_all(formats.stat_lines(stat))


def _declare_addauth(parser: ArgumentParser) -> None:
    parser.add_argument("scheme")
    parser.add_argument("auth", nargs="?", default="", help="for digest: user:password")


@command("addauth", "scheme auth", "prove who you are", _declare_addauth)
async def addauth(shell: Shell, words: Namespace) -> None:
    await shell.client.add_auth(words.scheme, words.auth.encode())


@command("whoami", "", "whom the server takes you for")
async def whoami(shell: Shell, words: Namespace) -> None:
    shell.say("Auth scheme: User")
    for identity in await shell.client.who_am_i():
        shell.say(f"{identity.scheme}: {identity.id}")
