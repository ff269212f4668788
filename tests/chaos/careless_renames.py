"""Servers that go on when a file cannot be renamed: run as a nursery, they have to be caught."""

import os
from contextlib import suppress

from ensemble.runtime.disk import files
from ensemble.runtime.supervision import nursery


class CarelessOs:
    """The module, with one call that never fails."""

    def __getattr__(self, name: str) -> object:
        return getattr(os, name)

    def rename(self, old: str, new: str) -> None:
        with suppress(OSError):
            os.rename(old, new)


if __name__ == "__main__":
    files.os = CarelessOs()  # type: ignore[assignment]
    nursery.main()
