"""The coordination service: everything of a ZooKeeper server, and nothing of the web panel.

The rooms, top down (an arrow never points up, and never in a circle):

    management/commands   parse arguments, call runtime
    simulator             host 2: virtual time, network and disk from one seed
    testing               ensembles to throw away, for the tests of other projects
    runtime               host 1: sockets, a disk thread, the clock, zoo.cfg, admin HTTP, the supervisor
    recipes               locks, elections, barriers, queues, masters and workers on the client
    client                an asyncio client of the ZooKeeper protocol
    admin                 what operators' tools and servers say to each other
    replica               one server, sans-I/O: joins zab, tree, wire and storage
    wire, storage         bytes <-> values; files over a Disk port
    zab, tree             agreement on one order of opaque transactions; znodes, sessions, watches
    trace, zxid, jute, paths, limits, errors, ports     the vocabulary everything shares
"""
