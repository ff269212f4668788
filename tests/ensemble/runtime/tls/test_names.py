"""Names as Java writes them, and certificates that name a host or do not."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.name import _ASN1Type
from cryptography.x509.oid import NameOID
from cryptography.x509.oid import ObjectIdentifier as Oid

from ensemble.runtime.tls.names import distinguished_name, is_issued_to, subject_of
from tests.authority import Authority, common_name

JAVA = """
import java.nio.file.*;
import java.util.HexFormat;
import javax.security.auth.x500.X500Principal;
public class Names {
    public static void main(String[] names) throws Exception {
        var out = new java.io.PrintStream(System.out, true, "UTF-8");
        for (String name : names) out.println(new X500Principal(HexFormat.of().parseHex(name)).getName());
    }
}
"""


def name(*parts: tuple[Oid, str]) -> x509.Name:
    return x509.Name([x509.NameAttribute(kind, value) for kind, value in parts])


EMAIL = NameOID.EMAIL_ADDRESS
NAMES = {
    "all-keywords": name(
        (NameOID.COUNTRY_NAME, "DE"),
        (NameOID.STATE_OR_PROVINCE_NAME, "Bayern"),
        (NameOID.LOCALITY_NAME, "München"),
        (NameOID.STREET_ADDRESS, "Am Hang 1"),
        (NameOID.ORGANIZATION_NAME, "Gänse & Söhne"),
        (NameOID.ORGANIZATIONAL_UNIT_NAME, "Hof"),
        (NameOID.DOMAIN_COMPONENT, "example"),
        (NameOID.USER_ID, "u1"),
        (NameOID.COMMON_NAME, "anna"),
    ),
    "email-and-serial": name((NameOID.COMMON_NAME, "anna"), (EMAIL, "a@b.c"), (NameOID.SERIAL_NUMBER, "42")),
    "escapes": name((NameOID.COMMON_NAME, 'a,b=c+d<e>f#g;h"i\\j')),
    "blanks": name((NameOID.COMMON_NAME, "  two before, one behind ")),
    "only-blanks": name((NameOID.COMMON_NAME, "   ")),
    "hash-first": name((NameOID.COMMON_NAME, "#4142")),
    "several-in-one-part": x509.Name(
        [
            x509.RelativeDistinguishedName(
                [
                    x509.NameAttribute(NameOID.COMMON_NAME, "anna"),
                    x509.NameAttribute(NameOID.USER_ID, "u1"),
                ]
            ),
            x509.RelativeDistinguishedName([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "o")]),
        ]
    ),
    "unknown-kind": name((Oid("1.2.3.4.5"), "x" * 200)),
    "bmp-string": x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "wide", _type=_ASN1Type.BMPString)]),
    "empty": x509.Name([]),
}


def test_names_read_as_rfc_2253_has_them() -> None:
    written = {key: distinguished_name(one.public_bytes()) for key, one in NAMES.items()}
    assert written["all-keywords"] == (
        "CN=anna,UID=u1,DC=example,OU=Hof,O=Gänse & Söhne,STREET=Am Hang 1,L=München,ST=Bayern,C=DE"
    )
    assert written["email-and-serial"] == "2.5.4.5=#13023432,1.2.840.113549.1.9.1=#16056140622e63,CN=anna"
    assert written["escapes"] == r"CN=a\,b\=c\+d\<e\>f\#g\;h\"i\\j"
    assert written["blanks"] == r"CN=\ \ two before\, one behind\ "
    assert written["several-in-one-part"] == "O=o,CN=anna+UID=u1"


def test_names_are_javas_to_the_letter(tmp_path: Path) -> None:
    if shutil.which("javac") is None:
        pytest.skip("needs Java's compiler")
    (tmp_path / "Names.java").write_text(JAVA)
    command = ["java", "-Xshare:auto", str(tmp_path / "Names.java")]
    done = subprocess.run(
        [*command, *(one.public_bytes().hex() for one in NAMES.values())],
        capture_output=True,
        timeout=60,
        check=True,
    )
    said = done.stdout.decode().split("\n")
    ours = [distinguished_name(one.public_bytes()) for one in NAMES.values()]
    assert said[:-1] == ours


def test_the_subject_of_a_certificate(tmp_path: Path) -> None:
    issued = Authority(tmp_path).issue(name((NameOID.ORGANIZATION_NAME, "o"), (NameOID.COMMON_NAME, "anna")))
    assert subject_of(issued.der) == "CN=anna,O=o"


@pytest.mark.parametrize(
    ("hosts", "addresses", "asked", "named"),
    [
        (("zoo1",), (), "zoo1", True),
        (("ZOO1.example",), (), "zoo1.Example", True),
        (("zoo1",), (), "zoo2", False),
        (("*.example",), (), "zoo1.example", True),
        (("*.example",), (), "a.zoo1.example", False),
        (("zoo*.example",), (), "zoo17.example", True),
        (("*.example",), (), "example", False),
        ((), ("10.0.0.1",), "10.0.0.1", True),
        ((), ("10.0.0.1",), "10.0.0.2", False),
        ((), ("fd00::1",), "fd00:0:0:0:0:0:0:1", True),
        (("10.0.0.1",), (), "10.0.0.1", False),
        (("zoo1",), (), "common", False),
        ((), (), "common", True),
        ((), (), "other", False),
    ],
)
def test_whom_a_certificate_names(
    tmp_path: Path, hosts: tuple[str, ...], addresses: tuple[str, ...], asked: str, named: bool
) -> None:
    issued = Authority(tmp_path).issue(common_name("common"), hosts=hosts, addresses=addresses)
    assert is_issued_to(issued.der, asked) is named
