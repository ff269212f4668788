"""The servers of one machine's ensemble, each a process of its own.

layout           the directory that holds them: ports, and a ``zoo.cfg`` and data for each
process          one server process, its state, and why it ended
nursery          the process that they are forked from
supervisor       starting and ending them;  supervisor_http  the port where that is asked for
foreground       all of it until Ctrl-C: ``manage.py ensemble`` and ``manage.py demo``
traffic          a few clients, so that a demo has something to show
"""
