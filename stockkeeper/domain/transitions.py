"""Status changes go through one table for each process: what isn't in it can't happen."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Generic, TypeVar

from stockkeeper.domain.errors import InvalidState

Status = TypeVar("Status", bound=StrEnum)
Event = TypeVar("Event", bound=StrEnum)


class TransitionTable(Generic[Status, Event]):
    """The statuses of one kind of document, and what leads from one to the next.

    Args:
        document: What it is the status of, for messages: ``reservation``.
        allowed: For each status the events it can take, and the status that each leads to.
    """

    def __init__(self, document: str, allowed: Mapping[Status, Mapping[Event, Status]]) -> None:
        self._document = document
        self._allowed = allowed

    def next(self, status: Status, event: Event, *, of: str = "") -> Status:
        """The status after ``event``.

        Args:
            status: The status now.
            event: What happens.
            of: The document's name for the message, such as its reference.

        Raises:
            InvalidState: The table doesn't have that pair.
        """
        try:
            return self._allowed[status][event]
        except KeyError:
            what = f"{self._document} {of}".rstrip()
            raise InvalidState.of(what, status, event) from None

    def allows(self, status: Status, event: Event) -> bool:
        """Whether the table has that pair."""
        return event in self._allowed.get(status, {})

    def is_final(self, status: Status) -> bool:
        """Whether nothing leads out of that status."""
        return not self._allowed.get(status)
