"""Bytes from strangers: one definition of a target, driven by hypothesis, by atheris and by a mutator of our own.

    python -m tests.fuzz                                     the targets, and how many hours each has had so far
    python -m tests.fuzz TARGET --seconds 300                fuzz one; what breaks it is kept in ``crashers/TARGET``
    python -m tests.fuzz --all --minutes 60 --jobs 2 --ledger
                                                             all in turns, the least fuzzed kind first, and write it down

``target.py`` says what a target is, ``targets/`` holds them, ``mutation.py`` changes bytes, ``drive.py`` fuzzes one,
``campaign.py`` many, ``ledger.py`` keeps count in ``docs/fuzz-ledger.jsonl``, and ``test_fuzz.py`` drives every target
in the suite, over what once broke it first. Inputs that reached new code are kept from run to run in
``tests/artifacts/fuzz``, which is no part of the repository.
"""
