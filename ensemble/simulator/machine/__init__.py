"""One simulated machine: what of it outlives its process, and the process.

platter  the files of a disk: what is durable, and what only looks so
disk     the disk port of a server on them, with its failures and losses
members  the membership of a server, in files of its own
effects  the ports of a process, every call of which may be its last
roles    what a role that is over has asked for
machine  disks, a clock, and the process of one server
"""
