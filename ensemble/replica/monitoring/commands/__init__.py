"""The AdminServer's commands: what one server tells of itself as JSON values (D/Commands.java).

    table     names, aliases, and what a command needs
    answers   what each command tells
    members   the lines of the membership, for those commands that tell of other servers

Nothing here knows of HTTP; the host does.
"""
