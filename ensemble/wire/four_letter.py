"""The four-letter words: what a script sends to the client port in place of a ConnectRequest.

Read as a frame length, each of them is far over any limit, so the first four bytes of a connection tell a
word from a client without ambiguity (Apache's FourLetterCommands).
"""

from __future__ import annotations

WORDS: tuple[str, ...] = (
    "conf",
    "cons",
    "crst",
    "dirs",
    "dump",
    "envi",
    "gtmk",
    "hash",
    "isro",
    "mntr",
    "ruok",
    "srst",
    "srvr",
    "stat",
    "stmk",
    "wchc",
    "wchp",
    "wchs",
)

WORD_BYTES = 4

_BY_CODE: dict[int, str] = {int.from_bytes(word.encode(), "big"): word for word in WORDS}

TELNET_CLOSE = 0xFFF4FFFD
"""What telnet sends at Ctrl-C; answered by closing."""


def code_of(word: str) -> int:
    """Return a word as the integer a frame reader would see."""
    return int.from_bytes(word.encode(), "big")


def word_of(first: bytes | bytearray | memoryview) -> str | None:
    """Return the word that the first four bytes of a connection spell, or None."""
    return _BY_CODE.get(int.from_bytes(first[:WORD_BYTES], "big"))
