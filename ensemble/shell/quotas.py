"""Commands about quotas: setquota, listquota, delquota."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from dataclasses import replace
from typing import TYPE_CHECKING

from ensemble.client import Quota
from ensemble.shell.reading import number
from ensemble.shell.registry import ShellError, command

if TYPE_CHECKING:
    from ensemble.shell.shell import Shell

_LIMITS = {"n": ("count", 1), "b": ("data_bytes", 0), "N": ("count_hard", 1), "B": ("data_bytes_hard", 0)}
"""Of each option: the limit it sets, and the least value it takes."""
_MEANINGS = {
    "n": "znodes, a soft limit: going beyond it is logged",
    "b": "bytes of data, a soft limit",
    "N": "znodes, a hard limit: where servers enforce it, going beyond it is refused",
    "B": "bytes of data, a hard limit",
}


_TOO_SMALL = {
    "count": "the num quota must be greater than zero",
    "data_bytes": "the bytes quota must be greater than or equal to zero",
}


def _declare_setquota(parser: ArgumentParser) -> None:
    for letter, meaning in _MEANINGS.items():
        parser.add_argument(f"-{letter}", metavar="val", help=meaning)
    parser.add_argument("path")


@command("setquota", "-n|-b|-N|-B val path", "limits on what is at and below a path", _declare_setquota)
async def setquota(shell: Shell, words: Namespace) -> None:
    if words.path.startswith("/zookeeper/quota"):
        raise ShellError("cannot set a quota under the path: /zookeeper/quota")
    present = await shell.client.get_quota(words.path)
    quota = Quota() if present is None else present[0]
    changed = {}
    for letter, (limit, least) in _LIMITS.items():
        text = getattr(words, letter)
        if text is not None:
            changed[limit] = number(text, f"-{letter}")
            if changed[limit] < least:
                raise ShellError(_TOO_SMALL[limit.removesuffix("_hard")])
    if not changed:
        raise ShellError("Missing required option: one of -n, -b, -N, -B")
    await shell.client.set_quota(words.path, replace(quota, **changed))
    await _warn(shell, words.path)


async def _warn(shell: Shell, path: str) -> None:
    """Say that more is used than the limits allow, which they do not change."""
    found = await shell.client.get_quota(path)
    if found is None:
        return
    quota, usage = found
    if any(-1 < limit < usage.count for limit in (quota.count, quota.count_hard)):
        shell.say(f"[Warning]: the count quota you create is less than the existing count:{usage.count}")
    if any(-1 < limit < usage.data_bytes for limit in (quota.data_bytes, quota.data_bytes_hard)):
        shell.say(f"[Warning]: the bytes quota you create is less than the existing bytes:{usage.data_bytes}")


def _declare_path(parser: ArgumentParser) -> None:
    parser.add_argument("path")


@command("listquota", "path", "the limits on a path, and what is used of them", _declare_path)
async def listquota(shell: Shell, words: Namespace) -> None:
    shell.complain(f"absolute path is /zookeeper/quota{words.path.rstrip('/')}/zookeeper_limits")
    found = await shell.client.get_quota(words.path)
    if found is None:
        shell.complain(f"quota for {words.path} does not exist.")
        return
    quota, usage = found
    shell.say(f"Output quota for {words.path} {quota.encode().decode()}")
    shell.say(f"Output stat for {words.path} count={usage.count},bytes={usage.data_bytes}")


def _declare_delquota(parser: ArgumentParser) -> None:
    for letter, meaning in _MEANINGS.items():
        parser.add_argument(f"-{letter}", action="store_true", help=meaning)
    parser.add_argument("path")


@command("delquota", "[-n|-b|-N|-B] path", "lift limits on a path, or all of them", _declare_delquota)
async def delquota(shell: Shell, words: Namespace) -> None:
    found = await shell.client.get_quota(words.path)
    if found is None:
        shell.say(f"Quota does not exist for {words.path}")
        return
    lifted = {limit: -1 for letter, (limit, _) in _LIMITS.items() if getattr(words, letter)}
    if lifted:
        await shell.client.set_quota(words.path, replace(found[0], **lifted))
    else:
        await shell.client.delete_quota(words.path)
