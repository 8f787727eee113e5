"""What holds of every receipt, whatever the document that it belongs to."""

from collections.abc import Callable, Mapping

import pytest

from stockkeeper.domain.errors import InvalidRequest
from stockkeeper.domain.receipt import Taken

Units = Mapping[int, Taken]


def planned_or_refused(plan: Callable[[Units], Units], came: Units, *, refused: bool) -> None:
    """A plan for these units is made, or refused as a whole."""
    if refused:
        with pytest.raises(InvalidRequest):
            plan(came)
    else:
        plan(came)


def no_unit_is_lost(taken: Units, came: Units, product_of: Mapping[int, int]) -> None:
    """The lines of each product take exactly the units of it that came.

    Args:
        taken: Share of each line, by line number.
        came: Delivered units by product.
        product_of: Product of each line, by line number.
    """
    for product_id in set(product_of.values()):
        shares = [share for number, share in taken.items() if product_of[number] == product_id]
        accepted, unfit = sum(share.accepted for share in shares), sum(share.unfit for share in shares)
        assert (accepted, unfit) == came.get(product_id, (0, 0))
