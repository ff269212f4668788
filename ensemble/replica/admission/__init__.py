"""How much clients may ask of one server; what is off costs nothing.

    config     the limits, as values
    admission  all of them, and how much is asked right now
    arrivals   how fast clients may come
    throttle   whose turn it is when only so many requests may be on their way

The bounds of a single connection are in ``requests.backlog``.
"""
