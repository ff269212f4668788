"""JAAS files as operators write them, and every way they can be wrong."""

from __future__ import annotations

import pytest

from ensemble.errors import ConfigError
from ensemble.sasl.jaas import Jaas

FILE = """
// Who may come in.
Server {
    org.apache.zookeeper.server.auth.DigestLoginModule required
    user_super="admin secret" /* the first
    of them */
    user_bob=plain
    user_eve="say \\"hi\\"";
};
Client { org.apache.zookeeper.server.auth.DigestLoginModule REQUIRED username="bob" password="plain"; };
"Kafka Server" {
    com.sun.security.auth.module.Krb5LoginModule required useKeyTab=true keyTab="/etc/zk.keytab";
};
Empty { };
"""


def test_users_and_their_passwords() -> None:
    jaas = Jaas(FILE, "jaas.conf")
    assert jaas.accounts("Server") == {"super": "admin secret", "bob": "plain", "eve": 'say "hi"'}
    assert jaas.login("Client") == ("bob", "plain")
    assert "Server" in jaas
    assert "server" not in jaas


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ("Kafka Server", r"asks for Kerberos \(GSSAPI\), which is not spoken here; use org.apache"),
        ("Nobody", "jaas.conf has no section Nobody"),
        ("Empty", "names no user"),
        ("Client", "names no user; add user_NAME"),
    ],
)
def test_a_section_that_lets_nobody_in_is_one_sentence(section: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        Jaas(FILE, "jaas.conf").accounts(section)


def test_a_section_with_nobody_to_log_in_as_is_one_sentence() -> None:
    with pytest.raises(ConfigError, match="names no user to log in as"):
        Jaas(FILE, "jaas.conf").login("Server")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Server", r"near line 1, no \{ where one is due"),
        ("Server {\n a.B required user_x=1 }\n;", "something else where an option"),
        ("Server {\n a.B required user_x=1;\n}", "line 3, no ; where one is due"),
        ("Server { a.B maybe; };", "maybe instead of required"),
        ('Server { a.B required x="open; };', "is not understood"),
        ("Server { a.B required x ; };", "no = where one is due"),
        ('Server { a.B required x="${user.home}"; };', "a Java property in x"),
        ("A { }; A { };", "the section A a second time"),
    ],
)
def test_a_text_that_is_no_jaas_file_is_one_sentence(text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        Jaas(text, "jaas.conf")
    assert "\n" not in str(caught.value)


def test_passwords_are_shown_to_nobody() -> None:
    assert "admin secret" not in repr(Jaas(FILE, "jaas.conf")._sections)
