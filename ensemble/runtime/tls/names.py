"""The names in a certificate: its subject as Java writes it, and whether it was issued to a host.

Access lists of the scheme x509 hold subjects as X500Principal.getName() gives them, so they are written here
letter for letter as sun.security.x509.AVA does (RFC 2253). Hosts are matched as Apache's
ZKHostnameVerifier does: alternative names when there are any, else the common name; an asterisk stands
for a part of one label.
"""

from __future__ import annotations

import ipaddress

from cryptography import x509
from cryptography.x509.oid import NameOID

from ensemble.runtime.tls.der import Der

_KEYWORDS = {
    "2.5.4.3": "CN",
    "2.5.4.6": "C",
    "2.5.4.7": "L",
    "2.5.4.8": "ST",
    "2.5.4.9": "STREET",
    "2.5.4.10": "O",
    "2.5.4.11": "OU",
    "0.9.2342.19200300.100.1.25": "DC",
    "0.9.2342.19200300.100.1.1": "UID",
}
"""The attributes that RFC 2253 has names for. All others are written as number and DER in hex, email included."""
_STRINGS = frozenset({0x0C, 0x13, 0x14, 0x16, 0x1B, 0x1E})
"""UTF8String, PrintableString, T61String, IA5String, GeneralString, BMPString."""
_ESCAPED = frozenset(',=+<>#;"\\')
_BLANK = " \r"


def subject_of(certificate: bytes) -> str:
    """Return the subject of a certificate in DER, as Java's X500Principal.getName() does."""
    return distinguished_name(x509.load_der_x509_certificate(certificate).subject.public_bytes())


def distinguished_name(name: bytes) -> str:
    """Write a Name in DER as RFC 2253 has it: last part first, no blank behind a comma."""
    parts = [
        "+".join(_attribute(attribute) for attribute in part.children())
        for part in Der.parse(name).children()
    ]
    return ",".join(reversed(parts))


def _attribute(attribute: Der) -> str:
    kind, value = attribute.pair()
    keyword = _KEYWORDS.get(kind.dotted())
    if keyword is None or value.tag not in _STRINGS:
        return f"{keyword or kind.dotted()}=#{value.encoded.hex()}"
    return f"{keyword}={_escape(value.value.decode('utf-8', 'replace'))}"


def _escape(text: str) -> str:
    escaped = "".join(
        f"\\{letter}" if letter in _ESCAPED else "\\00" if letter == "\0" else letter for letter in text
    )
    inner = escaped.strip(_BLANK)
    lead = len(escaped) - len(escaped.lstrip(_BLANK))
    before, behind = escaped[:lead], escaped[lead + len(inner) :]
    return "".join(f"\\{blank}" for blank in before) + inner + "".join(f"\\{blank}" for blank in behind)


def is_issued_to(certificate: bytes, host: str) -> bool:
    """Tell whether a certificate in DER names ``host``, a host name or an address."""
    parsed = x509.load_der_x509_certificate(certificate)
    hosts, addresses = _alternative_names(parsed)
    if hosts or addresses:
        address = _address(host)
        if address is not None:
            return address in addresses
        return any(_matches(host, name) for name in hosts)
    names = parsed.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return bool(names) and _matches(host, str(names[-1].value))


def describe(certificate: bytes) -> str:
    """Name the hosts of a certificate for people."""
    parsed = x509.load_der_x509_certificate(certificate)
    hosts, addresses = _alternative_names(parsed)
    return ", ".join([*hosts, *map(str, addresses)]) or distinguished_name(parsed.subject.public_bytes())


def _alternative_names(
    certificate: x509.Certificate,
) -> tuple[list[str], list[ipaddress.IPv4Address | ipaddress.IPv6Address]]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return [], []
    addresses = [
        address
        for address in names.get_values_for_type(x509.IPAddress)
        if isinstance(address, (ipaddress.IPv4Address, ipaddress.IPv6Address))
    ]
    return names.get_values_for_type(x509.DNSName), addresses


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        return None


def _matches(host: str, pattern: str) -> bool:
    host, pattern = host.lower().rstrip("."), pattern.lower()
    prefix, asterisk, suffix = pattern.partition("*")
    if not asterisk:
        return host == pattern
    if len(host) < len(prefix) + len(suffix) or not (host.startswith(prefix) and host.endswith(suffix)):
        return False
    return "." not in host[len(prefix) : len(host) - len(suffix)]
