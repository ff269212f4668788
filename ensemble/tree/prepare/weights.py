"""How many bytes a transaction takes at most: what no server is sure to take is refused before it is proposed."""

from __future__ import annotations

from ensemble import limits
from ensemble.errors import Code, KeeperError
from ensemble.tree.operations import OPEN_ACL, Acl
from ensemble.tree.txns import CheckTxn, CreateTxn, DeleteTxn, Record, SetDataTxn

RECORD_BYTES = 64
"""More than a record takes besides its path, data and list."""
PATH_BYTES_PER_CHARACTER = 3
"""At most: a path has no character beyond the basic plane."""


def check_size(path: str, data: bytes | None, acl: tuple[Acl, ...]) -> None:
    """Refuse what would make a transaction larger than any server is sure to take (ZOOKEEPER-2101)."""
    size = PATH_BYTES_PER_CHARACTER * len(path) + (len(data) if data else 0)
    if size + (_acl_weight(acl) if acl else RECORD_BYTES) > limits.TXN_BYTES_MAX - RECORD_BYTES:
        raise KeeperError(Code.BAD_ARGUMENTS, path)


def _acl_weight(acl: tuple[Acl, ...]) -> int:
    if not acl or acl is OPEN_ACL:
        return RECORD_BYTES
    return sum([12 + 4 * (len(scheme) + len(who)) for _, (scheme, who) in acl])


def weight_of(record: Record) -> int:
    """Return at least as many bytes as ``record`` takes inside a multi."""
    weight = RECORD_BYTES
    if isinstance(record, CreateTxn | SetDataTxn | DeleteTxn | CheckTxn):
        weight += PATH_BYTES_PER_CHARACTER * len(record.path)
    if isinstance(record, CreateTxn | SetDataTxn) and record.data:
        weight += len(record.data)
    if isinstance(record, CreateTxn):
        weight += _acl_weight(record.acl)
    return weight
