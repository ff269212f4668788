"""The figures of one server under the names Apache's dashboards and alerts ask for.

    registry     names, and where each figure is read when somebody asks; rows for ``mntr``
    names        every name this server has, over its counters and its state
    latency      how long clients wait
    exposition   the same for Prometheus

Figures are counted where they happen (``replica.counters``, ``zab.meter``); nothing here runs unasked.
"""
