"""Our servers and Apache's in one ensemble: who leads, who follows, and what clients see of it."""

from __future__ import annotations

import pytest

from tests.mixed.conftest import MakeEnsemble
from tests.mixed.servers import Kind, MixedEnsemble

pytestmark = [
    pytest.mark.process,
    # kazoo 2.11 on Python 3.11
    pytest.mark.filterwarnings("ignore:.*:DeprecationWarning:kazoo"),
]


def write_through_all(ensemble: MixedEnsemble, name: str) -> None:
    """Write through each server that serves what every other must show."""
    for sid in ensemble.serving():
        with ensemble.client(sid) as client:
            path = client.create(f"/{name}-{sid}", b"created")
            client.set(path, f"through server {sid}".encode())
            client.create(f"{path}/child", b"")
            client.delete(f"{path}/child")
            request = client.transaction()
            request.create(f"/{name}-{sid}/multi", b"1")
            request.check(path, 1)
            request.set_data(path, b"2")
            assert not any(isinstance(result, Exception) for result in request.commit())


@pytest.mark.parametrize(
    "kinds",
    [("apache", "apache", "ours"), ("ours", "ours", "apache")],
    ids=["two-apache-one-ours", "two-ours-one-apache"],
)
def test_each_kind_leads_in_turn_and_clients_go_on(
    ensemble_of: MakeEnsemble, kinds: tuple[Kind, ...]
) -> None:
    ensemble = ensemble_of(*kinds)
    ensemble.start(1, 3)
    ensemble.until_led_by(3)
    ensemble.start(2)
    ensemble.until_led_by(3)
    write_through_all(ensemble, "first")
    ensemble.assert_one_state()
    with ensemble.client(1, 2, 3) as client:
        client.create("/ephemeral", b"", ephemeral=True)
        ensemble.kill(3)
        ensemble.until_led_by(2)
        write_through_all(ensemble, "second")
        assert client.retry(client.exists, "/ephemeral").ephemeralOwner == client.client_id[0]
        ensemble.start(3)
        ensemble.until_led_by(2)
        ensemble.assert_one_state()
        ensemble.kill(2)
        ensemble.until_led_by(3)
        write_through_all(ensemble, "third")
        ensemble.start(2)
        ensemble.until_led_by(3)
        assert client.retry(client.exists, "/ephemeral").ephemeralOwner == client.client_id[0]
    state = ensemble.assert_one_state()
    assert "/ephemeral" not in state
    assert {f"/first-{sid}" for sid in (1, 2, 3)} < set(state)


def test_votes_weighed_in_groups_mean_the_same_to_both(ensemble_of: MakeEnsemble) -> None:
    """Three groups of one; the third server's vote has no weight, so that the first two must agree."""
    weighed = "group.1=1\ngroup.2=2\ngroup.3=3\nweight.1=1\nweight.2=1\nweight.3=0"
    ensemble = ensemble_of("ours", "apache", "ours", extra=weighed)
    ensemble.start(1, 2, 3)
    ensemble.until_led_by(2)
    write_through_all(ensemble, "weighed")
    ensemble.kill(3)
    ensemble.until_led_by(2)
    write_through_all(ensemble, "without-weight")
    ensemble.start(3)
    ensemble.until_led_by(2)
    ensemble.kill(1)
    ensemble.until_modes(s2="", s3="")
    ensemble.start(1)
    ensemble.until_led()
    ensemble.assert_one_state()
