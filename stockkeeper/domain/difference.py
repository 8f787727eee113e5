"""The difference of a document: stock that it makes or loses without a counterpart, and the approval above the limit.

Units lost or damaged in transit, units restocked that were never sold, units received that were never ordered: up to
the limit of `stockkeeper.domain.worth` the person at the goods books them alone. Above it another person has to approve
beforehand how much of a difference the document may have; then the goods, which are at hand and can't wait, are booked
(ADR 0034).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from stockkeeper.domain.errors import NotPermitted
from stockkeeper.domain.people import is_same_person
from stockkeeper.domain.worth import Limit, Worth, in_figures


@dataclass(frozen=True)
class DifferenceApproval:
    """A person's approval of a document's difference.

    Attributes:
        approval_id: Its key.
        approver: The person.
        up_to: The worth that the difference may have, of all of the document's bookings together.
    """

    approval_id: int
    approver: str
    up_to: Worth

    def covers(self, worth: Worth) -> bool:
        """Whether a difference of that worth is within it."""
        return worth.value <= self.up_to.value and worth.unvalued_units <= self.up_to.unvalued_units


def approval_of_difference(
    document: str, what: str, worth: Worth, limit: Limit, booked_by: str, given: Iterable[DifferenceApproval]
) -> DifferenceApproval | None:
    """The approval by which a difference may be booked; None: it is within the limit and needs none.

    Args:
        document: The document in messages: ``transfer T-7``.
        what: What makes the difference: ``50 units of transfer T-7 lost or damaged``.
        worth: Its worth, with what the document has made or lost before.
        limit: The limit.
        booked_by: The person who books it.
        given: The approvals that the document has.

    Raises:
        NotPermitted: It is above the limit, and no other person has approved that much.
    """
    if not limit.is_exceeded_by(worth):
        return None
    for each in given:
        if each.covers(worth) and not is_same_person(each.approver, booked_by):
            return each
    raise NotPermitted(
        f"{what}: {limit.why(worth)}; another person than {booked_by} has to approve that difference of {document} "
        "first, and then it can be booked",
        {
            "value": in_figures(worth.value).replace(",", ""),
            "unvalued_units": worth.unvalued_units,
            "limit": in_figures(limit.value).replace(",", ""),
            "limit_units": limit.units,
        },
    )


class Balance(NamedTuple):
    """Units of a product, or of a lot of it, that an order has shipped and that its returns have brought back.

    Attributes:
        restocked: Units that its returns have put into stock.
        came_back: Units that came back, restocked or scrapped.
        shipped: Units that the order has shipped; 0, too, where the order is unknown.
    """

    restocked: int = 0
    came_back: int = 0
    shipped: int = 0

    def with_found(self, restocked: int, scrapped: int) -> "Balance":
        """After further units have come back."""
        return Balance(self.restocked + restocked, self.came_back + restocked + scrapped, self.shipped)

    @property
    def made(self) -> int:
        """Units that the returns have put into stock and the order never took out."""
        return min(self.restocked, max(self.came_back - self.shipped, 0))


def made_by_returns(of_product: Balance, of_lots: Iterable[Balance]) -> int:
    """Units of a product that the returns of an order have put into stock and the order never took out.

    Of a tracked product no lot may come back that the order hasn't shipped, nor more of one. Units that it shipped
    without a lot, before the product was tracked, may be of any.

    Args:
        of_product: The units of all lots together.
        of_lots: Those of each lot; empty: the product isn't tracked.
    """
    lots = list(of_lots)
    without_lot = of_product.shipped - sum(lot.shipped for lot in lots)
    return max(of_product.made, sum(lot.made for lot in lots) - without_lot)
