"""A throw-away ensemble for the tests of any Python project: real servers, up in a fraction of a second.

ensemble    what a test uses: ``with Ensemble() as zookeeper`` or ``async with``
servers     the processes and what can be done to them, on one event loop
fixtures    for pytest: ``zookeeper`` and ``zookeeper_ensemble``
"""

from ensemble.testing.ensemble import AsyncEnsemble, Ensemble

__all__ = ["AsyncEnsemble", "Ensemble"]
