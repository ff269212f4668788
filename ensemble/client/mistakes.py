"""What is wrong with a request that cannot be encoded, in a sentence: looked for only once it has failed."""

from __future__ import annotations

from dataclasses import fields, is_dataclass

from ensemble.tree.operations import Acl, Multi

_WANTED: dict[str, tuple[type | tuple[type, ...], str]] = {
    "path": (str, "a str"),
    "scheme": (str, "a str"),
    "data": ((bytes, type(None)), "bytes"),
    "auth": ((bytes, type(None)), "bytes"),
    "mode": (int, "a CreateMode"),
    "version": (int, "a whole number, or -1 for any"),
    "ttl_ms": (int, "a whole number of milliseconds"),
}


def fault_of(operation: object) -> str:
    """Say which argument has a type that cannot be sent; empty when none is at fault."""
    if isinstance(operation, Multi):
        return next(filter(None, [fault_of(part) for _, part in operation.ops]), "")
    if not is_dataclass(operation):
        return ""
    for field in fields(operation):
        value = getattr(operation, field.name)
        if field.name == "acl" and not all(isinstance(entry, Acl) for entry in value):
            return "acl must be a sequence of Acl, such as OPEN_ACL"
        wanted, name = _WANTED.get(field.name, (object, ""))
        if not isinstance(value, wanted):
            encode = "; encode the text first" if isinstance(value, str) and name == "bytes" else ""
            return f"{field.name} must be {name}, not {type(value).__name__}{encode}"
    return ""
