"""What clients ask for, and what they saw.

history   what each did and was told, in order; the checks read it
clients   they speak the protocol in bytes, keep a session, and write the history
workload  what they ask for: anything, on few paths
recipes   what they ask for who share a lock, a queue and a counter
changes   what an operator asks for: another membership
"""
