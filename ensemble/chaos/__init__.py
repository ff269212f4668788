"""Real server processes under real faults, and the same judgement as in the simulator.

Everything happens on loopback, in one temporary directory, for a bounded time, and ends with the command.
"""
