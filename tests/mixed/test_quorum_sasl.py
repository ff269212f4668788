"""Our servers and Apache's prove themselves to each other by SASL before they talk."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.authority import Authority
from tests.mixed.conftest import MakeEnsemble
from tests.mixed.servers import Kind, MixedEnsemble
from tests.mixed.test_mixed import write_through_all
from tests.mixed.test_tls import configure, encrypt_all
from tests.waiting import until

pytestmark = [
    pytest.mark.process,
    # kazoo 2.11 on Python 3.11
    pytest.mark.filterwarnings("ignore:.*:DeprecationWarning:kazoo"),
]

MODULE = "org.apache.zookeeper.server.auth.DigestLoginModule"
REQUIRED = [f"quorum.auth.{key}=true" for key in ("enableSasl", "learnerRequireSasl", "serverRequireSasl")]


def name_users(ensemble: MixedEnsemble, sid: int, password: str = "secret") -> None:
    """Write the JAAS file of a server, and tell our server where it is; Apache's is told when it starts."""
    path = jaas(ensemble, sid)
    path.write_text(
        f'QuorumServer {{ {MODULE} required user_zk="secret"; }};\n'
        f'QuorumLearner {{ {MODULE} required username="zk" password="{password}"; }};\n'
    )
    if ensemble.kinds[sid] == "ours":
        configure(ensemble, sid, f"java.security.auth.login.config={path}")


def jaas(ensemble: MixedEnsemble, sid: int) -> Path:
    """Where the JAAS file of a server is."""
    return ensemble.home(sid) / "jaas.conf"


def start(ensemble: MixedEnsemble, *sids: int) -> None:
    """Start servers, each with its JAAS file."""
    for sid in sids:
        ensemble.start(sid, options=(f"-Djava.security.auth.login.config={jaas(ensemble, sid)}",))


@pytest.mark.parametrize("encrypted", [False, True], ids=["plain", "by-tls"])
@pytest.mark.parametrize(
    "kinds",
    [("apache", "ours", "ours"), ("ours", "apache", "apache")],
    ids=["one-apache-two-ours", "one-ours-two-apache"],
)
def test_each_kind_leads_in_turn_over_links_with_sasl(
    ensemble_of: MakeEnsemble, tmp_path: Path, kinds: tuple[Kind, ...], encrypted: bool
) -> None:
    ensemble = ensemble_of(*kinds)
    if encrypted:
        encrypt_all(ensemble, Authority(tmp_path))
    for sid in ensemble.kinds:
        configure(ensemble, sid, *REQUIRED)
        name_users(ensemble, sid)
    start(ensemble, 1, 3)
    ensemble.until_led_by(3)
    start(ensemble, 2)
    ensemble.until_led_by(3)
    write_through_all(ensemble, "first")
    ensemble.kill(3)
    ensemble.until_led_by(2)
    write_through_all(ensemble, "second")
    ensemble.kill(2)
    start(ensemble, 3)  # which lacks what the second epoch wrote
    ensemble.until_led_by(1)
    write_through_all(ensemble, "third")
    ensemble.assert_one_state()


@pytest.mark.parametrize("stranger", ["ours", "apache"])
def test_who_does_not_know_the_password_stays_outside(ensemble_of: MakeEnsemble, stranger: Kind) -> None:
    inside: Kind = "apache" if stranger == "ours" else "ours"
    ensemble = ensemble_of(inside, inside, stranger)
    for sid in ensemble.kinds:
        configure(ensemble, sid, *REQUIRED)
        name_users(ensemble, sid, "guess" if sid == 3 else "secret")
    start(ensemble, 1, 2)
    ensemble.until_led_by(2)
    start(ensemble, 3)
    said = {
        "ours": lambda: "does not let in the SASL user zk" in ensemble.log(3),
        "apache": lambda: "is turned away: SASL user 'zk'" in ensemble.log(2),
    }
    until(said[stranger], 30)
    assert ensemble.mode(3) == ""
    assert ensemble.mode(2) == "leader"


def test_an_ensemble_turns_to_sasl_server_by_server(ensemble_of: MakeEnsemble) -> None:
    """The way of Apache's guide: understand it; then show it; then ask for it."""
    ensemble = ensemble_of("ours", "ours", "apache")
    for sid in ensemble.kinds:
        name_users(ensemble, sid)
    start(ensemble, 1, 2, 3)
    ensemble.until_led()
    for number, line in enumerate(REQUIRED):
        for sid in ensemble.kinds:
            ensemble.stop(sid)
            configure(ensemble, sid, line)
            start(ensemble, sid)
            ensemble.until_led()
        write_through_all(ensemble, f"step-{number}")
    assert set(ensemble.assert_one_state()) > {f"/step-{number}-1" for number in range(3)}
