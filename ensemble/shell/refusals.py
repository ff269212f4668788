"""What a server's refusal means, in zkCli's words, which scripts look for (CliWrapperException)."""

from __future__ import annotations

from ensemble.client import BadArguments, Code, KeeperError

_WITH_PATH: dict[Code, str] = {
    Code.NO_NODE: "Node does not exist: ",
    Code.NO_CHILDREN_FOR_EPHEMERALS: "Ephemerals cannot have children: ",
    Code.NODE_EXISTS: "Node already exists: ",
    Code.NOT_EMPTY: "Node not empty: ",
    Code.NOT_READ_ONLY: "Not a read-only call: ",
    Code.INVALID_ACL: "Acl is not valid : ",
    Code.NO_AUTH: "Insufficient permission : ",
    Code.BAD_ARGUMENTS: "Arguments are not valid : ",
    Code.BAD_VERSION: "version No is not valid : ",
    Code.QUOTA_EXCEEDED: "Quota has exceeded : ",
}

_ALONE: dict[Code, str] = {
    Code.RECONFIG_IN_PROGRESS: (
        "Another reconfiguration is in progress -- concurrent reconfigs not supported (yet)"
    ),
    Code.NEW_CONFIG_NO_QUORUM: (
        "No quorum of new config is connected and up-to-date with the leader of last commmitted config"
        " - try invoking reconfiguration after new servers are connected and synced"
    ),
    Code.RECONFIG_DISABLED: (
        "Reconfiguration is switched off; set reconfigEnabled=true in the servers' configuration"
    ),
    Code.UNIMPLEMENTED: "The servers do not do this; TTLs need extendedTypesEnabled=true in their configuration",
    Code.EPHEMERAL_ON_LOCAL_SESSION: "Unable to create ephemeral node on a local session",
    Code.NO_WATCHER: "No watch of that kind is set there",
    Code.AUTH_FAILED: "The servers do not accept that proof of identity",
}


def sentence(refusal: KeeperError) -> str:
    """Say what a server refused."""
    try:
        code = Code(refusal.code)
    except ValueError:
        return f"the server answers with code {refusal.code}"
    if isinstance(refusal, BadArguments) and refusal.why:
        return refusal.why
    if code in _WITH_PATH:
        return f"{_WITH_PATH[code]}{refusal.path or 'null'}"
    return _ALONE.get(code, str(refusal))
