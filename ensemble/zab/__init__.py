"""ZAB: agreement on one order of transactions, which it carries as opaque bytes.

    peer           one server: which role it plays now
    messages       what servers say to each other
    ports          what ZAB asks of the server around it
    phase, quorum  the names of the phases; who may decide
    view           the membership in force, and the one that is proposed
    election       who might lead (fast leader election)
    term           what one term as leader and one as learner share
    learner/       discovery, synchronization and broadcast, seen from a follower or an observer
    leader/        the same, seen from the leader
    patience       how soon a leader that refused it is dialed again
    restoration    a snapshot from elsewhere in the place of the history
    meter          what ZAB measures of itself

Words: a *voter* is a participant of the membership; *round* is the election's logical clock; *accepted epoch* is a
promise made in discovery, *current epoch* is the one whose history this server holds; *history* is the log of
transactions; a transaction is *proposed*, *logged* (durable on one server), *acked*, *committed* (a quorum acked it
and all before it) and *applied*.
"""
