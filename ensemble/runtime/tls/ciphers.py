"""Cipher suites and protocol versions: Java's names, which zoo.cfg holds, as OpenSSL has them.

OpenSSL lets Python choose among the suites of TLS 1.2 only. Those of 1.3 are all good; a list without any of
them means that 1.3 is not wanted, a list of nothing else that only 1.3 is.
"""

from __future__ import annotations

import re
import ssl

from ensemble.errors import ConfigError
from ensemble.runtime.tls.settings import TlsSettings

VERSIONS = {"TLSv1.2": ssl.TLSVersion.TLSv1_2, "TLSv1.3": ssl.TLSVersion.TLSv1_3}
SUITES_13 = frozenset({"TLS_AES_256_GCM_SHA384", "TLS_AES_128_GCM_SHA256", "TLS_CHACHA20_POLY1305_SHA256"})

SUITES_12 = (
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:"
    "ECDHE-ECDSA-AES128-SHA256:ECDHE-RSA-AES128-SHA256:ECDHE-ECDSA-AES128-SHA:ECDHE-RSA-AES128-SHA:"
    "ECDHE-ECDSA-AES256-SHA384:ECDHE-RSA-AES256-SHA384:ECDHE-ECDSA-AES256-SHA:ECDHE-RSA-AES256-SHA"
)
"""The suites that Apache's servers offer when nothing is set, and ChaCha20."""

_JAVA = re.compile(r"(?:TLS|SSL)_(?P<exchange>\w+)_WITH_(?P<cipher>\w+)_(?P<hash>SHA\d*|MD5)")


def openssl_name(suite: str) -> str:
    """Translate Java's name of a suite; one that is OpenSSL's already stays as it is."""
    found = _JAVA.fullmatch(suite)
    if found is None:
        return suite
    cipher = re.sub(r"AES_(\d+)", r"AES\1", found["cipher"]).removesuffix("_CBC").replace("_", "-")
    exchange = "" if found["exchange"] == "RSA" else found["exchange"].replace("_", "-") + "-"
    return f"{exchange}{cipher}" + ("" if "POLY1305" in cipher else f"-{found['hash']}")


def restrict(context: ssl.SSLContext, settings: TlsSettings) -> None:
    """Allow ``context`` the versions and suites that ``settings`` name; :class:`ConfigError` when none is left."""
    versions = {VERSIONS[name] for name in settings.protocols}
    suites = set(settings.cipher_suites)
    older = [openssl_name(suite) for suite in settings.cipher_suites if suite not in SUITES_13]
    if suites and not suites & SUITES_13:
        versions.discard(ssl.TLSVersion.TLSv1_3)
    if suites and not older:
        versions.discard(ssl.TLSVersion.TLSv1_2)
    if not versions:
        raise ConfigError(
            f"{settings.prefix}ciphersuites has no suite for {','.join(settings.protocols)};"
            f" add one or drop {settings.prefix}enabledProtocols"
        )
    context.minimum_version, context.maximum_version = min(versions), max(versions)
    for name in older:
        try:
            context.set_ciphers(name)
        except ssl.SSLError:
            raise ConfigError(
                f"{settings.prefix}ciphersuites names {name}, which OpenSSL does not know; drop it"
            ) from None
    context.set_ciphers(":".join(older) if older else SUITES_12)
