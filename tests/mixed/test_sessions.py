"""Sessions that move between our servers and Apache's, live by pings through either, and expire."""

from __future__ import annotations

import contextlib
import time

import pytest

from tests.mixed.conftest import MakeEnsemble
from tests.mixed.servers import TICK_MS, Kind, MixedEnsemble
from tests.processes.conftest import RawSession
from tests.waiting import until

pytestmark = [
    pytest.mark.process,
    pytest.mark.slow,
    # kazoo 2.11 on Python 3.11
    pytest.mark.filterwarnings("ignore:.*:DeprecationWarning:kazoo"),
]

EPHEMERAL = 1
SESSION_MOVED = -118
TIMEOUT_MS = 4 * TICK_MS

MIXES: list[tuple[Kind, ...]] = [
    ("apache", "ours", "ours"),
    ("ours", "apache", "apache"),
    ("apache", "apache", "ours"),
    ("ours", "ours", "apache"),
]


@pytest.fixture(params=MIXES, ids=["-".join(kinds) for kinds in MIXES])
def ensemble(ensemble_of: MakeEnsemble, request: pytest.FixtureRequest) -> MixedEnsemble:
    """Three servers, the last of them leads."""
    running = ensemble_of(*request.param)
    running.start(1, 3)
    running.until_led_by(3)
    running.start(2)
    running.until_led_by(3)
    return running


def owners(ensemble: MixedEnsemble, path: str) -> set[int]:
    """Who owns an ephemeral, as each server says; 0 where it is not."""
    found = set()
    for sid in ensemble.serving():
        with ensemble.client(sid) as client:
            client.sync("/")
            stat = client.exists(path)
            found.add(stat.ephemeralOwner if stat else 0)
    return found


def test_a_session_moves_with_its_password(ensemble: MixedEnsemble) -> None:
    session = RawSession(ensemble.port(1))
    owner, key = session.session_id, (session.session_id, session.password)
    for step, sid in enumerate([2, 3, 1, 3, 2, 1]):
        path = f"/ephemeral-{step}"
        assert session.create(path, flags=EPHEMERAL) == 0
        before, session = session, RawSession(ensemble.port(sid), session=key)
        assert session.session_id == owner
        assert session.data(path) == b"x"
        with contextlib.closing(before), contextlib.suppress(OSError):
            # Refused by the leader; a server answers that with the code, or by hanging up.
            assert before.create("/from-the-old-place") == SESSION_MOVED
        assert owners(ensemble, path) == {owner}
    assert session.data("/from-the-old-place") is None
    stranger = RawSession(ensemble.port(2), session=(owner, b"x" * 16))
    assert stranger.session_id == 0
    stranger.close()
    assert session.data("/ephemeral-5") == b"x"
    session.close()


def test_sessions_live_by_pings_and_expire_without(ensemble: MixedEnsemble) -> None:
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(ensemble.client(sid, timeout=TIMEOUT_MS / 1000)) for sid in (1, 2, 3)]
        ids = [client.client_id[0] for client in clients]
        for sid, client in enumerate(clients, start=1):
            client.create(f"/alive-{sid}", b"", ephemeral=True)
        silent = [RawSession(ensemble.port(sid), TIMEOUT_MS) for sid in (1, 2, 3)]
        for sid, session in enumerate(silent, start=1):
            assert session.create(f"/silent-{sid}", flags=EPHEMERAL) == 0
        since = time.monotonic()
        for session in silent:
            session.close()
        for sid in (1, 2, 3):
            until(lambda sid=sid: owners(ensemble, f"/silent-{sid}") == {0}, 15)
        assert time.monotonic() - since > TIMEOUT_MS / 1000
        time.sleep(TIMEOUT_MS / 1000)  # that nothing happens for so long is what is tested
        for sid in (1, 2, 3):
            assert owners(ensemble, f"/alive-{sid}") == {ids[sid - 1]}
        for session in silent:
            again = RawSession(ensemble.port(1), session=(session.session_id, session.password))
            assert again.session_id == 0
            again.close()
    ensemble.assert_one_state()
