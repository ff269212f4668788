"""A connection before its protocol gets it: plain or TLS, the handshake, and whose name the certificate bears.

The first byte is only looked at, not taken: a TLS record of a handshake begins with 22, and nothing a ZooKeeper says in
plain does (Apache's UnifiedServerSocket). On a port for both kinds it decides; on one for TLS alone it keeps who
says nothing, or something else, from taking the place of a handshake. Nothing here blocks the loop, and everything
has a limit of time and number.

Names are compared here and not by OpenSSL, because Apache's ZKTrustManager also takes a certificate that
names the address of the other end, or, where allowed, what the DNS says that this address is called. Between
servers, a certificate may name any server of the ensemble: whoever connects says only later which one it is.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar, cast

from cryptography import x509

from ensemble.limits import TLS_HANDSHAKE_S_MAX
from ensemble.runtime import listening
from ensemble.runtime.tls import names
from ensemble.runtime.tls.contexts import TlsContexts
from ensemble.runtime.tls.der import DamagedDer

if TYPE_CHECKING:
    from ensemble.runtime.tls.revocation import Revocation

HANDSHAKE_RECORD = b"\x16"
_UNREADABLE = (
    ValueError,
    DamagedDer,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)
SHUTDOWN_S_MAX = 5.0
"""How long the other end may take to say that it has read all."""

P = TypeVar("P", bound=asyncio.Protocol)


class NotTrusted(ConnectionError):
    """The other end is not who it has to be."""


class Gate(asyncio.Protocol):
    """Stands in for the protocol until the connection may pass; takes no bytes."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep back what the other end says."""
        cast("asyncio.Transport", transport).pause_reading()


class Doorstep:
    """Where connections of one purpose wait."""

    def __init__(
        self, contexts: TlsContexts, *, unified: bool = False, hosts: Callable[[], Iterable[str]] = tuple
    ) -> None:
        """``unified``: plain connections are taken, too. ``hosts``: names that any caller may bear."""
        self.contexts = contexts
        self.unified = unified
        self.handshakes = 0
        """Handshakes under way."""
        self._hosts = hosts
        self._revocation: Revocation | None = None
        settings = contexts.settings
        if settings.crl or settings.ocsp:
            from ensemble.runtime.tls.revocation import Revocation

            self._revocation = Revocation(crl=settings.crl, ocsp=settings.ocsp)
        self._turns = asyncio.Semaphore(contexts.settings.handshakes_max)

    async def admit(self, connection: socket.socket, make_protocol: Callable[[], asyncio.Protocol]) -> None:
        """Give an accepted connection to a protocol.

        Raises ``OSError`` (``ssl.SSLError`` and :class:`NotTrusted` are such) and ``TimeoutError``; the connection is
        closed then.
        """
        loop = asyncio.get_running_loop()
        try:
            first = await self._first_byte(connection)
            if first != HANDSHAKE_RECORD:
                if self.unified:
                    await loop.connect_accepted_socket(make_protocol, connection)
                    return
                connection.close()
                if first:
                    raise NotTrusted("it does not speak TLS")
                return  # somebody only looked whether the port is open
            async with asyncio.timeout(TLS_HANDSHAKE_S_MAX), self._turns:
                self.handshakes += 1
                try:
                    transport, _ = await loop.connect_accepted_socket(
                        Gate,
                        connection,
                        ssl=self.contexts.for_incoming(),
                        ssl_handshake_timeout=TLS_HANDSHAKE_S_MAX,
                        ssl_shutdown_timeout=SHUTDOWN_S_MAX,
                    )
                finally:
                    self.handshakes -= 1
        except BaseException:
            connection.close()
            raise
        if certificate := certificate_of(transport):
            with readable(transport):
                names.subject_of(certificate)  # whoever gets the connection may want to know it
                await self._judge_revocation(transport)
                if self.contexts.settings.verify_client_name:
                    await self._judge(transport, list(self._hosts()))
        hand_over(transport, make_protocol())

    async def dial(
        self, host: str, port: int, make_protocol: Callable[[], P], *, keep_alive: bool = False
    ) -> P:
        """Connect, by TLS; raises as :meth:`admit` does. ``keep_alive`` lets the kernel probe the connection."""
        transport, _ = await asyncio.get_running_loop().create_connection(
            Gate,
            host,
            port,
            ssl=self.contexts.for_outgoing(),
            ssl_handshake_timeout=TLS_HANDSHAKE_S_MAX,
            ssl_shutdown_timeout=SHUTDOWN_S_MAX,
        )
        if keep_alive:
            listening.keep_alive(transport)
        with readable(transport):
            await self._judge_revocation(transport)
            if self.contexts.settings.verify_server_name:
                await self._judge(transport, [host])
        protocol = make_protocol()
        hand_over(transport, protocol)
        return protocol

    async def _first_byte(self, connection: socket.socket) -> bytes:
        """Wait for the first byte and look at it; empty when the other end hangs up.

        On a port for both it is empty, too, for who stays silent; else that is a ``TimeoutError``.
        """
        loop = asyncio.get_running_loop()
        readable = asyncio.Event()
        loop.add_reader(connection, readable.set)
        try:
            async with asyncio.timeout(self.contexts.settings.detection_s):
                await readable.wait()
        except TimeoutError:
            if self.unified:
                return b""
            raise
        finally:
            loop.remove_reader(connection)
        return connection.recv(1, socket.MSG_PEEK)

    async def _judge_revocation(self, transport: asyncio.Transport) -> None:
        """See that the certificate of the other end was not revoked, where that is to be asked."""
        if self._revocation is None:
            return
        try:
            await self._revocation.judge(certificate_of(transport), verified_chain_of(transport))
        except BaseException:
            transport.abort()
            raise

    async def _judge(self, transport: asyncio.Transport, hosts: list[str]) -> None:
        """See that the certificate of the other end names its address or one of ``hosts``; :class:`NotTrusted`."""
        certificate = certificate_of(transport)
        peer = transport.get_extra_info("peername") or ("", 0)
        try:
            if any(names.is_issued_to(certificate, host) for host in [peer[0], *hosts]):
                return
            if self.contexts.settings.reverse_lookup:
                name, _ = await asyncio.get_running_loop().getnameinfo(peer, socket.NI_NAMEREQD)
                if names.is_issued_to(certificate, name):
                    return
        except (socket.gaierror, ValueError):
            pass
        except BaseException:
            transport.abort()
            raise
        transport.abort()
        prefix = self.contexts.settings.prefix
        raise NotTrusted(
            f"its certificate is for {names.describe(certificate)}, not for {' or '.join([peer[0], *hosts])};"
            f" issue one for that name or set {prefix}hostnameVerification=false"
        )


@contextmanager
def readable(transport: asyncio.Transport) -> Iterator[None]:
    """A certificate that OpenSSL trusts and that cannot be read is the trouble of whoever shows it."""
    try:
        yield
    except _UNREADABLE as error:
        transport.abort()
        raise NotTrusted(f"its certificate cannot be read: {error}") from None


def certificate_of(transport: asyncio.BaseTransport) -> bytes:
    """Return the verified certificate of the other end in DER; empty when it showed none."""
    encryption: ssl.SSLObject = transport.get_extra_info("ssl_object")
    return encryption.getpeercert(binary_form=True) or b""


def verified_chain_of(transport: asyncio.BaseTransport) -> list[x509.Certificate]:
    """Return the certificates from that of the other end to the one that is trusted; empty when there is none."""
    encryption: Any = transport.get_extra_info("ssl_object")
    if hasattr(encryption, "get_verified_chain"):  # since Python 3.13
        return [x509.load_der_x509_certificate(der) for der in encryption.get_verified_chain()]
    found = encryption._sslobj.get_verified_chain() or ()
    return [x509.load_pem_x509_certificate(one.public_bytes().encode()) for one in found]


def hand_over(transport: asyncio.Transport, protocol: asyncio.Protocol) -> None:
    """Let ``protocol`` have the connection; ``ConnectionResetError`` when it has broken meanwhile."""
    if transport.is_closing():
        raise ConnectionResetError("the other end hung up")
    transport.set_protocol(protocol)
    protocol.connection_made(transport)
    if not transport.is_closing():
        transport.resume_reading()


def why(error: BaseException) -> str:
    """Say in a few words why a connection did not pass."""
    if isinstance(error, TimeoutError):
        return "no TLS handshake in time"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}"
    reason: Any = getattr(error, "reason", None)
    if isinstance(error, ssl.SSLError) and reason:
        return _REASONS.get(str(reason), str(reason).replace("_", " ").lower())
    return str(error) or "the other end hung up"


_REASONS = {
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": "it shows no certificate",
    "WRONG_VERSION_NUMBER": "it does not speak TLS",
    "HTTP_REQUEST": "it does not speak TLS",
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": "it wants a certificate of ours, and there is none",
    "TLSV1_ALERT_UNKNOWN_CA": "it does not trust the issuer of our certificate",
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": "it does not trust our certificate",
    "SSLV3_ALERT_BAD_CERTIFICATE": "it does not trust our certificate",
}
