"""ASN.1 values in DER, as trees of tag and bytes: no more than names and key stores need."""

from __future__ import annotations

from dataclasses import dataclass

from ensemble.errors import ConfigError

IDENTIFIER_BYTES_MAX = 128
"""An object identifier in use has some ten bytes."""


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
    def parse(cls, data: bytes, offset: int = 0) -> Der:
        """Read the value that begins at ``offset``; :class:`DamagedDer`."""
        if len(data) < offset + 2:
            raise DamagedDer("it ends too early")
        tag, length, start = data[offset], data[offset + 1], offset + 2
        if length & 0x80:
            start += length & 0x7F
            length = int.from_bytes(data[offset + 2 : start], "big")
        if len(data) < start + length:
            raise DamagedDer("it ends too early")
        return cls(tag, data[start : start + length], data[offset : start + length])

    def children(self) -> list[Der]:
        """Return the members of a SEQUENCE or SET."""
        offset, found = 0, []
        while offset < len(self.value):
            found.append(Der.parse(self.value, offset))
            offset += len(found[-1].encoded)
        return found

    def pair(self) -> tuple[Der, Der]:
        """Return the members of a SEQUENCE of two; :class:`DamagedDer` when they are more or fewer."""
        members = self.children()
        if len(members) != 2:
            raise DamagedDer(f"it has {len(members)} values where two belong")
        return members[0], members[1]

    def dotted(self) -> str:
        """Write an OBJECT IDENTIFIER as people do; :class:`DamagedDer` for one that no name needs."""
        if len(self.value) > IDENTIFIER_BYTES_MAX:
            raise DamagedDer(f"it has an object identifier of {len(self.value)} bytes")
        arcs, arc = [], 0
        for byte in self.value:
            arc = arc << 7 | byte & 0x7F
            if not byte & 0x80:
                arcs.append(arc)
                arc = 0
        first = min(arcs[0] // 40, 2) if arcs else 0
        return ".".join(str(arc) for arc in [first, arcs[0] - 40 * first, *arcs[1:]]) if arcs else ""
