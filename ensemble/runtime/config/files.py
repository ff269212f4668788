"""Keys about what is written to disk: the log, the snapshots, and how carefully.

Source: the administrator's guide; FilePadding, FileTxnLog, SyncRequestProcessor, SnapStream and FileTxnSnapLog.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ensemble.limits import (
    COMMITTED_LOG_TXNS_MAX,
    LOG_ALLOCATE_BYTES,
    LOG_FILE_BYTES_MAX,
    SNAP_BYTES,
)
from ensemble.runtime.config.values import Values
from ensemble.storage.compression import METHODS
from ensemble.storage.settings import StorageSettings

KIB = 1024
SYNC_WARNING_MS = 1000
_KIB_MAX = 2**40


@dataclass(frozen=True, slots=True)
class Files:
    """How this server keeps its files."""

    storage: StorageSettings = field(default_factory=StorageSettings)
    snap_bytes: int = SNAP_BYTES
    """Bytes of log after which a snapshot is due; 0 for no such bound."""
    force_sync: bool = True
    """Whether a write is on the disk before it is acknowledged."""
    sync_warning_ms: int = SYNC_WARNING_MS
    """A sync that takes longer is worth a line in the log."""
    directories_created: bool = True
    """Whether a data directory that is missing is made."""


def read(values: Values) -> Files:
    """Read the keys; warns of what risks data."""
    force_sync = values.choice("forceSync", "yes", ("yes", "no")) == "yes"
    if not force_sync:
        values.warnings.append(
            "forceSync=no: what clients were told is written may be lost with the power; drop the line to be safe"
        )
    trusted = values.flag("snapshot.trust.empty", default=False)
    if trusted:
        values.warnings.append(
            "snapshot.trust.empty=true: a lost snapshot will not be noticed; drop the line after this start"
        )
    return Files(
        storage=StorageSettings(
            log_allocate_bytes=_kib(values, "preAllocSize", LOG_ALLOCATE_BYTES, 0),
            log_file_bytes_max=_kib(values, "txnLogSizeLimitInKb", LOG_FILE_BYTES_MAX, -1)
            or LOG_FILE_BYTES_MAX,
            recent_txns_max=max(
                1, values.number("commitLogCount", COMMITTED_LOG_TXNS_MAX, 1, 2**31 - 1, "transactions")
            ),
            compression=values.choice("snapshot.compression.method", "", METHODS),
            digest=values.flag("digest.enabled", default=True),
            last_zxid=values.flag("serializeLastProcessedZxid.enabled", default=True),
            trust_no_snapshot=trusted,
            create=values.flag("db.autocreate", default=True),
        ),
        snap_bytes=_kib(values, "snapSizeLimitInKb", SNAP_BYTES, -1),
        force_sync=force_sync,
        sync_warning_ms=values.number(
            "fsync.warningthresholdms", SYNC_WARNING_MS, 0, 3_600_000, "milliseconds"
        ),
        directories_created=values.flag("datadir.autocreate", default=True),
    )


def _kib(values: Values, key: str, default_bytes: int, low: int) -> int:
    """Read a size in KiB and return bytes; -1, where it may be written, is 0."""
    return max(0, values.number(key, default_bytes // KIB, low, _KIB_MAX, "KiB") * KIB)
