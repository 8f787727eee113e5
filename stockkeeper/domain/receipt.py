"""A receipt: the delivered units of each product, from any sender."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple


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
