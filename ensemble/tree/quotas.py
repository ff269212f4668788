"""Quotas: how many znodes and bytes there are below a path, and how many there may be.

For a quota on ``/a`` there are two znodes below ``/zookeeper/quota/a``: clients write ``zookeeper_limits``, the
servers ``zookeeper_stats``, each by itself and outside the log. So what is used is no part of what they agree on:
the stats' version, times and zxids stay those of the client that made them, no watch fires, and no digest sees
it. The texts are those of Apache's StatsTrack::

    count=4,bytes=5
    count=4,bytes=5=;byteHardLimit=10;countHardLimit=10

-1 stands for no limit. A change counts for the deepest quota above it only; what is used is counted anew, with
all that is below the path, when the stats are made and when a tree is read from a snapshot (Apache's DataTree).
The root cannot have a quota.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from ensemble.tree.node import Node
from ensemble.tree.znodes import Znodes

QUOTA_PATH = "/zookeeper/quota"
LIMITS = "zookeeper_limits"
STATS = "zookeeper_stats"

COUNT, BYTES = "count", "bytes"
COUNT_HARD, BYTES_HARD = "countHardLimit", "byteHardLimit"
UNLIMITED = -1

PREFIX = QUOTA_PATH + "/"
_LIMITS_END = "/" + LIMITS
_SEPARATORS = re.compile("[,;]+")
_NUMBER = re.compile(r"[+-]?0*[0-9]{1,19}")
_DIGITS_MAX = 1000
"""Python reads no more than some thousands at once; nobody writes as many zeros."""
_LONGS = range(-(1 << 63), 1 << 63)


def limits_path(path: str) -> str:
    """Return where the limits of the quota on ``path`` are."""
    return f"{QUOTA_PATH}{path}/{LIMITS}"


def stats_path(path: str) -> str:
    """Return where it is counted what the quota on ``path`` is for."""
    return f"{QUOTA_PATH}{path}/{STATS}"


# Texts.


def parse(data: bytes | None) -> dict[str, int] | None:
    """Read limits or stats; None for a text that is neither. What is not named in it has no entry."""
    if data is None:
        return None
    text = data.decode(errors="replace").rstrip(",;")
    figures: dict[str, int] = {}
    for pair in _SEPARATORS.split(text) if text else ():
        name, _, rest = pair.partition("=")
        value, *_ = rest.split("=")
        if not value and rest.strip("="):
            value = "-1"
        if not _NUMBER.fullmatch(value) or len(value) > _DIGITS_MAX or int(value) not in _LONGS:
            return None
        figures[name] = int(value)
    return figures


def format_figures(figures: dict[str, int]) -> bytes:
    """Write limits or stats. Old readers stop at the second ``=`` behind the bytes, and miss what they do not know."""
    text = f"{COUNT}={figures.get(COUNT, UNLIMITED)},{BYTES}={figures.get(BYTES, UNLIMITED)}"
    others = sorted(figures.keys() - {COUNT, BYTES})
    if others:
        text += "=" + "".join([f";{name}={figures[name]}" for name in others])
    return text.encode()


# What is used.


def quota_above(tree: Znodes, path: str) -> str | None:
    """Return the deepest path with a quota that ``path`` is, or is below; None when there is none."""
    quotas = tree.quotas
    while path:
        if path in quotas:
            return path
        path = path[: path.rfind("/")]
    return None


def on_created(tree: Znodes, path: str, node: Node) -> None:
    """Count a znode that was just put in; begin to count when it is the limits or stats of a quota."""
    data_bytes = len(node.data or b"")
    if path.startswith(PREFIX):
        parent, _, name = path.rpartition("/")
        real = parent[len(QUOTA_PATH) :]
        if name == LIMITS and real:
            tree.quotas[real] = None
        elif name == STATS:
            _count_anew(tree, real)
    add(tree, path, data_bytes, 1)


def on_deleted(tree: Znodes, path: str, node: Node) -> None:
    """Count a znode that was just taken out; ``node`` still knows what it was."""
    if path.startswith(PREFIX):
        if path.endswith(_LIMITS_END):
            tree.quotas.pop(path[len(QUOTA_PATH) : -len(_LIMITS_END)], None)
        if node.children:  # a replay over a fuzzy snapshot takes out what is below, too
            tree.quotas = {real: None for real in tree.quotas if limits_path(real) in tree.nodes}
    add(tree, path, -len(node.data or b""), -1)


def add(tree: Znodes, path: str, data_bytes: int, count: int) -> None:
    """Count a change at ``path`` of so many bytes and znodes."""
    real = quota_above(tree, path)
    if real is None:
        return
    where = stats_path(real)
    node = tree.nodes.get(where)
    if node is None:
        return
    figures = parse(node.data)
    if figures is None:  # a client has written there; Apache's server ends itself
        _count_anew(tree, real)
        return
    figures[COUNT] = figures.get(COUNT, UNLIMITED) + count
    figures[BYTES] = figures.get(BYTES, UNLIMITED) + data_bytes
    tree.set_data(where, node, format_figures(figures))


def rebuild(tree: Znodes) -> None:
    """Find the quotas of a tree that was just read, and count anew what is used."""
    top = tree.nodes.get(QUOTA_PATH)
    stack = [] if top is None else [("", top)]
    while stack:
        real, node = stack.pop()
        children = node.children or {}
        if LIMITS in children and real:
            tree.quotas[real] = None
            _count_anew(tree, real)
        stack += [(f"{real}/{name}", child) for name, child in children.items() if child.children]


def _count_anew(tree: Znodes, real: str) -> None:
    where = stats_path(real)
    node = tree.nodes.get(where)
    if node is None:
        return
    count = data_bytes = 0
    top = tree.nodes.get(real or "/")
    stack = [] if top is None else [top]
    while stack:
        each = stack.pop()
        count += 1
        data_bytes += len(each.data or b"")
        if each.children:
            stack += each.children.values()
    tree.set_data(where, node, format_figures({COUNT: count, BYTES: data_bytes}))


# Figures for operators.


class Namespaces(NamedTuple):
    """Sums over the quotas below each child of the root, by its name."""

    count_limit: dict[str, int]
    bytes_limit: dict[str, int]
    count_usage: dict[str, int]
    bytes_usage: dict[str, int]


def namespace_of(path: str) -> str:
    """Return the name of the child of the root that ``path`` is or is below."""
    return path.split("/", 2)[1]


def by_namespace(tree: Znodes) -> Namespaces:
    """Add up limits and usage; of two limits the hard one counts (Apache's QuotaMetricsUtils)."""
    sums = Namespaces({}, {}, {}, {})
    for real in tree.quotas:
        namespace = namespace_of(real)
        limits, stats = figures_at(tree, limits_path(real)), figures_at(tree, stats_path(real))
        if limits is not None:
            _add_to(sums.count_limit, namespace, limit_of(limits, COUNT, COUNT_HARD))
            _add_to(sums.bytes_limit, namespace, limit_of(limits, BYTES, BYTES_HARD))
        if stats is not None:
            _add_to(sums.count_usage, namespace, stats.get(COUNT, UNLIMITED))
            _add_to(sums.bytes_usage, namespace, stats.get(BYTES, UNLIMITED))
    return sums


def _add_to(sums: dict[str, int], namespace: str, value: int) -> None:
    sums[namespace] = sums.get(namespace, 0) + value


def limit_of(limits: dict[str, int], soft: str, hard: str) -> int:
    """Return the limit that counts: the hard one when there is one."""
    limit = limits.get(hard, UNLIMITED)
    return limit if limit > UNLIMITED else limits.get(soft, UNLIMITED)


def figures_at(tree: Znodes, path: str) -> dict[str, int] | None:
    """Read the limits or stats at ``path``; None when there are none, or none that can be read."""
    node = tree.nodes.get(path)
    return None if node is None else parse(node.data)
