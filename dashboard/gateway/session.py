"""The panel's own client session, opened when first needed and opened anew when it expired."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from dashboard.gateway.errors import GatewayError
from ensemble.client import BadArguments, ClientError, ConnectionLoss, SessionExpired, State, ZooKeeper
from ensemble.errors import Code, KeeperError

SESSION_TIMEOUT_MS = 10_000
CONNECT_MS = 4000
ANSWER_S = 5.0
"""A client's request waits for a server for as long as it takes; a viewer does not."""

_SENTENCES = {
    Code.NO_NODE: ("{path} does not exist (any more).", "not_found"),
    Code.NODE_EXISTS: ("{path} exists already.", "conflict"),
    Code.NOT_EMPTY: ("{path} has children; delete it with all below it, or them first.", "conflict"),
    Code.BAD_VERSION: ("{path} was changed by someone else since you looked.", "conflict"),
    Code.NO_AUTH: ("The access list of {path} does not let the panel do that.", "refused"),
    Code.NO_CHILDREN_FOR_EPHEMERALS: (
        "The parent of {path} is ephemeral, and ephemerals have no children.",
        "refused",
    ),
    Code.BAD_ARGUMENTS: ("The servers do not accept {path}.", "bad_request"),
    Code.QUOTA_EXCEEDED: ("A quota on {path} forbids it.", "refused"),
    Code.SESSION_EXPIRED: ("The panel's session expired; the next request opens a new one.", "unavailable"),
    Code.CONNECTION_LOSS: (
        "The connection to the ensemble was lost; it is not known whether this was done.",
        "unavailable",
    ),
}


class Session:
    """One client for all viewers."""

    def __init__(self) -> None:
        self.addresses: Sequence[str] = ()
        self._client: ZooKeeper | None = None
        self._opening = asyncio.Lock()
        self._failed_at = float("-inf")

    async def client(self) -> ZooKeeper:
        """Return the connected client; raises :class:`GatewayError` when no server lets one in."""
        asked = time.monotonic()
        async with self._opening:
            if self._failed_at > asked:
                raise _nobody_serves()  # viewers who ask together wait together, not one after the other
            if self._client is not None and self._client.state in (State.EXPIRED, State.CLOSED):
                await self._client.close()
                self._client = None
            if self._client is None:
                self._client = await self._open()
            return self._client

    def owns(self, ephemeral_owner: int) -> bool:
        """Tell whether an ephemeral is the panel's."""
        return self._client is not None and self._client.session_id == ephemeral_owner != 0

    async def close(self) -> None:
        """Close the session, so that its ephemerals vanish at once and not at its time-out."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def _open(self) -> ZooKeeper:
        if not self.addresses:
            raise GatewayError("There is no ensemble to read from.", "unavailable")
        client = ZooKeeper(",".join(self.addresses), session_timeout_ms=SESSION_TIMEOUT_MS)
        try:
            await client.start(CONNECT_MS)
        except ClientError as error:
            self._failed_at = time.monotonic()
            raise _nobody_serves() from error
        return client


def _nobody_serves() -> GatewayError:
    return GatewayError(
        "No server serves clients now: without a quorum nothing can be read or written.", "unavailable"
    )


@asynccontextmanager
async def answered(within_s: float = ANSWER_S) -> AsyncIterator[None]:
    """Turn a server's refusal, its silence and the loss of it into a sentence."""
    try:
        async with asyncio.timeout(within_s):
            yield
    except KeeperError as error:
        raise sentence_of(error) from error
    except ConnectionLoss as error:
        raise sentence_of(KeeperError(Code.CONNECTION_LOSS)) from error
    except SessionExpired as error:
        raise sentence_of(KeeperError(Code.SESSION_EXPIRED)) from error
    except (TimeoutError, ClientError) as error:
        raise GatewayError(
            "No server answered in time: without a quorum nothing can be read or written.", "unavailable"
        ) from error


def sentence_of(error: KeeperError) -> GatewayError:
    """Return what to tell a viewer about a server's refusal, or about one of the client itself."""
    if isinstance(error, BadArguments) and error.why:
        return GatewayError(f"{error.why}.", "refused")
    words, kind = _SENTENCES.get(error.code, (f"The servers refused: {error.code.name.lower()}.", "refused"))
    return GatewayError(words.format(path=error.path or "It"), kind)
