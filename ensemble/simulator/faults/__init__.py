"""What goes wrong in a run.

A fault begins, lasts and ends; everything it broke is whole again when it has ended. It acts on machines
and on the network only, never inside a server.

    schedule    which faults come when
    stage       where they happen, and who is struck
    crashes, partitions, slowness, disks
                the kinds
    rot         what becomes of the content of disks
    core        servers that stay broken for ever, and the quorum that has to get on without them (C9)
"""
