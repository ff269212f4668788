"""Trees read from servers' directories, and in what they are not those they should be."""

from __future__ import annotations

from ensemble.chaos.book import Book
from ensemble.chaos.differences import ZNODES_TOLD_MAX, sentences
from ensemble.simulator.model import Model
from ensemble.storage.names import DIRECTORY
from ensemble.storage.records import HEADER, encode
from ensemble.storage.snapshots import encode as encode_snapshot
from ensemble.tree import snapshot, txns
from ensemble.tree.operations import OPEN_ACL, Create, Delete, Op, SetData
from tests.ensemble.tree.harness import Leader


class Files:
    """A directory in memory."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = {f"{DIRECTORY}/{name}": data for name, data in files.items()}

    def names(self, directory: str) -> list[str]:
        return sorted(name.rpartition("/")[2] for name in self.files) if directory == DIRECTORY else []

    def read(self, name: str) -> bytes:
        return self.files[name]


def log_of(leader: Leader, last: int) -> bytes:
    entries = [encode(txns.encode(txn)) for txn in leader.history if txn.zxid <= last]
    return HEADER + b"".join(entries) + bytes(64)


def snapshot_of(leader: Leader, zxid: int) -> bytes:
    return b"".join(encode_snapshot(zxid, snapshot.dump(leader.tree), leader.tree.digest()))


EPOCHS = {"acceptedEpoch": b"0", "currentEpoch": b"0"}


def test_a_snapshot_that_knows_of_more_than_the_log_beside_it_is_no_wrong_tree():
    leader = Leader()
    for number in range(7):
        leader.create(f"/{number}")
    # Taken while 5 to 8 came in, and found beside a log without the last of them.
    fuzzy = snapshot_of(leader, 4)
    leader.create("/7")
    files = Files({"log.1": log_of(leader, 7), "snapshot.4": fuzzy, **EPOCHS})
    book = Book()
    book.collect(Files({"log.1": log_of(leader, leader.zxid)}), leader.zxid)
    book.compare(1, files, 6)
    assert book.recover(1, files).digest() == leader.tree.digest()
    (name, tree), *_ = book.snapshots(files)
    assert (name, tree.digest()) == ("version-2/snapshot.4", leader.tree.digest())


def test_each_difference_is_told_with_both_sides():
    leader, model = Leader(), Model()
    model.open_session(1)
    for op, operation in [
        (Op.CREATE, Create("/same", b"x", OPEN_ACL, 0)),
        (Op.CREATE, Create("/set", b"x", OPEN_ACL, 0)),
        (Op.CREATE, Create("/parent", b"", OPEN_ACL, 0)),
    ]:
        leader.do(op, operation)
        model.write(1, op, operation, leader.zxid, 1000 + leader.zxid)
    assert list(sentences(leader.tree, model)) == []
    assert leader.tree.digest() == model.digest()
    leader.do(Op.SET_DATA, SetData("/set", b"y", -1))
    leader.do(Op.CREATE, Create("/parent/only", b"", OPEN_ACL, 0))
    leader.do(Op.DELETE, Delete("/same", -1))
    assert list(sentences(leader.tree, model)) == [
        "/: pzxid 0:7, not 0:4",
        "/parent: pzxid 0:6, not 0:4; cversion 1, not 0",
        "/parent/only is not in the model (created at 0:6)",
        "/same is missing (the model's was created at 0:2)",
        "/set: mzxid 0:5, not 0:3; mtime 1005, not 1003; version 1, not 0; data b'y', not b'x'",
    ]


def test_of_many_differences_a_few_are_told():
    leader, model = Leader(), Model()
    for number in range(ZNODES_TOLD_MAX):
        leader.create(f"/{number}")
    told = list(sentences(leader.tree, model))
    assert len(told) == ZNODES_TOLD_MAX + 1
    assert told[-1] == "and 1 more znodes"
