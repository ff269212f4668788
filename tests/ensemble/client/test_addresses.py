"""Connect strings."""

from __future__ import annotations

import pytest

from ensemble.client import addresses
from ensemble.errors import ConfigError


def test_parse() -> None:
    assert addresses.parse("a:1, b ,[::1]:3,[fe80::1],::2,") == [
        ("a", 1),
        ("b", 2181),
        ("::1", 3),
        ("fe80::1", 2181),
        ("::2", 2181),
    ]


@pytest.mark.parametrize("text", ["", ",", "a:x", "a:0", "a:65536", ":1", "a:1/chroot", "a:²"])
def test_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="servers"):
        addresses.parse(text)
