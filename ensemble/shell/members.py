"""Commands about the servers of the ensemble: config, reconfig."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from ensemble import membership
from ensemble.client import BadArguments, NoAuth
from ensemble.errors import ConfigError
from ensemble.shell import formats
from ensemble.shell.registry import ShellError, command, flags

if TYPE_CHECKING:
    from ensemble.shell.shell import Shell


def _declare_config(parser: ArgumentParser) -> None:
    flags(parser, c="only where clients connect", w="watch for a change", s="the stat, too")


@command("config", "[-c] [-w] [-s]", "the servers of the ensemble", _declare_config)
async def config(shell: Shell, words: Namespace) -> None:
    data, stat = await shell.client.get_config(watch=shell.watcher if words.w else None)
    text = formats.plain(data)
    shell.say(_clients(text) if words.c else text)
    if words.s:
        shell.say_all(formats.stat_lines(stat))


def _clients(text: str) -> str:
    """Return version and client addresses of a configuration (ConfigUtils.getClientConfigStr)."""
    members = membership.parse(text)
    addresses = [
        f"{server.client_host or '0.0.0.0'}:{server.client_port}"  # noqa: S104 - printed, not listened on
        for server in members.servers
        if server.client_port
    ]
    return f"{members.version:x} {','.join(addresses)}"


def _declare_reconfig(parser: ArgumentParser) -> None:
    flags(parser, s="the stat, too")
    parser.add_argument("-v", metavar="version", help="only if the configuration has that version (hex)")
    parser.add_argument("-add", metavar="server.N=...", help="servers to add, with commas")
    parser.add_argument("-remove", metavar="ids", help="ids of servers to take out, with commas")
    parser.add_argument("-members", metavar="server.N=...", help="the whole new list, with commas")
    parser.add_argument("-file", metavar="path", help="a file with the whole new list")


_USAGE = (
    "[-s] [-v version] [[-file path] | [-members serverID=host:port1:port2;port3[,...]*]] | "
    "[-add serverId=host:port1:port2;port3[,...]]* [-remove serverId[,...]*]"
)


@command("reconfig", _USAGE, "change the servers of the ensemble", _declare_reconfig)
async def reconfig(shell: Shell, words: Namespace) -> None:
    whole, steps = words.file or words.members, words.add or words.remove
    if not whole and not steps:
        raise ShellError(f"say what is to change\nreconfig {_USAGE}")
    if whole and steps:
        raise ShellError("Can't use -file or -members together with -add or -remove (mixing incremental and"
                         " non-incremental modes is not allowed)")  # fmt: skip
    if words.file and words.members:
        raise ShellError("Can't use -file and -members together (conflicting non-incremental modes)")
    try:
        version = int(words.v, 16) if words.v else -1
    except ValueError:
        raise ShellError("-v must be followed by a configuration version, in hex") from None
    try:
        data, stat = await shell.client.reconfig(
            joining=(words.add or "").lower(),
            leaving=(words.remove or "").lower(),
            members=_members_of(words.file) if words.file else (words.members or "").lower(),
            config_version=version,
        )
    except NoAuth:
        raise ShellError(
            "Insufficient permission : /zookeeper/config; addauth as a superuser, or as somebody who may write there"
        ) from None
    except BadArguments:
        raise ShellError("Arguments are not valid : the leader's log says what it refused, and why") from None
    shell.say(f"Committed new configuration:\n{formats.plain(data)}")
    if words.s:
        shell.say_all(formats.stat_lines(stat))


def _members_of(file: str) -> str:
    try:
        text = Path(file).read_text()
        membership.parse(text)
    except (OSError, ConfigError) as error:
        raise ShellError(f"Error processing {file}: {error}") from None
    return "\n".join([line for line in text.splitlines() if line.strip() and not line.startswith("#")])
