"""Bytes <-> values, for everything that crosses a socket. No socket, no state but a buffer.

    frames        length-prefixed frames out of a stream (clients, elections)
    requests      what clients send: connect, and every operation
    request_runs  a client's stream, cut so that what comes together is kept together
    records       the layouts of those operations
    replies       what servers send: connect reply, replies, events
    packets       the quorum port: packets without a length prefix, and what they carry
    snapstream    where the snapshot among them ends
    elections     the election port: the handshake and the notifications
    quorum_auth   tokens by which servers prove themselves to each other
    four_letter   the words a monitoring script sends instead of a ConnectRequest

One rule holds for every decoder: whatever bytes arrive, it yields values that encode to the same bytes, or
raises ``WireError``. It raises nothing else, never loops without consuming, holds no more than its limit,
and gives the same result whether the bytes come at once or one by one.

("The same bytes" up to three spellings of one value: any non-zero boolean is true, a null string reads as an
empty one, and Java's surrogate pairs are written back as ordinary UTF-8.)
"""
