"""kazoo's own test suite, run against our servers and against Apache's.

    python -m tests.kazoo_suite [--apache] [pytest arguments]

The suite ships inside the kazoo package. Its harness starts servers with a ``java`` command and a zoo.cfg it
writes itself; ``bin/java`` stands in for that command and starts ours on the same file. It has a virtual
environment of its own, because it needs an old release of pyOpenSSL.
"""
