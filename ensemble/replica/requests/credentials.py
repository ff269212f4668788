"""What one client proves on its connection: auth packets, and the exchange of SASL tokens.

A client may prove several things, and what it has proved holds until its connection ends. A proof that fails is
the last thing its connection hears of. Facts: ZooKeeperServer.processPacket and processSasl.
"""

from __future__ import annotations

from ensemble.errors import Code
from ensemble.jute import NULL, pack_bytes
from ensemble.replica.access.authentication import added
from ensemble.replica.service import Client, Service
from ensemble.sasl.digest_md5 import CLIENT_PORT, NONCE_BYTES, Responder, SaslError
from ensemble.tree.operations import Auth, Op, Sasl
from ensemble.wire import replies
from ensemble.wire.requests import decode_operation


class Credentials:
    """The proofs of one client."""

    __slots__ = ("_authentication", "_client", "_exchange", "_service")

    def __init__(self, client: Client, service: Service) -> None:
        self._client = client
        self._service = service
        self._authentication = service.authentication
        self._exchange: Responder | None = None

    @property
    def suffice(self) -> bool:
        """Whether the client may ask for anything (``enforce.auth.enabled``)."""
        return self._authentication.suffices(self._client.identities)

    def take(self, xid: int, op: int, frame: bytes) -> tuple[bytes, bool]:
        """Judge an auth or SASL packet; return the answer, and whether the connection is to end behind it.

        Raises ``WireError`` for a packet that is none, and for a client that is at the wrong ensemble.
        """
        packet = decode_operation(op, frame)
        if op == Op.SASL:
            assert isinstance(packet, Sasl)
            return self._step(xid, packet.token)
        assert isinstance(packet, Auth)
        client = self._client
        identities = self._authentication.identify(
            packet.scheme, packet.auth, client.identities, client.subject
        )
        if identities is None:
            self._service.counters.auth_failures += 1
            return replies.reply(xid, 0, Code.AUTH_FAILED), True
        client.identities = identities
        return replies.reply(xid, 0, Code.OK), False

    def _step(self, xid: int, token: bytes) -> tuple[bytes, bool]:
        accounts = self._authentication.config.sasl_accounts
        if not accounts:
            # Apache's answer without SASL: a client that may go on without it does, on this connection.
            return replies.reply(xid, 0, Code.OK, NULL), False
        if self._exchange is None:
            random_bytes = self._service.entropy(NONCE_BYTES)
            self._exchange = Responder(accounts, CLIENT_PORT, random_bytes=random_bytes)
        try:
            answer = self._exchange.step(token)
            if self._exchange.user is not None:
                self._welcome(self._exchange.user)
        except SaslError as error:
            return self._fail(xid, error)
        return replies.reply(xid, 0, Code.OK, pack_bytes(answer)), False

    def _welcome(self, user: str) -> None:
        identities = added(self._client.identities, self._authentication.of_sasl(user))
        if identities is None:
            raise SaslError(f"SASL user {user!r} with too many identities besides")
        self._client.identities = identities

    def _fail(self, xid: int, error: SaslError) -> tuple[bytes, bool]:
        config = self._authentication.config
        self._service.counters.auth_failures += 1
        self._service.remarks.say(
            "sasl",
            self._client.address[0],
            f"client {self._client.client_text} cannot be authenticated: {error}",
        )
        if config.sasl_failed_allowed and not config.sasl_required:
            return replies.reply(xid, 0, Code.OK, NULL), False
        code = Code.SESSION_CLOSED_REQUIRE_AUTH if config.sasl_required else Code.AUTH_FAILED
        return replies.reply(xid, 0, code, NULL), True
