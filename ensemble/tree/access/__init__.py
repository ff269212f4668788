"""Who may do what with a znode: ``access``, and what its ids can be, ``addresses`` and ``principals``."""
