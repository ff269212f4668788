"""What operators do with the files of a server that does not run: look, compare, check, mend.

    txnlog      a log file: its entries as lines or JSON, its bad checksums mended, its end cut off
    snapshot    a snapshot file: its znodes as lines, JSON or sums, and what sets two of them apart
    check       a whole data directory: what is wrong with it, and which command mends that
    purge       which files nobody needs any more
    overlay     a disk in memory over one that is only read
    words       names and times as people read them

Nothing here reads or writes a file: bytes come in, text and bytes go out. The files are Apache ZooKeeper's.
"""
