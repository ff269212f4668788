"""Why the gateway did not do what it was asked."""

from __future__ import annotations

from typing import Any


class GatewayError(Exception):
    """A refusal or a failure, said in one sentence fit for a viewer.

    ``kind`` tells what to do about it: ``refused`` (the present state forbids it), ``not_found``,
    ``conflict`` (someone else was first), ``bad_request``, ``unavailable`` (try again later).
    """

    STATUS = {"refused": 409, "not_found": 404, "conflict": 409, "bad_request": 400, "unavailable": 503}

    def __init__(self, reason: str, kind: str = "refused", **detail: Any) -> None:
        super().__init__(reason)
        self.reason = reason
        self.kind = kind
        self.detail = detail

    @property
    def status(self) -> int:
        """The fitting HTTP status."""
        return self.STATUS[self.kind]

    def to_json(self) -> dict[str, Any]:
        """Return it as it travels between panel processes."""
        return {"reason": self.reason, "kind": self.kind, "detail": self.detail}

    @classmethod
    def from_json(cls, error: dict[str, Any]) -> GatewayError:
        """Undo :meth:`to_json`."""
        return cls(error["reason"], error["kind"], **error["detail"])
