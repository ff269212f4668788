"""The znodes of a tree: one flat dict of paths, and the indexes kept with it.

Here the bookkeeping is done that must never disagree: children, ephemerals by session, containers, sizes and
the digest. What a transaction means is not known here; ``tree`` knows.
"""

from __future__ import annotations

from ensemble.errors import Code, KeeperError
from ensemble.paths import parent_of
from ensemble.tree.digest import node_digest
from ensemble.tree.node import Node
from ensemble.tree.owner import CONTAINER, session_of


class Znodes:
    """Every znode by path, the root as ``/``."""

    __slots__ = (
        "_digest",
        "_dirty",
        "containers",
        "data_bytes",
        "ephemerals",
        "ephemerals_count",
        "nodes",
        "quotas",
        "ttls",
    )

    def __init__(self) -> None:
        self.nodes: dict[str, Node] = {}
        self.ephemerals: dict[int, dict[str, None]] = {}
        """Paths in the order of their creation, by session."""
        self.containers: dict[str, None] = {}
        self.ttls: dict[str, None] = {}
        self.quotas: dict[str, None] = {}
        """Paths that have a quota; ``quotas`` keeps them."""
        self.ephemerals_count = 0
        self.data_bytes = 0
        """Sum of path and data lengths (Apache's approximate data size)."""
        self._digest = 0
        self._dirty: set[str] = set()

    @property
    def znodes(self) -> int:
        """How many znodes there are, the root and ``/zookeeper`` included."""
        return len(self.nodes)

    def get(self, path: str) -> Node:
        """Return the znode at ``path``; raise ``KeeperError(NO_NODE)``."""
        node = self.nodes.get(path)
        if node is None:
            raise KeeperError(Code.NO_NODE, path)
        return node

    def find(self, path: str) -> Node | None:
        """Return the znode at ``path``, or None."""
        return self.nodes.get(path)

    def count_below(self, path: str) -> int:
        """Count the znodes below ``path``, itself excluded; raise ``KeeperError(NO_NODE)``."""
        if path == "/":
            return len(self.nodes) - 1
        count = 0
        stack = [self.get(path)]
        while stack:
            children = stack.pop().children
            if children:
                count += len(children)
                stack += children.values()
        return count

    @property
    def changed(self) -> int:
        """How many znodes have changed since the digest was last asked for."""
        return len(self._dirty)

    def digest(self) -> int:
        """Return the digest of the tree as it is now; hashes only what changed since the last call."""
        total, nodes = self._digest, self.nodes
        for path in self._dirty:
            node = nodes[path]
            current = node_digest(path, node)
            total += current - node.digest
            node.digest = current
        self._dirty.clear()
        self._digest = total
        return total

    def insert(self, path: str, node: Node) -> None:
        """Put a new znode at ``path`` without touching its parent's counts; the parent must be there."""
        if path != "/":
            parent = self.nodes[parent_of(path)]
            if parent.children is None:
                parent.children = {}
            parent.children[path[path.rfind("/") + 1 :]] = node
        self.nodes[path] = node
        self._dirty.add(path)
        data = node.data
        self.data_bytes += len(path) + len(data) if data else len(path)
        if node.ephemeral_owner:
            self._own(path, node.ephemeral_owner)

    def remove(self, path: str, node: Node) -> None:
        """Take ``node`` at ``path`` out, with whatever is below it; the root stays."""
        if node.children:
            self._forget_below(path, node)
        self._forget(path, node)
        parent = self.nodes[parent_of(path)]
        if parent.children is not None:
            parent.children.pop(path[path.rfind("/") + 1 :], None)

    def set_data(self, path: str, node: Node, data: bytes | None) -> None:
        """Give ``node`` at ``path`` other data; its stat is the caller's business."""
        old = node.data
        self.data_bytes += (len(data) if data else 0) - (len(old) if old else 0)
        node.data = data
        self._dirty.add(path)

    def touch(self, path: str) -> None:
        """Note that a digested field of the znode at ``path`` has changed."""
        self._dirty.add(path)

    def _forget(self, path: str, node: Node) -> None:
        del self.nodes[path]
        self._dirty.discard(path)
        self._digest -= node.digest
        self.data_bytes -= len(path) + (len(node.data) if node.data else 0)
        if node.ephemeral_owner:
            self._disown(path, node.ephemeral_owner)

    def _forget_below(self, path: str, node: Node) -> None:
        """Remove what a fuzzy snapshot put below a znode before the replay deletes that znode.

        Those children belong to a later znode of the same path; the replay is about to create both again.
        """
        stack = [(path, node)]
        while stack:
            parent_path, parent = stack.pop()
            for name, child in (parent.children or {}).items():
                child_path = f"{parent_path}/{name}"
                self._forget(child_path, child)
                stack.append((child_path, child))

    def _own(self, path: str, owner: int) -> None:
        session = session_of(owner)
        if session:
            self.ephemerals.setdefault(session, {})[path] = None
            self.ephemerals_count += 1
        elif owner == CONTAINER:
            self.containers[path] = None
        else:
            self.ttls[path] = None

    def _disown(self, path: str, owner: int) -> None:
        session = session_of(owner)
        if not session:
            self.containers.pop(path, None)
            self.ttls.pop(path, None)
            return
        paths = self.ephemerals[session]
        del paths[path]
        self.ephemerals_count -= 1
        if not paths:
            del self.ephemerals[session]
