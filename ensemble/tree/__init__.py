"""The agreed state of one server: znodes, sessions and watches, and what may happen to them.

    operations   what a client may ask, as values
    txns         what the log holds, as values and as bytes
    node, owner  one znode; what its owner field can mean
    znodes       all of them, by path
    tree         every znode and session; ``apply``, the one way they change
    digest       the incremental hash two servers compare
    prepare/     leader only: a request becomes a transaction, or a refusal
    access/      access control lists
    quotas       what is used of the quotas, and the texts it is kept in
    watches      who is to be told what
    sessions     ids, passwords, expiry
    snapshot     a whole tree as bytes, and back

No I/O, no clock, no randomness: times and ids come in with the calls. The room does not know what a
leader, a follower or a socket is, and never imports ``zab``.
"""
