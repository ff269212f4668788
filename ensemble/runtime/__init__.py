"""Host 1: a server on sockets, a disk thread and the clock.

node          one server in the foreground, as a process
host          the server on one event loop: the replica, with its ports
steps         one turn of the loop, then one flush
clock         the time
clients       the sockets of clients;  client_ports  where they connect
disk          the files of a server;  files  what is done to them;  aside, outflow  what a forked
                  child writes, and sends;  forked  such a child
members       the membership: its files, and the links and ports it asks for
listening     a port opened, or one sentence that says why not
children, lag, stamps, tasks
              processes below this one, lateness of the loop, lines for people, tasks whose failure is seen

config/       ``zoo.cfg``, read
tls/          encryption on the way
links/        servers to each other
operators/    what operators and their monitoring ask, over HTTP and in files
supervision/  many such processes on one machine: ``manage.py ensemble`` and ``demo``
"""
