"""One term as a follower or an observer.

learner    synchronization, and the table of all that may be said to it
joining    discovery: to the leader, and into its epoch
following  what it does with transactions and memberships
"""
