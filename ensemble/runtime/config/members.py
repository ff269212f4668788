"""Who belongs to the ensemble, and which of them this server is: the server, group and weight lines, and ``myid``."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from ensemble.errors import ConfigError
from ensemble.membership import (
    SID_DISTINCT_MAX,
    Membership,
    ServerAddress,
    from_properties,
    is_number,
    parse,
)
from ensemble.runtime.config.sources import read_text
from ensemble.runtime.config.values import Values

STANDALONE_SID = 1
"""The server id of a file without server lines (ZooKeeperServerMain's session tracker says 1, too)."""

_NEXT = "next"
_ROLES = ("", "participant", "observer")


@dataclass(frozen=True, slots=True)
class ReconfigSettings:
    """Whether and how the membership may change while the ensemble runs."""

    path: Path
    """The configuration file; the files of memberships lie beside it."""
    enabled: bool = False
    standalone_enabled: bool = True
    proposed: Membership | None = None
    """The last membership proposed when this server stopped, where it was not in force yet."""


def read_reconfig(values: Values, path: Path) -> ReconfigSettings:
    """Read ``reconfigEnabled`` and ``standaloneEnabled``, and the membership that was proposed last."""
    if values.keys.get("observerMasterPort"):
        values.warnings.append("observerMasterPort is ignored: observers connect to the leader")
    standalone = values.flag("standaloneEnabled", default=True)
    if not values.flag("reconfigEnabled", default=False):
        return ReconfigSettings(path, standalone_enabled=standalone)
    if not os.access(path.parent, os.W_OK):
        raise ConfigError(
            f"reconfigEnabled=true, but {path.parent} cannot be written, where new memberships are kept; "
            "let this user write there"
        )
    proposed = proposed_path(path)
    found = parse(read_text(proposed, "the proposed membership")) if proposed.exists() else None
    return ReconfigSettings(path, True, standalone, found)


def dynamic_path(path: Path, version: int) -> Path:
    """Return where the configuration ``path`` keeps one membership."""
    return path.with_name(f"{path.name}.dynamic.{version:x}").absolute()


def proposed_path(path: Path) -> Path:
    """Return where the configuration ``path`` keeps the last membership proposed."""
    return path.with_name(f"{path.name}.dynamic.{_NEXT}")


def read(values: Values) -> Membership:
    """Return the ensemble; an empty one for a server that stands alone, by want of lines or by a single one."""
    membership = from_properties(values.keys)
    voters, servers = membership.voters, membership.servers
    if servers and not voters:
        raise ConfigError("all server lines are observers; make at least one of them a participant")
    if len(voters) == 1 and values.flag("standaloneEnabled", default=True):
        if len(servers) > 1:
            raise ConfigError(
                "one participant cannot lead observers; set standaloneEnabled=false or add some"
            )
        return Membership()
    return membership


def read_sid(values: Values, data_dir: Path, membership: Membership) -> int:
    """Return this server's id, of ``myid``."""
    if not membership.servers:
        values.choice("peerType", "", _ROLES)
        return STANDALONE_SID
    path = data_dir / "myid"
    try:
        text = path.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        raise ConfigError(
            f"{path} does not exist; write this server's id (the N of server.N) into it"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read ({error}); make it a readable file with a number") from None
    if not is_number(text):
        raise ConfigError(
            f"{path} holds {text[:40]!r}, not a server id; write the N of a server.N line into it"
        )
    me = membership.server(int(text))
    if me is None:
        raise ConfigError(
            f"{path} says {text}, but there is no server.{text} line; add it, correct myid, or name another dataDir "
            "if this one is another server's"
        )
    _judge_role(values, me)
    if me.sid > SID_DISTINCT_MAX:
        values.warnings.append(
            f"server id {me.sid} is above {SID_DISTINCT_MAX}: session ids tell servers apart by its low byte, "
            f"{me.sid & 0xFF}; see that no other server has the same"
        )
    return me.sid


def _judge_role(values: Values, me: ServerAddress) -> None:
    """The line says whether this server votes, as with Apache's; ``peerType`` can only agree."""
    role = values.choice("peerType", "", _ROLES)
    if role and (role == "participant") != me.votes:
        values.warnings.append(f"peerType={role} is ignored: the line of server.{me.sid} says otherwise")
    values.settle("peerType", "participant" if me.votes else "observer")
