"""Receipts: the lines of a delivery, and receipts as the state of a document shows them."""

import re
from collections.abc import Iterable
from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from stockkeeper.contracts.messages import Id, Message, Reason, State, Timestamp

RECEIPTS_SHOWN = 100
_KEY = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


UnfitReason = Annotated[
    Reason | None,
    Field(
        description="Why units were rejected, or came damaged. Null: nobody said, or there are none.",
        exclude_if=lambda reason: reason is None,
    ),
]


class CheckedLine(Message):
    """Units of one product that were looked at when they came. Its fields that end in quantity are numbers of units."""

    without_units: ClassVar[str]
    """The words for a line on which nothing came."""
    unfit_units: ClassVar[str] = ""
    """The field with units that don't enter stock, where the message has a reason for them."""

    product_id: Id

    @model_validator(mode="after")
    def _something_came(self) -> Self:
        if not any(units for name, units in self if name.endswith("quantity")):
            raise ValueError(self.without_units)
        return self


def require_unfit(reason: str | None, lines: Iterable[CheckedLine]) -> None:
    """There are units to which a reason for unfit ones belongs.

    Raises:
        ValueError: There is a reason, and no such unit.
    """
    if reason is not None and not any(getattr(line, line.unfit_units) for line in lines):
        raise ValueError("unfit_reason: a reason needs units that were rejected or damaged")


class ReceiptState(State):
    """One booked receipt."""

    receipt_id: str
    at: Timestamp
    performed_by: str
    accepted: int = Field(description="Units that entered stock, of all products.")
    unfit: int = Field(
        description="Further units that didn't: rejected from a supplier, damaged on a transfer, scrapped of a return."
    )
    unfit_reason: str | None = Field(
        default=None,
        description="Why they were rejected, or came damaged. Left out: nobody said, or there are none.",
        exclude_if=lambda reason: reason is None,
    )

    @property
    def short_id(self) -> str:
        """Its number, for a table: a key that a command without a number was given is cut, as it says nothing."""
        run, _, command = self.receipt_id.partition("/")
        return (command or f"{run[:8]}…") if _KEY.fullmatch(run) else self.receipt_id
