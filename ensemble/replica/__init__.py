"""One server, sans-I/O: the only place that knows zab, tree, wire and storage together.

replica       all of it wired together, and the calls a host makes
service       what the parts share: the state being served, and who is connected
config        what an operator may set, as values
counters      exact counts, and bounded samples of latency, counted where it happens

access/       who clients are, and the log of what they changed
admission/    how much they may ask
sessions/     who may still act
requests/     one client's requests, from its frames to its answers
clients/      one client's socket, and all of them
agreement/    what servers agree on becomes the state that is served
monitoring/   what a server tells of itself

``access`` and ``admission`` stand below the service; each room after them looks into those before it, and none into
one behind it. Begin with ``requests``: it is what all the others are for.

A host calls the replica when something happened; effects leave, in order, through ``ensemble.ports``.
"""
