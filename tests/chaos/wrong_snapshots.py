"""Servers whose snapshots tell of one znode another time than is true: run as a nursery, they have to be caught."""

from ensemble.runtime.supervision import nursery
from ensemble.tree import snapshot
from ensemble.tree.node import Node
from ensemble.tree.operations import Acl

SPOILED = "/registers"

_dump_node = snapshot._dump_node


def dump_node(path: str, node: Node, references: dict[tuple[Acl, ...], int]) -> bytes:
    """A modification time one off."""
    if path != SPOILED:
        return _dump_node(path, node, references)
    node.mtime += 1
    try:
        return _dump_node(path, node, references)
    finally:
        node.mtime -= 1


if __name__ == "__main__":
    snapshot._dump_node = dump_node
    nursery.main()
