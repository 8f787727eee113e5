"""A customer return: goods that were sold and come back, until all of them are inspected.

It is EXPECTED until all of its units have been inspected, at once or in parts. Fit units go back into stock;
unfit ones are scrapped, and enter no stock. Then it is INSPECTED. Units that haven't come may be given up: then it is
INSPECTED with those that came, or CANCELLED if none did.

For each line, always: quantity = restocked + scrapped + expected.

Units of a tracked product come back by lot. A line may say which lot is expected; then only units of that lot go to it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from stockkeeper.domain.errors import InvalidRequest
from stockkeeper.domain.receipt import Taken, spread
from stockkeeper.domain.transitions import TransitionTable, Words


class ReturnStatus(StrEnum):
    """Status of a return."""

    EXPECTED = "EXPECTED"
    INSPECTED = "INSPECTED"
    CANCELLED = "CANCELLED"


class ReturnEvent(StrEnum):
    """Event in the life of a return."""

    INSPECT = "inspect"
    """An inspection that leaves something expected."""
    COMPLETE = "complete"
    """The last inspection."""
    CLOSE_SHORT = "close_short"
    CANCEL = "cancel"
    """Closing short as long as nothing has come."""


RETURN = TransitionTable(
    {
        (ReturnStatus.EXPECTED, ReturnStatus.EXPECTED): {ReturnEvent.INSPECT},
        (ReturnStatus.EXPECTED, ReturnStatus.INSPECTED): {ReturnEvent.COMPLETE, ReturnEvent.CLOSE_SHORT},
        (ReturnStatus.EXPECTED, ReturnStatus.CANCELLED): {ReturnEvent.CANCEL},
    },
    Words(
        "return",
        statuses={
            ReturnStatus.EXPECTED: "is still expected",
            ReturnStatus.INSPECTED: "has been inspected",
            ReturnStatus.CANCELLED: "has been cancelled",
        },
        commands={
            ReturnEvent.INSPECT: "can take no more inspections",
            ReturnEvent.COMPLETE: "can take no more inspections",
            ReturnEvent.CLOSE_SHORT: "can't be closed short",
            ReturnEvent.CANCEL: "can't be cancelled",
            "approve_difference": "no difference of it can be approved",
        },
    ),
)


@dataclass(frozen=True)
class ReturnedLine:
    """One line; quantities in units.

    Attributes:
        line_number: Its place in the return, from 1.
        product_id: The product.
        quantity: Units that are expected back.
        restocked: Units that were fit and are in stock again.
        scrapped: Units that were unfit and are in no stock.
        lot_number: The lot that is expected; None: any, or the product isn't tracked.
    """

    line_number: int
    product_id: int
    quantity: int
    restocked: int
    scrapped: int
    lot_number: str | None = None

    @property
    def inspected(self) -> int:
        """Units inspected."""
        return self.restocked + self.scrapped

    @property
    def expected(self) -> int:
        """Units not inspected yet."""
        return self.quantity - self.inspected


class ReturnedUnits(NamedTuple):
    """What units are that were inspected: a product, and the lot of a tracked one.

    Attributes:
        product_id: The product.
        lot_number: The lot; None: the product isn't tracked, or the number of what is scrapped can't be read.
    """

    product_id: int
    lot_number: str | None = None


class ReturnShare(NamedTuple):
    """A line of the return that inspected units go to, and their lot.

    Attributes:
        line_number: The line.
        lot_number: The lot; None: as of `ReturnedUnits`.
    """

    line_number: int
    lot_number: str | None = None


@dataclass(frozen=True)
class CustomerReturn:
    """A return as stored, and the rules for its commands."""

    return_id: int
    return_number: str
    warehouse_id: int
    reference_id: str
    status: ReturnStatus
    lines: Sequence[ReturnedLine]

    @property
    def has_come(self) -> bool:
        """Whether any unit has come back."""
        return any(line.inspected for line in self.lines)

    def after(self, event: ReturnEvent, command: str = "") -> ReturnStatus:
        """The status after an event; ``command`` if what asks has another name than that.

        Raises:
            InvalidState: It can't happen now.
        """
        return RETURN.next(self.status, event, of=self.return_number, command=command)

    def plan_inspection(self, found: Mapping[ReturnedUnits, Taken]) -> dict[ReturnShare, Taken]:
        """ReturnShare of each line in the inspected units, in the order of the lines and without those that get none.

        A product on several lines fills them in order, first with restocked units, then with scrapped ones. A lot goes
        to the lines that expect it, then to those that say no lot; what has no number goes to those first.

        Raises:
            InvalidState: Nothing is expected any more.
            InvalidRequest: A product isn't on the return, or more of it, or of its lot, was found than is expected.
        """
        self.after(ReturnEvent.INSPECT)
        left = {line.line_number: line.expected for line in self.lines}
        taken: dict[ReturnShare, Taken] = {}
        # What has no number may go anywhere, and so comes last: it takes no line that a lot needs.
        for what, came in sorted(found.items(), key=lambda each: each[0].lot_number is None):
            lines = self._lines_for(what)
            open_units = {line.line_number: left[line.line_number] for line in lines}
            if came.units > sum(open_units.values()):
                raise _too_many(what, came.units, sum(open_units.values()))
            for line_number, share in spread(came, open_units).items():
                taken[ReturnShare(line_number, what.lot_number)] = share
                left[line_number] -= share.units
        return dict(sorted(taken.items(), key=lambda each: (each[0].line_number, each[0].lot_number or "")))

    def _lines_for(self, what: ReturnedUnits) -> list[ReturnedLine]:
        """The lines that these units may go to, in the order in which they are filled.

        Raises:
            InvalidRequest: There is none.
        """
        lines = [line for line in self.lines if line.product_id == what.product_id]
        of = {"product_id": what.product_id}
        if not lines:
            raise InvalidRequest(f"product {what.product_id} isn't on return {self.return_number}", of)
        said = [line for line in lines if line.lot_number is not None]
        unsaid = [line for line in lines if line.lot_number is None]
        if what.lot_number is None:
            return [*unsaid, *said]
        fitting = [*(line for line in said if line.lot_number == what.lot_number), *unsaid]
        if not fitting:
            expected = ", ".join(sorted({line.lot_number or "" for line in said}))
            text = f"lot {what.lot_number} of product {what.product_id} isn't on return {self.return_number}"
            raise InvalidRequest(f"{text}, which expects {expected}", of | {"lot_number": what.lot_number})
        return fitting

    def after_inspection(self, taken: Mapping[ReturnShare, Taken]) -> ReturnStatus:
        """The status after an inspection: INSPECTED once nothing is expected any more."""
        left = sum(line.expected for line in self.lines) - sum(share.units for share in taken.values())
        return self.after(ReturnEvent.INSPECT if left else ReturnEvent.COMPLETE)

    def after_close_short(self) -> ReturnStatus:
        """The status after closing short: INSPECTED if units came, CANCELLED if none did.

        Raises:
            InvalidState: Nothing is expected any more.
        """
        status = self.after(ReturnEvent.CLOSE_SHORT)
        return status if self.has_come else self.after(ReturnEvent.CANCEL)


def of_lines(taken: Mapping[ReturnShare, Taken]) -> dict[int, Taken]:
    """Units of each line, whatever their lots."""
    units: dict[int, Taken] = {}
    for share, came in taken.items():
        before = units.get(share.line_number, Taken(0, 0))
        units[share.line_number] = Taken(before.accepted + came.accepted, before.unfit + came.unfit)
    return units


def _too_many(what: ReturnedUnits, came: int, expected: int) -> InvalidRequest:
    numbers = {"product_id": what.product_id, "quantity": came, "expected": expected}
    if what.lot_number is None:
        return InvalidRequest(f"product {what.product_id}: {came} inspected, but only {expected} expected", numbers)
    text = f"product {what.product_id}: {came} of lot {what.lot_number} inspected, but only {expected} expected"
    return InvalidRequest(text, numbers | {"lot_number": what.lot_number})
