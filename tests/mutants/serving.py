"""Known ways to get wrong what clients are promised: sessions, watches, znodes, and the recipes of clients themselves."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ensemble.replica.agreement.application import Application
from ensemble.replica.clients.handshake import Handshakes, Verdict
from ensemble.replica.requests import reaper
from ensemble.replica.requests.backlog import Backlog
from ensemble.replica.sessions.sessions import Sessions
from ensemble.simulator.clients import recipes
from ensemble.tree import quotas
from ensemble.tree.operations import Multi, Op
from ensemble.tree.owner import ttl_of
from ensemble.tree.prepare.prepare import Preparer
from ensemble.tree.tree import Tree
from ensemble.tree.txns import CloseSessionTxn
from ensemble.tree.watches import WatcherType, Watches, _Table

Patch = pytest.MonkeyPatch


def forget_what_the_client_saw(patch: Patch) -> None:
    """M24: a client comes back to a server that is behind what it has seen."""
    begin = Handshakes.begin
    patch.setattr(
        Handshakes,
        "begin",
        lambda self, client, request, timeout_ms: begin(
            self, client, replace(request, last_zxid_seen=0), timeout_ms
        ),
    )


def session_ends_locally(patch: Patch) -> None:
    """M20: a server tells a client that its session is over, and no transaction says so."""
    begin = Handshakes.begin

    def begin_short(self: Handshakes, client: Any, request: Any, timeout_ms: int) -> tuple[Verdict, str]:
        if request.session_id:
            return Verdict.EXPIRED, "not heard of here"
        return begin(self, client, request, timeout_ms)

    patch.setattr(Handshakes, "begin", begin_short)


def half_a_multi(patch: Patch) -> None:
    """M22: what comes after a refused multi sees the first part of it."""
    patch.setattr(Preparer, "roll_back", lambda self: None)


def watch_after_reply(patch: Patch) -> None:
    """M23: watches fire when the client has been answered already."""
    fire, deliver = Application._fire, Application.deliver
    late: list[tuple[int, Any]] = []

    def deliver_then_fire(self: Application, zxid: int, payload: bytes) -> None:
        deliver(self, zxid, payload)
        while late:
            fire(self, *late.pop(0))

    patch.setattr(Application, "_fire", lambda self, zxid, outcome: late.append((zxid, outcome)))
    patch.setattr(Application, "deliver", deliver_then_fire)


def deaf_watches(patch: Patch) -> None:
    """Nobody is told of deletions."""
    fire = Watches.fire
    patch.setattr(Watches, "fire", lambda self, event, path: [] if event == 2 else fire(self, event, path))


def staying_watches_that_do_not_stay(patch: Patch) -> None:
    """A persistent watch is used up by its first event."""
    fire = Watches.fire

    def fire_once(self: Watches, event: int, path: str) -> list[Any]:
        told = fire(self, event, path)
        for watcher in told:
            self.remove(path, watcher, WatcherType.ANY)
        return told

    patch.setattr(Watches, "fire", fire_once)


def recursive_watches_of_one_znode(patch: Patch) -> None:
    """Who watches a znode and all below it hears of the znode alone."""
    patch.setattr(_Table, "_fire_above", lambda self, path, told: None)


def staying_watches_left_behind(patch: Patch) -> None:
    """A client that comes back has lost its persistent watches."""
    set_watches = Watches.set_watches
    patch.setattr(
        Watches,
        "set_watches",
        lambda self, znodes, watcher, old: set_watches(
            self, znodes, watcher, replace(old, persistent=[], persistent_recursive=[])
        ),
    )


def forget_an_ephemeral(patch: Patch) -> None:
    """A server does not remove the last ephemeral of a closed session (ZOOKEEPER-2355), at one zxid in two."""
    apply = Tree.apply

    def forgetful(self: Tree, txn: Any) -> Any:
        mine = (
            self.ephemerals.pop(txn.session_id, None)
            if txn.zxid & 1 and txn.type == Op.CLOSE_SESSION
            else None
        )
        if mine:
            txn = replace(txn, record=CloseSessionTxn([]))
        return apply(self, txn)

    patch.setattr(Tree, "apply", forgetful)


def expire_early(patch: Patch) -> None:
    """The leader forgets that sessions were heard of."""
    patch.setattr(Sessions, "touch_all", lambda self, touches: None)


def reap_what_is_in_time(patch: Patch) -> None:
    """The leader deletes TTL znodes whose time is not over."""
    patch.setattr(reaper, "ttl_of", lambda owner: ttl_of(owner) // 2)


def count_what_is_gone(patch: Patch) -> None:
    """Deletions do not count for quotas."""
    patch.setattr(quotas, "on_deleted", lambda tree, path, node: None)


def take_whatever_comes(patch: Patch) -> None:
    """Clients are read from, however much is unanswered."""
    patch.setattr(Backlog, "full", property(lambda self: self.choked))


def hold_back_for_ever(patch: Patch) -> None:
    """A client that was once not read from is never read from again."""
    slack = Backlog.slack.fget
    assert slack is not None
    patch.setattr(Backlog, "slack", property(lambda self: slack(self) and self.unanswered < 0))


def holder_that_checks_nothing(patch: Patch) -> None:
    """A holder of a lock writes what it guards without a check of its znode, though its session may have ended."""
    guarded = recipes.guarded_write

    def unguarded(holder: str, czxid: int) -> recipes.Request:
        op, multi = guarded(holder, czxid)
        assert isinstance(multi, Multi)
        return op, Multi(multi.ops[1:])

    patch.setattr(recipes, "guarded_write", unguarded)


def counter_without_versions(patch: Patch) -> None:
    """A counter is set to what it was read as and one, whatever it is by then."""
    increment = recipes.increment
    patch.setattr(recipes, "increment", lambda value, version: increment(value, -1))
