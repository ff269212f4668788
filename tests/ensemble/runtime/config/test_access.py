"""The keys that say who clients may be, and every way they can be wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from ensemble.errors import ConfigError
from ensemble.replica.access.config import AccessConfig
from ensemble.runtime.config import access
from ensemble.runtime.config.values import Values

AUTH = "org.apache.zookeeper.server.auth."


def read(**keys: str) -> AccessConfig:
    return access.read(Values({key.replace("_", "."): value for key, value in keys.items()}))


def test_what_apache_does_by_default() -> None:
    config = read()
    assert config == AccessConfig()
    assert config.policy.schemes == {"ip", "digest"}


def test_superusers_providers_and_the_ensembles_name() -> None:
    config = access.read(
        Values(
            {
                "DigestAuthenticationProvider.superDigest": "super:hash",
                "DigestAuthenticationProvider.digestAlg": "SHA-256",
                "X509AuthenticationProvider.superUser": "CN=root",
                "authProvider.1": f"{AUTH}X509AuthenticationProvider",
                "authProvider.names": f"{AUTH}EnsembleAuthenticationProvider",
                "ensembleAuthName": "main, blue",
                "enforce.auth.enabled": "true",
                "enforce.auth.schemes": "digest, x509",
                "skipACL": "yes",
            }
        )
    )
    assert config.policy.schemes == {"ip", "digest", "x509", "ensemble"}
    assert config.policy.skip
    assert (config.super_digest, config.digest_algorithm) == ("super:hash", "sha256")
    assert config.x509_super_user == "CN=root"
    assert config.ensemble_names == {"main", "blue"}
    assert config.required_schemes == {"digest", "x509"}


@pytest.mark.parametrize(
    ("written", "known"),
    [("SHA1", "sha1"), ("sha-1", "sha1"), ("MD5", "md5"), ("SHA-512", "sha512"), ("SHA3-256", "sha3_256")],
)
def test_javas_names_of_hashes(written: str, known: str) -> None:
    config = access.read(Values({"DigestAuthenticationProvider.digestAlg": written}))
    assert config.digest_algorithm == known


def test_a_secure_port_brings_certificates() -> None:
    assert "x509" in read(secureClientPort="2281").policy.schemes


def test_digest_can_be_switched_off() -> None:
    assert read(DigestAuthenticationProvider_enabled="false").policy.schemes == {"ip"}


def test_the_super_digest_is_shown_to_nobody() -> None:
    values = Values({"DigestAuthenticationProvider.superDigest": "super:hash"})
    config = access.read(values)
    assert "super:hash" not in repr(config)
    assert values.effective["DigestAuthenticationProvider.superDigest"] == "(hidden)"


def test_a_provider_of_somebody_elses_is_named_and_lets_nobody_in() -> None:
    values = Values({"authProvider.1": "com.example.Provider"})
    assert access.read(values).policy.schemes == {"ip", "digest"}
    assert "authProvider.1=com.example.Provider" in values.warnings[0]


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"DigestAuthenticationProvider.digestAlg": "CRC"}, "digestAlg=CRC is not a hash"),
        ({"enforce.auth.enabled": "true"}, "write for example enforce.auth.schemes=digest"),
        (
            {"enforce.auth.enabled": "true", "enforce.auth.schemes": "x509"},
            "names x509, which this server does not offer",
        ),
        ({"enforce.auth.enabled": "maybe"}, "neither true nor false"),
        ({"skipACL": "perhaps"}, "skipACL=perhaps"),
    ],
)
def test_a_wrong_value_is_one_sentence(keys: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        access.read(Values(keys))
    assert said in str(caught.value)


# --- SASL ----------------------------------------------------------------------------------------------

SASL = f"{AUTH}SASLAuthenticationProvider"
JAAS = """
Server { org.apache.zookeeper.server.auth.DigestLoginModule required user_ann="secret" user_super="a"; };
Other { org.apache.zookeeper.server.auth.DigestLoginModule required user_bob="hidden"; };
QuorumServer { com.sun.security.auth.module.Krb5LoginModule required; };
"""


@pytest.fixture
def jaas(tmp_path: Path) -> str:
    path = tmp_path / "jaas.conf"
    path.write_text(JAAS)
    return str(path)


def test_users_come_from_the_file_that_java_is_told_of(jaas: str) -> None:
    config = access.read(
        Values(
            {
                "java.security.auth.login.config": jaas,
                "authProvider.1": SASL,
                "sessionRequireClientSASLAuth": "true",
                "superUser": "root",
                "superUser.2": "ann",
                "allowSaslFailedClients": "true",
            }
        )
    )
    assert config.sasl_accounts == {"ann": "secret", "super": "a"}
    assert config.sasl_super_users == {"root", "ann"}
    assert config.required_schemes == {"sasl"}
    assert config.sasl_required
    assert config.sasl_failed_allowed
    assert "secret" not in repr(config)


def test_another_password_for_super_who_must_be_there(jaas: str) -> None:
    keys = {"java.security.auth.login.config": jaas, "SASLAuthenticationProvider.superPassword": "better"}
    assert access.read(Values(keys)).sasl_accounts == {"ann": "secret", "super": "better"}
    values = Values(keys | {"sasl.serverconfig": "Other"})
    assert access.read(values).sasl_accounts == {"bob": "hidden"}
    assert "has no user_super" in values.warnings[0]
    assert "better" not in values.effective.values()


def test_a_file_for_other_servers_only_lets_no_client_in(tmp_path: Path) -> None:
    path = tmp_path / "jaas.conf"
    path.write_text("QuorumServer { a.B required; };")
    assert access.read(Values({"java.security.auth.login.config": str(path)})).sasl_accounts == {}


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"sasl.serverconfig": "QuorumServer"}, "asks for Kerberos (GSSAPI), which is not spoken here"),
        ({"sasl.serverconfig": "Nobody"}, "has no section Nobody"),
        ({"java.security.auth.login.config": "/nowhere/jaas"}, "/nowhere/jaas does not exist"),
        (
            {"java.security.auth.login.config": "", "sasl.serverconfig": "Server"},
            "sasl.serverconfig=Server is set, but java.security.auth.login.config is not",
        ),
        ({"sessionRequireClientSASLAuth": "true"}, f"write authProvider.1={SASL}"),
        (
            {
                "java.security.auth.login.config": "",
                "authProvider.1": SASL,
                "enforce.auth.enabled": "true",
                "enforce.auth.schemes": "sasl",
            },
            "there is nobody who could",
        ),
    ],
)
def test_sasl_that_cannot_work_is_one_sentence(jaas: str, keys: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        access.read(Values({"java.security.auth.login.config": jaas, **keys}))
    assert said in str(caught.value)
