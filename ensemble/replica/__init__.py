"""One server, sans-I/O: the only place that knows zab, tree, wire and storage together.

    config          what an operator may set, as values
    counters        exact counts, and bounded samples of latency
    service         what the parts below share: the state being served, and who is connected
    history         the store, with a stopwatch
    authentication  who a client says it is, and whether to believe it
    reads           requests answered from the tree, getData above all
    answers         what a client is told of its write
    deadlines       when sessions expire, looked at twice a tick
    local_sessions  those that only this server knows of, and how they become everybody's
    sessions        deadlines, owners, touches: who may still act
    writes          a request becomes a transaction here, or goes to the leader
    backlog         what one client waits for, and the bounds of that
    activity        what one connection did last
    answering       how one client's requests are answered, in order, and reads in runs
    pipeline        the requests of one session as they come in, and on their way
    handshake       the first frame of a client: a new session, an old one, or a refusal
    channel         the bytes of one client's socket
    connection      one client's socket, from its first byte to its last
    idle            connections that have gone silent
    clients         who may have a connection, and all of them at hand
    read_only       reads without a quorum
    restoring       a snapshot from elsewhere, proved before it replaces anything
    application     what agreement delivers: apply, watches, replies, snapshots
    peering         zab's packets over the host's links
    four_letter     the words of monitoring, with the figures of metrics
    status          the server as the admin port shows it
    replica         all of it wired together, and the calls a host makes

A host calls the replica when something happened; effects leave, in order, through ``ensemble.ports``.
"""
