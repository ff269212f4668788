"""The files of one server, in Apache ZooKeeper's formats, over Disk ports.

    store.py       the history of a server: what the other rooms use
    recovery.py    what a directory holds, proved; and the repairs a crash calls for
    txnlog.py      transactions: appended, synced in groups, read back, cut
    tail.py        the end of a log file: a crash's torn tail, or corruption?
    logfile.py     one log file, read whole
    repeats.py     what Apache has logged twice, taken out
    gaps.py        what Apache leaves out of a log, and a snapshot bridges
    records.py     the bytes of a log file
    snapshots.py   the bytes of a snapshot file
    compression.py those bytes, compressed
    epochs.py      the two epochs
    names.py       names of files
    settings.py    what an operator may set

Snapshot bodies and transactions are opaque here, except for the zxid in a transaction's header. The room
knows neither znodes nor messages, and does not decide when to snapshot or to purge.
"""
