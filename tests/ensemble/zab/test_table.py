"""Who may say what when: every step of a learner, every type of packet (ZOOKEEPER-4394).

What is allowed is written down here a second time. Everything else breaks the link, and nothing but the link.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ensemble.errors import PeerProtocolError
from ensemble.zab.leader.followers import FollowerStep
from ensemble.zab.leader.leader import Leader
from ensemble.zab.learner.joining import Step
from ensemble.zab.learner.learner import Learner
from ensemble.zab.messages import Packet, PacketType
from ensemble.zxid import make
from tests.ensemble.zab.harness import Table, TableLink, fresh

_WHILE_SYNCHRONIZED = "PROPOSAL COMMIT COMMITANDACTIVATE INFORM INFORMANDACTIVATE PING"
LEADERS_WORDS = {
    Step.DISCOVERY: "LEADERINFO",
    Step.OFFERED: "DIFF TRUNC SNAP",
    Step.SYNCING: f"{_WHILE_SYNCHRONIZED} NEWLEADER",
    Step.SYNCED: f"{_WHILE_SYNCHRONIZED} UPTODATE",
    Step.BROADCAST: f"{_WHILE_SYNCHRONIZED} REVALIDATE SYNC",
}
LEARNERS_WORDS = {
    FollowerStep.CONNECTED: "FOLLOWERINFO OBSERVERINFO",
    FollowerStep.DISCOVERY: "ACKEPOCH",
    FollowerStep.SYNCHRONIZATION: "ACK PING REQUEST REVALIDATE",
    FollowerStep.BROADCAST: "ACK PING REQUEST REVALIDATE",
}


def but(words: str) -> Iterator[PacketType]:
    """Yield every type of packet there is but those named; ``wire`` lets no other through."""
    return (kind for kind in PacketType if kind.name not in words.split())


def link_of(table: Table, owner: int, other: int) -> TableLink:
    return next(
        link
        for link in table.links
        if link.owner == owner and not link.closed and link.other is not None and link.other.owner == other
    )


def test_every_step_is_judged():
    assert {*LEADERS_WORDS, Step.CONNECTING} == {*Step}
    assert {*LEARNERS_WORDS} == {*FollowerStep}


@pytest.mark.parametrize("step", LEADERS_WORDS, ids=lambda step: step.value)
def test_what_a_leader_may_not_say_in_a_step_breaks_the_link_and_changes_nothing(step: Step):
    for kind in but(LEADERS_WORDS[step]):
        table = fresh()
        table.start(1, 2, 3)
        learner = next(peer for peer in table.peers.values() if peer is not table.leader)
        term, history, app = learner._term, table.histories[learner.sid], table.apps[learner.sid]
        assert isinstance(term, Learner)
        term.step = step
        link = link_of(table, learner.sid, table.leader.sid)
        effects, said = list(history.effects), list(link.said)
        with pytest.raises(PeerProtocolError, match=f"type {kind:d} from leader"):
            learner.on_packets(link, [Packet(kind, make(1, 1), b"x" * 20)])
        assert link.closed
        assert not term.active
        assert (history.entries, app.state, history.effects, link.said) == ([], [], effects, said)


@pytest.mark.parametrize("step", LEARNERS_WORDS, ids=lambda step: step.value)
def test_what_a_learner_may_not_say_in_a_step_costs_its_link_alone(step: FollowerStep):
    table = fresh(5)
    table.start(1, 2, 3, 4, 5)
    leader = table.leader
    term = leader._term
    assert isinstance(term, Leader)
    for kind in but(LEARNERS_WORDS[step]):
        link = TableLink(table, leader.sid)
        leader.on_accepted(link)
        caller = term._followers.at(link)
        assert caller is not None
        if step is not FollowerStep.CONNECTED:
            caller.sid = 6
        if step in (FollowerStep.SYNCHRONIZATION, FollowerStep.BROADCAST):
            caller.history = (1, 0)
        caller.synced = step is FollowerStep.BROADCAST
        assert caller.step is step
        with pytest.raises(PeerProtocolError, match=f"type {kind:d} from server"):
            leader.on_packets(link, [Packet(kind, make(1, 1), b"x" * 20)])
        assert link.closed
        assert link.said == []
        assert term._followers.at(link) is None
    assert leader.serving
    zxid = table.write(b"after")
    assert all(app.state[-1] == (zxid, b"after") for app in table.apps.values())
