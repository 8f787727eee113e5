"""Receipts: the lines of a delivery, and receipts as the state of a document shows them."""

import re
from typing import ClassVar, Self

from pydantic import Field, model_validator

from stockkeeper.contracts.messages import Id, Message, State, Timestamp

RECEIPTS_SHOWN = 100
_KEY = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class CheckedLine(Message):
    """Units of one product that were looked at when they came. Its fields that end in quantity are numbers of units."""

    without_units: ClassVar[str]
    """The words for a line on which nothing came."""

    product_id: Id

    @model_validator(mode="after")
    def _something_came(self) -> Self:
        if not any(units for name, units in self if name.endswith("quantity")):
            raise ValueError(self.without_units)
        return self


class ReceiptState(State):
    """One booked receipt."""

    receipt_id: str
    at: Timestamp
    performed_by: str
    accepted: int = Field(description="Units that entered stock, of all products.")
    unfit: int = Field(
        description="Further units that didn't: rejected from a supplier, damaged on a transfer, scrapped of a return."
    )

    @property
    def short_id(self) -> str:
        """Its number, for a table: a key that a command without a number was given is cut, as it says nothing."""
        run, _, command = self.receipt_id.partition("/")
        return (command or f"{run[:8]}…") if _KEY.fullmatch(run) else self.receipt_id
