"""The one room of the panel that looks at an ensemble.

    sources.py     which servers there are, from the settings and from the supervisor
    clocks.py      the servers' clocks laid over the panel's
    proposals.py   each proposal's stages, joined by zxid from all servers' traces
    model.py       what is known of the ensemble: pure, fed by the feeds, read by everyone
    rates.py       operations a second from the servers' exact counters
    feeds.py       one task per server and one for the supervisor: connect, read, come again
    publisher.py   what changed, coalesced, to the Channels layer's groups
    znodes.py      the tree through an ordinary client session
    kinds.py       what a znode's name and stat say about its kind
    holders.py     sessions and watches of all servers, joined
    actions.py     faults, processes, session expiry
    blast.py       what an action would do, from the model: pure
    gateway.py     all of it together: one per panel, with the calls views may make
    remote.py      the same calls from a panel process that has no gateway of its own

Views get it from :func:`dashboard.gateway.access.gateway`; what goes in and out of its calls is JSON (and bytes).
"""
