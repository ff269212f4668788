"""A throw-away ensemble for the tests of any Python project: real servers, up in a fraction of a second.

ensemble    what a test uses: ``with Ensemble() as zookeeper`` or ``async with``
servers     the processes and what can be done to them, on one event loop
fixtures    for pytest: ``zookeeper`` and ``zookeeper_ensemble``
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ensemble.testing.ensemble import AsyncEnsemble, Ensemble

__all__ = ["AsyncEnsemble", "Ensemble"]


def __getattr__(name: str) -> object:
    # pytest loads the fixtures in every project that this package is installed for: servers come when asked for.
    if name in __all__:
        from ensemble.testing import ensemble

        return getattr(ensemble, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
