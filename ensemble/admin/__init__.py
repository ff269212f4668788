"""What operators' tools and servers say to each other.

``schema`` is the interface as types, ``client`` speaks it. Both ends import the one; only tools import the
other.
"""
