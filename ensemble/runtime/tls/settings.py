"""What an operator may set about TLS: once for the client port (``ssl.*``), once between servers (``ssl.quorum.*``)."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from ensemble import limits


class ClientAuth(Enum):
    """Whether whoever connects has to show a certificate (``ssl.clientAuth``)."""

    NONE = "none"
    WANT = "want"
    NEED = "need"


class StoreKind(Enum):
    """How a key store or trust store file is written."""

    JKS = "JKS"
    PEM = "PEM"
    PKCS12 = "PKCS12"


@dataclass(frozen=True, slots=True)
class Store:
    """One file of keys or certificates."""

    key: str
    """The key of the configuration that names it, for sentences."""
    path: Path
    kind: StoreKind
    password: str = field(default="", repr=False)
    password_path: Path | None = None
    """A file with the password, read each time; it goes before ``password``."""


@dataclass(frozen=True, slots=True)
class TlsSettings:
    """How connections of one purpose are secured."""

    prefix: str
    """What the keys begin with, for sentences: ``ssl.`` or ``ssl.quorum.``."""
    key_store: Store
    trust_store: Store | None
    """Whose certificates are believed; None for what this machine believes."""
    client_auth: ClientAuth = ClientAuth.NEED
    verify_server_name: bool = True
    """Whether the certificate of a server that we connect to must name it."""
    verify_client_name: bool = False
    """Whether the certificate of whoever connects to us must name the host it comes from."""
    reverse_lookup: bool = False
    """Whether the name of a host may be asked of the DNS by its address."""
    protocols: tuple[str, ...] = ("TLSv1.3", "TLSv1.2")
    cipher_suites: tuple[str, ...] = ()
    """Java's names or OpenSSL's; empty for good ones."""
    detection_s: float = 5.0
    """On a port for both: how long to wait for the first byte before a connection counts as plain."""
    crl: bool = False
    """Whether a certificate must not be in its issuer's list of revoked ones."""
    ocsp: bool = False
    """Whether its issuer is asked by OCSP first."""
    reload: bool = False
    """Whether to look for changed files when somebody connects."""
    handshakes_max: int = limits.TLS_HANDSHAKES_MAX
    """Handshakes at the same time; further connections wait."""


@dataclass(frozen=True, slots=True)
class TlsConfig:
    """All that one server is told about TLS."""

    client: TlsSettings | None = None
    """For the client ports; None when they are plain."""
    secure_port: int | None = None
    """``secureClientPort``: TLS only."""
    secure_host: str | None = None
    client_unified: bool = False
    """``client.portUnification``: the client port takes TLS too."""
    quorum: TlsSettings | None = None
    """For the links between servers; None when they are plain."""
    quorum_dials: bool = False
    """``sslQuorum``: links that this server opens are encrypted."""
    quorum_unified: bool = False
    """``portUnification``: plain links are taken too."""
