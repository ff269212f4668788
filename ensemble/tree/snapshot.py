"""A whole tree as bytes: the body that snapshot files and the SNAP stream between servers share.

    int n, n x {long session, int timeout in ms}
    int n, n x {long reference, vector ACL}                 the access lists, each once
    znodes, parents first: string path ("" for the root), buffer data, long reference, StatPersisted
    string "/"                                              the end

The open list is reference -1 and not stored. Headers, checksums, the digest and the last zxid are the
business of whoever wraps the body (Apache's FileSnap, SerializeUtils and DataTree are the source).
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct
from struct import error as StructError

from ensemble.errors import WireError
from ensemble.jute import INT, Reader, decode_text, pack_int
from ensemble.paths import parent_of
from ensemble.tree import quotas
from ensemble.tree.node import Node
from ensemble.tree.operations import OPEN_ACL, Acl
from ensemble.tree.owner import owner_of_353
from ensemble.tree.tree import CONFIG_PATH, PROC_PATH, Tree
from ensemble.tree.txns import decode_acl, encode_acl

_SESSION = Struct(">qi")
_REFERENCE = Struct(">q")
_NODE = Struct(">qqqqqiiiqq")
_END = pack_int(1) + b"/"
_OPEN = -1
_CHUNK_BYTES = 64 * 1024


def dump(tree: Tree) -> Iterator[bytes]:
    """Write ``tree`` in chunks of some tens of KiB; the tree must not change before the last one."""
    yield pack_int(len(tree.sessions)) + b"".join(
        [_SESSION.pack(session_id, timeout_ms) for session_id, timeout_ms in tree.sessions.items()]
    )
    references = _number_acls(tree)
    yield pack_int(len(references)) + b"".join(
        [_REFERENCE.pack(reference) + encode_acl(acl) for acl, reference in references.items()]
    )
    parts: list[bytes] = []
    size = 0
    for path, node in _walk(tree):
        part = _dump_node(path, node, references)
        parts.append(part)
        size += len(part)
        if size >= _CHUNK_BYTES:
            yield b"".join(parts)
            parts.clear()
            size = 0
    parts.append(_END)
    yield b"".join(parts)


def load(buffer: bytes | memoryview, offset: int = 0, *, emulate_353_ttl: bool = False) -> tuple[Tree, int]:
    """Read a tree that starts at ``offset``; return it and where it ends.

    With ``emulate_353_ttl`` the owners that ZooKeeper 3.5.3 gave to TTL znodes become those of today, but for
    sessions that are alive. The tree's ``zxid`` is 0: the body does not hold it. Raises ``WireError`` for bytes that are no tree.
    """
    tree = Tree(pristine=False)
    reader = Reader(buffer, offset)
    for _ in range(max(0, reader.count(_SESSION.size))):
        session_id = reader.long()
        tree.sessions[session_id] = reader.int()
    acls: dict[int, tuple[Acl, ...]] = {_OPEN: OPEN_ACL}
    for _ in range(max(0, reader.count(12))):
        reference = reader.long()
        acls[reference] = decode_acl(reader)
    end = _load_nodes(tree, reader.buffer, reader.offset, acls, emulate_353_ttl=emulate_353_ttl)
    if PROC_PATH in tree.nodes and CONFIG_PATH not in tree.nodes:
        tree.add_config()  # a snapshot of ZooKeeper 3.4
    quotas.rebuild(tree)
    return tree, end


def _number_acls(tree: Tree) -> dict[tuple[Acl, ...], int]:
    references: dict[tuple[Acl, ...], int] = {}
    for node in tree.nodes.values():
        if node.acl is not OPEN_ACL:
            references.setdefault(node.acl, len(references) + 1)
    return references


def _walk(tree: Tree) -> Iterator[tuple[str, Node]]:
    """Yield every znode after its parent, the root as ``""``."""
    stack = [("", tree.nodes["/"])]
    while stack:
        path, node = stack.pop()
        yield path, node
        if node.children:
            stack += [(f"{path}/{name}", child) for name, child in node.children.items()]


def _dump_node(path: str, node: Node, references: dict[tuple[Acl, ...], int]) -> bytes:
    raw_path, data = path.encode(), node.data
    fields = _NODE.pack(
        _OPEN if node.acl is OPEN_ACL else references[node.acl],
        node.czxid,
        node.mzxid,
        node.ctime,
        node.mtime,
        node.version,
        node.cversion,
        node.aversion,
        node.ephemeral_owner,
        node.pzxid,
    )
    raw_data = pack_int(-1) if data is None else pack_int(len(data)) + data
    return b"".join((pack_int(len(raw_path)), raw_path, raw_data, fields))


def _load_nodes(
    tree: Tree,
    buffer: bytes | bytearray | memoryview,
    offset: int,
    acls: dict[int, tuple[Acl, ...]],
    *,
    emulate_353_ttl: bool,
) -> int:
    """Read the znodes up to and including the end mark; a loop on purpose, a tree may have millions."""
    int_at, fields_at, fields_size, limit = INT.unpack_from, _NODE.unpack_from, _NODE.size, len(buffer)
    try:
        while True:
            (size,) = int_at(buffer, offset)
            start = offset + 4
            offset = start + size
            if size < 0 or offset > limit:
                raise WireError(f"a path of {size} bytes at {start}")
            path = decode_text(bytes(buffer[start:offset]))
            if path == "/":
                break
            (size,) = int_at(buffer, offset)
            start = offset + 4
            offset = start + max(size, 0)
            if size < -1 or offset > limit:
                raise WireError(f"{size} bytes of data at {start}")
            data = None if size == -1 else bytes(buffer[start:offset])
            node = _node_of(data, fields_at(buffer, offset), acls)
            offset += fields_size
            if emulate_353_ttl and node.ephemeral_owner not in tree.sessions:
                node.ephemeral_owner = owner_of_353(node.ephemeral_owner)
            _insert(tree, path, node)
    except StructError as error:
        raise WireError(f"a snapshot that ends at {limit}, too early: {error}") from None
    if "/" not in tree.nodes:
        raise WireError("a snapshot without a root")
    return offset


def _node_of(data: bytes | None, fields: tuple[int, ...], acls: dict[int, tuple[Acl, ...]]) -> Node:
    acl = acls.get(fields[0])
    if acl is None:
        raise WireError(f"a znode with the unknown access list {fields[0]}")
    node = Node(data, acl)
    (
        _,
        node.czxid,
        node.mzxid,
        node.ctime,
        node.mtime,
        node.version,
        node.cversion,
        node.aversion,
        node.ephemeral_owner,
        node.pzxid,
    ) = fields
    return node


def _insert(tree: Tree, path: str, node: Node) -> None:
    path = path or "/"
    if path in tree.nodes:
        raise WireError(f"{path} twice in a snapshot")
    if path != "/" and (path[0] != "/" or parent_of(path) not in tree.nodes):
        raise WireError(f"{path} before its parent in a snapshot")
    tree.insert(path, node)
