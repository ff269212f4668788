"""One snapshot file as znodes: listed, summed up, compared."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass

from ensemble.errors import CorruptionError, WireError
from ensemble.storage import snapshots
from ensemble.toolkit.words import identifier, moment
from ensemble.tree import snapshot
from ensemble.tree.node import Node
from ensemble.tree.tree import Tree

PROGRAM = "coordinator"


def load(data: bytes, name: str) -> Tree:
    """Read the content of the file ``name``; ``CorruptionError`` when it is no sound snapshot."""
    try:
        return snapshot.load(snapshots.body_of(data, name))[0]
    except WireError as error:
        raise CorruptionError(f"{name} passes its checksums, but {error}") from None


def walk(tree: Tree, path: str = "/") -> Iterator[tuple[str, Node]]:
    """Yield ``path`` and all znodes below it, each before its children, siblings by name."""
    stack = [path]
    while stack:
        here = stack.pop()
        node = tree.nodes[here]
        yield here, node
        if node.children:
            stack += [_join(here, name) for name in sorted(node.children, reverse=True)]


def _join(path: str, name: str) -> str:
    return f"/{name}" if path == "/" else f"{path}/{name}"


def lines(tree: Tree, *, with_data: bool = False) -> Iterator[str]:
    """Write every znode with its stat, and the sessions, in the order and under the names of Apache's tool."""
    yield f"ZNode Details (count={len(tree.nodes)}):"
    last = 0
    for path, node in walk(tree):
        last = max(last, node.mzxid, node.pzxid)
        yield "----"
        yield path
        yield f"  cZxid = 0x{node.czxid:016x}"
        yield f"  ctime = {moment(node.ctime)}"
        yield f"  mZxid = 0x{node.mzxid:016x}"
        yield f"  mtime = {moment(node.mtime)}"
        yield f"  pZxid = 0x{node.pzxid:016x}"
        yield f"  cversion = {node.cversion}"
        yield f"  dataVersion = {node.version}"
        yield f"  aclVersion = {node.aversion}"
        yield f"  ephemeralOwner = 0x{node.ephemeral_owner & 0xFFFFFFFFFFFFFFFF:016x}"
        if with_data:
            yield f"  data = {b64encode(node.data or b'').decode()}"
        else:
            yield f"  dataLength = {len(node.data or b'')}"
    yield "----"
    yield "Session Details (sid, timeout, ephemeralCount):"
    owned: dict[int, int] = {}
    for node in tree.nodes.values():
        owned[node.ephemeral_owner] = owned.get(node.ephemeral_owner, 0) + 1
    for session_id, timeout_ms in sorted(tree.sessions.items()):
        yield f"{identifier(session_id)}, {timeout_ms}, {owned.get(session_id, 0)}"
    yield "----"
    yield f"Last zxid: {identifier(last)}"


def as_json(tree: Tree, time_ms: int) -> Iterator[str]:
    """Write the tree, in parts, in the JSON of Apache's SnapshotFormatter, which disk usage viewers (ncdu) read."""
    head = {"progname": PROGRAM, "progver": "0.01", "timestamp": time_ms}
    yield "[1,0," + json.dumps(head, separators=(",", ":"))
    todo: list[tuple[str, str] | None] = [("/", "/")]
    inode = 1000
    while todo:
        item = todo.pop()
        if item is None:
            yield "]"
            continue
        path, name = item
        node, inode = tree.nodes[path], inode + 1
        size = len(node.data or b"")
        about = json.dumps(
            {"name": name, "asize": size, "dsize": size, "dev": 0, "ino": inode}, separators=(",", ":")
        )
        if not node.children:
            yield "," + about
            continue
        yield ",[" + about
        todo.append(None)
        todo += [(_join(path, child), child) for child in sorted(node.children, reverse=True)]
    yield "]"


@dataclass(frozen=True, slots=True)
class Sum:
    """What lies at and below one znode."""

    path: str
    depth: int
    descendants: int
    data_bytes: int


def summary(tree: Tree, path: str, depth: int) -> Iterator[Sum]:
    """Sum up ``path`` and the znodes with children below it, as deep as ``depth``; 0 for all the way down."""
    if path not in tree.nodes:
        raise CorruptionError(f"{path} is not in the snapshot; name a path that is")
    order = list(walk(tree, path))
    counts = dict.fromkeys((here for here, _ in order), 0)
    sizes = {here: len(node.data or b"") for here, node in order}
    for here, _ in reversed(order):
        if here != path:
            parent = here.rpartition("/")[0] or "/"
            counts[parent] += counts[here] + 1
            sizes[parent] += sizes[here]
    base = _depth(path)
    for here, node in order:
        below = _depth(here) - base
        if (node.children or here == path) and (depth == 0 or below <= depth):
            yield Sum(here, below, counts[here], sizes[here])


def _depth(path: str) -> int:
    return 0 if path == "/" else path.count("/")


@dataclass(frozen=True, slots=True)
class Difference:
    """A znode or a session that two snapshots do not agree on."""

    path: str
    what: str


_FIELDS = (
    "data", "acl", "czxid", "mzxid", "pzxid", "ctime", "mtime", "version", "cversion", "aversion", "ephemeral_owner",
)  # fmt: skip


def compare(left: Tree, right: Tree) -> Iterator[Difference]:
    """Yield every difference, by path."""
    for path in sorted(left.nodes.keys() | right.nodes.keys()):
        one, other = left.nodes.get(path), right.nodes.get(path)
        if one is None:
            yield Difference(path, "only in the second")
        elif other is None:
            yield Difference(path, "only in the first")
        else:
            wrong = [name for name in _FIELDS if getattr(one, name) != getattr(other, name)]
            if wrong:
                yield Difference(path, ", ".join(_difference(name, one, other) for name in wrong))
    for session_id in sorted(left.sessions.keys() ^ right.sessions.keys()):
        where = "first" if session_id in left.sessions else "second"
        yield Difference(f"session {identifier(session_id)}", f"only in the {where}")


def _difference(name: str, one: Node, other: Node) -> str:
    first, second = getattr(one, name), getattr(other, name)
    if name == "data":
        return f"data {len(first or b'')} -> {len(second or b'')} bytes"
    if name == "acl":
        return "acl"
    if name in ("czxid", "mzxid", "pzxid", "ephemeral_owner"):
        return f"{name} {identifier(first)} -> {identifier(second)}"
    return f"{name} {first} -> {second}"
