"""One server, sans-I/O: the only place that knows zab, tree, wire and storage together.

    config        what an operator may set, as values
    service       what the parts below share: the state being served, and who is connected
    counters      exact counts and bounded samples of latency
    reads         requests answered from the tree, getData above all
    authentication  who a client says it is, and whether to believe it
    sessions      deadlines, owners, touches: who may still act
    writes        a request becomes a transaction here, or is sent to the leader
    handshake     the first frame of a client: a new session, an old one, or a refusal
    connection    one client: its frames, the order of its answers, its watches
    four_letter   the words of monitoring, and the texts they are answered with
    application   what agreement delivers: apply, watches, replies, snapshots
    peering       zab's packets over the host's links
    status        the server as the admin port shows it
    replica       all of it wired together, and the calls a host makes

A host calls the replica when something happened; effects leave, in order, through ``ensemble.ports``.
"""
