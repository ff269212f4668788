"""One term as the leader.

establishment    discovery and synchronization: until a quorum follows
leader           the broadcast, and the table of all that learners may say
followers        what it keeps of each learner
syncs            the syncs it owes them
synchronization  DIFF, TRUNC or SNAP: a pure choice
"""
