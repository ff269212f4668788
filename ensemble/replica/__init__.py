"""One server, sans-I/O: the only place that knows zab, tree, wire and storage together.

The whole
    replica         all of it wired together, and the calls a host makes
    service         what the parts share: the state being served, and who is connected
    config          what an operator may set, as values;  access_config, admission_config  parts of it

One client
    clients         who may have a connection, and all of them at hand
    handshake       the first frame: a new session, an old one, or a refusal;  arrivals  how many may come
    connection      one client's socket, from its first byte to its last;  channel  the bytes of it
    authentication  who a client says it is, and whether to believe it;  credentials  as it proves that
    idle            connections that have gone silent;  activity  what one did last

Its requests
    pipeline        the requests of one session as they come in, and on their way
    answering       how they are answered, in order, and reads in runs
    reads           what is answered from the tree, getData above all;  read_only  without a quorum
    writes          a request becomes a transaction here, or goes to the leader
    answers         what a client is told of its write
    waiting         one request that is not answered yet;  backlog  all of a client's, and the bounds of that
    throttle        whose turn it is when only so many may be on their way;  admission  all such bounds

Sessions
    sessions        deadlines, owners, touches: who may still act
    deadlines       when they expire, looked at twice a tick
    local_sessions  those that only this server knows of, and how they become everybody's
    reaper          znodes whose time is over

The agreement
    application     what it delivers: apply, watches, replies, snapshots
    reconfiguration changes of the membership: asked for, forbidden, in force
    peering         zab's packets over the host's links
    history         the store, with a stopwatch
    restoring       a snapshot from elsewhere, proved before it replaces anything

What it tells
    counters        exact counts, and bounded samples of latency;  metrics  their names
    four_letter     the words of monitoring;  commands  the AdminServer's
    status          the server as the admin port shows it
    audit           who changed what

A host calls the replica when something happened; effects leave, in order, through ``ensemble.ports``.
"""
