"""A client that lives below one znode: its paths, and the server's. Sans-I/O."""

from __future__ import annotations

from dataclasses import dataclass

from ensemble import paths
from ensemble.client.errors import BadArguments
from ensemble.errors import KeeperError


@dataclass(frozen=True, slots=True)
class Chroot:
    """The znode that the client takes for the root; ``root`` is empty for the root itself."""

    root: str = ""

    def inside(self, path: str, *, sequential: bool = False) -> str:
        """Return the server's path for a path of the client; ``BadArguments`` when it is none."""
        try:
            paths.validate(path, sequential=sequential)
        except (KeeperError, TypeError):
            if not isinstance(path, str):
                raise TypeError(f"path must be a str, not {type(path).__name__}") from None
            raise BadArguments(path, paths.fault(path, sequential=sequential)) from None
        if not self.root:
            return path
        return self.root if path == "/" else self.root + path

    def outside(self, path: str) -> str:
        """Return the client's path for one of the server. What lies elsewhere (``/zookeeper/config``) keeps
        its name."""
        if not self.root or not self.holds(path):
            return path
        return path[len(self.root) :] or "/"

    def holds(self, path: str) -> bool:
        """Tell whether a path of the server lies in here."""
        return not self.root or path == self.root or path.startswith(f"{self.root}/")
