"""A service for notices that takes everything, in this very process."""

from typing import Any

from apprise import decorators

TAKING = "taken://everything"
"""Its URL, for settings."""


def _take(body: str, title: str, *_: object, **__: object) -> bool:
    return bool(title and body)


_register: Any = decorators.notify
_register(on="taken")(_take)
