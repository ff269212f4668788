"""One server's configuration, read from an unmodified Apache ``zoo.cfg``.

    properties  Java's file format: text to keys and values
    keys        every key there is, by what it does here
    values      a value as a number, a flag, a directory, or one sentence that says what is wrong with it
    addresses   ``server.N`` lines
    server      all of it: ``load(path)`` returns a ``ServerConfig``

A group of keys that belong together has a module of its own: ``read(values)`` returns the dataclass of
settings it fills, which is a field of ``ServerConfig``.
"""
