"""Host 1: a server on sockets, a disk thread and the clock.

node          one server in the foreground, as a process
host          the server on one event loop: the replica, with its ports
steps         one turn of the loop, then one flush
clock         the time
members       the membership: its files, and the links and ports it asks for
listening     a port opened, or one sentence that says why not
children, lag, stamps, tasks
              processes below this one, lateness of the loop, lines for people, tasks whose failure is seen

disk/         the files of a server, a thread that syncs them, and forked children that write
clients/      the sockets of clients
config/       ``zoo.cfg``, read
tls/          encryption on the way
links/        servers to each other
operators/    what operators and their monitoring ask, over HTTP and in files
supervision/  many such processes on one machine: ``manage.py ensemble`` and ``demo``
"""
