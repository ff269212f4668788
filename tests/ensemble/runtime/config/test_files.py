"""Keys about files, directories and the cluster, and the directories themselves."""

from __future__ import annotations

from pathlib import Path

import pytest

from ensemble.errors import ConfigError
from ensemble.runtime.config import server as config
from ensemble.runtime.config.cluster import Cluster
from ensemble.runtime.config.files import Files
from ensemble.storage.settings import StorageSettings


def load(tmp_path: Path, *lines: str) -> config.ServerConfig:
    path = tmp_path / "zoo.cfg"
    path.write_text("\n".join([f"dataDir={tmp_path / 'data'}", "clientPort=2181", *lines]))
    return config.load(path)


def test_what_nobody_set(tmp_path: Path) -> None:
    loaded = load(tmp_path)
    assert (loaded.files, loaded.cluster) == (Files(), Cluster())
    assert loaded.files.storage == StorageSettings()
    assert loaded.warnings == ()


def test_every_key_of_the_files(tmp_path: Path) -> None:
    loaded = load(
        tmp_path,
        "preAllocSize=64",
        "txnLogSizeLimitInKb=128",
        "snapSizeLimitInKb=256",
        "commitLogCount=500",
        "fsync.warningthresholdms=20",
        "snapshot.compression.method=GZ",
        "serializeLastProcessedZxid.enabled=false",
        "digest.enabled=false",
        "datadir.autocreate=true",
        "db.autocreate=false",
    )
    assert loaded.files == Files(
        StorageSettings(64 * 1024, 128 * 1024, 500, "gz", digest=False, last_zxid=False, create=False),
        snap_bytes=256 * 1024,
        sync_warning_ms=20,
    )
    assert loaded.warnings == ()


def test_sizes_may_be_switched_off(tmp_path: Path) -> None:
    loaded = load(tmp_path, "preAllocSize=0", "txnLogSizeLimitInKb=-1", "snapSizeLimitInKb=-1")
    assert loaded.files == Files(StorageSettings(log_allocate_bytes=0), snap_bytes=0)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("forceSync=no", "forceSync=no: what clients were told is written may be lost"),
        ("snapshot.trust.empty=true", "snapshot.trust.empty=true: a lost snapshot will not be noticed"),
    ],
)
def test_what_risks_data_is_said(tmp_path: Path, line: str, said: str) -> None:
    (warning,) = load(tmp_path, line).warnings
    assert said in warning


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("snapshot.compression.method=zstd", "zstd does not exist; write gz or snappy"),
        ("preAllocSize=-5", "preAllocSize=-5 is out of range"),
        ("forceSync=off", "forceSync=off does not exist; write yes or no"),
        ("leaderServes=false", "leaderServes=false does not exist; write yes or no"),
        ("datadir.autocreate=false", "does not exist, and datadir.autocreate=false forbids to make it"),
    ],
)
def test_a_wrong_value_is_one_sentence(tmp_path: Path, line: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        load(tmp_path, line)


def test_every_key_of_the_cluster(tmp_path: Path) -> None:
    loaded = load(
        tmp_path,
        "leaderServes=no",
        "multiAddress.enabled=true",
        "multiAddress.reachabilityCheckTimeoutMs=500",
        "cnxTimeout=700",
        "quorumListenOnAllIPs=true",
        "electionPortBindRetry=0",
        "tcpKeepAlive=true",
        "clientTcpKeepAlive=true",
    )
    assert loaded.cluster == Cluster(False, 700, True, True, 0, True, True)
    assert loaded.warnings == ()


def files(tmp_path: Path, *names: str) -> None:
    for name in names:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")


def test_the_inner_directory_is_not_meant(tmp_path: Path) -> None:
    files(tmp_path, "data/version-2/snapshot.0")
    with pytest.raises(ConfigError, match=f"is the inner directory; write dataDir={tmp_path}/data$"):
        load(tmp_path, f"dataDir={tmp_path}/data/version-2")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("data/version-2/log.1", "they belong to dataLogDir"),
        ("logs/version-2/snapshot.0", "belong to dataDir"),
    ],
)
def test_logs_and_snapshots_must_not_be_left_in_each_others_place(
    tmp_path: Path, name: str, said: str
) -> None:
    files(tmp_path, "data/version-2/snapshot.0", "logs/version-2/log.1")
    load(tmp_path, f"dataLogDir={tmp_path}/logs")
    files(tmp_path, name)
    with pytest.raises(ConfigError, match=said):
        load(tmp_path, f"dataLogDir={tmp_path}/logs")


def test_files_of_another_version_are_pointed_out(tmp_path: Path) -> None:
    files(tmp_path, "data/version-3/snapshot.0")
    (warning,) = load(tmp_path).warnings
    assert "version-3 is not read" in warning
    assert f"is {tmp_path}/data the right directory?" in warning
    files(tmp_path, "data/version-2/snapshot.0")
    (warning,) = load(tmp_path).warnings
    assert "right directory" not in warning


def test_several_addresses_are_taken_where_they_are_allowed(tmp_path: Path) -> None:
    members = ["initLimit=5", "syncLimit=5", "server.2=d:1:2", "server.3=e:1:2"]
    members.append("server.1=b:2888:3888|[fd00::1]:2889:3889:participant;2181")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "myid").write_text("1")
    me = load(tmp_path, "multiAddress.enabled=true", *members).me
    assert me is not None
    assert me.places == (("b", 2888, 3888), ("fd00::1", 2889, 3889))
    assert me.line() == "b:2888:3888|[fd00::1]:2889:3889:participant;0.0.0.0:2181"
