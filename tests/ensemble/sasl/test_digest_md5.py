"""DIGEST-MD5: the example of its RFC, our two ends against each other, and every way an end can cheat."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ensemble.errors import WireError
from ensemble.sasl import digest_md5
from ensemble.sasl.digest_md5 import CLIENT_PORT, NONCE_BYTES, Initiator, Responder, SaslError

ACCOUNTS = {"ann": "secret", "Zoë": "gruß", "李": "密码"}
ONE, TWO = bytes(NONCE_BYTES), bytes(range(NONCE_BYTES))


def responder() -> Responder:
    return Responder(ACCOUNTS, CLIENT_PORT, random_bytes=ONE)


def initiator(user: str = "ann", password: str = "secret") -> Initiator:
    return Initiator(user, password, CLIENT_PORT, random_bytes=TWO)


def test_the_example_of_the_rfc(monkeypatch: pytest.MonkeyPatch) -> None:
    """RFC 2831, section 4: an IMAP login of chris."""
    nonces = iter([b"OA6MG9tEQGm2hh", b"OA6MHXh6VqTrRk"])
    monkeypatch.setattr(digest_md5, "_nonce", lambda random_bytes: next(nonces))
    server = Responder({"chris": "secret"}, ("imap", "elwood.innosoft.com"), random_bytes=ONE)
    challenge = server.step(b"")
    assert challenge == (
        b'realm="elwood.innosoft.com",nonce="OA6MG9tEQGm2hh",charset=utf-8,algorithm=md5-sess'
    )
    client = Initiator("chris", "secret", ("imap", "elwood.innosoft.com"), random_bytes=ONE)
    response = client.step(challenge)
    assert b"response=d388dad90d4bbd760a152321f2143af7" in response
    assert server.step(response) == b"rspauth=ea40f60335c427b5527b84dbabcdfffd"
    assert server.user == "chris"


@pytest.mark.parametrize("user", ACCOUNTS)
def test_our_two_ends_agree(user: str) -> None:
    server, client = responder(), initiator(user, ACCOUNTS[user])
    assert client.step(server.step(client.step(server.step(b"")))) == b""
    assert client.complete
    assert server.user == user


def test_a_quote_in_a_name_stays_part_of_it() -> None:
    name = 'a"b\\c,d'
    server = Responder({name: "x"}, ("p", 'h"h'), random_bytes=ONE)
    client = Initiator(name, "x", ("p", 'h"h'), random_bytes=TWO)
    server.step(client.step(server.step(b"")))
    assert server.user == name


@pytest.mark.parametrize(("user", "password"), [("ann", "guess"), ("bob", "secret"), ("bob", ""), ("", "")])
def test_a_wrong_name_or_password_proves_nothing(user: str, password: str) -> None:
    server = responder()
    response = initiator(user, password).step(server.step(b""))
    with pytest.raises(SaslError, match="no such user, or another password"):
        server.step(response)
    assert server.user is None
    with pytest.raises(SaslError, match="behind the end"):
        server.step(initiator().step(responder().step(b"")))


def test_a_response_is_good_for_one_challenge() -> None:
    replayed = initiator().step(responder().step(b""))
    other = Responder(ACCOUNTS, CLIENT_PORT, random_bytes=TWO)
    other.step(b"")
    with pytest.raises(SaslError, match="another challenge"):
        other.step(replayed)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ((b'realm="zk-sasl-md5"', b'realm="other"'), "realm"),
        ((b'"zookeeper/zk-sasl-md5"', b'"imap/zk-sasl-md5"'), "service"),
        ((b'"zookeeper/zk-sasl-md5"', b'"zookeeper/zk-sasl-md5x"'), "service"),
        ((b"nc=00000001", b"nc=00000002"), "another challenge"),
        ((b"qop=auth", b"qop=auth-conf"), "protection"),
        ((b"charset=utf-8", b"charset=koi8-r"), "charset"),
        ((b'username="ann",', b""), "without username"),
        ((b"response=", b"answer="), "without response"),
        ((b"qop=auth", b'qop=auth,username="bob"'), "username twice"),
        ((b'username="ann"', b'username="ann'), "no list of directives"),
        ((b"qop=auth", b"qop=auth,x=" + bytes(5000)), "bytes"),
    ],
)
def test_a_response_that_is_not_for_us_is_refused(change: tuple[bytes, bytes], said: str) -> None:
    server = responder()
    response = initiator().step(server.step(b""))
    assert change[0] in response
    with pytest.raises(SaslError, match=said):
        server.step(response.replace(*change))
    assert server.user is None


def test_another_user_cannot_be_asked_for() -> None:
    """The authorization id is part of what the hash covers, and gives nobody another name."""
    server = responder()
    response = initiator().step(server.step(b""))
    with pytest.raises(SaslError, match="another password"):
        server.step(response + b',authzid="super"')


def test_what_comes_before_the_challenge_is_passed_over() -> None:
    assert responder().step(b'username="ann"') == responder().step(b"")


def test_a_server_that_does_not_know_the_password_is_found_out() -> None:
    client = initiator()
    client.step(responder().step(b""))
    with pytest.raises(SaslError, match="does not know our password"):
        client.step(b"rspauth=" + b"0" * 32)
    assert not client.complete


@pytest.mark.parametrize(
    "challenge",
    [
        b"",
        b'realm="r",algorithm=md5-sess',
        b'realm="r",nonce="n"',
        b'nonce="n",algorithm=md5-sess,qop="auth-conf"',
        b'nonce="n",algorithm=md5-sess,more="' + b"x" * 2048 + b'"',
    ],
)
def test_a_challenge_that_cannot_be_answered_is_refused(challenge: bytes) -> None:
    with pytest.raises(SaslError):
        initiator().step(challenge)


@given(st.binary(max_size=200))
@example(b'"=')
@example(b"a=" + b'"' * 100)
def test_any_bytes_are_answered_or_refused(token: bytes) -> None:
    for end in (responder(), initiator()):
        if isinstance(end, Responder):
            end.step(b"")
        with pytest.raises(WireError):
            end.step(token)
