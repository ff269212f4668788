"""Names of users that other systems give: of a certificate (x509), of SASL (sasl). Which of them are names at all.

An access list may hold only what its scheme can read; a name that no client can have is refused when it is
written (Apache's X509AuthenticationProvider and SASLAuthenticationProvider, ``isValid``).
"""

from __future__ import annotations

import re

_KERBEROS = re.compile(r"[^/@]*(/[^/@]*)?@[^/@]*")

_KEYWORDS = frozenset(
    {
        "C", "CN", "DC", "DNQ", "DNQUALIFIER", "EMAIL", "EMAILADDRESS", "GENERATION", "GIVENNAME", "INITIALS", "IP",
        "L", "O", "OU", "S", "SERIALNUMBER", "ST", "STREET", "SURNAME", "T", "UID",
    }
)  # fmt: skip
"""What Java's X500Principal reads as the type of a part of a name, besides dotted object identifiers."""

_OBJECT_ID = re.compile(r"(OID\.)?[0-2](\.\d+)+", re.IGNORECASE)
_PART = re.compile(
    r"""
    \s* (?P<type> [A-Za-z][A-Za-z0-9.\-]* | [0-9.]+ ) \s* = \s*
    (?: \#[0-9A-Fa-f]+ | "(?: [^"\\] | \\. )*" | (?: [^",;+<>\\=\#] | \\. ) (?: [^",;+<>\\] | \\. )* | )
    \s* (?P<next> [,;+] | \Z )
    """,
    re.VERBOSE | re.DOTALL,
)


def is_sasl_name(name: str) -> bool:
    """Tell whether SASL can give ``name``: any text, but one with ``@`` must be a Kerberos principal."""
    return "@" not in name or _KERBEROS.fullmatch(name) is not None


def is_distinguished_name(name: str) -> bool:
    """Tell whether ``name`` is an X.500 name, as in ``CN=client,O=example`` (RFC 2253)."""
    offset = 0
    while name:
        part = _PART.match(name, offset)
        if part is None or not (part["type"].upper() in _KEYWORDS or _OBJECT_ID.fullmatch(part["type"])):
            return False
        if not part["next"]:
            return True
        offset = part.end()
    return True
