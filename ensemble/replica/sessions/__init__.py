"""Sessions: who may still act.

sessions        the sessions of the ensemble: deadlines on the leader, owners, signs of life
local_sessions  those that only this server knows of, and how they become everybody's
deadlines       when they expire, looked at twice a tick
"""
