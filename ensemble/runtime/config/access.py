"""Who clients may be: providers, superusers, and what a client must have proved before it is served.

Source: ProviderRegistry, AuthenticationHelper and the providers of Apache's server/auth.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from ensemble.errors import ConfigError
from ensemble.replica.access.config import AccessConfig
from ensemble.runtime.config.sources import read_text
from ensemble.runtime.config.values import Values
from ensemble.sasl.jaas import Jaas
from ensemble.tree.access.access import Policy

JAAS_FILE = "java.security.auth.login.config"
DEFAULT_SECTION = "Server"
SUPER_DIGEST = "DigestAuthenticationProvider.superDigest"
SUPER_PASSWORD = "SASLAuthenticationProvider.superPassword"  # noqa: S105 - a key, not a password
_PACKAGE = "org.apache.zookeeper.server.auth."
_PROVIDERS = {
    f"{_PACKAGE}DigestAuthenticationProvider": "digest",
    f"{_PACKAGE}IPAuthenticationProvider": "ip",
    f"{_PACKAGE}SASLAuthenticationProvider": "sasl",
    f"{_PACKAGE}X509AuthenticationProvider": "x509",
    f"{_PACKAGE}EnsembleAuthenticationProvider": "ensemble",
}
_ALGORITHMS = {"SHA1": "sha1", "SHA": "sha1", "MD5": "md5"}
"""Java's names of hashes that differ from Python's by more than a dash."""


def read(values: Values) -> AccessConfig:
    """Read the group; :class:`ConfigError` for a protection that could not be kept."""
    policy = Policy(
        schemes=_schemes(values),
        skip=values.choice("skipACL", "no", ("yes", "no")) == "yes",
        any_sasl_user=values.text("letAnySaslUserDoX"),
    )
    names = values.text("ensembleAuthName")
    required = _required(values, policy.schemes)
    accounts = _accounts(values)
    if "sasl" in required and not accounts:
        raise ConfigError(
            "clients must pass SASL, but there is nobody who could; name a file with a section Server as "
            "java.security.auth.login.config"
        )
    return AccessConfig(
        policy=policy,
        digest_algorithm=_algorithm(values),
        super_digest=_super_digest(values),
        x509_super_user=values.text("X509AuthenticationProvider.superUser"),
        ensemble_names=frozenset(name.strip() for name in names.split(",")) if names else None,
        required_schemes=required,
        sasl_accounts=accounts,
        sasl_super_users=_sasl_super_users(values),
        sasl_failed_allowed=values.flag("allowSaslFailedClients", default=False),
    )


def _super_digest(values: Values) -> str:
    """Read the superuser's line; one that no password could prove is named, for nobody would come in by it."""
    digest = values.secret(SUPER_DIGEST)
    user, _, hashed = digest.partition(":")
    if digest and not (user and hashed):
        values.warnings.append(
            f"{SUPER_DIGEST} is not of the form super:<hash>, so nobody is let in by it; docs/access.md says how to "
            "make the hash"
        )
    return digest


def _schemes(values: Values) -> frozenset[str]:
    schemes = {"ip"}
    if values.flag("DigestAuthenticationProvider.enabled", default=True):
        schemes.add("digest")
    if values.keys.get("secureClientPort") or values.keys.get("client.portUnification", "").lower() == "true":
        schemes.add("x509")
    for key in [key for key in values.keys if key.startswith("authProvider.")]:
        provider = values.text(key)
        if provider in _PROVIDERS:
            schemes.add(_PROVIDERS[provider])
        else:
            values.warnings.append(
                f"{key}={provider} is a class of Java that this server does not know: nobody is let in by it"
            )
    return frozenset(schemes)


def _algorithm(values: Values) -> str:
    name = values.text("DigestAuthenticationProvider.digestAlg", "SHA1")
    found = _ALGORITHMS.get(name.upper(), name.lower().replace("sha-512/", "sha512_"))
    for algorithm in (found, found.replace("-", "", 1), found.replace("-", "_")):
        if algorithm in hashlib.algorithms_guaranteed and not algorithm.startswith("shake"):
            return algorithm
    raise ConfigError(
        f"DigestAuthenticationProvider.digestAlg={name} is not a hash this server knows; write for example SHA-256"
    )


def _accounts(values: Values) -> dict[str, str]:
    """Read who may come in by SASL; nobody when no file says so."""
    path, section = values.text(JAAS_FILE), values.text("sasl.serverconfig")
    if not path:
        if section:
            raise ConfigError(
                f"sasl.serverconfig={section} is set, but {JAAS_FILE} is not; name the file that has this section"
            )
        return {}
    jaas = Jaas(read_text(Path(path), JAAS_FILE, "give the path of a JAAS file"), path)
    if not section and DEFAULT_SECTION not in jaas:
        return {}
    accounts = jaas.accounts(section or DEFAULT_SECTION)
    if password := values.secret(SUPER_PASSWORD):
        if "super" in accounts:
            accounts["super"] = password
        else:
            values.warnings.append(f"{SUPER_PASSWORD} has no effect: {path} has no user_super to give it to")
    return accounts


def _sasl_super_users(values: Values) -> frozenset[str]:
    keys = [key for key in values.keys if key == "superUser" or key.startswith("superUser.")]
    return frozenset(values.text(key) for key in keys) - {""}


def _required(values: Values, schemes: frozenset[str]) -> frozenset[str]:
    if values.flag("sessionRequireClientSASLAuth", default=False):
        if "sasl" not in schemes:
            raise ConfigError(
                "sessionRequireClientSASLAuth=true needs SASL; write "
                f"authProvider.1={_PACKAGE}SASLAuthenticationProvider"
            )
        return frozenset({"sasl"})
    if not values.flag("enforce.auth.enabled", default=False):
        return frozenset()
    required = [scheme.strip() for scheme in values.text("enforce.auth.schemes").split(",")]
    if required == [""]:
        raise ConfigError(
            "enforce.auth.enabled=true needs a scheme; write for example enforce.auth.schemes=digest"
        )
    for scheme in required:
        if scheme not in schemes:
            raise ConfigError(
                f"enforce.auth.schemes names {scheme}, which this server does not offer; write some of "
                f"{', '.join(sorted(schemes))}, or enable it by an authProvider line"
            )
    return frozenset(required)
