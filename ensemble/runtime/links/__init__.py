"""The links between servers: who calls whom, how, and what is lost when a link is.

    ways      how servers reach each other: plain, by TLS, or with SASL first
    sasl      the way with proof by DIGEST-MD5
    chosen    which of the ways a configuration asks for
    election  one connection between each two servers, for votes
    quorum    from each learner to its leader
    network   both kinds as the network port of a server, with the faults between them

Nothing here knows what is agreed upon.
"""
