"""The approval of a document's difference on the wire: the command of every document that may have one."""

from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, Field

from stockkeeper.contracts.messages import MAX_LINES, MAX_UNITS, Actor, Message, Money, Note, State, Timestamp
from stockkeeper.contracts.process import Command

UpToUnits = Annotated[int, Field(ge=0, le=MAX_LINES * MAX_UNITS)]


class ApproveDifference(Message):
    """Command ``approve_difference``: units without a counterpart may be booked, up to this worth in all.

    Such are units lost or damaged in transit, units restocked that were never sold, and units received that were never
    ordered. Above the limit of adjustments they are refused (`NotPermitted`, with the worth in its details) until
    another person than the one who books them has approved it.
    """

    approver: Actor
    value: Money = Field(description="The value up to which the document may have a difference.")
    unvalued_units: UpToUnits = Field(default=0, description="Units of unknown cost up to which it may have one.")
    note: Note | None = None


APPROVE_DIFFERENCE = Command("approve_difference", ApproveDifference)


class DifferenceApprovalState(State):
    """A person's approval of a difference of the document."""

    approver: str
    at: Timestamp
    value: Money = Decimal(0)
    unvalued_units: int = 0
    note: str | None = None


class DifferenceFields(BaseModel):
    """The fields of a step that stores such an approval; its person is the approver."""

    value: Money
    unvalued_units: int
    note: str | None
