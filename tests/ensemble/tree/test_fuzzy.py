"""Snapshots of Apache's are fuzzy: transactions come in while one znode after the other is written down.

What is replayed over them, from the transaction they are named after, has to end in the tree as it was.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy
from random import Random

import pytest

from ensemble.tree import quotas
from ensemble.tree.node import Node
from ensemble.tree.operations import (
    OPEN_ACL,
    READ_ACL,
    CloseSession,
    Create,
    CreateSession,
    Delete,
    Multi,
    Op,
    SetAcl,
    SetData,
)
from ensemble.tree.tree import Tree
from tests.ensemble.tree.harness import Leader, state_of

SESSIONS = (1, 2, 3)
NAMES = ("a", "b", "c")


def walked(tree: Tree, path: str = "/") -> Iterator[tuple[str, Node]]:
    """Yield copies of the znodes as Apache's server writes them (DataTree.serializeNode): each as it is by then,
    and below it those that were its children by then and still are there.
    """
    node = tree.nodes.get(path)
    if node is None:
        return
    found, children = copy(node), list(node.children or ())
    found.children, found.digest = None, 0
    yield path, found
    for name in children:
        yield from walked(tree, f"{path if path != '/' else ''}/{name}")


class Story:
    """Clients that do this and that."""

    def __init__(self, seed: int) -> None:
        self.rng = Random(seed)
        self.leader = Leader(SESSIONS, extended_types=True)

    def path(self) -> str:
        return "/" + "/".join(self.rng.choices(NAMES, k=self.rng.randint(1, 3)))

    def go_on(self) -> None:
        """Do one thing, which may be refused."""
        rng, leader = self.rng, self.leader
        session = rng.choice(SESSIONS)
        if rng.random() < 0.05:
            leader.do(Op.CLOSE_SESSION, CloseSession(), session=session)
            leader.do(Op.CREATE_SESSION, CreateSession(10_000), session=session)
        elif rng.random() < 0.2:
            parts = [self._part() for _ in range(rng.randint(1, 4))]
            leader.do(Op.MULTI, Multi(parts), session=session)
        else:
            op, operation = self._part()
            leader.do(op, operation, session=session)

    def _part(self) -> tuple[int, object]:
        rng, path = self.rng, self.path()
        match rng.randrange(8):
            case 0 | 1 | 2:
                return Op.CREATE, Create(path, rng.randbytes(3), OPEN_ACL, rng.choice((0, 0, 0, 1, 2, 3)))
            case 3 | 4 | 5:
                return Op.DELETE, Delete(path, -1)
            case 6:
                return Op.SET_DATA, SetData(path, rng.randbytes(4), -1)
            case _:
                return Op.SET_ACL, SetAcl(path, rng.choice((OPEN_ACL, READ_ACL)), -1)


@pytest.mark.parametrize("often", [1, 3, 20])
def test_a_replay_over_a_fuzzy_snapshot_ends_in_the_tree_as_it_was(often: int) -> None:
    for seed in range(120):
        story = Story(seed)
        for _ in range(60):
            story.go_on()
        begun = story.leader.tree.zxid
        taken = Tree(pristine=False)
        taken.sessions.update(story.leader.tree.sessions)
        for path, node in walked(story.leader.tree):
            taken.insert(path, node)
            for _ in range(story.rng.randrange(often + 1)):
                story.go_on()
        quotas.rebuild(taken)
        for _ in range(10):
            story.go_on()
        for txn in story.leader.history:
            if txn.zxid > begun:
                taken.apply(txn)
        assert state_of(taken) == state_of(story.leader.tree), seed
        assert taken.digest() == story.leader.tree.digest(), seed
        assert taken.sessions == story.leader.tree.sessions
