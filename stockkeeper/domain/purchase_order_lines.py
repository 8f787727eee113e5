"""The lines of a purchase order: what is owed on them, and how units that come or go back are shared out among them."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal

from stockkeeper.domain.errors import InvalidRequest
from stockkeeper.domain.lot import LotFacts
from stockkeeper.domain.receipt import Awaited, Taken, share_out


def receivable(qty: int, over_delivery_percent: Decimal) -> int:
    """The most units that may be received for ``qty`` ordered: the tolerance is rounded down to whole units."""
    more = (qty * over_delivery_percent / 100).to_integral_value(rounding=ROUND_DOWN)
    return qty + int(more)


@dataclass(frozen=True)
class OrderedLine:
    """One line; quantities in units.

    Attributes:
        line_number: Its place in the order, from 1.
        product_id: The product.
        qty: Units ordered.
        unit_cost: Cost of one unit.
        quantity_received: Units accepted into stock so far.
        quantity_rejected: Units that came and were not accepted: kept apart, and still owed.
        quantity_receivable: The most that may be received: ``qty`` and the tolerance for over-delivery.
        quantity_returned: Units received that have gone back to the supplier.
    """

    line_number: int
    product_id: int
    qty: int
    unit_cost: Decimal
    quantity_received: int
    quantity_rejected: int
    quantity_receivable: int
    quantity_returned: int = 0

    @property
    def quantity_owed(self) -> int:
        """Units that the supplier still owes."""
        return max(self.qty - self.quantity_received, 0)


def share_delivered(lines: Sequence[OrderedLine], delivered: Mapping[int, Taken], order: str) -> dict[int, Taken]:
    """Share of each line in the delivered units, by line number and without lines that get none.

    A product on several lines fills them in order; further units, within the tolerance, go to the first line that may
    still take it. Rejected units belong to the first of the product's lines that is owed something, or else to its
    last.

    Args:
        lines: The order's lines.
        delivered: Units by product.
        order: The order in messages.

    Raises:
        InvalidRequest: A product isn't on the order, or more of it came than may be received.
    """
    of_product: dict[int, list[OrderedLine]] = {}
    for line in lines:
        of_product.setdefault(line.product_id, []).append(line)
    taken: dict[int, Taken] = {}
    for product_id, (quantity, rejected) in delivered.items():
        if (its := of_product.get(product_id)) is None:
            raise InvalidRequest(f"product {product_id} isn't on {order}", {"product_id": product_id})
        accepted = _spread(quantity, its)
        if sum(accepted.values()) < quantity:
            raise _too_many(product_id, quantity, its)
        rejected_on = next((line for line in its if line.quantity_owed), its[-1]).line_number
        for line in its:
            share = Taken(accepted[line.line_number], rejected if line.line_number == rejected_on else 0)
            if any(share):
                taken[line.line_number] = share
    return dict(sorted(taken.items()))


def share_taken_back(
    lines: Sequence[OrderedLine], brought: Mapping[int, Taken], too_many: Mapping[int, Taken], receipt: str
) -> dict[int, Taken]:
    """Share of each line in units that a receipt has booked and that didn't come, by line number.

    Args:
        lines: The order's lines.
        brought: Units that the receipt has brought, by line number, less those that were taken back before.
        too_many: Units of each product that are to be taken back.
        receipt: The receipt in messages.

    Raises:
        InvalidRequest: The receipt hasn't brought so many, or they have gone back to the supplier.
    """
    none = Taken(0, 0)
    its = [line for line in lines if line.line_number in brought]
    accepted = share_out(
        {product: Taken(units.accepted, 0) for product, units in too_many.items()},
        [
            Awaited(
                line.line_number,
                line.product_id,
                min(brought[line.line_number].accepted, line.quantity_received - line.quantity_returned),
            )
            for line in its
        ],
        receipt,
        _more_than_came,
    )
    rejected = share_out(
        {product: Taken(0, units.unfit) for product, units in too_many.items()},
        [Awaited(line.line_number, line.product_id, brought[line.line_number].unfit) for line in its],
        receipt,
        _more_than_came,
    )
    return {
        number: Taken(accepted.get(number, none).accepted, rejected.get(number, none).unfit)
        for number in sorted(accepted.keys() | rejected.keys())
    }


def require_brought(
    lots: Mapping[int, Iterable[tuple[LotFacts, int]]], brought: Mapping[tuple[int, str], int], receipt: str
) -> None:
    """Refuse to take more of a lot back than a receipt has brought of it.

    Args:
        lots: Lots and units that are to be taken back, by product.
        brought: Units that the receipt has brought of each lot, less those that were taken back before.
        receipt: The receipt in messages.

    Raises:
        InvalidRequest: With the lot, and the units that there are.
    """
    wanted: Counter[tuple[int, str]] = Counter()
    for product_id, its in lots.items():
        for lot, units in its:
            wanted[product_id, lot.lot_number] += units
    for (product_id, number), units in wanted.items():
        if units > (there := brought.get((product_id, number), 0)):
            text = f"product {product_id}, lot {number}: {units} to be taken back, but {receipt} brought {there}"
            numbers = {"product_id": product_id, "lot_number": number, "quantity": units, "received": there}
            raise InvalidRequest(text, numbers)


def share_returned(lines: Sequence[OrderedLine], wanted: Mapping[int, int], order: str) -> dict[int, int]:
    """Units of each line that go back to the supplier, by line number.

    Args:
        lines: The order's lines.
        wanted: Units by product.
        order: The order in messages.

    Raises:
        InvalidRequest: A product isn't on the order, or fewer of it have been received and not returned.
    """
    here = [
        Awaited(line.line_number, line.product_id, line.quantity_received - line.quantity_returned) for line in lines
    ]
    asked = {product: Taken(units, 0) for product, units in wanted.items()}
    shares = share_out(asked, here, order, _more_than_came)
    return {number: share.accepted for number, share in shares.items()}


def beyond_ordered(lines: Sequence[OrderedLine], taken: Mapping[int, Taken]) -> tuple[dict[int, int], bool]:
    """Units received beyond the order by line number, with this receipt; and whether it adds any."""
    none, over, grows = Taken(0, 0), {}, False
    for line in lines:
        accepted = taken.get(line.line_number, none).accepted
        before = max(line.quantity_received - line.qty, 0)
        if by_now := max(line.quantity_received + accepted - line.qty, 0):
            over[line.line_number] = by_now
        grows = grows or by_now > before
    return over, grows


def _spread(quantity: int, lines: Sequence[OrderedLine]) -> dict[int, int]:
    """Units for each line: first up to the quantity owed, then up to the tolerance."""
    given: dict[int, int] = {}
    for line in lines:
        given[line.line_number] = min(quantity, line.quantity_owed)
        quantity -= given[line.line_number]
    for line in lines:
        more = min(quantity, line.quantity_receivable - line.quantity_received - given[line.line_number])
        given[line.line_number] += more
        quantity -= more
    return given


def _more_than_came(product_id: int, units: int, there: int) -> InvalidRequest:
    numbers = {"product_id": product_id, "quantity": units, "received": there}
    return InvalidRequest(f"product {product_id}: {units} to be taken back, but only {there} received", numbers)


def _too_many(product_id: int, quantity: int, lines: Sequence[OrderedLine]) -> InvalidRequest:
    owed = sum(line.quantity_owed for line in lines)
    most = sum(line.quantity_receivable - line.quantity_received for line in lines)
    tolerated = f", at most {most} with the tolerance" if most > owed else ""
    numbers = {"product_id": product_id, "quantity": quantity, "owed": owed, "at_most": most}
    return InvalidRequest(f"product {product_id}: {quantity} delivered, but only {owed} still owed{tolerated}", numbers)
