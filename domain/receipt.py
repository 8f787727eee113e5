"""A receipt: what came of each product, whoever sent it."""

from collections.abc import Iterable
from typing import NamedTuple


class Delivered(NamedTuple):
    """What a receipt says of one product, in units.

    Attributes:
        product_id: What came.
        accepted: Enters stock.
        unfit: Comes on top of these and doesn't enter stock: rejected from a supplier, damaged on a transfer.
    """

    product_id: int
    accepted: int
    unfit: int


class Taken(NamedTuple):
    """What a line, or a product, gets of a receipt: units that enter stock, and units on top that don't."""

    accepted: int
    unfit: int

    @property
    def units(self) -> int:
        """All of them."""
        return self.accepted + self.unfit


def delivered_by_product(delivered: Iterable[Delivered]) -> dict[int, Taken]:
    """What came of each product: the same product on two lines of a receipt counts together."""
    came: dict[int, Taken] = {}
    for each in delivered:
        before = came.get(each.product_id, Taken(0, 0))
        came[each.product_id] = Taken(before.accepted + each.accepted, before.unfit + each.unfit)
    return came
