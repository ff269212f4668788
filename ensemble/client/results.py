"""What operations answer. Each can be taken apart (``data, stat = await zk.get(path)``) or asked by name."""

from __future__ import annotations

from typing import NamedTuple

from ensemble.tree.operations import Acl
from ensemble.wire.replies import Stat


class Created(NamedTuple):
    """A znode that was created, under the name it got."""

    path: str
    stat: Stat


class Data(NamedTuple):
    """The data of a znode: None is null, which is not the same as empty."""

    data: bytes | None
    stat: Stat


class Children(NamedTuple):
    """The names of a znode's children, in no particular order."""

    names: list[str]
    stat: Stat


class AccessList(NamedTuple):
    """The access list of a znode."""

    acl: tuple[Acl, ...]
    stat: Stat
