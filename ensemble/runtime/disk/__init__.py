"""The files of a running server.

disk     the disk port: writes, a thread that syncs, and what ends the server
files    what is done to files: blocking calls, for the disk and its child
forked   a forked child, which sees the memory as it was
aside    what such a child writes, while the server goes on
outflow  what such a child makes, and the parent sends
"""
