"""Host 2: a whole ensemble in virtual time, from one seed.

world       one run: trouble, heal, restart of everything, judgement
clock       virtual time: what happens next, and what servers read as the time
transcript  what happened, line by line
coverage    which paths the runs took

network/    ordered bytes that stall, tear and break
machine/    a disk that forgets what was not synced, and the process of one server
clients/    what clients ask for, and what they saw
faults/     what goes wrong
checks/     what must hold, after every step and at the end
schedules/  what a run is made of: drawn from a seed, kept in a file
runs/       many runs, what came of them, and a failing one made small

Begin with ``world``, which puts all of them together; ``runs`` alone stands above it.

The servers in it are the real ones: ``replica`` and all below it, behind simulated ports. A run depends on
its seed and on nothing else, so a failure is a number.
"""
