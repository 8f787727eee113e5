"""Approval: who may agree to a document, how many must, and how long it is waited for.

Purchase orders, adjustments and variances of a count follow this one rule. The database has it once more, as the SQL
function `is_approved`, which the constraints of the three documents call. Another rule, such as two approvers from two
departments, changes `Approval.is_complete_with`, that function, and their tests (ADR 0025).
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self

from stockkeeper.domain.errors import NotPermitted
from stockkeeper.domain.people import is_same_person


@dataclass(frozen=True, kw_only=True)
class Approval:
    """The approval that a document needs, and as much of it as has been given.

    Attributes:
        document: The document in messages: ``PO-7``, ``adjustment A-7``.
        involved: The people whose own work it is: the requester, or those who counted.
        involvement: Their part in it, as a participle: ``requested``, ``counted``.
        required: The number of different people who must approve.
        given: The people who have approved.
    """

    document: str
    involved: Collection[str]
    involvement: str
    required: int = 1
    given: Collection[str] = ()

    def is_given_by(self, person: str) -> bool:
        """Whether this person has approved already: a second approval counts as the first."""
        return any(is_same_person(person, each) for each in self.given)

    def require_may_approve(self, person: str) -> None:
        """Refuse an approval of one's own work.

        Raises:
            NotPermitted: The person is involved.
        """
        if any(is_same_person(person, each) for each in self.involved):
            raise NotPermitted(f"{self.document} was {self.involvement} by {person}; another person has to approve it")

    def is_complete_with(self, person: str) -> bool:
        """Whether this person's approval is the last that the document needs.

        Raises:
            NotPermitted: The person is involved.
        """
        self.require_may_approve(person)
        return len(self.given) + (not self.is_given_by(person)) >= self.required


@dataclass(frozen=True)
class Deadlines:
    """The deadlines of an approval: instants.

    Attributes:
        remind_at: When the people who were asked are reminded.
        escalate_at: When their superiors are notified; None: they aren't.
        end_at: When the document ends without its approval.
    """

    remind_at: datetime
    escalate_at: datetime | None
    end_at: datetime

    @classmethod
    def after(
        cls,
        asked_at: datetime,
        *,
        remind_after_hours: float,
        escalate_after_hours: float | None = None,
        cancel_after_hours: float,
    ) -> Self:
        """The deadlines of an approval that was asked for at this instant; hours count from it."""
        return cls(
            remind_at=asked_at + timedelta(hours=remind_after_hours),
            escalate_at=None if escalate_after_hours is None else asked_at + timedelta(hours=escalate_after_hours),
            end_at=asked_at + timedelta(hours=cancel_after_hours),
        )
