"""Bytes from strangers: one definition of a target, driven by hypothesis, by atheris and by a mutator of our own.

    python -m tests.fuzz                             the targets
    python -m tests.fuzz TARGET --seconds 300        fuzz one; what breaks it is kept in ``crashers/TARGET``

``target.py`` says what a target is, ``targets/`` holds them, ``mutation.py`` changes bytes, and ``test_fuzz.py``
drives every target in the suite, over what once broke it first.
"""
