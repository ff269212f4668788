"""Host 2: a whole ensemble in virtual time, from one seed.

    clock, streams      virtual time; ordered byte streams that stall, tear and break
    elections, network  the one-message election boxes; links, dials, clients, power
    disk, platter       a disk that forgets what was not synced; the files on it
    machine, members    disks, a clock, and the process of one server: every port call may be its last
    tape                every random choice, in lanes; what was chosen can be played again and made smaller
    plan, faults, changes
                        who takes part, what goes wrong, and who joins and leaves, drawn from the seed
    clients, workload   clients that speak bytes and write down what they see
    recipes, exclusion  clients that share a lock, a queue and a counter; what must come of that (C8)
    invariants, durable, quorums, quotas
                        I1-I14 after every step, against real peers, trees and durable disks
    model, history, checkers, watching
                        the clients' history against an independent model at the zxids of the replies
    linearizable        a second opinion on C1, by search
    core                servers that stay broken for ever
    coverage, ledger    which paths the runs took; which runs were recorded
    world               one run: trouble, heal, restart of everything, judgement
    saved, shrink       a schedule in a file; a failing one made small
    report, runner      what came of a run; many runs on several processes
    transcript          what happened, line by line

The servers in it are the real ones: ``replica`` and all below it, behind simulated ports. A run depends on
its seed and on nothing else, so a failure is a number.
"""
