"""Quotas: the texts they are kept in, what counts for which, and what a write beyond one meets."""

from __future__ import annotations

import pytest

from ensemble.errors import Code
from ensemble.tree import quotas, snapshot
from ensemble.tree.node import STAT
from ensemble.tree.operations import OPEN_ACL, Create, CreateMode, Delete, Multi, NoBody, Op, SetData
from ensemble.tree.prepare.prepare import Preparer
from ensemble.tree.prepare.warden import LINE_EVERY_MS, Warden
from ensemble.tree.quotas import by_namespace, limits_path, quota_above, stats_path
from ensemble.tree.tree import Tree
from ensemble.tree.txns import ErrorTxn, MultiTxn
from tests.ensemble.tree.harness import Leader, code_of, state_of

EPHEMERAL = CreateMode.EPHEMERAL


class Office:
    """A leader whose warden writes to a list and reads a clock that is set by hand."""

    def __init__(self, *, enforce: bool = True) -> None:
        self.leader = Leader((1, 2), extended_types=True)
        self.lines: list[str] = []
        self.refusals: dict[str, int] = {}
        self.now_ms = 0
        self.warden = Warden(
            enforce=enforce, refusals=self.refusals, log=self.lines.append, now_ms=lambda: self.now_ms
        )
        self.leader.preparer = Preparer(self.leader.tree, extended_types=True, warden=self.warden)

    @property
    def tree(self) -> Tree:
        return self.leader.tree

    def set_quota(self, path: str, limits: str) -> None:
        """Do what Apache's shell does for ``setquota``."""
        where = quotas.QUOTA_PATH
        for name in path[1:].split("/"):
            where += f"/{name}"
            if where not in self.tree.nodes:
                self.leader.create(where)
        self.leader.create(limits_path(path), limits.encode())
        self.leader.create(stats_path(path), b"count=0,bytes=0")

    def used(self, path: str) -> str:
        return (self.tree.get(stats_path(path)).data or b"").decode()

    def try_to_create(self, path: str, data: bytes = b"", mode: int = 0) -> Code:
        code = code_of(self.leader.prepare(Op.CREATE, Create(path, data, OPEN_ACL, mode)))
        self.leader.apply()
        return code

    def try_to_set(self, path: str, data: bytes | None, version: int = -1) -> Code:
        code = code_of(self.leader.prepare(Op.SET_DATA, SetData(path, data, version)))
        self.leader.apply()
        return code


@pytest.fixture
def office() -> Office:
    office = Office()
    office.leader.create("/a", b"12")
    office.leader.create("/a/b", b"345")
    office.set_quota("/a", "count=100,bytes=1000")
    return office


# Texts.


@pytest.mark.parametrize(
    ("text", "figures"),
    [
        (b"", {}),
        (b"count=4,bytes=5", {"count": 4, "bytes": 5}),
        (
            b"count=4,bytes=5=;byteHardLimit=10;countHardLimit=11",
            {"count": 4, "bytes": 5, "byteHardLimit": 10, "countHardLimit": 11},
        ),
        (b"count=-1,bytes=+7,", {"count": -1, "bytes": 7}),
        (b"count==3", {"count": -1}),
        (b"count=1,;,bytes=2;;", {"count": 1, "bytes": 2}),
        (b"other=9", {"other": 9}),
        (None, None),
        (b"nonsense", None),
        (b"count=", None),
        (b"count=x", None),
        (b"count= 1", None),
        (b",count=1", None),
        (b"\xff\xff", None),
    ],
)
def test_limits_and_stats_are_read_as_java_reads_them(
    text: bytes | None, figures: dict[str, int] | None
) -> None:
    assert quotas.parse(text) == figures


@pytest.mark.parametrize(
    ("figures", "text"),
    [
        ({}, b"count=-1,bytes=-1"),
        ({"bytes": 5, "count": 4}, b"count=4,bytes=5"),
        (
            {"countHardLimit": 11, "count": 4, "bytes": 5, "byteHardLimit": 10},
            b"count=4,bytes=5=;byteHardLimit=10;countHardLimit=11",
        ),
    ],
)
def test_old_readers_are_kept_from_what_they_do_not_know(figures: dict[str, int], text: bytes) -> None:
    assert quotas.format_figures(figures) == text


# What is used.


def test_what_is_there_already_counts_and_so_does_the_path_itself(office: Office) -> None:
    assert office.used("/a") == "count=2,bytes=5"


def test_every_change_below_counts(office: Office) -> None:
    leader = office.leader
    leader.create("/a/b/c", b"6789")
    assert office.used("/a") == "count=3,bytes=9"
    leader.do(Op.SET_DATA, SetData("/a/b", None, -1))
    assert office.used("/a") == "count=3,bytes=6"
    leader.do(Op.DELETE, Delete("/a/b/c", -1))
    leader.create("/ab", b"beside")
    assert office.used("/a") == "count=2,bytes=2"


def test_ephemerals_multis_and_the_reaper_count_too(office: Office) -> None:
    leader = office.leader
    leader.create("/a/e", b"12345", EPHEMERAL, session=2)
    leader.do(Op.CREATE_TTL, Create("/a/t", b"1", OPEN_ACL, CreateMode.PERSISTENT_WITH_TTL, 5))
    leader.do(Op.CREATE_CONTAINER, Create("/a/c", b"1", OPEN_ACL, CreateMode.CONTAINER))
    assert office.used("/a") == "count=5,bytes=12"
    leader.do(Op.CLOSE_SESSION, NoBody(), session=2)
    leader.do(Op.DELETE_CONTAINER, Delete("/a/t", -1), session=0)
    assert office.used("/a") == "count=3,bytes=6"
    parts = [(int(Op.DELETE), Delete("/a/c", -1)), (int(Op.SET_DATA), SetData("/a", b"", -1))]
    leader.do(Op.MULTI, Multi([*parts]))
    assert office.used("/a") == "count=2,bytes=3"


def test_only_the_deepest_quota_counts_a_change(office: Office) -> None:
    office.set_quota("/a/b", "count=5,bytes=-1")
    office.leader.create("/a/b/c", b"x")
    office.leader.create("/a/d", b"y")
    assert (office.used("/a"), office.used("/a/b")) == ("count=3,bytes=6", "count=2,bytes=4")
    office.leader.do(Op.DELETE, Delete(limits_path("/a/b"), -1))
    office.leader.create("/a/b/e", b"z")
    assert (office.used("/a"), office.used("/a/b")) == ("count=4,bytes=7", "count=2,bytes=4")
    assert quota_above(office.tree, "/a/b") == "/a"


def test_the_stats_keep_versions_times_and_zxids_and_tell_nobody(office: Office) -> None:
    before = STAT.unpack(office.tree.get(stats_path("/a")).pack_stat())
    digest = office.tree.digest()
    outcome = office.leader.create("/a/c", b"x" * 200)
    after = STAT.unpack(office.tree.get(stats_path("/a")).pack_stat())
    assert (before[:8], before[9:]) == (after[:8], after[9:])
    assert after[8] == len("count=3,bytes=205")
    assert [path for _, path in outcome.events] == ["/a/c", "/a"]
    office.leader.do(Op.DELETE, Delete("/a/c", -1))
    office.leader.do(Op.SET_DATA, SetData(stats_path("/a"), b"count=1,bytes=1", -1))
    changed = office.tree.digest()
    office.tree.set_data(stats_path("/a"), office.tree.get(stats_path("/a")), b"other")
    assert digest != changed == office.tree.digest()
    state_of(office.tree)


def test_the_client_that_makes_the_stats_is_told_of_its_own_data(office: Office) -> None:
    leader = office.leader
    leader.create(quotas.QUOTA_PATH + "/x")
    stat = leader.do(Op.CREATE2, Create(stats_path("/x"), b"123456", OPEN_ACL, 0)).stat()
    assert STAT.unpack(stat)[8] == 6
    assert office.used("/x") == "count=0,bytes=0"
    multi = leader.do(Op.MULTI, Multi([(int(Op.CREATE2), Create("/a/x", b"1", OPEN_ACL, 0))]))
    assert multi.results is not None
    assert STAT.unpack(multi.results[0].stat())[8] == 1


def test_a_tree_that_is_read_counts_anew(office: Office) -> None:
    office.set_quota("/a/b", "count=5,bytes=-1")
    office.leader.do(Op.SET_DATA, SetData(stats_path("/a"), b"count=70,bytes=7", -1))
    office.leader.create("/a/c", b"x")
    assert office.used("/a") == "count=71,bytes=8"
    office.leader.tree, _ = snapshot.load(b"".join(snapshot.dump(office.tree)))
    assert (office.used("/a"), office.used("/a/b")) == ("count=3,bytes=6", "count=1,bytes=3")
    assert list(office.tree.quotas) == ["/a", "/a/b"]
    state_of(office.tree)


def test_stats_that_a_client_has_spoilt_are_counted_anew(office: Office) -> None:
    for spoilt in (b"nonsense", None):
        office.leader.do(Op.SET_DATA, SetData(stats_path("/a"), spoilt, -1))
        office.leader.create("/a/c", b"x")
        assert office.used("/a") == "count=3,bytes=6"
        office.leader.do(Op.DELETE, Delete("/a/c", -1))


@pytest.mark.parametrize(
    "spoilt", [b"count=" + b"9" * 5000, b"count=1,bytes=" + b"9" * 20], ids=["huge", "large"]
)
def test_figures_that_are_no_longs_are_counted_anew(office: Office, spoilt: bytes) -> None:
    """Python refuses to read a number of thousands of digits: every server would end by it."""
    office.leader.create("/q")
    office.set_quota("/q", "count=10,bytes=-1")
    office.try_to_set(stats_path("/q"), spoilt)
    office.leader.create("/q/b", b"xyz")
    assert office.used("/q") == "count=2,bytes=3"


def test_limits_that_are_no_longs_cannot_be_read(office: Office) -> None:
    office.leader.create("/q")
    office.set_quota("/q", "count=1,bytes=-1=;countHardLimit=" + "9" * 5000)
    assert office.try_to_create("/q/b") == Code.MARSHALLING_ERROR


def test_what_else_the_stats_say_is_kept(office: Office) -> None:
    office.leader.do(Op.SET_DATA, SetData(stats_path("/a"), b"zebra=7,bytes=1", -1))
    office.leader.create("/a/c", b"x")
    assert office.used("/a") == "count=0,bytes=2=;zebra=7"


def test_a_quota_without_stats_counts_nothing_and_the_root_has_none() -> None:
    office = Office()
    office.leader.create(quotas.QUOTA_PATH + "/a")
    office.leader.create(limits_path("/a"), b"count=0,bytes=0=;countHardLimit=0")
    office.leader.create(limits_path(""), b"count=0,bytes=0=;countHardLimit=0")
    assert list(office.tree.quotas) == ["/a"]
    assert office.try_to_create("/a") == Code.OK
    assert office.try_to_create("/b") == Code.OK


# Limits.


def test_a_hard_count_is_kept(office: Office) -> None:
    office.leader.do(Op.SET_DATA, SetData(limits_path("/a"), b"count=-1,bytes=-1=;countHardLimit=3", -1))
    assert office.try_to_create("/a/c", b"x" * 10_000) == Code.OK
    assert office.try_to_create("/a/d") == Code.QUOTA_EXCEEDED
    assert office.try_to_create("/b") == Code.OK
    assert office.used("/a") == "count=3,bytes=10005"
    assert office.try_to_set("/a/c", b"") == Code.OK
    office.leader.do(Op.DELETE, Delete("/a/c", -1))
    assert office.try_to_create("/a/d") == Code.OK
    assert office.refusals == {"a": 1}


def test_hard_bytes_are_kept(office: Office) -> None:
    office.leader.do(Op.SET_DATA, SetData(limits_path("/a"), b"count=-1,bytes=-1=;byteHardLimit=10", -1))
    assert office.try_to_set("/a", b"x" * 7) == Code.OK
    assert office.try_to_create("/a/c", b"x") == Code.QUOTA_EXCEEDED
    assert office.try_to_create("/a/c") == Code.OK
    assert office.try_to_set("/a", b"x" * 8) == Code.QUOTA_EXCEEDED
    assert office.try_to_set("/a", None) == Code.OK
    assert office.used("/a") == "count=3,bytes=3"


def test_a_write_that_shrinks_what_is_over_the_limit_already_is_refused_all_the_same(office: Office) -> None:
    office.leader.do(Op.SET_DATA, SetData(limits_path("/a"), b"bytes=-1=;byteHardLimit=1", -1))
    assert office.try_to_set("/a", b"1") == Code.QUOTA_EXCEEDED
    assert office.try_to_set("/a", b"21") == Code.OK  # no change at all
    assert office.try_to_set("/a/b", b"") == Code.QUOTA_EXCEEDED


def test_the_quota_is_looked_at_after_the_access_list_and_before_the_version(office: Office) -> None:
    office.leader.do(Op.SET_DATA, SetData(limits_path("/a"), b"bytes=-1=;byteHardLimit=1", -1))
    assert office.try_to_set("/a", b"x" * 20, version=7) == Code.QUOTA_EXCEEDED
    assert office.try_to_set("/zookeeper/config", b"x" * 20) == Code.NO_AUTH
    assert office.try_to_create("/a/b", b"x" * 20) == Code.NODE_EXISTS
    assert office.try_to_create("/a/e/c", b"x" * 20) == Code.NO_NODE


def test_the_parts_of_a_multi_are_judged_one_by_one_by_what_is_applied(office: Office) -> None:
    office.leader.do(Op.SET_DATA, SetData(limits_path("/a"), b"bytes=-1=;byteHardLimit=7", -1))
    parts = [(int(Op.CREATE), Create(f"/a/{name}", b"12", OPEN_ACL, 0)) for name in "xyz"]
    txn = office.leader.prepare(Op.MULTI, Multi([*parts]))
    assert txn.type == Op.MULTI
    office.leader.apply()
    assert office.used("/a") == "count=5,bytes=11"
    grow = [(int(Op.SET_DATA), SetData("/a", b"1", -1)), (int(Op.SET_DATA), SetData("/a", b"12345", -1))]
    txn = office.leader.prepare(Op.MULTI, Multi([*grow]))
    assert isinstance(txn.record, MultiTxn)
    assert [part.code for _, part in txn.record.txns if isinstance(part, ErrorTxn)] == [
        Code.QUOTA_EXCEEDED,
        Code.RUNTIME_INCONSISTENCY,
    ]


def test_growth_is_against_what_was_proposed_before(office: Office) -> None:
    office.leader.do(Op.SET_DATA, SetData(limits_path("/a"), b"bytes=-1=;byteHardLimit=10", -1))
    prepare = office.leader.prepare
    assert code_of(prepare(Op.SET_DATA, SetData("/a", b"1234567", -1))) == Code.OK  # +5 on 5
    assert code_of(prepare(Op.SET_DATA, SetData("/a", b"123456789012", -1))) == Code.OK  # +5 on 5
    assert code_of(prepare(Op.SET_DATA, SetData("/a", b"x" * 18, -1))) == Code.QUOTA_EXCEEDED  # +6 on 5


def test_soft_limits_refuse_nothing_and_hard_ones_only_where_they_are_enforced(office: Office) -> None:
    office.leader.do(Op.SET_DATA, SetData(limits_path("/a"), b"count=1,bytes=1", -1))
    assert office.try_to_create("/a/c", b"x") == Code.OK
    assert office.lines == ["quota of /a: count=3, over the soft limit 1"]
    lenient = Office(enforce=False)
    lenient.leader.create("/a")
    lenient.set_quota("/a", "count=1,bytes=1=;countHardLimit=1")
    assert lenient.try_to_create("/a/c", b"xx") == Code.OK
    assert lenient.lines == ["quota of /a: count=2, over the hard limit 1"]
    assert lenient.refusals == {}


def test_a_quota_is_mentioned_once_in_a_while(office: Office) -> None:
    office.leader.do(Op.SET_DATA, SetData(limits_path("/a"), b"count=1,bytes=-1", -1))
    for number in range(5):
        office.try_to_create(f"/a/{number}")
    assert len(office.lines) == 1
    office.now_ms = LINE_EVERY_MS
    office.try_to_create("/a/x")
    assert office.lines[1:] == ["quota of /a: count=8, over the soft limit 1"]


def test_limits_that_cannot_be_read_allow_nothing_where_limits_are_enforced(office: Office) -> None:
    for text in (b"nonsense", None):
        office.leader.do(Op.SET_DATA, SetData(limits_path("/a"), text, -1))
        assert office.try_to_set("/a", b"x" * 20) == Code.MARSHALLING_ERROR
        assert office.try_to_create("/a/c") == Code.MARSHALLING_ERROR
        txn = office.leader.prepare(Op.MULTI, Multi([(int(Op.SET_DATA), SetData("/a", b"", -1))]))
        assert code_of(txn) == Code.MARSHALLING_ERROR
        office.leader.apply()
    assert office.lines == [
        "writes below /a are refused: the limits at /zookeeper/quota/a/zookeeper_limits cannot be read; set them anew"
    ]
    office.leader.do(Op.SET_DATA, SetData(limits_path("/a"), b"", -1))
    assert office.try_to_create("/a/c") == Code.OK
    lenient = Office(enforce=False)
    lenient.leader.create("/a")
    lenient.set_quota("/a", "nonsense")
    assert lenient.try_to_create("/a/c") == Code.OK


# Figures.


def test_quotas_are_added_up_by_the_children_of_the_root(office: Office) -> None:
    office.set_quota("/a/b", "count=5,bytes=-1=;countHardLimit=7")
    office.set_quota("/z", "count=5,bytes=6")
    office.leader.do(Op.DELETE, Delete(stats_path("/z"), -1))
    sums = by_namespace(office.tree)
    assert sums.count_limit == {"a": 107, "z": 5}
    assert sums.bytes_limit == {"a": 999, "z": 6}
    assert sums.count_usage == {"a": 3}
    assert sums.bytes_usage == {"a": 8}


def test_a_replay_that_takes_out_what_is_below_takes_quotas_with_it(office: Office) -> None:
    """A fuzzy snapshot may hold children of a znode whose deletion is still to be replayed."""
    office.set_quota("/a/b", "count=5,bytes=-1")
    top = quotas.QUOTA_PATH + "/a/b"
    office.tree.remove(top, node := office.tree.get(top))
    quotas.on_deleted(office.tree, top, node)
    assert list(office.tree.quotas) == ["/a"]
