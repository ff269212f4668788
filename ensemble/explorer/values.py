"""Copies and canonical forms of whole object graphs, closures and bound methods included.

``copy.deepcopy`` takes functions for atoms, so a callback would go on to point into the original; here its cells are
copied too. Nothing is listed by hand: a new field of a class is copied and compared without anybody thinking of it.
"""

from __future__ import annotations

from collections import deque
from enum import Enum
from types import BuiltinFunctionType, CellType, FunctionType, MethodType
from typing import Any, TypeVar

T = TypeVar("T")
_ATOMS = frozenset({int, str, bytes, bool, float, type(None), type, BuiltinFunctionType})

_SLOTS: dict[type, tuple[str, ...]] = {}


class Graphs:
    """How graphs are copied and compared: what is shared, and what makes no difference."""

    def __init__(self, *, shared: tuple[type, ...], indifferent: frozenset[str]) -> None:
        """``shared`` are types whose objects never change, or whose changes make no difference; ``indifferent`` are
        names of attributes that do not tell states apart."""
        self._shared = shared
        self._indifferent = indifferent

    # -- copies ------------------------------------------------------------------------------------------

    def copy(self, root: T) -> T:
        """Copy everything that can be reached from ``root``."""
        copied: T = self._copy(root, {})
        return copied

    def _copy(self, value: Any, memo: dict[int, Any]) -> Any:
        kind = type(value)
        if kind in _ATOMS:
            return value
        known = memo.get(id(value))
        if known is not None:
            return known
        if kind is tuple:
            return tuple([self._copy(each, memo) for each in value])
        if isinstance(value, (self._shared, Enum)):
            return value
        if kind in (list, deque):
            made = memo[id(value)] = kind() if kind is list else deque(maxlen=value.maxlen)
            made.extend([self._copy(each, memo) for each in value])
            return made
        if kind is dict:
            table: dict[Any, Any] = {}
            memo[id(value)] = table
            for key, each in value.items():
                table[self._copy(key, memo)] = self._copy(each, memo)
            return table
        if kind in (set, frozenset):
            return kind([self._copy(each, memo) for each in value])
        if kind is MethodType:
            return MethodType(value.__func__, self._copy(value.__self__, memo))
        if kind is FunctionType:
            return self._copy_function(value, memo)
        return self._copy_object(value, memo)

    def _copy_function(self, value: FunctionType, memo: dict[int, Any]) -> FunctionType:
        if value.__closure__ is None:
            return value
        cells = tuple([CellType() for _ in value.__closure__])
        made = FunctionType(value.__code__, value.__globals__, value.__name__, value.__defaults__, cells)
        made.__kwdefaults__ = value.__kwdefaults__
        made.__qualname__ = value.__qualname__
        memo[id(value)] = made
        for cell, original in zip(cells, value.__closure__, strict=True):
            cell.cell_contents = self._copy(original.cell_contents, memo)
        return made

    def _copy_object(self, value: Any, memo: dict[int, Any]) -> Any:
        made = memo[id(value)] = object.__new__(type(value))
        for name in _names(value):
            object.__setattr__(made, name, self._copy(getattr(value, name), memo))
        return made

    # -- canonical forms ---------------------------------------------------------------------------------

    def canonical(self, root: object) -> Any:
        """Return a hashable value that is equal for graphs that nothing tells apart.

        Sets, and dictionaries by plain values, count without their order.
        """
        return self._canonical(root, {})

    def _canonical(self, value: Any, seen: dict[int, int]) -> Any:
        kind = type(value)
        if kind in _ATOMS:
            return value
        if kind is tuple:
            return tuple([self._canonical(each, seen) for each in value])
        if isinstance(value, Enum):
            return value.name
        if isinstance(value, self._shared):
            return value if _is_value(value) else kind.__name__
        number = seen.get(id(value))
        if number is not None:
            return ("seen", number)
        seen[id(value)] = len(seen)
        form = getattr(value, "canonical", None)
        if form is not None:
            return form()
        if kind in (list, deque):
            return tuple([self._canonical(each, seen) for each in value])
        if kind is dict:
            entries = value.items() if _in_order(value) else sorted(value.items())
            return tuple([(self._canonical(key, seen), self._canonical(each, seen)) for key, each in entries])
        if kind in (set, frozenset):
            return tuple([self._canonical(each, seen) for each in sorted(value)])
        if kind is MethodType:
            return ("method", value.__func__.__qualname__, self._canonical(value.__self__, seen))
        if kind is FunctionType:
            cells = value.__closure__ or ()
            return (value.__qualname__, *[self._canonical(cell.cell_contents, seen) for cell in cells])
        if getattr(value, "active", True) is False:
            return ("over", kind.__name__, value.epoch)  # a term that is over does nothing (I13)
        names = [name for name in sorted(_names(value)) if name not in self._indifferent]
        return (kind.__name__, *[self._canonical(getattr(value, name), seen) for name in names])


def _is_value(value: object) -> bool:
    if isinstance(value, tuple):
        return True
    parameters = getattr(type(value), "__dataclass_params__", None)
    return parameters is not None and bool(parameters.frozen)


def _in_order(table: dict[Any, Any]) -> bool:
    """Tell whether the order of a dictionary says something: objects are kept as they came, plain values are not."""
    return any(hasattr(key, "canonical") for key in table)


def _names(value: Any) -> list[str]:
    slots = [name for name in _slots(type(value)) if hasattr(value, name)]
    return [*getattr(value, "__dict__", ()), *slots]


def _slots(kind: type) -> tuple[str, ...]:
    known = _SLOTS.get(kind)
    if known is None:
        found: list[str] = []
        for each in kind.__mro__:
            slots = each.__dict__.get("__slots__", ())
            found += (slots,) if isinstance(slots, str) else slots
        known = _SLOTS[kind] = tuple([name for name in found if name not in ("__dict__", "__weakref__")])
    return known
