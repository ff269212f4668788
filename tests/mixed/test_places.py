"""One kind of server started where the other one was, on its data: a migration, one server at a time."""

from __future__ import annotations

import pytest

from tests.mixed.conftest import MakeEnsemble
from tests.mixed.servers import Kind

pytestmark = [
    pytest.mark.process,
    pytest.mark.slow,
    # kazoo 2.11 on Python 3.11
    pytest.mark.filterwarnings("ignore:.*:DeprecationWarning:kazoo"),
]


@pytest.mark.parametrize("end", ["stop", "kill"])
@pytest.mark.parametrize("first", ["apache", "ours"])
def test_an_ensemble_moves_to_the_other_kind_and_back(
    ensemble_of: MakeEnsemble, first: Kind, end: str
) -> None:
    second: Kind = "ours" if first == "apache" else "apache"
    ensemble = ensemble_of(first, first, first, extra="snapCount=50")
    ensemble.start(1, 2, 3)
    ensemble.until_led()
    with ensemble.client(1, 2, 3) as client:
        client.create("/ephemeral", b"", ephemeral=True)
        client.ensure_path("/steps")
        for kind in (second, first):
            for sid in (1, 2, 3):
                for n in range(40):
                    client.retry(client.create, f"/steps/{kind}-{sid}-{n}", b"x" * n)
                client.retry(client.delete, f"/steps/{kind}-{sid}-7")
                getattr(ensemble, end)(sid)
                ensemble.start(sid, kind=kind)
                ensemble.until_led()
                state = ensemble.assert_one_state()
                assert "/ephemeral" in state
                assert state[f"/steps/{kind}-{sid}-39"][0] == b"x" * 39
                assert f"/steps/{kind}-{sid}-7" not in state
        assert client.retry(client.exists, "/ephemeral").ephemeralOwner == client.client_id[0]


@pytest.mark.parametrize("end", ["stop", "kill"])
@pytest.mark.parametrize("first", ["apache", "ours"])
def test_a_whole_ensemble_starts_on_the_other_kinds_data(
    ensemble_of: MakeEnsemble, first: Kind, end: str
) -> None:
    second: Kind = "ours" if first == "apache" else "apache"
    ensemble = ensemble_of(first, first, first, extra="snapCount=50")
    ensemble.start(1, 2, 3)
    ensemble.until_led()
    with ensemble.client() as client:
        for n in range(200):
            client.create(f"/n-{n}", b"x" * n)
    state = ensemble.assert_one_state()
    for kind in (second, first, second):
        getattr(ensemble, end)(1, 2, 3)
        ensemble.start(1, 2, 3, kind=kind)
        ensemble.until_led()
        assert ensemble.assert_one_state() == state
        with ensemble.client() as client:
            client.set("/n-0", kind.encode())
        state = ensemble.assert_one_state()
