"""A typed line as words, as zkCli takes it apart: blanks separate, quotes of either kind keep together."""

from __future__ import annotations

import re

_WORD = re.compile(r"""\s*([^"']\S*|"[^"]*"|'[^']*')\s*""")


def split(text: str) -> list[str]:
    """Return the words of ``text``; a word that begins with a quote loses its quotes, no other does."""
    return [_bare(match[1]) for match in _WORD.finditer(text) if match[1].strip()]


def _bare(word: str) -> str:
    quoted = len(word) > 1 and word[0] in "\"'" and word[-1] == word[0]
    return word[1:-1] if quoted else word
