"""What lies between servers, and between them and their clients.

    streams    byte streams: in order, and at any time, in any pieces, or not any more
    elections  mail for elections: a box of one message for each way
    network    both, with links, dials, clients and their doors

Nothing here knows what the bytes mean.
"""
