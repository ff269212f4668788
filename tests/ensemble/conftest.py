"""Servers to talk to, once for all tests that want both: one of ours and one of Apache's."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.apache import running_apache
from tests.ours import running_ours

SETTINGS = "tickTime=200\nmaxSessionTimeout=60000\n"


@pytest.fixture(scope="session")
def apache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a standalone Apache ZooKeeper of its own, as ``host:port``."""
    directory = tmp_path_factory.mktemp("apache")
    properties = ("-Dzookeeper.extendedTypesEnabled=true",)
    with running_apache(directory, SETTINGS, properties) as port:
        yield f"127.0.0.1:{port}"


@pytest.fixture(scope="session")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a standalone server of ours, as ``host:port``."""
    settings = SETTINGS + "extendedTypesEnabled=true\n"
    with running_ours(tmp_path_factory.mktemp("ours"), settings) as port:
        yield f"127.0.0.1:{port}"


@pytest.fixture(scope="session", params=["ours", "apache"])
def server(request: pytest.FixtureRequest) -> str:
    """The address of each of the two: what holds for one has to hold for the other."""
    address: str = request.getfixturevalue(request.param)
    return address
