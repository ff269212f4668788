"""A data directory in memory, made by our own store from real transactions."""

from __future__ import annotations

from ensemble.storage.settings import DEFAULTS, StorageSettings
from ensemble.storage.store import Store
from ensemble.toolkit.overlay import Overlay
from ensemble.tree import snapshot, txns
from ensemble.tree.operations import OPEN_ACL, Op
from ensemble.tree.tree import Tree
from ensemble.tree.txns import CreateSessionTxn, CreateTxn, Record, SetDataTxn, Txn
from ensemble.zxid import make

SESSION = 0x1000ABC
TIME_MS = 1_700_000_000_000


class Nothing:
    """An empty directory."""

    def names(self, directory: str) -> list[str]:
        return []

    def read(self, name: str) -> bytes:
        raise AssertionError(name)


class Directory(Overlay):
    """Files that a test makes and spoils."""

    def __init__(self) -> None:
        super().__init__(Nothing())

    def names(self, directory: str) -> list[str]:
        if directory:
            return super().names(directory)
        return sorted(name for name in self._changed if "/" not in name)

    def spoil(self, name: str, offset: int) -> None:
        """Change one byte."""
        content = bytearray(self.read(name))
        content[offset] ^= 0x41
        self.write_atomic(name, bytes(content))


def txn(zxid: int, kind: Op, record: Record) -> Txn:
    return Txn(SESSION, zxid & 0xFF, zxid, TIME_MS + (zxid & 0xFF), int(kind), record)


def history(epoch: int, first: int, last: int) -> list[Txn]:
    """A session in the first place, then creations and changes in turn."""
    found = []
    for counter in range(first, last + 1):
        zxid = make(epoch, counter)
        if counter == 1:
            found.append(txn(zxid, Op.CREATE_SESSION, CreateSessionTxn(30_000)))
        elif counter % 2 == 0:
            found.append(
                txn(zxid, Op.CREATE, CreateTxn(f"/n{zxid:x}", b"data", OPEN_ACL, False, counter // 2))
            )
        else:
            found.append(txn(zxid, Op.SET_DATA, SetDataTxn(f"/n{zxid - 1:x}", b"more data", 1)))
    return found


def written(*steps: list[Txn] | str, settings: StorageSettings = DEFAULTS) -> Directory:
    """Write transactions, each list as one sync, and a snapshot for every "snapshot" among them."""
    directory = Directory()
    store = Store.open(directory, directory, settings=settings)
    tree = Tree()
    for step in steps:
        if isinstance(step, str):
            store.save_snapshot(tree.zxid, list(snapshot.dump(tree)), tree.digest(), lambda: None)
            continue
        store.save_accepted_epoch(step[0].zxid >> 32)
        for each in step:
            store.append(each.zxid, txns.encode(each))
            tree.apply(each)
        store.sync(lambda: None)
        store.save_current_epoch(step[0].zxid >> 32)
    directory.write_atomic("myid", b"1\n")
    return directory


def log_of(epoch: int, counter: int) -> str:
    return f"version-2/log.{make(epoch, counter):x}"


def snapshot_of(epoch: int, counter: int) -> str:
    return f"version-2/snapshot.{make(epoch, counter):x}"
