"""The file in which Java keeps who is who: sections of login modules with their options.

    Server {
        org.apache.zookeeper.server.auth.DigestLoginModule required
        user_ann="secret"
        user_bob="hidden";
    };
    Client {
        org.apache.zookeeper.server.auth.DigestLoginModule required username="ann" password="secret";
    };

Apache's servers read ``Server`` (their clients) and ``QuorumServer`` (other servers that connect), its clients
``Client``, and a server that connects to another ``QuorumLearner``. Every way a text can be wrong ends in a
:class:`ConfigError` of one sentence. Facts: javax.security.auth.login.Configuration, sun.security.provider.ConfigFile.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from ensemble.errors import ConfigError

DIGEST_MODULE = "org.apache.zookeeper.server.auth.DigestLoginModule"
_FLAGS = ("required", "requisite", "sufficient", "optional")
_USER = "user_"

_TOKEN = re.compile(
    r"""
    (?P<blank> \s+ | //[^\n]* | /\*.*?\*/ )
    | (?P<sign> [{};=] )
    | "(?P<quoted> (?: [^"\\\n] | \\. )* )"
    | (?P<word> [^\s"{};=/]+ )
    """,
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}


@dataclass(frozen=True, slots=True)
class LoginModule:
    """One module of a section."""

    name: str
    options: Mapping[str, str] = field(repr=False)


class Jaas:
    """The sections of one file."""

    def __init__(self, text: str, source: str) -> None:
        """Read ``text``; ``source`` is what the sentences about it call it."""
        self._source = source
        self._sections = _Parser(text, source).sections()

    def __contains__(self, section: str) -> bool:
        return section in self._sections

    def accounts(self, section: str) -> dict[str, str]:
        """Return the users a server lets in, with their passwords."""
        found: dict[str, str] = {}
        for options in self._digest_options(section):
            for option, value in options.items():
                if option.startswith(_USER):
                    found[option.removeprefix(_USER)] = value
        if not found:
            raise ConfigError(f'{section} of {self._source} names no user; add user_NAME="password" to it')
        return found

    def login(self, section: str) -> tuple[str, str]:
        """Return the user to log in as, and the password."""
        for options in self._digest_options(section):
            if "username" in options:
                return options["username"], options.get("password", "")
        raise ConfigError(
            f'{section} of {self._source} names no user to log in as; add username="..." and password="..." to it'
        )

    def _digest_options(self, section: str) -> Iterator[Mapping[str, str]]:
        if section not in self._sections:
            raise ConfigError(f"{self._source} has no section {section}; add one, or name another section")
        for module in self._sections[section]:
            if module.name != DIGEST_MODULE:
                what = "Kerberos (GSSAPI)" if "Krb5" in module.name else module.name
                raise ConfigError(
                    f"{section} of {self._source} asks for {what}, which is not spoken here; "
                    f"use {DIGEST_MODULE}, or take the section out"
                )
            yield module.options


class _Parser:
    """Reads tokens, one ahead."""

    def __init__(self, text: str, source: str) -> None:
        self._source = source
        self._line = 1
        self._tokens = self._scan(text)
        self._next = next(self._tokens, None)

    def sections(self) -> dict[str, tuple[LoginModule, ...]]:
        found: dict[str, tuple[LoginModule, ...]] = {}
        while self._next is not None:
            name = self._word("the name of a section")
            if name in found:
                raise self._wrong(f"the section {name} a second time")
            self._sign("{")
            modules: list[LoginModule] = []
            while not self._at("}"):
                modules.append(self._module())
            self._sign("}")
            self._sign(";")
            found[name] = tuple(modules)
        return found

    def _module(self) -> LoginModule:
        name = self._word("the name of a login module")
        flag = self._word("required or optional")
        if flag.lower() not in _FLAGS:
            raise self._wrong(f"{flag} instead of {', '.join(_FLAGS)}")
        options: dict[str, str] = {}
        while not self._at(";"):
            option = self._word("an option or ;")
            self._sign("=")
            value = self._word("a value")
            if "${" in value:
                raise self._wrong(
                    f"a Java property in {option}, which is not replaced here: write the value itself"
                )
            options[option] = value
        self._sign(";")
        return LoginModule(name, options)

    def _scan(self, text: str) -> Iterator[tuple[bool, str]]:
        """Yield (is a sign, text) of each token; comments and blanks go."""
        offset = 0
        while offset < len(text):
            token = _TOKEN.match(text, offset)
            if token is None:
                raise self._wrong(f"{text[offset]!r}, which is not understood")
            offset = token.end()
            if token["sign"]:
                yield True, token["sign"]
            elif token["word"]:
                yield False, token["word"]
            elif token["quoted"] is not None:
                yield False, _ESCAPE.sub(lambda match: _ESCAPES.get(match[1], match[1]), token["quoted"])
            self._line += token[0].count("\n")

    def _take(self) -> None:
        self._next = next(self._tokens, None)

    def _at(self, sign: str) -> bool:
        return self._next == (True, sign)

    def _sign(self, sign: str) -> None:
        if not self._at(sign):
            raise self._wrong(f"no {sign} where one is due")
        self._take()

    def _word(self, what: str) -> str:
        if self._next is None or self._next[0]:
            raise self._wrong(f"something else where {what} is due")
        word = self._next[1]
        self._take()
        return word

    def _wrong(self, what: str) -> ConfigError:
        return ConfigError(f"{self._source} has, near line {self._line}, {what}; correct that line")
