"""Approval: who may agree to a document, how many must, and how long it is waited for.

Purchase orders, adjustments and variances of a count follow this one rule. The database has it once more, as the SQL
function `is_approved`, which the constraints of the three documents call. Another rule, such as two approvers from two
departments, changes `Approval.is_complete_with`, that function, and their tests (ADR 0025).
"""

import itertools
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple, Self

from stockkeeper.domain.errors import InvalidRequest, NotPermitted
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


class Tier(NamedTuple):
    """How many approvals a purchase order needs whose total is at most ``up_to``; None: however large it is."""

    up_to: Decimal | None
    approvals: int


def require_tiers(tiers: Sequence[Tier]) -> None:
    """Every total falls into exactly one tier: the bounds rise, and the last tier has none.

    Raises:
        InvalidRequest: Some total would fall into no tier, or a tier could never be reached.
    """
    if not tiers or tiers[-1].up_to is not None:
        raise InvalidRequest("tiers: the last one must have up_to null, so that every total has a tier")
    bounds = [tier.up_to for tier in tiers[:-1]]
    # Bounds that are missing before the end would make the tiers after them unreachable.
    known = [bound for bound in bounds if bound is not None]
    if len(known) != len(bounds) or any(lower >= upper for lower, upper in itertools.pairwise(known)):
        raise InvalidRequest("tiers: up_to must rise from tier to tier, and only the last is null")


def required_approvals(tiers: Sequence[Tier], total: Decimal) -> int:
    """How many different people must approve an order of this total: the first tier that reaches it says."""
    return next(tier.approvals for tier in tiers if tier.up_to is None or total <= tier.up_to)
