"""Small worlds, all of them: every order of events in an ensemble of three, over the real code of ``ensemble.zab``.

    values       copies and canonical forms of whole object graphs, closures included
    disk         the history of one server, told apart into what is durable and what is not
    server       one server: a ``Peer`` on ports that record what it asks for
    locals       what one server can be, and what each event makes of it: worked out once, looked up ever after
    ways         links with what is under way on them, dials, election messages
    world        all servers and everything between them: which events may happen, and what follows
    starts       worlds to begin with: switched off, elected, a write under way, an old leader about to return
    invariants   what must hold in every world
    search       breadth first over all worlds, each visited once
    crew         the same by several processes
    story        a path through the worlds in words, and the way to walk it again

Where the simulator draws one order of events from a seed and runs whole servers, the explorer takes every order and
runs only the agreement. There is no time: a timer is an event that may happen whenever it is armed.
"""
