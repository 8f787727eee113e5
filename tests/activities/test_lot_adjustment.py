"""Adjustments of tracked products: each line is of one lot."""

from datetime import timedelta

import pytest
from sqlalchemy import Engine

from database.sessions import Database
from stockkeeper.domain.adjustment import AdjustmentStatus
from stockkeeper.domain.lot import LotFacts
from tests.support.books import level, nothing_changes
from tests.support.lots import TODAY, lot_books, lot_item
from tests.support.shop import Shop, new_reference
from tests.support.steps.activity import refused
from tests.support.steps.adjustment import AdjustmentCalls
from tests.support.steps.reservation import Steps

SOON, LATER = TODAY + timedelta(days=3), TODAY + timedelta(days=30)


@pytest.fixture
def adjusting(database: Database) -> AdjustmentCalls:
    """Adjustments, without Temporal around them."""
    return AdjustmentCalls(database)


def test_each_line_changes_its_lot(adjusting: AdjustmentCalls, shop: Shop, engine: Engine) -> None:
    item, number = lot_item(shop, ("A", SOON, 5)), new_reference("a")
    lots = [LotFacts("A"), LotFacts("B", LATER, LATER - timedelta(days=5), TODAY)]
    posted = adjusting.submit(number, (item, -2), (item, 3), lots=lots)
    assert posted.status is AdjustmentStatus.POSTED
    assert [(line.lot_number, line.expires_on, line.made_on) for line in posted.lines] == [
        ("A", None, None),
        ("B", LATER, TODAY),
    ]
    assert lot_books(engine, item) == {"A": (3, 0, 0), "B": (3, 0, 0)}
    # A repeat is the same; the same number with another lot is another adjustment.
    assert adjusting.submit(number, (item, -2), (item, 3), lots=lots) == posted
    with nothing_changes(engine, item):
        assert refused(lambda: adjusting.submit(number, (item, -2), (item, 3), lots=lots[::-1]))[0] == (
            "OperationConflict"
        )


def test_a_lot_is_named_of_tracked_products_and_of_no_other(
    adjusting: AdjustmentCalls, shop: Shop, engine: Engine
) -> None:
    milk, mug = lot_item(shop, ("A", SOON, 5)), shop.item(5)
    with nothing_changes(engine, milk):
        assert refused(lambda: adjusting.submit(new_reference("a"), (milk, -1)))[0] == "InvalidRequest"
        assert refused(lambda: adjusting.submit(new_reference("a"), (mug, -1), lots=[LotFacts("A")]))[0] == (
            "InvalidRequest"
        )
        # The lot is known with another day.
        assert refused(lambda: adjusting.submit(new_reference("a"), (milk, 1), lots=[LotFacts("A", LATER)]))[0] == (
            "InvalidRequest"
        )
        short = {"product_id": milk.product_id, "warehouse_id": milk.warehouse_id, "requested": 6, "available": 5}
        assert refused(lambda: adjusting.submit(new_reference("a"), (milk, -6), lots=[LotFacts("A")])) == (
            "InsufficientStock",
            [short | {"lot_number": "A"}],
        )
    assert level(engine, mug) == (5, 0)


def test_a_lot_that_somebody_would_lose_waits_for_another_person(
    adjusting: AdjustmentCalls, steps: Steps, shop: Shop, engine: Engine
) -> None:
    item, order, number = lot_item(shop, ("A", SOON, 5)), new_reference(), new_reference("a")
    steps.reserve(order, (item, 4))
    waiting = adjusting.submit(number, (item, -2), lots=[LotFacts("A")])
    assert (waiting.status, [each.reference_id for each in waiting.would_end]) == (AdjustmentStatus.PENDING, [order])
    posted = adjusting.approve(number)
    assert (posted.status, [each.reference_id for each in posted.gave_way]) == (AdjustmentStatus.POSTED, [order])
    assert lot_books(engine, item) == {"A": (3, 0, 0)}
