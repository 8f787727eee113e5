"""What the migrations have in common."""

from typing import NoReturn


def no_way_back() -> NoReturn:
    """Refuse to go back to a version that doesn't know what has been written since.

    Raises:
        NotImplementedError: Always.
    """
    raise NotImplementedError("there is no way back: restore a backup instead")
