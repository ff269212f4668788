"""Transactions: what the log holds and every server applies.

A transaction is a header and a record in Apache's jute layout (org.apache.zookeeper.txn):
``TxnHeader{long clientId, int cxid, long zxid, long time, int type}`` + record. Apache may append a
``TxnDigest``; we accept it and write none.
"""

from __future__ import annotations

from dataclasses import dataclass

from ensemble.tree.operations import Acl


@dataclass(slots=True)
class CreateTxn:
    """create (1), create2 (15), createContainer (19), createTTL (21)."""

    path: str
    data: bytes | None
    acl: tuple[Acl, ...]
    ephemeral: bool
    parent_cversion: int
    ttl_ms: int = -1


@dataclass(slots=True)
class DeleteTxn:
    """delete (2), deleteContainer (20)."""

    path: str


@dataclass(slots=True)
class SetDataTxn:
    """setData (5); ``version`` is the new version."""

    path: str
    data: bytes | None
    version: int


@dataclass(slots=True)
class SetAclTxn:
    """setACL (7); ``version`` is the new aversion."""

    path: str
    acl: tuple[Acl, ...]
    version: int


@dataclass(slots=True)
class CheckTxn:
    """check (13), inside a multi."""

    path: str
    version: int


@dataclass(slots=True)
class CreateSessionTxn:
    """createSession (-10)."""

    timeout_ms: int


@dataclass(slots=True)
class CloseSessionTxn:
    """closeSession (-11): the ephemerals that go with it, in the order of their deletion."""

    paths: list[str]


@dataclass(slots=True)
class ErrorTxn:
    """error (-1): a refused write still takes its place in the order (ZOOKEEPER-4925)."""

    code: int


@dataclass(slots=True)
class MultiTxn:
    """multi (14): (type, record) pairs; all of type -1 when it was refused."""

    txns: list[tuple[int, Record]]


Record = (
    CreateTxn | DeleteTxn | SetDataTxn | SetAclTxn | CheckTxn | CreateSessionTxn | CloseSessionTxn | ErrorTxn | MultiTxn
)


@dataclass(slots=True)
class Txn:
    """One transaction, decoded."""

    session_id: int
    cxid: int
    zxid: int
    time_ms: int
    type: int
    record: Record
