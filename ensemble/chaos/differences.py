"""In what a server's tree and the model's differ, znode by znode: what a digest only counts."""

from __future__ import annotations

from collections.abc import Iterator
from zlib import crc32

from ensemble.simulator.checks.model import Model, ModelNode
from ensemble.tree.node import Node
from ensemble.tree.tree import Tree
from ensemble.zxid import text

ZNODES_TOLD_MAX = 12
DATA_SHOWN_BYTES = 32
_UNCOUNTED = "/zookeeper/"
"""What lies below is no part of the digest."""


def sentences(tree: Tree, model: Model) -> Iterator[str]:
    """Yield one sentence for each znode that differs, by path, and how many are left out."""
    wrong = [path for path in sorted(tree.nodes.keys() | model.nodes.keys()) if _differ(path, tree, model)]
    for path in wrong[:ZNODES_TOLD_MAX]:
        node, expected = tree.nodes.get(path), model.nodes.get(path)
        if node is None and expected is not None:
            yield f"{path} is missing (the model's was created at {text(expected.czxid)})"
        elif node is not None and expected is None:
            yield f"{path} is not in the model (created at {text(node.czxid)})"
        elif node is not None and expected is not None:
            ours, theirs = _fields(node), _model_fields(expected)
            told = [f"{name} {ours[name]}, not {theirs[name]}" for name in ours if ours[name] != theirs[name]]
            yield f"{path}: {'; '.join(told)}"
    if len(wrong) > ZNODES_TOLD_MAX:
        yield f"and {len(wrong) - ZNODES_TOLD_MAX} more znodes"


def _differ(path: str, tree: Tree, model: Model) -> bool:
    if path.startswith(_UNCOUNTED):
        return False
    node, expected = tree.nodes.get(path), model.nodes.get(path)
    if node is None or expected is None:
        return True
    return _fields(node) != _model_fields(expected)


def _fields(node: Node) -> dict[str, str]:
    return _named(
        node.data,
        (node.czxid, node.mzxid, node.pzxid),
        (node.ctime, node.mtime, node.version, node.cversion, node.aversion),
        node.ephemeral_owner,
    )


def _model_fields(node: ModelNode) -> dict[str, str]:
    return _named(
        node.data,
        (node.czxid, node.mzxid, node.pzxid),
        (node.ctime, node.mtime, node.version, node.creations, 0),
        node.digested_owner(),
    )


def _named(
    data: bytes | None, zxids: tuple[int, int, int], numbers: tuple[int, int, int, int, int], owner: int
) -> dict[str, str]:
    """Name the fields that a digest counts; no data and empty data are the same to it."""
    shown = repr((data or b"")[:DATA_SHOWN_BYTES])
    if data and len(data) > DATA_SHOWN_BYTES:
        shown = f"{shown} and more, {len(data)} bytes, crc {crc32(data):08x}"
    words = zip(("czxid", "mzxid", "pzxid"), map(text, zxids), strict=True)
    counts = zip(("ctime", "mtime", "version", "cversion", "aversion"), map(str, numbers), strict=True)
    return {**dict(words), **dict(counts), "owner": f"{owner & 0xFFFFFFFFFFFFFFFF:#x}", "data": shown}
