"""What goes wrong in a recipe, other than in the client below it."""

from __future__ import annotations

from ensemble.errors import CoordinatorError


class RecipeError(CoordinatorError):
    """A recipe used as it cannot be; and the root of the other one."""


class Lost(RecipeError):
    """What was held is held no more, though nobody gave it back; the text says why.

    Work done since then may have overlapped with that of another holder: whoever was given the ``token`` can
    tell, for it refuses a token lower than one it has seen.
    """
