"""One server of each kind for all tests of a module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.differential.servers import running_apaches, running_ours


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The client port of a standalone server of ours."""
    with running_ours(tmp_path_factory.mktemp("ours")) as port:
        yield port


@pytest.fixture(scope="module")
def apache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The client port of a standalone server of Apache's."""
    with running_apaches(tmp_path_factory.mktemp("apache")) as port:
        yield port
