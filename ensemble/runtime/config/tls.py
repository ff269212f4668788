"""The keys about TLS: ``secureClientPort``, ``sslQuorum``, ``ssl.*`` and ``ssl.quorum.*``.

Source: ClientX509Util, QuorumX509Util, KeyStoreFileType and QuorumPeerConfig.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ensemble import limits
from ensemble.errors import ConfigError
from ensemble.runtime.config.values import Values
from ensemble.runtime.tls.settings import ClientAuth, Store, StoreKind, TlsConfig, TlsSettings

_EXTENSIONS = {".jks": "JKS", ".pem": "PEM", ".p12": "PKCS12", ".bcfks": "BCFKS"}
_VERSIONS = ("TLSv1.3", "TLSv1.2")
_OLD_VERSIONS = frozenset({"SSLv2Hello", "SSLv3", "TLSv1", "TLSv1.1"})
_DETECTION_MS = 5000


def read(values: Values) -> TlsConfig:
    """Read all that concerns TLS; the files it names are opened later, by whoever starts the server."""
    port = values.port("secureClientPort") or None
    host = values.text("secureClientPortAddress") or None
    if host and port is None:
        raise ConfigError("secureClientPortAddress is set, but secureClientPort is not; set both or neither")
    client_unified = values.flag("client.portUnification", default=False)
    quorum_dials = values.flag("sslQuorum", default=False)
    quorum_unified = values.flag("portUnification", default=False)
    return TlsConfig(
        client=_client(values) if port or client_unified else None,
        secure_port=port,
        secure_host=host,
        client_unified=client_unified,
        quorum=_quorum(values) if quorum_dials or quorum_unified else None,
        quorum_dials=quorum_dials,
        quorum_unified=quorum_unified,
    )


def _client(values: Values) -> TlsSettings:
    return _settings(
        values,
        "ssl.",
        verify_client_name=False,
        reverse_lookup=False,
        reload=values.flag("client.certReload", default=False),
    )


def _quorum(values: Values) -> TlsSettings:
    return _settings(
        values,
        "ssl.quorum.",
        verify_client_name=True,
        reverse_lookup=True,
        reload=values.flag("sslQuorumReloadCertFiles", default=False),
    )


def read_admin(values: Values) -> TlsSettings:
    """Read how the AdminServer is secured: by the stores of the links between servers, as Apache's is."""
    need = values.flag("admin.needClientAuth", default=False)
    return replace(
        _quorum(values), client_auth=ClientAuth.NEED if need else ClientAuth.NONE, verify_client_name=False
    )


def _settings(
    values: Values, prefix: str, *, verify_client_name: bool, reverse_lookup: bool, reload: bool
) -> TlsSettings:
    """Read one set of keys; the flags are the defaults, which differ."""
    if supplier := values.text(f"{prefix}context.supplier.class"):
        raise ConfigError(
            f"{prefix}context.supplier.class={supplier} is a Java class, which this server cannot run;"
            f" set {prefix}keyStore.location and {prefix}trustStore.location instead"
        )
    key_store = _store(values, f"{prefix}keyStore")
    if key_store is None:
        raise ConfigError(
            f"{prefix}keyStore.location is not set; TLS needs a key store (PEM, PKCS12 or JKS) with this server's key"
        )
    trust_store = _store(values, f"{prefix}trustStore")
    if trust_store is None:
        values.warnings.append(
            f"{prefix}trustStore.location is not set; the certificates that this machine trusts are trusted"
        )
    verify_names = values.flag(f"{prefix}hostnameVerification", default=True)
    verify_clients = values.flag(f"{prefix}clientHostnameVerification", default=verify_client_name)
    suites = values.text(f"{prefix}ciphersuites").replace(" ", "")
    return TlsSettings(
        prefix=prefix,
        key_store=key_store,
        trust_store=trust_store,
        client_auth=_client_auth(values, f"{prefix}clientAuth"),
        verify_server_name=verify_names,
        verify_client_name=verify_names and verify_clients,
        reverse_lookup=values.flag(f"{prefix}allowReverseDnsLookup", default=reverse_lookup),
        protocols=_protocols(values, prefix),
        cipher_suites=tuple(suite for suite in suites.replace(":", ",").split(",") if suite),
        detection_s=values.number(
            f"{prefix}handshakeDetectionTimeoutMillis", _DETECTION_MS, 1, 3_600_000, "milliseconds"
        )
        / 1000,
        crl=values.flag(f"{prefix}crl", default=False),
        ocsp=values.flag(f"{prefix}ocsp", default=False),
        reload=reload,
        handshakes_max=_handshakes(values),
    )


def _store(values: Values, key: str) -> Store | None:
    """Read the keys of one store; None when it is not named."""
    location = values.text(f"{key}.location")
    if not location:
        return None
    kind = values.text(f"{key}.type").upper()
    if not kind:
        kind = _EXTENSIONS.get(Path(location).suffix, "")
        if not kind:
            raise ConfigError(
                f"{key}.location={location} does not tell its kind by its ending;"
                f" set {key}.type to PEM, PKCS12 or JKS"
            )
    if kind == "BCFKS":
        raise ConfigError(
            f"{key}.location={location} is a store of Bouncy Castle (BCFKS), which this server cannot read;"
            " convert it by keytool -importkeystore -deststoretype PKCS12"
        )
    if kind not in StoreKind.__members__:
        raise ConfigError(f"{key}.type={kind} does not exist; write PEM, PKCS12 or JKS")
    path = values.text(f"{key}.passwordPath")
    return Store(
        key,
        Path(location),
        StoreKind[kind],
        password=values.text(f"{key}.password"),
        password_path=Path(path) if path else None,
    )


def _client_auth(values: Values, key: str) -> ClientAuth:
    text = values.text(key, "need").lower()
    try:
        return ClientAuth(text)
    except ValueError:
        raise ConfigError(f"{key}={text} does not exist; write none, want or need") from None


def _protocols(values: Values, prefix: str) -> tuple[str, ...]:
    """Read which versions may be spoken: those listed, or those up to ``protocol``."""
    key = f"{prefix}enabledProtocols"
    text = values.text(key)
    if not text:
        key, text = f"{prefix}protocol", values.text(f"{prefix}protocol", "TLS")
    named = [name for name in text.replace(" ", "").split(",") if name]
    if key.endswith(".protocol") and named in (["TLS"], ["TLSv1.3"]):
        return _VERSIONS
    unknown = [name for name in named if name not in _VERSIONS and name not in _OLD_VERSIONS]
    if unknown:
        raise ConfigError(f"{key} names {unknown[0]}, which does not exist; write TLSv1.2,TLSv1.3")
    kept = tuple(name for name in _VERSIONS if name in named)
    if not kept:
        raise ConfigError(f"{key}={text} names only versions that are no longer safe; write TLSv1.2,TLSv1.3")
    if old := [name for name in named if name in _OLD_VERSIONS and name != "SSLv2Hello"]:
        values.warnings.append(f"{key} names {', '.join(old)}, no longer safe and never spoken; drop it")
    return kept


def _handshakes(values: Values) -> int:
    limit = values.number(
        "netty.server.outstandingHandshake.limit", -1, -1, limits.TLS_DOORSTEP_MAX, "handshakes"
    )
    return limit if limit > 0 else limits.TLS_HANDSHAKES_MAX
