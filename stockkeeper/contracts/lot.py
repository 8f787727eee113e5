"""Lots on the wire: how lines of documents name them, and how states show them."""

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Annotated

from pydantic import BaseModel, Field

from stockkeeper.contracts.messages import MAX_LINES, Day, LotNumber, Message, State, Units
from stockkeeper.domain.lot import HeldLot, LotFacts, LotUnits


class LotQuantity(Message):
    """Units of one lot."""

    lot_number: LotNumber
    quantity: Units


LotQuantities = Annotated[
    list[LotQuantity],
    Field(min_length=1, max_length=MAX_LINES, description="The lots of these units, of a tracked product."),
]


class OfLot(Message):
    """What a line of a document says of the lot of its units: of a tracked product, and of no other one."""

    lot_number: LotNumber | None = Field(
        default=None,
        description="The lot, or the serial number. Null: the product isn't tracked.",
        exclude_if=lambda number: number is None,
    )
    expires_on: Day | None = Field(
        default=None,
        description="The last day on which it may be used. Null: it is known already, or the lot doesn't expire.",
        exclude_if=lambda day: day is None,
    )
    best_before: Day | None = Field(
        default=None,
        description="The last day of its best quality.",
        exclude_if=lambda day: day is None,
    )
    made_on: Day | None = Field(
        default=None, description="The day on which it was made.", exclude_if=lambda day: day is None
    )

    @property
    def lot(self) -> LotFacts | None:
        """The lot as the domain has it; None: none is named."""
        if self.lot_number is None:
            return None
        return LotFacts(self.lot_number, self.expires_on, self.best_before, self.made_on)


def require_all_units(lots: Sequence[LotQuantity] | None, quantity: int) -> None:
    """The lots of a line, if they are named, are of all its units.

    Raises:
        ValueError: They aren't.
    """
    if lots is not None and sum(lot.quantity for lot in lots) != quantity:
        raise ValueError("the lots have to be of all its units")


class LotDays(BaseModel):
    """A line of a state that is of one lot, as its document has named it."""

    lot_number: str | None = Field(
        default=None,
        description="The lot, or the serial number. Left out: the product isn't tracked.",
        exclude_if=lambda number: number is None,
    )
    expires_on: date | None = Field(
        default=None,
        description="The last day on which it may be used, if the document says it.",
        exclude_if=lambda day: day is None,
    )
    best_before: date | None = Field(
        default=None,
        description="The last day of its best quality, if the document says it.",
        exclude_if=lambda day: day is None,
    )
    made_on: date | None = Field(
        default=None,
        description="The day on which it was made, if the document says it.",
        exclude_if=lambda day: day is None,
    )


class LotState(State):
    """Units of a lot in a line of a document."""

    lot_number: str
    expires_on: date | None = None
    quantity: int = Field(description="Units of the line that are of this lot, those that have left as well.")
    quantity_fulfilled: int = Field(
        default=0, description="Units of these that have left; left out: none.", exclude_if=lambda units: not units
    )


class HasLots(BaseModel):
    """A line of a state, with its lots."""

    lots: list[LotState] = Field(
        default_factory=list,
        description="Of a tracked product: its units by lot, the first expired first. Left out: it has none.",
        exclude_if=lambda lots: not lots,
    )


def lots_shown(lots: Iterable[HeldLot]) -> list[LotState]:
    """The lots of a line, as a state shows them; those that it holds no more, and that haven't left, are left out."""
    return [
        LotState(
            lot_number=lot.lot_number,
            expires_on=lot.expires_on,
            quantity=lot.quantity_held + lot.quantity_fulfilled,
            quantity_fulfilled=lot.quantity_fulfilled,
        )
        for lot in lots
        if lot.quantity_held or lot.quantity_fulfilled
    ]


def lots_in_words(lots: Iterable[LotState]) -> str:
    """The lots of a line for people: ``2 of L-77 (2026-12-31)``."""
    return ", ".join(
        f"{lot.quantity} of {lot.lot_number}{f' ({lot.expires_on})' if lot.expires_on else ''}" for lot in lots
    )


def product_and_lot(sku: str, lot_number: str | None) -> str:
    """A product and its lot for people, such as ``MILK, lot L-77``; the SKU alone of one that isn't tracked."""
    return sku if lot_number is None else f"{sku}, lot {lot_number}"


def units_of(lots: Sequence[LotQuantity] | None) -> tuple[LotUnits, ...]:
    """The lots of a line, as the domain has them."""
    return tuple(LotUnits(lot.lot_number, lot.quantity) for lot in lots or ())
