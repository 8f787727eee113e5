"""Customers' returns of tracked products: what comes back names its lot."""

from collections.abc import Sequence
from datetime import timedelta
from functools import partial

import pytest
from sqlalchemy import Engine, text

from database.sessions import Database
from stockkeeper.contracts.customer_return import ReturnLotState, StoredReturn
from stockkeeper.domain.customer_return import ReturnStatus
from stockkeeper.domain.lot import LotFacts, Tracking
from stockkeeper.domain.stock import ItemKey
from tests.support.adjustment import priced
from tests.support.books import level, nothing_changes
from tests.support.lots import TODAY, lot_books, lot_item, set_status, track
from tests.support.shop import Shop, new_reference
from tests.support.steps.activity import refused
from tests.support.steps.customer_return import ReturnCalls, found, lines_of, return_stays
from tests.support.steps.recall import RecallCalls
from tests.support.steps.reservation import Steps

SOON, LATER = TODAY + timedelta(days=3), TODAY + timedelta(days=30)
YESTERDAY = TODAY - timedelta(days=1)


@pytest.fixture
def taking(database: Database) -> ReturnCalls:
    """Takes goods back."""
    return ReturnCalls(database)


def _shipped(steps: Steps, item: ItemKey, units: int) -> str:
    """An order that has got so many units, the first expired first."""
    order = new_reference()
    steps.reserve(order, (item, units))
    steps.fulfill(order)
    return order


def _moved(engine: Engine, number: str) -> Sequence[tuple[str, int, int]]:
    query = text("""
        SELECT lot_number, quantity, lot_balance_after FROM stock_movements WHERE reference_id = :number
        ORDER BY movement_id
    """)
    with engine.connect() as connection:
        return [(row[0], row[1], row[2]) for row in connection.execute(query, {"number": number})]


def _lots(returned: StoredReturn, line: int = 0) -> list[tuple[str, int, int]]:
    return [(lot.lot_number, lot.restocked, lot.scrapped) for lot in returned.lines[line].lots]


def test_each_lot_comes_back_by_itself(taking: ReturnCalls, steps: Steps, shop: Shop, engine: Engine) -> None:
    item = lot_item(shop, ("A", SOON, 5), ("B", LATER, 5))
    order = _shipped(steps, item, 7)
    number = taking.expected((item, 2), (item, 5), reference_id=order, lots=[LotFacts("B", LATER)])
    seen = [found(item, 1, 1, lot="B"), found(item, 3, lot="A"), found(item, 0, 1)]
    returned = taking.inspect(number, "1", *seen)
    assert [(line.lot_number, line.expires_on) for line in returned.lines] == [("B", LATER), (None, None)]
    # The lot's own line is filled by the lot, the other by what is left; what can't be read is on that one as well.
    assert lines_of(returned) == [(2, 1, 1), (5, 3, 1)]
    assert returned.lines[0].lots == [
        ReturnLotState(lot_number="B", expires_on=LATER, quantity=2, restocked=1, scrapped=1)
    ]
    assert _lots(returned, 1) == [("A", 3, 0)]
    assert lot_books(engine, item) == {"A": (3, 0, 0), "B": (4, 0, 0)}
    assert _moved(engine, number) == [("B", 1, 4), ("A", 3, 3)]
    with return_stays(engine, number, item):
        assert taking.inspect(number, "1", *seen, operation="1") == returned
        others = [
            [found(item, 1, 1, lot="A"), found(item, 3, lot="B"), found(item, 0, 1)],
            [found(item, 1, 1, lot="B"), found(item, 3, lot="A"), found(item, 0, 1, lot="A")],
        ]
        for other in others:
            assert refused(partial(taking.inspect, number, "1", *other, operation="2"))[0] == "OperationConflict"
    last = taking.inspect(number, "2", found(item, 0, 1, lot="A"))
    assert (last.status, _lots(last, 1)) == (ReturnStatus.INSPECTED, [("A", 3, 1)])


def test_a_lot_is_named_of_tracked_products_and_of_no_other(
    taking: ReturnCalls, steps: Steps, shop: Shop, engine: Engine
) -> None:
    milk = lot_item(shop, ("A", SOON, 5))
    pump = lot_item(shop, ("S1", None, 1), ("S2", None, 1), tracking=Tracking.SERIAL, warehouse=milk.warehouse_id)
    mug = shop.item(1, warehouse=milk.warehouse_id)
    order = _shipped(steps, milk, 2)
    number = taking.expected((milk, 5), (mug, 5), (pump, 5), reference_id=order)
    wrong = [
        [found(milk, 1)],
        [found(milk, 1), found(milk, 1, lot="A")],
        [found(mug, 1, lot="A")],
        [found(mug, 0, 1, lot="A")],
        [found(milk, 1, lot="A", expires_on=LATER)],
        [found(milk, 0, 1, lot="A", expires_on=LATER)],
        [found(milk, 1, lot="a")],
        [found(milk, 0, 1, lot="a")],
        # The order has got lot A, and there has never been one by that name.
        [found(milk, 1, lot="A1")],
        [found(pump, 2, lot="S3")],
        [found(pump, 1, 1, lot="S3")],
        # It is on the shelf.
        [found(pump, 1, lot="S1")],
        [found(pump, 0, 1, lot="S1")],
        [found(pump, 1, lot="S3"), found(pump, 1, lot="S3")],
        [found(pump, 0, 1, lot="S3"), found(pump, 0, 1, lot="S3")],
        [found(pump, 1, lot="S3"), found(pump, 0, 1, lot="S3")],
    ]
    for lines in wrong:
        with return_stays(engine, number, milk), nothing_changes(engine, pump, mug):
            assert refused(partial(taking.inspect, number, "1", *lines))[0] == "InvalidRequest", lines
    for named in (LotFacts("A"), LotFacts("S3")):
        item = mug if named.lot_number == "A" else pump
        assert refused(partial(taking.expected, (item, 2), lots=[named]))[0] == "InvalidRequest"


def test_a_serial_number_that_was_sold_comes_back(
    taking: ReturnCalls, steps: Steps, shop: Shop, engine: Engine
) -> None:
    pump = lot_item(shop, ("S1", None, 1), ("S2", None, 1), tracking=Tracking.SERIAL)
    order = _shipped(steps, pump, 2)
    assert lot_books(engine, pump) == {}
    number = taking.expected((pump, 3), reference_id=order)
    taking.inspect(number, "1", found(pump, 1, lot="S1"), found(pump, 0, 1, lot="S2"))
    assert lot_books(engine, pump) == {"S1": (1, 0, 0)}
    with return_stays(engine, number, pump):
        for again in (found(pump, 1, lot="S1"), found(pump, 0, 1, lot="S1")):
            assert refused(partial(taking.inspect, number, "2", again))[0] == "InvalidRequest"


def test_what_has_expired_or_is_blocked_comes_back_and_is_promised_to_nobody(
    taking: ReturnCalls, steps: Steps, shop: Shop, engine: Engine
) -> None:
    item = lot_item(shop, ("BAD", SOON, 2))
    order = _shipped(steps, item, 2)
    old = taking.expected((item, 3))
    back = taking.inspect(old, "1", found(item, 3, lot="OLD", expires_on=YESTERDAY))
    [opened] = back.opened_inspections
    assert (opened.inspection_number, opened.state, opened.reason) == (
        f"{old}.1",
        "QUARANTINE",
        f"inspection 1 of return {old}: expired",
    )
    assert [(line.lot_number, line.quantity) for line in opened.lines] == [("OLD", 3)]
    set_status(engine, item, "BAD", "BLOCKED")
    taking.inspect(taking.expected((item, 2), reference_id=order), "1", found(item, 2, lot="BAD"))
    assert lot_books(engine, item) == {"BAD": (2, 0, 0), "OLD": (3, 0, 3)}
    assert level(engine, item) == (5, 0)
    assert refused(lambda: steps.reserve(new_reference(), (item, 1)))[0] == "InsufficientStock"


def test_another_lot_than_the_order_has_got_takes_two_above_the_limit(
    taking: ReturnCalls, steps: Steps, shop: Shop, engine: Engine
) -> None:
    product = priced(shop, "100.00")
    track(engine, product)
    item = lot_item(shop, ("A", SOON, 20), ("B", LATER, 20), product=product)
    order = _shipped(steps, item, 20)
    number = taking.expected((item, 20), reference_id=order)
    above = {"value": "1000.00", "unvalued_units": 0, "limit": "500.00", "limit_units": 100}
    # As many came back as were sold, but ten of them are of a lot that went to somebody else.
    mixed = [found(item, 10, lot="A"), found(item, 10, lot="B")]
    with return_stays(engine, number, item):
        assert refused(partial(taking.inspect, number, "1", *mixed)) == ("NotPermitted", above)
    taking.approve_difference(number, "1000.00")
    assert taking.inspect(number, "1", *mixed).status is ReturnStatus.INSPECTED
    assert lot_books(engine, item) == {"A": (10, 0, 0), "B": (30, 0, 0)}


def test_a_recall_counts_what_came_back(
    taking: ReturnCalls, database: Database, steps: Steps, shop: Shop, engine: Engine
) -> None:
    item = lot_item(shop, ("BAD", SOON, 9))
    order = _shipped(steps, item, 6)
    recalling = RecallCalls(database)
    recall = recalling.blocked(item, "BAD")
    taking.inspect(taking.expected((item, 5), reference_id=order), "1", found(item, 2, 3, lot="BAD"))
    figures = recalling.track(recall).figures
    assert figures is not None
    assert (figures.sold, figures.returned, figures.returned_unfit, figures.on_hand) == (6, 2, 3, 5)
    assert (figures.difference, figures.as_figures.outside) == (0, 1)
