"""ASN.1 values in DER, as trees of tag and bytes: no more than names and key stores need."""

from __future__ import annotations

from dataclasses import dataclass

from ensemble.errors import ConfigError


class DamagedDer(ConfigError):
    """The bytes are not DER."""


@dataclass(frozen=True, slots=True)
class Der:
    """One value."""

    tag: int
    value: bytes
    """What it holds; of a SEQUENCE or SET, the encodings of its members."""
    encoded: bytes
    """All of it, tag and length included."""

    @classmethod
    def parse(cls, data: bytes) -> Der:
        """Read the value that ``data`` begins with; :class:`DamagedDer`."""
        if len(data) < 2:
            raise DamagedDer("it ends too early")
        tag, length, start = data[0], data[1], 2
        if length & 0x80:
            start = 2 + (length & 0x7F)
            length = int.from_bytes(data[2:start], "big")
        if len(data) < start + length:
            raise DamagedDer("it ends too early")
        return cls(tag, data[start : start + length], data[: start + length])

    def children(self) -> list[Der]:
        """Return the members of a SEQUENCE or SET."""
        rest, found = self.value, []
        while rest:
            found.append(Der.parse(rest))
            rest = rest[len(found[-1].encoded) :]
        return found

    def dotted(self) -> str:
        """Write an OBJECT IDENTIFIER as people do."""
        arcs, arc = [], 0
        for byte in self.value:
            arc = arc << 7 | byte & 0x7F
            if not byte & 0x80:
                arcs.append(arc)
                arc = 0
        first = min(arcs[0] // 40, 2) if arcs else 0
        return ".".join(str(arc) for arc in [first, arcs[0] - 40 * first, *arcs[1:]]) if arcs else ""
