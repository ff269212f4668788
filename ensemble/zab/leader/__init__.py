"""One term as the leader.

establishment    discovery and synchronization: until a quorum follows
broadcast        proposals, acks, commits; pings and syncs
leader           the term: links, the lease, and the table of what learners may say
followers        what it keeps of each learner
syncs            the syncs it owes them
sync_limit       how long they, and it, may take to log
synchronization  DIFF, TRUNC or SNAP: a pure choice
"""
