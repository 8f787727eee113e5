"""Status changes: one table for each kind of document, and the words for a command that the table doesn't allow."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Generic, TypeVar

from stockkeeper.domain.errors import InvalidState

Status = TypeVar("Status", bound=StrEnum)
Event = TypeVar("Event", bound=StrEnum)

_SPEAKING_NUMBERS = {"purchase order": "PO"}
"""Prefixes of numbers that name their document already: ``PO-7`` needs no ``purchase order`` before it."""


def titled(document: str, number: str) -> str:
    """The name of a document in a sentence: ``transfer T-7``, ``PO-7``, ``purchase order 4711``."""
    prefix = _SPEAKING_NUMBERS.get(document)
    if prefix is not None and number.upper().startswith(prefix):
        return number
    return f"{document} {number}".rstrip()


@dataclass(frozen=True)
class Words(Generic[Status]):
    """The words for a document's statuses and commands, as they follow its name in a sentence.

    Attributes:
        document: The kind of document: ``reservation``.
        statuses: Each status: ``has been received``.
        commands: Each event, and each command that isn't an event, such as a start's: ``can't be cancelled``.
        not_yet: Each status in which a command may come too early: ``isn't approved yet``.
        advice: Each status after which the document can be tried again: ``start it again once the stock is there``.
    """

    document: str
    statuses: Mapping[Status, str]
    commands: Mapping[str, str]
    not_yet: Mapping[Status, str] = field(default_factory=dict)
    advice: Mapping[Status, str] = field(default_factory=dict)


class TransitionTable(Generic[Status, Event]):
    """The statuses of one kind of document, and the events that lead from one to the next.

    Args:
        arrows: For each status and the one after it, the events that lead from one to the other. A status that no arrow
            leaves is final.
        words: The words for messages, which have every status and event.
    """

    def __init__(self, arrows: Mapping[tuple[Status, Status], Collection[Event]], words: Words[Status]) -> None:
        self.document = words.document
        self.words = words
        self._allowed: dict[Status, dict[Event, Status]] = {status: {} for status in words.statuses}
        for (status, after), events in arrows.items():
            self._allowed[status].update(dict.fromkeys(events, after))

    def next(self, status: Status, event: Event, *, of: str = "", part: str = "", command: str = "") -> Status:
        """The status after ``event``.

        Args:
            status: The present status.
            event: The event.
            of: The document's number, for the message.
            part: The part of the document whose status it is, for the message: ``product 7``.
            command: The command that asks, if it has another name than the event.

        Raises:
            InvalidState: The table doesn't have that pair.
        """
        try:
            return self._allowed[status][event]
        except KeyError:
            raise self.refusal(status, command or event, of=of, part=part) from None

    def allows(self, status: str, event: str) -> bool:
        """Whether the table has that pair."""
        return event in self._row(status)

    def is_final(self, status: Status) -> bool:
        """Whether no event leads out of that status."""
        return not self._allowed.get(status)

    def refusal(self, status: str, command: str, *, of: str = "", part: str = "") -> InvalidState:
        """The error for a command in a status, in words for people.

        Args:
            status: The present status.
            command: An event, or another command that the words have.
            of: The document's number.
            part: The part of the document that was commanded: ``product 7``.
        """
        name = titled(self.document, of)
        if part:
            name = f"{part} of {name}"
        return InvalidState(f"{name} {self._why(status, command)}", str(status), str(command))

    def _why(self, status: str, command: str) -> str:
        known = next((each for each in self._allowed if each == status), None)
        cannot = self.words.commands[command]
        if known is None:
            # Only a run that never got as far as its first status.
            return cannot
        now = self.words.statuses[known]
        if self.allows(known, command):
            # The status isn't the hindrance: a run that was ended by force carries out no commands.
            return f"{now}, but its workflow has been stopped; start it again with the same contents"
        if self._leads_to(known, command):
            return f"{now} already"
        too_early = self.words.not_yet.get(known)
        if too_early and any(self.allows(later, command) for later in self._reachable(known)):
            return too_early
        if advice := self.words.advice.get(known):
            return f"{now}; {advice}"
        return f"{now} and {cannot}"

    def _row(self, status: str) -> Mapping[Event, Status]:
        return next((row for each, row in self._allowed.items() if each == status), {})

    def _leads_to(self, status: Status, event: str) -> bool:
        return any(after is status for row in self._allowed.values() for each, after in row.items() if each == event)

    def _reachable(self, status: Status) -> set[Status]:
        found: set[Status] = set()
        ahead = {status}
        while ahead:
            ahead = {after for each in ahead for after in self._row(each).values()} - found
            found |= ahead
        return found
