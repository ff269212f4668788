"""Real server processes under real faults, and the same judgement as in the simulator.

    run         servers, clients, one fault after the other, and at the end the judgement
    servers     the processes;  apache  those of them that are Apache's
    links       a relay on each way between servers;  disks  disks that fail, by a shim in C
    trouble     what faults work on
    faults      what is done to processes and links, and undone;  disk_faults  what to disks
    workloads   what clients do meanwhile
    tap         what they and the servers say, written down;  book  what the servers have logged
    judge       the simulator's checkers over both
    differences in what a tree is not the one it should be;  stale  what one of uncommitted transactions becomes
    report      what a run says of itself

Everything happens on loopback, in one temporary directory, for a bounded time, and ends with the command; of a run
that was broken the servers' directories stay.
"""
