"""Services for notices that take everything, in this very process."""

from typing import Any

from apprise import decorators

TAKING = "taken://everything"
"""Its URL, for settings."""


def _take(body: str, title: str, *_: object, **__: object) -> bool:
    return bool(title and body)


KEEPING = "kept://everything"
"""The URL of one that keeps what it takes."""
KEPT: list[tuple[str, str]] = []
"""Title and text of what it has taken."""


def _keep(body: str, title: str, *_: object, **__: object) -> bool:
    KEPT.append((title, body))
    return True


_register: Any = decorators.notify
_register(on="taken")(_take)
_register(on="kept")(_keep)
