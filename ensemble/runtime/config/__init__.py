"""One server's configuration, read from an unmodified Apache ``zoo.cfg``.

    properties  Java's file format: text to keys and values
    sources     the files and the command line, one over the other
    keys        every key there is, by what it does here
    values      a value as a number, a flag, a directory, or one sentence that says what is wrong with it
    tls         secure ports: ``secureClientPort``, ``sslQuorum``, ``ssl.*``, ``ssl.quorum.*``
    quorum_sasl proof between servers: ``quorum.auth.*``
    sessions    which sessions are local, who is served without a quorum
    znodes      the kinds of znodes there may be
    files       the log and the snapshots
    cluster     how servers and clients reach each other
    directories what lies in the data directories: are they this server's?
    members     who belongs to the ensemble, and which of them this server is
    server      all of it: ``load(path)`` returns a ``ServerConfig``
    access      who clients may be and must be
    admission   how much they may ask
    operations  what operators see
    report      what is in force, and where each value is from, for people

A group of keys that belong together has a module of its own: ``read(values)`` returns the dataclass of
settings it fills, which is a field of ``ServerConfig``.
"""
