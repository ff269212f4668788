"""Between agreement and the state: what the ensemble agrees on becomes what this server serves.

    application  what it delivers: apply, watches, replies
    peering      its packets over the host's links
    history      its log: the store, with a stopwatch
    snapshots    the state on disk: built from it, and saved when it is time
    restoring    a snapshot from elsewhere, proved before it replaces anything
    read_only    what is served while there is no quorum

The agreement itself is ``ensemble.zab``.
"""
