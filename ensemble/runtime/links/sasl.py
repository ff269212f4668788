"""Links on which servers first prove themselves to each other by SASL DIGEST-MD5.

The exchange stands between a connection and its protocol: behind the TLS handshake when there is one and, on the
election port, behind the caller's hello, because that is where Apache puts it. Whoever connects begins::

    caller  -> greeting, IN_PROGRESS ""            called -> IN_PROGRESS challenge
    caller  -> IN_PROGRESS response                called -> SUCCESS rspauth, or ERROR

Where proof is not required, a caller that begins with anything else passes, so that an ensemble can turn to
SASL server by server. One that tries and fails never does. (Apache lets it in, but its callers hang up.)
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from typing import TypeVar, cast

from ensemble.errors import WireError
from ensemble.limits import QUORUM_SASL_EXCHANGES_MAX, QUORUM_SASL_S_MAX
from ensemble.quiet_log import Remarks
from ensemble.runtime.clock import monotonic_us
from ensemble.runtime.config.quorum_sasl import QuorumSasl
from ensemble.runtime.links.ways import GreetingSize, Listener, Port, Ways, no_greeting
from ensemble.runtime.tasks import watched
from ensemble.sasl.digest_md5 import NONCE_BYTES, QUORUM_PORT, Initiator, Responder, SaslError
from ensemble.wire.quorum_auth import AuthPacket, AuthStatus, begins_auth, decode_auth, encode_auth

P = TypeVar("P", bound=asyncio.Protocol)

_UNREAD_BYTES_MAX = 65_536


class NotProved(ConnectionError):
    """The other end did not prove itself, or we could not."""


class _Conversation(asyncio.Protocol):
    """Stands in for the protocol until the exchange is over."""

    def __init__(self, begin: Callable[[_Conversation], None] | None = None) -> None:
        self.transport: asyncio.Transport
        self.unread = b""
        self._begin = begin
        self._changed = asyncio.Event()
        self._over = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        if self._begin:
            self._begin(self)

    def data_received(self, data: bytes) -> None:
        self.unread += data
        if len(self.unread) > _UNREAD_BYTES_MAX:
            self.transport.abort()
        self._changed.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self._over = True
        self._changed.set()

    async def more(self) -> None:
        """Wait for more bytes; :class:`NotProved` when none will come."""
        if self._over:
            raise NotProved("it hung up in the middle of the SASL exchange")
        self._changed.clear()
        await self._changed.wait()

    async def receive(self) -> AuthPacket:
        """Return the next packet."""
        while True:
            found = decode_auth(self.unread) if self.unread else None
            if found is not None:
                packet, self.unread = found
                return packet
            await self.more()

    def send(self, status: AuthStatus, token: bytes) -> None:
        """Send a packet."""
        self.transport.write(encode_auth(AuthPacket(status, token)))

    def hand_over(self, protocol: asyncio.Protocol, before: bytes = b"") -> None:
        """Let ``protocol`` have the connection, beginning with ``before`` and what is unread."""
        if self._over or self.transport.is_closing():
            raise NotProved("it hung up")
        self.transport.set_protocol(protocol)
        protocol.connection_made(self.transport)
        if rest := before + self.unread:
            protocol.data_received(rest)


class SaslWays(Ways):
    """The ways of ``inner``, with an exchange at the beginning of each connection."""

    def __init__(self, inner: Ways, settings: QuorumSasl, *, log: Callable[[str], None]) -> None:
        super().__init__(keep_alive=inner.keep_alive)
        self.greets = settings.login is not None
        self._inner = inner
        self._settings = settings
        self._remarks = Remarks(log, monotonic_us)
        self._exchanges: set[asyncio.Task[None]] = set()

    async def listen(
        self,
        make_protocol: Callable[[], asyncio.Protocol],
        port: Port,
        *,
        greeting_size: GreetingSize = no_greeting,
    ) -> Listener:
        """Do as :class:`Ways` does."""

        def begin(conversation: _Conversation) -> None:
            if len(self._exchanges) >= QUORUM_SASL_EXCHANGES_MAX:
                conversation.transport.abort()
                return
            exchange = watched(self._admit(conversation, make_protocol, greeting_size, port.key))
            self._exchanges.add(exchange)
            exchange.add_done_callback(self._exchanges.discard)

        inner = await self._inner.listen(lambda: _Conversation(begin), port)
        return _Listening(inner, self._exchanges)

    async def dial(self, host: str, port: int, make_protocol: Callable[[], P], *, greeting: bytes = b"") -> P:
        """Do as :class:`Ways` does; :class:`NotProved` when either end does not convince the other."""
        login = self._settings.login
        if login is None:
            return await self._inner.dial(host, port, make_protocol)
        conversation = await self._inner.dial(host, port, _Conversation)
        try:
            conversation.transport.write(greeting)
            await _prove(conversation, *login)
            protocol = make_protocol()
            conversation.hand_over(protocol)
        except WireError as error:
            conversation.transport.abort()
            raise NotProved(str(error)) from None
        except BaseException:
            conversation.transport.abort()
            raise
        return protocol

    def why(self, error: Exception) -> str:
        """Do as :class:`Ways` does."""
        return self._inner.why(error)

    async def _admit(
        self,
        conversation: _Conversation,
        make_protocol: Callable[[], asyncio.Protocol],
        greeting_size: GreetingSize,
        key: str,
    ) -> None:
        """Judge a caller."""
        try:
            async with asyncio.timeout(QUORUM_SASL_S_MAX):
                while (size := greeting_size(conversation.unread)) is None:
                    await conversation.more()
                greeting, conversation.unread = conversation.unread[:size], conversation.unread[size:]
                await self._judge(conversation)
            conversation.hand_over(make_protocol(), greeting)
        except (WireError, NotProved, TimeoutError) as error:
            where = (conversation.transport.get_extra_info("peername") or ("somebody",))[0]
            why = str(error) or "no SASL exchange in time"
            self._remarks.say("sasl", where, f"{key}: {where} is turned away: {why}")
            conversation.transport.close()
        except BaseException:
            conversation.transport.abort()
            raise

    async def _judge(self, conversation: _Conversation) -> None:
        """Have the caller prove itself, unless it need not and does not try."""
        while not conversation.unread:
            await conversation.more()
        if not begins_auth(conversation.unread):
            if self._settings.required:
                raise NotProved(
                    "it does not prove itself by SASL; set quorum.auth.learnerRequireSasl=true there"
                )
            return
        responder = Responder(
            self._settings.accounts, QUORUM_PORT, random_bytes=secrets.token_bytes(NONCE_BYTES)
        )
        try:
            while responder.user is None:
                answer = responder.step((await conversation.receive()).token)
                done = responder.user is not None
                conversation.send(AuthStatus.SUCCESS if done else AuthStatus.IN_PROGRESS, answer)
        except SaslError:
            conversation.send(AuthStatus.ERROR, b"")
            raise


async def _prove(conversation: _Conversation, user: str, password: str) -> None:
    """Prove to the called that we are ``user``, and have it prove that it knows the password."""
    initiator = Initiator(user, password, QUORUM_PORT, random_bytes=secrets.token_bytes(NONCE_BYTES))
    token = b""
    while not initiator.complete:
        conversation.send(AuthStatus.IN_PROGRESS, token)
        packet = await conversation.receive()
        if packet.status is AuthStatus.ERROR:
            raise NotProved(
                f"it does not let in the SASL user {user}; add user_{user} to its QuorumServer section"
            )
        token = initiator.step(packet.token)
        if initiator.complete is not (packet.status is AuthStatus.SUCCESS):
            raise SaslError("a SASL exchange that one end thinks is over, and the other does not")


class _Listening:
    """An open port, with the exchanges that begin on it."""

    def __init__(self, inner: Listener, exchanges: set[asyncio.Task[None]]) -> None:
        self._inner = inner
        self._exchanges = exchanges

    def close(self) -> None:
        self._inner.close()
        for exchange in list(self._exchanges):
            exchange.cancel()
