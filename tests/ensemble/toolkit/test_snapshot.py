"""A snapshot listed, summed up, compared."""

from __future__ import annotations

import json

import pytest

from ensemble.errors import CorruptionError
from ensemble.storage.settings import StorageSettings
from ensemble.toolkit import snapshot
from ensemble.toolkit.snapshot import Difference, Sum
from ensemble.tree.operations import OPEN_ACL, READ_ACL, Op
from ensemble.tree.tree import Tree
from ensemble.tree.txns import CloseSessionTxn, CreateTxn, SetAclTxn, SetDataTxn
from tests.ensemble.toolkit.harness import SESSION, history, snapshot_of, txn, written


def tree_of(*paths: str) -> Tree:
    tree = Tree()
    for zxid, path in enumerate(paths, start=1):
        tree.apply(txn(zxid, Op.CREATE, CreateTxn(path, b"x" * zxid, OPEN_ACL, False, -1)))
    return tree


@pytest.mark.parametrize("method", ["", "gz", "snappy"])
def test_a_file_is_loaded_whatever_it_is_compressed_by(method: str) -> None:
    directory = written(history(1, 1, 4), "snapshot", settings=StorageSettings(compression=method))
    name = snapshot_of(1, 4) + (f".{method}" if method else "")
    tree = snapshot.load(directory.read(name), name)
    assert sorted(tree.nodes) == [
        "/",
        "/n100000002",
        "/n100000004",
        "/zookeeper",
        "/zookeeper/config",
        "/zookeeper/quota",
    ]
    assert tree.sessions == {SESSION: 30_000}
    with pytest.raises(CorruptionError):
        snapshot.load(directory.read(name)[:-9], name)


def test_the_lines_are_those_of_apaches_tool() -> None:
    lines = list(snapshot.lines(tree_of("/a", "/a/b")))
    assert lines[0] == "ZNode Details (count=6):"
    start = lines.index("/a/b")
    assert lines[start - 1 : start + 11] == [
        "----",
        "/a/b",
        "  cZxid = 0x0000000000000002",
        "  ctime = 2023-11-14 22:13:20.002Z",
        "  mZxid = 0x0000000000000002",
        "  mtime = 2023-11-14 22:13:20.002Z",
        "  pZxid = 0x0000000000000002",
        "  cversion = 0",
        "  dataVersion = 0",
        "  aclVersion = 0",
        "  ephemeralOwner = 0x0000000000000000",
        "  dataLength = 2",
    ]
    assert lines[-1] == "Last zxid: 0x2"
    assert "  data = eHg=" in snapshot.lines(tree_of("/a", "/a/b"), with_data=True)


def test_ephemerals_are_counted_for_their_session() -> None:
    tree = Tree()
    tree.sessions[SESSION] = 4000
    tree.apply(txn(1, Op.CREATE, CreateTxn("/e", b"", OPEN_ACL, True, -1)))
    lines = list(snapshot.lines(tree))
    assert "0x1000abc, 4000, 1" in lines
    assert "  ephemeralOwner = 0x0000000001000abc" in lines


def test_json_is_the_shape_that_disk_usage_viewers_read() -> None:
    found = json.loads("".join(snapshot.as_json(tree_of("/a", '/a/b"c', "/d"), 77)))
    head, root = found[2], found[3]
    assert found[:2] == [1, 0]
    assert head == {"progname": "coordinator", "progver": "0.01", "timestamp": 77}
    assert root[0] == {"name": "/", "asize": 0, "dsize": 0, "dev": 0, "ino": 1001}
    a, d, system = root[1], root[2], root[3]
    assert a[0]["name"] == "a"
    assert a[1]["name"] == 'b"c'
    assert a[1]["dsize"] == 2
    assert d["name"] == "d"
    assert [child["name"] for child in system[1:]] == ["config", "quota"]


def test_a_deep_tree_is_no_trouble() -> None:
    paths = ["/x" * depth for depth in range(1, 1500)]
    tree = tree_of(*paths)
    assert "".join(snapshot.as_json(tree, 0)).count('"name":"x"') == 1499
    assert list(snapshot.summary(tree, "/", 1))[1].descendants == 1498


def test_sums_go_all_the_way_down_and_show_only_so_deep() -> None:
    tree = tree_of("/a", "/a/b", "/a/b/c", "/d")
    assert list(snapshot.summary(tree, "/a", 0)) == [Sum("/a", 0, 2, 1 + 2 + 3), Sum("/a/b", 1, 1, 2 + 3)]
    assert [found.path for found in snapshot.summary(tree, "/", 1)] == ["/", "/a", "/zookeeper"]
    assert next(snapshot.summary(tree, "/", 1)) == Sum("/", 0, 7, 1 + 2 + 3 + 4)
    assert list(snapshot.summary(tree, "/d", 0)) == [Sum("/d", 0, 0, 4)]
    with pytest.raises(CorruptionError, match="/nowhere is not in the snapshot"):
        list(snapshot.summary(tree, "/nowhere", 0))


def test_two_snapshots_are_compared_field_by_field() -> None:
    one, other = tree_of("/a", "/b", "/c"), tree_of("/a", "/b", "/c")
    one.sessions[SESSION] = 4000
    assert list(snapshot.compare(tree_of("/a"), tree_of("/a"))) == []
    other.apply(txn(4, Op.SET_DATA, SetDataTxn("/a", b"longer", 1)))
    other.apply(txn(5, Op.SET_ACL, SetAclTxn("/b", READ_ACL, 1)))
    other.apply(txn(6, Op.CREATE, CreateTxn("/new", b"", OPEN_ACL, False, -1)))
    one.apply(txn(7, Op.CREATE, CreateTxn("/old", b"", OPEN_ACL, True, -1)))
    found = {difference.path: difference.what for difference in snapshot.compare(one, other)}
    assert found["/a"] == (
        "data 1 -> 6 bytes, mzxid 0x1 -> 0x4, mtime 1700000000001 -> 1700000000004, version 0 -> 1"
    )
    assert found["/b"] == "acl, aversion 0 -> 1"
    assert (found["/new"], found["/old"]) == ("only in the second", "only in the first")
    assert found["session 0x1000abc"] == "only in the first"
    one.apply(txn(8, Op.CLOSE_SESSION, CloseSessionTxn(["/old"])))
    assert Difference("/old", "only in the first") not in snapshot.compare(one, other)
