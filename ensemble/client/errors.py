"""What goes wrong between a client and its ensemble, other than an answer.

An answer that refuses a request is a ``KeeperError`` with the server's code. These are about the way there.
"""

from __future__ import annotations

from ensemble.errors import Code, CoordinatorError, KeeperError


class ClientError(CoordinatorError):
    """The root of the family; never raised itself."""


class ConnectionLoss(ClientError):
    """The connection broke before the answer came: the request may have been carried out, or not."""


class SessionExpired(ClientError):
    """The session is no more, and its ephemerals and watches with it; open a new client."""


class ClientClosed(ClientError):
    """The client was closed."""


class MultiError(KeeperError):
    """A multi that was refused: nothing of it was carried out.

    ``index`` is the operation at fault, ``code`` and ``path`` are its own.
    """

    def __init__(self, code: Code, path: str | None, index: int) -> None:
        super().__init__(code, path)
        self.index = index


def code_of(number: int) -> Code:
    """Return the code a server answered with; one that we do not know is an API_ERROR."""
    try:
        return Code(number)
    except ValueError:
        return Code.API_ERROR
