"""A receipt: the delivered units of each product, from any sender."""

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from stockkeeper.domain.errors import InvalidRequest


class Delivered(NamedTuple):
    """One product of a receipt, in units.

    Attributes:
        product_id: The product.
        accepted: Enters stock.
        unfit: Comes on top of these and doesn't enter stock: rejected from a supplier, damaged on a transfer, scrapped
            of a return.
    """

    product_id: int
    accepted: int
    unfit: int


class Taken(NamedTuple):
    """Share of a line, or of a product, in a receipt: units that enter stock, and further units that don't."""

    accepted: int
    unfit: int

    @property
    def units(self) -> int:
        """All of them."""
        return self.accepted + self.unfit


def delivered_by_product(delivered: Iterable[Delivered]) -> dict[int, Taken]:
    """Delivered units of each product: the same product on two lines of a receipt counts together."""
    came: dict[int, Taken] = {}
    for each in delivered:
        before = came.get(each.product_id, Taken(0, 0))
        came[each.product_id] = Taken(before.accepted + each.accepted, before.unfit + each.unfit)
    return came


def spread(came: Taken, awaited: Mapping[int, int]) -> dict[int, Taken]:
    """Share of each line of a product on several lines, without lines that get none.

    They are filled in order, first with units that enter stock, then with units that don't.

    Args:
        came: Delivered units of the product; no more than awaited.
        awaited: Units that each line still waits for, by line number and in order.
    """
    accepted, unfit = came
    given: dict[int, Taken] = {}
    for line_number, units in awaited.items():
        share = Taken(min(accepted, units), min(unfit, max(units - accepted, 0)))
        if share.units:
            given[line_number] = share
        accepted -= share.accepted
        unfit -= share.unfit
    return given


TooMany = Callable[[int, int, int], InvalidRequest]
"""The error for a product of which more is to be booked than can be: its id, those units, and the units there are."""


class Awaited(NamedTuple):
    """A line that waits for units of a product."""

    line_number: int
    product_id: int
    units: int


def share_out(
    came: Mapping[int, Taken],
    lines: Iterable[Awaited],
    document: str,
    too_many: TooMany,
) -> dict[int, Taken]:
    """Share of each line in the delivered units, by line number and without lines that get none.

    Args:
        came: Delivered units by product.
        lines: The lines of the document, in order.
        document: The document in messages: ``transfer T-7``.
        too_many: The error for a product, its delivered units and its awaited units.

    Raises:
        InvalidRequest: A product isn't on the document, or more of it was delivered than is awaited.
    """
    awaited: dict[int, dict[int, int]] = {}
    for line in lines:
        awaited.setdefault(line.product_id, {})[line.line_number] = line.units
    taken: dict[int, Taken] = {}
    for product_id, delivered in came.items():
        if product_id not in awaited:
            raise InvalidRequest(f"product {product_id} isn't on {document}", {"product_id": product_id})
        units = sum(awaited[product_id].values())
        if delivered.units > units:
            raise too_many(product_id, delivered.units, units)
        taken |= spread(delivered, awaited[product_id])
    return dict(sorted(taken.items()))
