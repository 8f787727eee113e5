"""A customer return: goods that were sold and come back, until somebody has looked at each of them.

It is EXPECTED until all that is on it has been inspected, at once or in parts. What is fit goes back into stock; what
isn't is scrapped, and enters no stock. Then it is INSPECTED. What hasn't come may be given up: then it is INSPECTED
with what came, or CANCELLED if nothing did.

For each line, always: quantity = restocked + scrapped + expected.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from stockkeeper.domain.errors import InvalidRequest
from stockkeeper.domain.receipt import Taken, spread
from stockkeeper.domain.transitions import TransitionTable, Words


class ReturnStatus(StrEnum):
    """Where a return stands."""

    EXPECTED = "EXPECTED"
    INSPECTED = "INSPECTED"
    CANCELLED = "CANCELLED"


class ReturnEvent(StrEnum):
    """What can happen to one.

    ``inspect`` is an inspection that leaves something expected, ``complete`` the last; ``cancel`` is what closing short
    is as long as nothing has come.
    """

    INSPECT = "inspect"
    COMPLETE = "complete"
    CLOSE_SHORT = "close_short"
    CANCEL = "cancel"


RETURN = TransitionTable(
    "return",
    {
        ReturnStatus.EXPECTED: {
            ReturnEvent.INSPECT: ReturnStatus.EXPECTED,
            ReturnEvent.COMPLETE: ReturnStatus.INSPECTED,
            ReturnEvent.CLOSE_SHORT: ReturnStatus.INSPECTED,
            ReturnEvent.CANCEL: ReturnStatus.CANCELLED,
        },
        ReturnStatus.INSPECTED: {},
        ReturnStatus.CANCELLED: {},
    },
    Words(
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
        },
    ),
)


@dataclass(frozen=True)
class ReturnedLine:
    """One line; quantities in units.

    Attributes:
        line_number: Its place in the return, from 1.
        product_id: What comes back.
        quantity: Units that are to come back.
        restocked: Units that were found fit, and are in stock again.
        scrapped: Units that weren't, and are in nobody's stock.
    """

    line_number: int
    product_id: int
    quantity: int
    restocked: int
    scrapped: int

    @property
    def inspected(self) -> int:
        """Units that somebody has looked at."""
        return self.restocked + self.scrapped

    @property
    def expected(self) -> int:
        """Units that nobody has looked at yet."""
        return self.quantity - self.inspected


@dataclass(frozen=True)
class CustomerReturn:
    """A return as the database has it, and what may be done with it."""

    return_id: int
    return_number: str
    warehouse_id: int
    reference_id: str
    status: ReturnStatus
    lines: Sequence[ReturnedLine]

    @property
    def has_come(self) -> bool:
        """Whether anything has."""
        return any(line.inspected for line in self.lines)

    def after(self, event: ReturnEvent) -> ReturnStatus:
        """The status after an event.

        Raises:
            InvalidState: It can't happen now.
        """
        return RETURN.next(self.status, event, of=self.return_number)

    def plan_inspection(self, found: Mapping[int, Taken]) -> dict[int, Taken]:
        """What each line gets of what was found of each product: ``{line_number: Taken}``, lines without any left out.

        A product that stands on several lines fills them in order, first with what is restocked, then with what is
        scrapped.

        Raises:
            InvalidState: Nothing is expected any more.
            InvalidRequest: A product isn't on the return, or more of it was found than is expected.
        """
        self.after(ReturnEvent.INSPECT)
        taken: dict[int, Taken] = {}
        for product_id, came in found.items():
            lines = [line for line in self.lines if line.product_id == product_id]
            if not lines:
                message = f"product {product_id} isn't on return {self.return_number}"
                raise InvalidRequest(message, {"product_id": product_id})
            expected = sum(line.expected for line in lines)
            if came.units > expected:
                raise _too_many(product_id, came.units, expected)
            taken |= spread(came, {line.line_number: line.expected for line in lines})
        return dict(sorted(taken.items()))

    def after_inspection(self, taken: Mapping[int, Taken]) -> ReturnStatus:
        """The status after an inspection: INSPECTED once nothing is expected any more."""
        left = sum(line.expected for line in self.lines) - sum(share.units for share in taken.values())
        return self.after(ReturnEvent.INSPECT if left else ReturnEvent.COMPLETE)

    def after_close_short(self) -> ReturnStatus:
        """The status once the rest is given up: INSPECTED with what came, CANCELLED if nothing came.

        Raises:
            InvalidState: Nothing is expected any more.
        """
        status = self.after(ReturnEvent.CLOSE_SHORT)
        return status if self.has_come else self.after(ReturnEvent.CANCEL)


def _too_many(product_id: int, came: int, expected: int) -> InvalidRequest:
    numbers = {"product_id": product_id, "quantity": came, "expected": expected}
    return InvalidRequest(f"product {product_id}: {came} inspected, but only {expected} expected", numbers)
