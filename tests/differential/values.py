"""What requests are made with: lists, paths, data, versions and modes, good and bad ones."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha1

from ensemble.tree.operations import OPEN_ACL, READ_ACL, Acl, Identity
from tests.differential.steps import BASE

USERS = ("u:p", "v:q")


def digest(user: str) -> str:
    """Return the id that ACLs know ``user:password`` by."""
    return f"{user.partition(':')[0]}:{b64encode(sha1(user.encode()).digest()).decode()}"


def _acl(scheme: str, who: str, perms: int = 31) -> Acl:
    return Acl(perms, Identity(scheme, who))


GOOD_ACLS: tuple[tuple[Acl, ...], ...] = (
    READ_ACL,
    (_acl("digest", digest(USERS[0])),),
    (_acl("digest", digest(USERS[1]), 1), _acl("digest", digest(USERS[0]), 30)),
    (_acl("auth", ""),),
    (_acl("auth", "whoever", 5), _acl("world", "anyone", 24)),
    (_acl("ip", "127.0.0.1"),),
    (_acl("ip", "127.0.0.0/8", 3), _acl("world", "anyone", 4)),
    (_acl("ip", "10.1.2.3"),),
    (_acl("ip", "128.0.0.0/1"), _acl("world", "anyone", 16)),
    (_acl("world", "anyone", 30),),
    (_acl("world", "anyone", 15),),
    (_acl("world", "anyone", 0),),
    (_acl("world", "anyone", 1 | 64),),
    (_acl("world", "anyone", -1),),
    (*OPEN_ACL, *OPEN_ACL),
    (*READ_ACL, *OPEN_ACL),
    (_acl("digest", "somebody:else"), *READ_ACL),
)

BAD_ACLS: tuple[tuple[Acl, ...], ...] = (
    (),
    (_acl("world", "nobody"),),
    (_acl("world", ""),),
    (_acl("digest", "nocolon"),),
    (_acl("digest", "a:b:c"),),
    (_acl("digest", "a:"),),
    (_acl("digest", ":b"),),
    (_acl("digest", ""),),
    (_acl("digest", "a:b::"),),
    (_acl("ip", "300.1.1.1"),),
    (_acl("ip", "1.2.3.4/33"),),
    (_acl("ip", "1.2.3.4/"),),
    (_acl("ip", "1.2.3"),),
    (_acl("ip", "1.2.3.4/x"),),
    (_acl("ip", "1.2.3.4/8/8"),),
    (_acl("ip", ""),),
    (_acl("ip", "01.2.3.4"),),
    (_acl("super", ""),),
    (_acl("nope", "x"),),
    (_acl("", ""),),
    (_acl("auth", ""), _acl("nope", "x")),
    (*OPEN_ACL, _acl("nope", "x")),
)

BAD_PATHS: tuple[str | None, ...] = (
    None,
    "",
    "a",
    "//",
    f"{BASE}/",
    f"{BASE}/a/",
    f"{BASE}//a",
    f"{BASE}/./a",
    f"{BASE}/a/..",
    f"{BASE}/a\0b",
    f"{BASE}/a\x01",
    f"{BASE}/\x7f",
    f"{BASE}/\uf000",
    f"{BASE}/\ufff0",
    f"{BASE}/\U0001f600",
)

ODD_OPS = (102, 102, -2, 0, 10, 13, 23, 50, 99, 108, 999, 2**31 - 1, -(2**31))
"""Operations that no client may ask for by themselves."""

DATA: tuple[bytes | None, ...] = (None, b"", b"x", b"hello", bytes(range(32)))
VERSIONS = (-1, -1, -1, 0, 0, 1, 2, 3, 7, -2, 2**31 - 1, -(2**31))
MODES = (0, 0, 0, 1, 1, 2, 3)
ODD_MODES = (4, 5, 6, 7, -1, 100)
