"""The values of a configuration file, one at a time: a number, a flag, a directory, or one sentence.

Every sentence names the key and the fix.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ensemble.errors import ConfigError
from ensemble.runtime.config import keys as known


class Values:
    """Keys and values of one file, and the warnings its reading gave."""

    def __init__(self, keys: Mapping[str, str]) -> None:
        self.keys = keys
        self.warnings: list[str] = []

    def text(self, key: str, default: str = "") -> str:
        """Return the value of ``key``."""
        return self.keys.get(key) or default

    def number(self, key: str, default: int, low: int, high: int, unit: str) -> int:
        """Read a whole number from ``low`` to ``high``, decimal or 0x…; ``unit`` is for the sentence."""
        text = self.keys.get(key, "")
        if not text:
            return default
        try:
            value = int(text, 0) if text.lower().startswith("0x") else int(text)
        except ValueError:
            raise ConfigError(f"{key}={text} is not a number of {unit}; write {key}=<number>") from None
        if not low <= value <= high:
            raise ConfigError(f"{key}={text} is out of range; write {low} to {high} {unit}")
        return value

    def flag(self, key: str, *, default: bool) -> bool:
        """Read ``true`` or ``false``."""
        text = self.keys.get(key, "").lower()
        if text not in ("", "true", "false"):
            raise ConfigError(f"{key}={self.keys[key]} is neither true nor false; write one of them")
        return text == "true" if text else default

    def directory(self, key: str) -> Path:
        """Read a directory that must be named."""
        if text := self.keys.get(key):
            return Path(text)
        raise ConfigError(f"{key} is not set; write {key}=<directory>")

    def judge(self) -> None:
        """Warn of keys without effect; ``ConfigError`` for what must not be ignored."""
        for key, value in self.keys.items():
            effect = known.effect_of(key)
            if effect is known.Effect.UNKNOWN:
                self.warnings.append(f"{key} is not a key this server knows; it is ignored")
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
        if key in known.REFUSED:
            raise ConfigError(f"{key}={value} is asked for, but {known.REFUSED[key]}; drop the line")
        if key.startswith(known.OTHER_QUORUMS):
            raise ConfigError(f"{key} is set, but this server knows majority quorums only; drop the line")
        self.warnings.append(f"{key} has no effect: this server does not have that feature")
