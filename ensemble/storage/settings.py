"""What an operator may set of the files of one server; names follow zoo.cfg, units are in the names."""

from __future__ import annotations

from dataclasses import dataclass

from ensemble import limits


@dataclass(frozen=True, slots=True)
class StorageSettings:
    """The settings of one server's log and snapshots."""

    log_allocate_bytes: int = limits.LOG_ALLOCATE_BYTES
    """``preAllocSize``: the step in which a log file is extended by zeros; 0 for not at all."""
    log_file_bytes_max: int = limits.LOG_FILE_BYTES_MAX
    """``txnLogSizeLimitInKb``: a log file of this size is the last one's predecessor."""
    recent_txns_max: int = limits.COMMITTED_LOG_TXNS_MAX
    """``commitLogCount``: transactions kept in memory for learners that were away for a moment."""
    compression: str = ""
    """``snapshot.compression.method``: ``gz``, ``snappy`` or none."""
    digest: bool = True
    """``digest.enabled``: whether a snapshot carries the digest of its tree."""
    last_zxid: bool = True
    """``serializeLastProcessedZxid.enabled``: whether a snapshot ends with its zxid, as since 3.9."""
    trust_no_snapshot: bool = False
    """``snapshot.trust.empty``: logs without any snapshot are replayed from the empty tree (a 3.4 upgrade)."""
    create: bool = True
    """``db.autocreate``: whether an empty directory may become an empty tree."""


DEFAULTS = StorageSettings()
