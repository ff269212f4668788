"""Observers of one kind under a leader of the other."""

from __future__ import annotations

import pytest

from tests.mixed.conftest import MakeEnsemble
from tests.mixed.servers import Kind

pytestmark = [
    pytest.mark.process,
    # kazoo 2.11 on Python 3.11
    pytest.mark.filterwarnings("ignore:.*:DeprecationWarning:kazoo"),
]


@pytest.mark.parametrize(
    "kinds",
    [("apache", "apache", "ours"), ("ours", "ours", "apache")],
    ids=["ours-observes-apache", "apache-observes-ours"],
)
def test_an_observer_learns_serves_and_is_not_counted(
    ensemble_of: MakeEnsemble, kinds: tuple[Kind, ...]
) -> None:
    ensemble = ensemble_of(*kinds, observers=(3,), extra="standaloneEnabled=false")
    ensemble.start(1, 2, 3)
    ensemble.until_modes(s2="leader", s1="follower", s3="observer")
    assert ensemble.metric(2, "synced_observers") == 1
    assert ensemble.metric(2, "synced_followers") == 1
    with ensemble.client(3) as client, ensemble.client(1) as other:
        client.create("/through-the-observer", b"1")
        for number in range(50):
            other.set("/through-the-observer", b"%d" % number)
        client.sync("/")
        assert client.get("/through-the-observer")[0] == b"49"
        client.create("/ephemeral", b"", ephemeral=True)
        request = client.transaction()
        request.create("/multi", b"")
        request.set_data("/multi", b"2")
        assert not any(isinstance(result, Exception) for result in request.commit())
        ensemble.assert_one_state()
        session = client.client_id
        ensemble.kill(3)
        ensemble.start(3)
        ensemble.until_modes(s3="observer")
        assert client.retry(client.exists, "/ephemeral").ephemeralOwner == session[0]
        assert client.client_id == session
    ensemble.assert_one_state()
    ensemble.kill(1)
    ensemble.until_modes(s2="", s3="")
    ensemble.start(1)
    ensemble.until_modes(s2="leader", s1="follower", s3="observer")
    with ensemble.client(3) as client:
        client.create("/again", b"")
    ensemble.assert_one_state()
