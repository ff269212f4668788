"""I14: what a server has counted for a quota is what there is."""

from __future__ import annotations

from ensemble.simulator.checks.invariants import Violation
from ensemble.tree.tree import Tree


def check_quotas(sid: int, tree: Tree) -> None:
    """I14, for quotas that are not below each other."""
    for path, node in tree.nodes.items():
        if not (path.startswith("/zookeeper/quota/") and path.endswith("/zookeeper_stats")):
            continue
        real = path[len("/zookeeper/quota") : path.rindex("/")]
        there = [each for at, each in tree.nodes.items() if at == real or at.startswith(real + "/")]
        expected = f"count={len(there)},bytes={sum([len(each.data or b'') for each in there])}"
        if node.data != expected.encode():
            raise Violation("I14", f"server {sid} counts {node.data!r} at {real}, where {expected} is right")
