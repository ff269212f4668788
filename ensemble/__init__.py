"""The coordination service: everything of a ZooKeeper server, and nothing of the web panel.

The rooms, top down (an arrow never points up, and never in a circle):

    management/commands   parse arguments, call the rooms below
    chaos                 real servers under real faults, judged as in the simulator
    testing               ensembles to throw away, for the tests of other projects
    simulator             host 2: virtual time, network and disk from one seed
    runtime               host 1: sockets, a disk thread, the clock, zoo.cfg, admin HTTP, the supervisor
    shell                 zkCli's commands, on the client
    recipes               locks, elections, barriers, queues, masters and workers on the client
    client                an asyncio client of the ZooKeeper protocol
    replica               one server, sans-I/O: joins zab, tree, wire and storage
    explorer              every order of events in a small ensemble, over zab itself
    toolkit               what operators do with the files of a server that does not run
    wire, storage         bytes <-> values; files over a Disk port
    zab, tree             agreement on one order of opaque transactions; znodes, sessions, watches
    admin                 what operators' tools and servers say to each other
    sasl                  who proves to be whom by DIGEST-MD5, and the files that name them
    trace, zxid, jute, paths, limits, errors, ports, membership, measures, quiet_log
                          the vocabulary everything shares
"""
