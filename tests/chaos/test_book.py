"""Trees read from servers' directories, and in what they are not those they should be."""

from __future__ import annotations

from collections.abc import Collection

from ensemble.chaos.apache import epochs_led, snapshots_sent, snapshots_taken_leading
from ensemble.chaos.book import Book
from ensemble.chaos.differences import ZNODES_TOLD_MAX, sentences
from ensemble.chaos.judge import Judgement, judge
from ensemble.chaos.servers import epochs_led as our_epochs_led
from ensemble.errors import Code
from ensemble.simulator.checks.model import Answer, Model
from ensemble.simulator.clients.history import Call, History
from ensemble.storage.names import DIRECTORY
from ensemble.storage.records import HEADER, encode
from ensemble.storage.snapshots import encode as encode_snapshot
from ensemble.tree import snapshot, txns
from ensemble.tree.node import STAT
from ensemble.tree.operations import OPEN_ACL, Create, CreateSession, Delete, Op, Read, SetData
from ensemble.zxid import make
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
    ((name, tree),) = book.snapshots(files)
    assert (name, tree.digest()) == ("version-2/snapshot.4", leader.tree.digest())


def test_what_was_never_committed_explains_a_wrong_tree_of_apaches_alone():
    """Server 3 took a snapshot at 0:3, which nobody else had; its log was cut, and it loaded the snapshot."""
    lonely, committed = Leader(), Leader()
    for leader in (lonely, committed):
        leader.create("/agreed")
    lonely.create("/only-here")
    stale = snapshot_of(lonely, lonely.zxid)
    committed.zxid = make(1, 0)
    committed.create("/instead")
    last = committed.history[-1]
    lonely.tree.apply(last)
    history = History()
    for cxid, txn in enumerate(committed.history):
        txn.cxid = cxid
        if isinstance(txn.record, txns.CreateTxn):
            create = Create(txn.record.path, b"", OPEN_ACL, 0)
            history.calls.append(Call(0, 1, cxid, Op.CREATE, create, 0, 1))
    book = Book()
    book.collect(Files({"log.1": log_of(committed, last.zxid)}), last.zxid)
    assert book.newest == last.zxid
    theirs = Files(
        {
            "log.1": log_of(committed, 2),
            "snapshot.3": stale,
            f"snapshot.{last.zxid:x}": snapshot_of(lonely, last.zxid),
            "acceptedEpoch": b"1",
            "currentEpoch": b"1",
        }
    )
    book.note_snapshots(3, theirs)
    book.note_snapshots(2, Files({"log.1": log_of(committed, last.zxid)}))
    assert [state.zxid for state in book.stale(3, {3})] == [3]
    # What it did not take when it was elected is not explained by that.
    assert list(book.stale(3, {2})) == []
    assert list(book.stale(2, {3})) == []
    tree = book.recover(3, theirs)
    explained = judge(history, book.entries, {3: tree}, [3], list(book.stale(3, {3})))
    assert explained.violations == []
    (known,) = explained.known
    assert known.startswith(
        "C9: server 3 ends with what snapshot 0:3 of server 3 holds and nobody has committed"
    )
    assert known.endswith("(ZOOKEEPER-4837)")
    # Who was sent that snapshot by server 3 has it too; who was not has something to explain.
    for snapshots, found in (({last.zxid}, []), ({2}, ["C9"]), (set(), ["C9"])):
        (state,) = book.stale(3, {3})
        state.sent(2, snapshots)
        judged = judge(history, book.entries, {2: tree}, [3], [state])
        assert [what[:2] for what in judged.violations] == found
    tree.nodes["/agreed"].mtime += 1
    tree.touch("/agreed")
    for other, states in ((tree, list(book.stale(3, {3}))), (book.recover(3, theirs), [])):
        unexplained = judge(history, book.entries, {3: other}, [3], states)
        assert unexplained.violations[0].startswith("C9: server 3 ends with digest")
        assert "/only-here is not in the model (created at 0:3)" in unexplained.wrong_trees[3]


def test_a_read_of_what_was_never_committed_is_known_of_the_server_that_loaded_it():
    lonely, committed = Leader(), Leader()
    lonely.create("/only-here", b"x")
    stat = STAT.unpack(lonely.tree.nodes["/only-here"].pack_stat())
    stale = Files({"snapshot.2": snapshot_of(lonely, lonely.zxid)})
    committed.zxid = make(1, 0)
    committed.do(Op.CREATE_SESSION, CreateSession(10_000), session=2)
    for txn in committed.history:
        txn.cxid = 0
    now = committed.zxid
    book = Book()
    book.collect(Files({"log.1": log_of(committed, now)}), now)
    book.note_snapshots(3, stale)

    def judged(server: int, answer: Answer, op: int = Op.GET_DATA, sent: Collection[int] = ()) -> Judgement:
        read = Call(0, 1, 1, op, Read("/only-here", False), 0, server, 1, now, answer)
        (state,) = book.stale(3, {2})
        state.sent(1, sent)
        return judge(History([read]), book.entries, {}, [3], [state])

    for op, seen in (
        (Op.GET_DATA, Answer(data=b"x", stat=stat)),
        (Op.EXISTS, Answer(stat=stat)),
        (Op.GET_CHILDREN, Answer(children=[])),
        (Op.GET_CHILDREN2, Answer(children=[], stat=stat)),
    ):
        known = judged(3, seen, op)
        assert known.violations == []
        assert known.known[0].startswith("C1: 1 reads saw what nobody has committed")
        assert judged(2, seen, op).violations[0].startswith("C1")
        assert judged(1, seen, op, {now}).violations == []
        # Before it was sent that, nothing explains what it answers.
        assert judged(1, seen, op, {now + 1}).violations[0].startswith("C1")
    assert judged(3, Answer(data=b"y", stat=stat)).violations[0].startswith("C1")
    assert judged(3, Answer(Code.NO_NODE)).known == []


def test_snapshots_that_a_server_of_apaches_takes_when_it_is_elected_are_told_from_others():
    said = """
[QuorumPeer[myid=3](plain=127.0.0.1:17404)(secure=disabled)] INFO org.apache.zookeeper.server.quorum.QuorumPeer - LEADING
[QuorumPeer[myid=3](plain=127.0.0.1:17404)(secure=disabled)] INFO \
org.apache.zookeeper.server.persistence.FileTxnSnapLog - Snapshotting: 0x700000542 to /data/version-2/snapshot.700000542
[QuorumPeer[myid=3](plain=127.0.0.1:17404)(secure=disabled)] INFO org.apache.zookeeper.server.quorum.Leader - \
Have quorum of supporters, sids: [[2, 3]]; starting up and setting last processed zxid: 0x800000000
[QuorumPeer[myid=3](plain=127.0.0.1:17404)(secure=disabled)] INFO org.apache.zookeeper.server.quorum.QuorumPeer - LOOKING
[QuorumPeer[myid=3](plain=127.0.0.1:17404)(secure=disabled)] INFO org.apache.zookeeper.server.quorum.QuorumPeer - FOLLOWING
[QuorumPeer[myid=3](plain=127.0.0.1:17404)(secure=disabled)] INFO \
org.apache.zookeeper.server.persistence.FileTxnSnapLog - Snapshotting: 0x800000001 to /data/version-2/snapshot.800000001
"""
    assert snapshots_taken_leading(said) == {0x700000542}
    assert epochs_led(said) == {8}


def test_a_server_of_ours_says_which_epochs_it_led():
    said = """
2026-11-23 02:57:28.847 serving, following server 3 in epoch 1 from 1:0 on
2026-11-23 02:57:29.231 serving, leading in epoch 2 from 1:0 on
"""
    assert our_epochs_led(said) == {2}


def test_a_leader_of_apaches_says_which_snapshots_it_has_sent():
    said = """INFO LearnerHandler - Sending snapshot last zxid of peer is 0x0, zxid of leader is 0xc0000276b, \
send zxid of db as 0xc00002768, 1 concurrent snapshot sync, snapshot sync was exempt from throttle
INFO LearnerHandler - Sending diffs"""
    assert snapshots_sent(said) == {0xC00002768}


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
