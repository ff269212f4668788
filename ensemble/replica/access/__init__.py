"""Who clients are, and who changed what.

    config          the schemes there are, and what a client must have passed
    authentication  who a client says it is, and whether to believe it
    audit           one line for each change, with its user

The packets in which a client proves something are requests: ``requests.credentials``.
"""
