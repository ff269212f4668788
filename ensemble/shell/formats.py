"""Stats, access lists and data as zkCli prints them.

Sources of the forms: StatPrinter, AclParser, ZKUtil.getPermString, the output formatters.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator

from ensemble.client import Acl, Identity, Perm, Stat
from ensemble.shell.registry import ShellError

_PERMISSIONS = {"c": Perm.CREATE, "d": Perm.DELETE, "r": Perm.READ, "w": Perm.WRITE, "a": Perm.ADMIN}
"""In the order in which they are printed."""
_HEX_COLUMNS = 16


def stat_lines(stat: Stat) -> Iterator[str]:
    """Yield the lines of a stat."""
    yield f"cZxid = {_hex(stat.czxid)}"
    yield f"ctime = {date(stat.ctime_ms)}"
    yield f"mZxid = {_hex(stat.mzxid)}"
    yield f"mtime = {date(stat.mtime_ms)}"
    yield f"pZxid = {_hex(stat.pzxid)}"
    yield f"cversion = {stat.cversion}"
    yield f"dataVersion = {stat.version}"
    yield f"aclVersion = {stat.aversion}"
    yield f"ephemeralOwner = {_hex(stat.ephemeral_owner)}"
    yield f"dataLength = {stat.data_length}"
    yield f"numChildren = {stat.num_children}"


def _hex(number: int) -> str:
    return f"{number & 0xFFFF_FFFF_FFFF_FFFF:#x}"


def date(time_ms: int) -> str:
    """Write a time (milliseconds since 1970) as Java writes a Date, in the zone of this machine."""
    return time.strftime("%a %b %d %H:%M:%S %Z %Y", time.localtime(time_ms / 1000))


def acl_lines(acl: tuple[Acl, ...]) -> Iterator[str]:
    """Yield the lines of an access list."""
    for entry in acl:
        letters = "".join([letter for letter, bit in _PERMISSIONS.items() if entry.perms & bit])
        yield f"'{entry.identity.scheme},'{entry.identity.id}"
        yield f": {letters}"


def parse_acl(text: str) -> tuple[Acl, ...]:
    """Read ``scheme:id:perms,...``; ``ShellError`` for an entry that is none (zkCli leaves it out, and so
    gives away more than was meant)."""
    return tuple([_parse_entry(entry) for entry in text.split(",")])


def _parse_entry(text: str) -> Acl:
    scheme, colon, rest = text.partition(":")
    who, second_colon, letters = rest.rpartition(":")
    if not colon or not second_colon:
        raise ShellError(f"{text} does not have the form scheme:id:perm")
    perms = 0
    for letter in letters:
        if letter not in _PERMISSIONS:
            raise ShellError(f"Unknown perm type: {letter}; use letters of cdrwa")
        perms |= _PERMISSIONS[letter]
    return Acl(perms, Identity(scheme, who))


def plain(data: bytes | None) -> str:
    """Write data as text; what is no text shows as Java shows it."""
    return "null" if data is None else data.decode(errors="replace")


def base64_text(data: bytes | None) -> str:
    """Write data in base64."""
    return base64.b64encode(b"null" if data is None else data).decode()


def hex_dump(data: bytes | None) -> str:
    """Write data in rows of sixteen bytes, in hexadecimal and as text."""
    raw = b"null" if data is None else data
    if not raw:
        return ""
    rule = "+--------+-------------------------------------------------+----------------+"
    rows = [
        "         +-------------------------------------------------+",
        "         |  0  1  2  3  4  5  6  7  8  9  a  b  c  d  e  f |",
        rule,
    ]
    for offset in range(0, len(raw), _HEX_COLUMNS):
        row = raw[offset : offset + _HEX_COLUMNS]
        cells = " ".join([f"{byte:02x}" for byte in row]).ljust(3 * _HEX_COLUMNS - 1)
        text = "".join([chr(byte) if 32 <= byte < 127 else "." for byte in row]).ljust(_HEX_COLUMNS)
        rows.append(f"|{offset:08x}| {cells} |{text}|")
    return "\n".join([*rows, rule])


def listing(names: list[str]) -> str:
    """Write names as Java writes a list."""
    return f"[{', '.join(names)}]"
