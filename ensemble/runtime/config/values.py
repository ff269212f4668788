"""The values of a configuration file, one at a time: a number, a flag, a directory, or one sentence.

Every sentence names the key and the fix.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from ensemble.errors import ConfigError
from ensemble.runtime.config import keys as known

PORT_MAX = 65535
_COMMENT = re.compile(r"\s#")


def shown(key: str, value: str) -> str:
    """Return ``value`` as it may be shown to people: passwords may not."""
    return "(hidden)" if value and key.lower().endswith("password") else value


class Values:
    """Keys and values of one configuration, where each is from, and the warnings its reading gave."""

    def __init__(self, keys: Mapping[str, str], origins: Mapping[str, str] | None = None) -> None:
        """``origins`` says of each key where it was written, for people."""
        self.keys = keys
        self.origins = origins or {}
        self.effective: dict[str, str] = {}
        """What has been read so far: each key with the value in force, its default included."""
        self.warnings: list[str] = []

    def settle(self, key: str, value: object) -> None:
        """Note the value in force of ``key``, where it is not simply what was written or the default."""
        self.effective[key] = shown(key, str(value).lower() if isinstance(value, bool) else str(value))

    def text(self, key: str, default: str = "") -> str:
        """Return the value of ``key``."""
        value = self.keys.get(key) or default
        self.settle(key, value)
        return value

    def secret(self, key: str) -> str:
        """Return the value of ``key``, which is not shown to anybody."""
        value = self.keys.get(key, "")
        self.settle(key, "(hidden)" if value else "")
        return value

    def number(self, key: str, default: int, low: int, high: int, unit: str) -> int:
        """Read a whole number from ``low`` to ``high``, decimal or 0x…; ``unit`` is for the sentence."""
        text = self.keys.get(key, "")
        value = default if not text else _number(text)
        if value is None:
            raise ConfigError(f"{key}={text} is not a number of {unit}; write {key}=<number>")
        if text and not low <= value <= high:
            raise ConfigError(f"{key}={text} is out of range; write {low} to {high} {unit}")
        self.settle(key, value)
        return value

    def port(self, key: str) -> int:
        """Read a port; 0 when none is named."""
        text = self.keys.get(key, "")
        port = _number(text) if text else 0
        if port is None or (text and not 1 <= port <= PORT_MAX):
            raise ConfigError(f"{key}={text} is not a port; write {key}=<1 to {PORT_MAX}>")
        self.settle(key, port or "none")
        return port

    def choice(self, key: str, default: str, choices: Iterable[str]) -> str:
        """Read one of a few words, in whatever case it is written."""
        text = self.keys.get(key, "") or default
        found = next((choice for choice in choices if choice.lower() == text.lower()), None)
        if found is None:
            raise ConfigError(f"{key}={text} does not exist; write {' or '.join(filter(None, choices))}")
        self.settle(key, found)
        return found

    def flag(self, key: str, *, default: bool) -> bool:
        """Read ``true`` or ``false``."""
        text = self.keys.get(key, "").lower()
        if text not in ("", "true", "false"):
            raise ConfigError(f"{key}={self.keys[key]} is neither true nor false; write one of them")
        value = text == "true" if text else default
        self.settle(key, value)
        return value

    def directory(self, key: str) -> Path:
        """Read a directory that must be named."""
        if text := self.keys.get(key):
            self.settle(key, text)
            if not text.startswith(("/", "./", "../")):
                self.warnings.append(
                    f"{key}={text} is a path relative to where this server was started, taken as it stands (no quotes, "
                    f"no ~, no variables); write {key}=/..., or ./{text} if it is meant"
                )
            return Path(text)
        raise ConfigError(f"{key} is not set; write {key}=<directory>")

    def judge(self) -> None:
        """Warn of keys without effect; ``ConfigError`` for what must not be ignored."""
        for key, value in self.keys.items():
            if _COMMENT.search(value):
                self.warnings.append(
                    f"{key}={shown(key, value)} has its # taken for a part of the value; put comments on lines of "
                    "their own"
                )
            effect = known.effect_of(key)
            if effect is known.Effect.UNKNOWN:
                meant = known.nearest(key)
                hint = f"; write {meant} if that is meant" if meant else ""
                self.warnings.append(f"{key} is not a key this server knows; it is ignored{hint}")
            elif effect is known.Effect.WITHOUT:
                self._judge_missing(key, value)
        if self.keys.get("electionAlg", "3") != "3":
            raise ConfigError(
                f"electionAlg={self.keys['electionAlg']} does not exist any more; drop the line"
            )

    def _judge_missing(self, key: str, value: str) -> None:
        off = known.WITHOUT_MEANS_OFF.get(key)
        if off is not None and value.lower() in (off, ""):
            return
        if key == known.ORACLE:
            raise ConfigError(f"{key} is set, but this server asks no oracle who may decide; drop the line")
        self.warnings.append(f"{key} has no effect: this server does not have that feature")


def _number(text: str) -> int | None:
    try:
        return int(text, 0) if text.lower().startswith("0x") else int(text)
    except ValueError:
        return None
