"""Znode paths: what is one, and its parts (the rules of Apache's PathUtils)."""

from __future__ import annotations

import re

from ensemble.errors import Code, KeeperError

# U+0000 is refused on its own; then C0 controls, C1 controls, surrogates with the private block behind
# them, and the specials at the end of the plane. What lies beyond the plane is two surrogates in Java.
_FORBIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\uf8ff\ufff0-\U0010ffff]")


def validate(path: str, *, sequential: bool = False) -> None:
    """Raise ``KeeperError(BAD_ARGUMENTS)`` unless ``path`` names a znode.

    With ``sequential`` the check runs on the path as it will be once a suffix is added, so ``/a/`` is a
    legal prefix.
    """
    if sequential:
        path += "1"
    if not path or path[0] != "/":
        raise KeeperError(Code.BAD_ARGUMENTS, path)
    if path == "/":
        return
    if _FORBIDDEN.search(path):
        raise KeeperError(Code.BAD_ARGUMENTS, path)
    for segment in path[1:].split("/"):
        if segment in ("", ".", ".."):
            raise KeeperError(Code.BAD_ARGUMENTS, path)


def fault(path: str, *, sequential: bool = False) -> str:
    """Say why :func:`validate` refuses ``path``, as Apache's client does; empty when it does not.

    Places count characters; Java counts those beyond the plane twice.
    """
    if sequential:
        path += "1"
    if not path:
        return "Path length must be > 0"
    if path[0] != "/":
        return "Path must start with / character"
    if path == "/":
        return ""
    if path[-1] == "/":
        return "Path must not end with / character"
    why = _fault_inside(path)
    return f'Invalid path string "{path}" caused by {why}' if why else ""


def _fault_inside(path: str) -> str:
    faults: list[tuple[int, str]] = []
    if found := re.search("//", path):
        faults.append((found.start() + 1, "empty node name specified"))
    if found := re.search(r"/\.\.?(?=/|$)", path):
        faults.append((found.end() - 1, "relative paths not allowed"))
    if found := _FORBIDDEN.search(path):
        null = found[0] == "\0"
        faults.append((found.start(), "null character not allowed" if null else "invalid character"))
    return "{1} @{0}".format(*min(faults)) if faults else ""


def parent_of(path: str) -> str:
    """Return the path of the parent; the root is its own."""
    head = path.rpartition("/")[0]
    return head or "/"


def name_of(path: str) -> str:
    """Return the last segment of ``path`` (empty for the root)."""
    return path.rpartition("/")[2]


def child_of(parent: str, name: str) -> str:
    """Return the path of the child ``name`` of ``parent``."""
    return f"/{name}" if parent == "/" else f"{parent}/{name}"
