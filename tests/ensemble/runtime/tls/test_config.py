"""The keys about TLS as operators write them, and every way they can be wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from ensemble.errors import ConfigError
from ensemble.runtime.config import report
from ensemble.runtime.config.tls import read
from ensemble.runtime.config.values import Values
from ensemble.runtime.tls.ciphers import openssl_name
from ensemble.runtime.tls.settings import ClientAuth, StoreKind, TlsConfig

CLIENT = {
    "secureClientPort": "2281",
    "ssl.keyStore.location": "/keys/server.jks",
    "ssl.keyStore.password": "secret",
    "ssl.trustStore.location": "/keys/trust.p12",
}


def test_nothing_said_is_no_tls() -> None:
    assert read(Values({"clientPort": "2181"})) == TlsConfig()


def test_a_secure_client_port_with_apaches_defaults() -> None:
    tls = read(Values(CLIENT))
    assert (tls.secure_port, tls.secure_host, tls.client_unified, tls.quorum) == (2281, None, False, None)
    settings = tls.client
    assert settings is not None
    assert settings.key_store.path == Path("/keys/server.jks")
    assert (settings.key_store.kind, settings.key_store.password) == (StoreKind.JKS, "secret")
    assert settings.trust_store is not None
    assert settings.trust_store.kind is StoreKind.PKCS12
    assert settings.client_auth is ClientAuth.NEED
    assert not settings.verify_client_name
    assert not settings.reload
    assert settings.detection_s == 5.0


def test_every_key_arrives() -> None:
    tls = read(
        Values(
            {
                "clientPort": "2181",
                "client.portUnification": "true",
                "client.certReload": "true",
                "ssl.keyStore.location": "/keys/server",
                "ssl.keyStore.type": "pem",
                "ssl.keyStore.passwordPath": "/keys/password",
                "ssl.trustStore.location": "/keys/trust.pem",
                "ssl.clientAuth": "WANT",
                "ssl.clientHostnameVerification": "true",
                "ssl.allowReverseDnsLookup": "true",
                "ssl.enabledProtocols": "TLSv1.2",
                "ssl.ciphersuites": "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,TLS_AES_256_GCM_SHA384",
                "ssl.crl": "true",
                "ssl.ocsp": "true",
                "ssl.handshakeDetectionTimeoutMillis": "1500",
                "netty.server.outstandingHandshake.limit": "7",
            }
        )
    )
    settings = tls.client
    assert settings is not None
    assert tls.client_unified
    assert settings.key_store.kind is StoreKind.PEM
    assert settings.key_store.password_path == Path("/keys/password")
    assert settings.client_auth is ClientAuth.WANT
    assert settings.verify_client_name
    assert settings.reverse_lookup
    assert settings.reload
    assert settings.crl
    assert settings.ocsp
    assert settings.protocols == ("TLSv1.2",)
    assert len(settings.cipher_suites) == 2
    assert settings.detection_s == 1.5
    assert settings.handshakes_max == 7


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"ssl.keyStore.location": ""}, "ssl.keyStore.location is not set; TLS needs a key store"),
        ({"secureClientPort": "", "secureClientPortAddress": "h"}, "but secureClientPort is not"),
        ({"ssl.keyStore.location": "/keys/server.key"}, "set ssl.keyStore.type to PEM, PKCS12 or JKS"),
        (
            {"ssl.keyStore.location": "/k.bcfks"},
            "convert it by keytool -importkeystore -deststoretype PKCS12",
        ),
        ({"ssl.trustStore.type": "KDB"}, "ssl.trustStore.type=KDB does not exist"),
        ({"ssl.clientAuth": "maybe"}, "ssl.clientAuth=maybe does not exist; write none, want or need"),
        ({"ssl.enabledProtocols": "TLSv1,SSLv3"}, "only versions that are no longer safe"),
        ({"ssl.protocol": "TLSv9"}, "ssl.protocol names TLSv9"),
        ({"ssl.context.supplier.class": "a.B"}, "is a Java class, which this server cannot run"),
    ],
)
def test_a_wrong_value_is_one_sentence(change: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(Values(CLIENT | change))
    assert said in str(caught.value)


def test_old_versions_beside_good_ones_are_dropped_with_a_warning() -> None:
    values = Values(CLIENT | {"ssl.enabledProtocols": "SSLv2Hello,TLSv1.1,TLSv1.2"})
    settings = read(values).client
    assert settings is not None
    assert settings.protocols == ("TLSv1.2",)
    assert values.warnings == ["ssl.enabledProtocols names TLSv1.1, no longer safe and never spoken; drop it"]


def test_a_password_is_not_shown() -> None:
    for keys in (CLIENT, {"ssl.keyStore.password": "secret"}):
        values = Values(keys)
        read(values)
        shown = {line.key: line.value for line in report.lines(values)}
        assert shown["ssl.keyStore.password"] == "(hidden)"
        assert "secret" not in repr(read(values))


@pytest.mark.parametrize(
    ("java", "openssl"),
    [
        ("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "ECDHE-RSA-AES128-GCM-SHA256"),
        ("TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384", "ECDHE-ECDSA-AES256-SHA384"),
        ("TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA", "ECDHE-RSA-AES256-SHA"),
        ("TLS_RSA_WITH_AES_128_CBC_SHA256", "AES128-SHA256"),
        ("TLS_DHE_RSA_WITH_AES_256_GCM_SHA384", "DHE-RSA-AES256-GCM-SHA384"),
        ("TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", "ECDHE-RSA-CHACHA20-POLY1305"),
        ("ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-GCM-SHA256"),
    ],
)
def test_suites_have_openssls_names(java: str, openssl: str) -> None:
    assert openssl_name(java) == openssl
