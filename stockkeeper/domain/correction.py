"""What a correction changes: units of items, and of tracked products units of one lot each."""

from collections.abc import Iterable
from typing import NamedTuple

from stockkeeper.domain.lot import LotFacts
from stockkeeper.domain.stock import ItemKey


class Change(NamedTuple):
    """Units that are on the shelf and not in the books, or in the books and not on the shelf.

    Attributes:
        item: The item.
        quantity: Units: positive in, negative out.
        lot: Of a tracked product, the lot, with what its package says.
    """

    item: ItemKey
    quantity: int
    lot: LotFacts | None = None

    @property
    def lot_number(self) -> str | None:
        """The lot's number; None: the product isn't tracked."""
        return None if self.lot is None else self.lot.lot_number


def net_changes(changes: Iterable[Change]) -> list[Change]:
    """Changes in lock order: those of one item, or of one of its lots, count together, and what nets to 0 is left out.

    Raises:
        InvalidRequest: Two of them say different things of a lot.
    """
    net: dict[tuple[ItemKey, str], Change] = {}
    for each in changes:
        key = each.item, each.lot_number or ""
        if (before := net.get(key)) is None:
            net[key] = each
            continue
        lot = each.lot
        if lot is not None and before.lot is not None:
            lot = lot.agreed(before.lot, f"product {each.item.product_id}")
        net[key] = Change(each.item, before.quantity + each.quantity, lot)
    return [each for _, each in sorted(net.items()) if each.quantity]
