"""One client's requests, from its frames to its answers.

    pipeline         they come in, are told apart, and go on their way in order
    answering        they are answered in that order, and reads in runs
    reads            what is answered from the tree, getData above all
    writes           a request becomes a transaction here, or goes to the leader
    reconfiguration  the write that changes the membership: what it asks for, and what forbids it
    reaper           the writes of the leader itself: znodes whose time is over
    outcomes         what a client is told of its write
    credentials      the packets in which it proves who it is
    waiting          one request that is not answered yet
    backlog          all of a client's, and the bounds of that
    activity         what it did last, for whoever lists connections

Nothing here knows of sockets: frames come from ``clients``, and answers leave through an ``Outlet``.
"""
