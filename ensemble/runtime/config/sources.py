"""Where a configuration is written: the file, the dynamic file it names, and ``-D`` on the command line.

As with Apache's server (QuorumPeerConfig.parseProperties), a key of the file that is not one of the parser's own
becomes the Java property ``zookeeper.<key>``, and so beats the same property of the command line; and the
parser's own keys are read from the file only.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ensemble.errors import ConfigError
from ensemble.runtime.config import properties
from ensemble.runtime.config.keys import FILE_ONLY

PREFIX = "zookeeper."
COMMAND_LINE = "command line"
_HEXADECIMAL = re.compile("[0-9a-f]+")


@dataclass(slots=True)
class Sources:
    """Keys and values without the ``zookeeper.`` prefix, and where each is from."""

    keys: dict[str, str] = field(default_factory=dict)
    origins: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    def take(self, keys: Mapping[str, str], origin: str) -> None:
        """Add keys, which replace those of the same name; say so where the command line loses by that."""
        for key, value in keys.items():
            bare = key.removeprefix(PREFIX)
            if self.origins.get(bare) == COMMAND_LINE and self.keys[bare] != value:
                self.warnings.append(
                    f"-D{PREFIX}{bare}={self.keys[bare]} loses to {bare}={value} of {origin}"
                )
            self.keys[bare] = value
            self.origins[bare] = origin


def gather(path: Path, arguments: Iterable[str] = ()) -> Sources:
    """Read the file ``path`` over ``arguments`` (``key=value``, as after ``-D``), and the dynamic file over both.

    :class:`ConfigError` when a file cannot be read or an argument is none.
    """
    sources = Sources()
    for argument in arguments:
        key, separator, value = argument.partition("=")
        if not separator or not key:
            raise ConfigError(
                f"-D{argument} is not of the form -Dkey=value; write for example -Dzookeeper.snapCount=1000"
            )
        if key.removeprefix(PREFIX) in FILE_ONLY:
            sources.warnings.append(
                f"-D{key} has no effect: this key is read from the file only; write it to {path.name}"
            )
        else:
            sources.take({key: value.strip()}, COMMAND_LINE)
    sources.take(_parsed(read_text(path, "the configuration"), path.name), path.name)
    if dynamic := sources.keys.get("dynamicConfigFile"):
        text = read_text(
            Path(dynamic), "dynamicConfigFile", "correct the path, or write the server lines into it"
        )
        sources.take(_parsed(text, Path(dynamic).name), Path(dynamic).name)
        version = dynamic.rpartition(".")[2]
        if _HEXADECIMAL.fullmatch(version):
            sources.take({"version": version}, f"the name of {Path(dynamic).name}")
    return sources


def _parsed(text: str, name: str) -> dict[str, str]:
    """Read properties; :class:`ConfigError` for characters that can be in no name of a file or host."""
    found = properties.parse(text)
    for key, value in found.items():
        if "\0" in key + value or any("\ud800" <= letter <= "\udfff" for letter in key + value):
            raise ConfigError(f"{key!r} of {name} holds a NUL or half a character; write the line anew")
    return found


def read_text(path: Path, what: str, fix: str = "give the path of a zoo.cfg") -> str:
    """Read a file; :class:`ConfigError` calls it ``what``, and says ``fix`` when there is none."""
    try:
        return path.read_text(encoding="utf-8-sig")  # some editors begin a file with a byte order mark
    except FileNotFoundError:
        raise ConfigError(f"{what} {path} does not exist; {fix}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{what} {path} cannot be read ({error}); make it a readable text file") from None
