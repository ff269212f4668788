"""I13: what a role that is over has asked for has no effect, and the checker says so when it has."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ensemble.simulator.machine.roles import ActedAfterItsEnd, Roles
from ensemble.zab.phase import Phase

Calls = list[Callable[[], None]]


class Server:
    """One whose role is whatever the test says."""

    def __init__(self) -> None:
        self.roles = Roles(1)
        self.syncs: Calls = []
        self.peer: Any = type("Peer", (), {})()
        self.peer.term, self.peer.phase = object(), Phase.BROADCAST
        self.peer.serving, self.peer.zxid_committed = True, 1
        self.peer._context = type("Context", (), {"history": self})()
        self.roles.watch(self)  # type: ignore[arg-type]

    def append(self, zxid: int, payload: bytes) -> None:
        raise AssertionError

    def sync(self, done: Callable[[], None]) -> None:
        self.syncs.append(done)

    def change_role(self) -> None:
        self.peer.term = object()


def ask_timer(server: Server, act: Callable[[], None]) -> Callable[[], None]:
    return server.roles.timed(act)


def ask_sync(server: Server, act: Callable[[], None]) -> Callable[[], None]:
    server.peer._context.history.sync(act)
    return server.syncs.pop()


ASK = pytest.mark.parametrize("ask", [ask_timer, ask_sync])


@ASK
def test_a_role_that_lasts_may_do_everything(ask: Callable[..., Callable[[], None]]) -> None:
    server = Server()

    def act() -> None:
        server.roles.judge("send")
        server.peer.zxid_committed = 2

    ask(server, act)()
    server.roles.end_step()


@ASK
def test_the_end_of_a_role_is_its_own_deed(ask: Callable[..., Callable[[], None]]) -> None:
    server = Server()

    def act() -> None:
        server.change_role()
        server.roles.judge("send_election")

    ask(server, act)()
    server.roles.end_step()


@ASK
@pytest.mark.parametrize("effect", ["send", "dial", "write", "write_atomic", "send_election"])
def test_a_role_that_is_over_has_no_effect(ask: Callable[..., Callable[[], None]], effect: str) -> None:
    server = Server()
    late = ask(server, lambda: server.roles.judge(effect))
    server.change_role()
    with pytest.raises(ActedAfterItsEnd, match=f"{effect}, by a .* of a role that is over"):
        late()


@ASK
def test_nor_does_it_change_the_present_one(ask: Callable[..., Callable[[], None]]) -> None:
    server = Server()
    late = ask(server, lambda: setattr(server.peer, "zxid_committed", 7))
    server.change_role()

    def step() -> None:
        late()
        server.roles.end_step()

    with pytest.raises(ActedAfterItsEnd, match="changed the present one"):
        step()


def test_what_a_timer_leaves_to_the_end_of_its_step_is_judged_too() -> None:
    server = Server()
    late = ask_timer(server, lambda: None)
    server.change_role()
    late()
    with pytest.raises(ActedAfterItsEnd, match="send, by a timer"):
        server.roles.judge("send")


def test_the_step_of_a_sync_goes_on_for_others() -> None:
    server = Server()
    late = ask_sync(server, lambda: None)
    server.change_role()
    late()
    server.roles.judge("send")


def test_clients_may_be_taken_leave_of_at_any_time() -> None:
    server = Server()
    late = ask_timer(server, lambda: server.roles.judge("reply"))
    server.change_role()
    late()
    server.roles.end_step()
