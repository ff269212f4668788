"""Paths of znodes: which are none, and why."""

from __future__ import annotations

import pytest

from ensemble import paths
from ensemble.errors import KeeperError


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("", "Path length must be > 0"),
        ("a", "Path must start with / character"),
        ("/a/", "Path must not end with / character"),
        ("//", "Path must not end with / character"),
        ("/a//b", 'Invalid path string "/a//b" caused by empty node name specified @3'),
        ("//./b", 'Invalid path string "//./b" caused by empty node name specified @1'),
        ("/a/.", 'Invalid path string "/a/." caused by relative paths not allowed @3'),
        ("/a/../b", 'Invalid path string "/a/../b" caused by relative paths not allowed @4'),
        ("/a\0", 'Invalid path string "/a\0" caused by null character not allowed @2'),
        ("/a\n//", "Path must not end with / character"),
        ("/a\n//b", 'Invalid path string "/a\n//b" caused by invalid character @2'),
        ("/\ud83d", 'Invalid path string "/\ud83d" caused by invalid character @1'),
    ],
)
def test_what_is_no_path_and_why(path: str, why: str):
    assert paths.fault(path) == why
    with pytest.raises(KeeperError):
        paths.validate(path)


@pytest.mark.parametrize("path", ["/", "/a", "/a/...", "/.a/b..", "/grüße", "/a b"])
def test_a_path_has_no_fault(path: str):
    assert paths.fault(path) == ""
    paths.validate(path)


def test_a_prefix_of_a_sequence_may_end_with_a_slash():
    assert paths.fault("/a/", sequential=True) == ""
    paths.validate("/a/", sequential=True)
