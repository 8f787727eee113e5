"""An inspection: units that are set aside, until a person decides what becomes of them.

It is OPEN from when its units are set aside, and DONE once all of them have been released, which makes them available
again, or scrapped, which takes them off the books. Nobody decides about units that they have set aside themselves, and
no time does: at its deadline people are told again, and the units stay where they are. It is REJECTED if fewer units
were there than were to be set aside; then nothing is.

For each line, always: quantity = released + scrapped + open.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

from stockkeeper.domain.errors import InvalidRequest, NotPermitted
from stockkeeper.domain.lot import StockState
from stockkeeper.domain.people import is_same_person
from stockkeeper.domain.transitions import TransitionTable, Words
from stockkeeper.domain.worth import Worth, worth_of_units


class InspectionStatus(StrEnum):
    """Status of an inspection. One that is REJECTED for lack of stock changes nothing and has no rows."""

    OPEN = "OPEN"
    DONE = "DONE"
    REJECTED = "REJECTED"


class InspectionEvent(StrEnum):
    """Event in the life of an inspection."""

    RELEASE = "release"
    """A release that leaves something open."""
    SCRAP = "scrap"
    """Scrapping that leaves something open."""
    COMPLETE = "complete"
    """The last decision."""
    REJECT = "reject"


INSPECTION = TransitionTable(
    {
        (InspectionStatus.OPEN, InspectionStatus.OPEN): {InspectionEvent.RELEASE, InspectionEvent.SCRAP},
        (InspectionStatus.OPEN, InspectionStatus.DONE): {InspectionEvent.COMPLETE},
        (InspectionStatus.OPEN, InspectionStatus.REJECTED): {InspectionEvent.REJECT},
    },
    Words(
        "inspection",
        statuses={
            InspectionStatus.OPEN: "is open",
            InspectionStatus.DONE: "is done",
            InspectionStatus.REJECTED: "was rejected for lack of stock",
        },
        commands={
            InspectionEvent.RELEASE: "can't be released any more",
            InspectionEvent.SCRAP: "can't be scrapped any more",
            InspectionEvent.COMPLETE: "nothing of it can be decided",
            InspectionEvent.REJECT: "can't be rejected",
            "approve_difference": "no difference of it can be approved",
        },
        advice={InspectionStatus.REJECTED: "start it again once the stock is there"},
    ),
)


class Outcome(StrEnum):
    """What has become of units."""

    RELEASED = "RELEASED"
    SCRAPPED = "SCRAPPED"

    @property
    def event(self) -> InspectionEvent:
        """The event of a decision with this outcome."""
        return InspectionEvent.RELEASE if self is Outcome.RELEASED else InspectionEvent.SCRAP


class DamagedGoods(StrEnum):
    """What becomes of damaged units of a transfer, and of unfit ones of a return: the setting ``DAMAGED_GOODS``."""

    WRITE_OFF = "write_off"
    """They enter no stock."""
    INSPECT = "inspect"
    """They are on hand in the state DAMAGED, until an inspection has decided about them."""


class ReturnedGoods(StrEnum):
    """What becomes of fit units of a return: the setting ``RETURNED_GOODS``."""

    RESTOCK = "restock"
    """They are available at once."""
    QUARANTINE = "quarantine"
    QUALITY_CONTROL = "quality_control"

    @property
    def state(self) -> StockState | None:
        """The state in which they wait for an inspection; None: in none."""
        return None if self is ReturnedGoods.RESTOCK else StockState(self.upper())


class GoodsPolicy(NamedTuple):
    """What becomes of goods that come and may not be promised at once.

    Attributes:
        damaged: Damaged units of transfers, and unfit ones of returns.
        returned: Fit units of returns.
    """

    damaged: DamagedGoods = DamagedGoods.WRITE_OFF
    returned: ReturnedGoods = ReturnedGoods.RESTOCK


DEFAULT_GOODS = GoodsPolicy()


@dataclass(frozen=True)
class AsideLine:
    """One line; quantities in units.

    Attributes:
        line_number: Its place in the inspection, from 1.
        product_id: The product.
        lot_number: The lot; None: the product isn't tracked.
        quantity: Units that were set aside.
        unit_cost: Cost of one unit; None: unknown.
        released: Units that are available again.
        scrapped: Units that are off the books.
    """

    line_number: int
    product_id: int
    lot_number: str | None
    quantity: int
    unit_cost: Decimal | None
    released: int
    scrapped: int

    @property
    def aside(self) -> int:
        """Units that are still set aside."""
        return self.quantity - self.released - self.scrapped


OfProduct = tuple[int, str | None]
"""A product, and the lot of it if it is tracked."""


@dataclass(frozen=True)
class Inspection:
    """An inspection as stored, and the rules for its commands."""

    inspection_id: int
    inspection_number: str
    warehouse_id: int
    status: InspectionStatus
    state: StockState
    reason: str
    requested_by: str
    lines: Sequence[AsideLine]

    def after(self, event: InspectionEvent, command: str = "") -> InspectionStatus:
        """The status after an event; ``command`` if what asks has another name than that.

        Raises:
            InvalidState: It can't happen now.
        """
        return INSPECTION.next(self.status, event, of=self.inspection_number, command=command)

    def require_may_decide(self, person: str) -> None:
        """Refuse a decision by whoever has set the units aside.

        Raises:
            NotPermitted: It is the same person.
        """
        if is_same_person(person, self.requested_by):
            raise NotPermitted(
                f"inspection {self.inspection_number}: {person} has set these units aside; another person has to "
                "release or scrap them"
            )

    def plan(self, outcome: Outcome, decided: Mapping[OfProduct, int] | None) -> dict[int, int]:
        """Units of each line that a decision is about, without lines of which there are none.

        Args:
            outcome: What becomes of them.
            decided: Units by product and lot; None: everything that is open. A product on several lines fills them in
                order.

        Raises:
            InvalidState: Nothing is set aside any more.
            InvalidRequest: A product or lot isn't in the inspection, or fewer of its units are still set aside.
        """
        self.after(outcome.event)
        if decided is None:
            return {line.line_number: line.aside for line in self.lines if line.aside}
        left, planned = Counter(decided), {}
        for line in self.lines:
            of = line.product_id, line.lot_number
            if units := min(line.aside, left[of]):
                planned[line.line_number] = units
                left[of] -= units
        for (product_id, lot_number), units in left.items():
            if units:
                raise self._too_many(product_id, lot_number, decided[product_id, lot_number], units)
        return planned

    def after_decision(self, outcome: Outcome, planned: Mapping[int, int]) -> InspectionStatus:
        """The status after a decision: DONE once nothing is set aside any more."""
        left = sum(line.aside for line in self.lines) - sum(planned.values())
        return self.after(outcome.event if left else InspectionEvent.COMPLETE)

    def scrapped_worth(self, planned: Mapping[int, int]) -> Worth:
        """The worth of all that is scrapped, with these units by line number on top."""
        return worth_of_units(
            (line.scrapped + planned.get(line.line_number, 0), line.unit_cost)
            for line in self.lines
            if line.scrapped or line.line_number in planned
        )

    def _too_many(self, product_id: int, lot_number: str | None, asked: int, missing: int) -> InvalidRequest:
        what = f"product {product_id}" + (f", lot {lot_number}" if lot_number else "")
        return InvalidRequest(
            f"{what}: {asked} units, but only {asked - missing} are set aside by inspection {self.inspection_number}",
            {"product_id": product_id, "quantity": asked, "set_aside": asked - missing},
        )
