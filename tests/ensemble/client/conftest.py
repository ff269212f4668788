"""A real Apache ZooKeeper to talk to, once for all tests of the client."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.apache import running_apache

SETTINGS = "tickTime=200\nmaxSessionTimeout=60000\n"


@pytest.fixture(scope="session")
def apache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a standalone Apache ZooKeeper of its own, as ``host:port``."""
    directory = tmp_path_factory.mktemp("apache")
    properties = ("-Dzookeeper.extendedTypesEnabled=true",)
    with running_apache(directory, SETTINGS, properties) as port:
        yield f"127.0.0.1:{port}"
