"""A customer return: goods that were sold and come back, until all of them are inspected.

It is EXPECTED until all of its units have been inspected, at once or in parts. Fit units go back into stock;
unfit ones are scrapped, and enter no stock. Then it is INSPECTED. Units that haven't come may be given up: then it is
INSPECTED with those that came, or CANCELLED if none did.

For each line, always: quantity = restocked + scrapped + expected.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from stockkeeper.domain.errors import InvalidRequest
from stockkeeper.domain.receipt import Awaited, Taken, share_out
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
    """

    line_number: int
    product_id: int
    quantity: int
    restocked: int
    scrapped: int

    @property
    def inspected(self) -> int:
        """Units inspected."""
        return self.restocked + self.scrapped

    @property
    def expected(self) -> int:
        """Units not inspected yet."""
        return self.quantity - self.inspected


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

    def plan_inspection(self, found: Mapping[int, Taken]) -> dict[int, Taken]:
        """Share of each line in the inspected units: ``{line_number: Taken}``, without lines that get none.

        A product on several lines fills them in order, first with restocked units, then with scrapped ones.

        Raises:
            InvalidState: Nothing is expected any more.
            InvalidRequest: A product isn't on the return, or more of it was found than is expected.
        """
        self.after(ReturnEvent.INSPECT)
        lines = [Awaited(line.line_number, line.product_id, line.expected) for line in self.lines]
        return share_out(found, lines, f"return {self.return_number}", _too_many)

    def after_inspection(self, taken: Mapping[int, Taken]) -> ReturnStatus:
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


def _too_many(product_id: int, came: int, expected: int) -> InvalidRequest:
    numbers = {"product_id": product_id, "quantity": came, "expected": expected}
    return InvalidRequest(f"product {product_id}: {came} inspected, but only {expected} expected", numbers)
