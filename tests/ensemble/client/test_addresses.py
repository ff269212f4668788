"""Connect strings."""

from __future__ import annotations

import pytest

from ensemble.client import BadArguments, addresses
from ensemble.client.chroot import Chroot
from ensemble.errors import ConfigError


def test_parse() -> None:
    assert addresses.parse("a:1, b ,[::1]:3,[fe80::1],::2,").addresses == (
        ("a", 1),
        ("b", 2181),
        ("::1", 3),
        ("fe80::1", 2181),
        ("::2", 2181),
    )


@pytest.mark.parametrize(
    ("text", "root"), [("a:1", ""), ("a:1/", ""), ("a:1,b:2/app/one", "/app/one"), ("[::1]:1/x", "/x")]
)
def test_what_stands_behind_the_servers_is_the_chroot(text: str, root: str) -> None:
    assert addresses.parse(text).chroot == Chroot(root)


def test_paths_of_a_chroot() -> None:
    chroot = Chroot("/app")
    for outside, inside in (("/", "/app"), ("/a/b", "/app/a/b")):
        assert (chroot.inside(outside), chroot.outside(inside)) == (inside, outside)
    assert chroot.outside("/apple") == "/apple"
    assert chroot.outside("/zookeeper/config") == "/zookeeper/config"
    assert Chroot().inside("/a") == Chroot().outside("/a") == "/a"
    with pytest.raises(BadArguments):
        chroot.inside("a")


@pytest.mark.parametrize(
    "text", ["", ",", "a:x", "a:0", "a:65536", ":1", "a:1/a/../b", "a:1/a,b:2/a/", "a:1//x", "a:²"]
)
def test_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="servers"):
        addresses.parse(text)
