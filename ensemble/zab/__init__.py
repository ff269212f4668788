"""ZAB: agreement on one order of transactions, which it carries as opaque bytes.

    messages           what servers say to each other
    ports              what ZAB asks of the server around it
    phase, quorum      the names of the phases; who may decide
    restoration        a snapshot from elsewhere in the place of the history
    meter              what ZAB measures of itself
    view               the membership in force, and the one that is proposed
    election           who might lead (fast leader election)
    term               what one term as leader and one as learner share
    joining            discovery, seen from a follower or an observer
    patience           how soon a leader that refused it is dialed again
    following          what it does with transactions and memberships
    learner            its synchronization, and all that may be said to it
    establishment      discovery and synchronization, seen from the leader
    leader             the broadcast, seen from the leader
    followers, syncs   what a leader keeps of its learners, and the syncs it owes
    synchronization    DIFF, TRUNC or SNAP: a pure choice
    peer               one server: which of these roles it plays now

Words: a *voter* is a participant of the membership; *round* is the election's logical clock; *accepted epoch* is a
promise made in discovery, *current epoch* is the one whose history this server holds; *history* is the log of
transactions; a transaction is *proposed*, *logged* (durable on one server), *acked*, *committed* (a quorum acked it
and all before it) and *applied*.
"""
