"""Numbers that differ by upper and lower case alone are refused, with the one that is known: `d1` beside `D1`."""

from collections.abc import Callable
from functools import partial

import pytest
from sqlalchemy import Engine

from database.sessions import Database
from stockkeeper.contracts.reservation import FulfillLine
from tests.support.books import nothing_is_stored
from tests.support.shop import Shop, new_reference
from tests.support.steps.activity import refused
from tests.support.steps.adjustment import AdjustmentCalls
from tests.support.steps.customer_return import ReturnCalls, found
from tests.support.steps.cycle_count import CountCalls
from tests.support.steps.purchase_order import Buying, came, wanted
from tests.support.steps.reservation import Steps
from tests.support.steps.transfer import TransferCalls, arrived

Again = Callable[[str], object]


def _documents(database: Database, shop: Shop) -> dict[str, Again]:
    """Each kind of document, stored under a number."""
    item, there = shop.item(10), shop.warehouse()
    place, supplier = item.warehouse_id, shop.supplier()
    return {
        "purchase order": lambda number: Buying(database).draft(number, supplier, place, [wanted(item, 1)]),
        "transfer": lambda number: TransferCalls(database).hold(number, there, (item, 1)),
        "return": lambda number: ReturnCalls(database).register(number, (item, 1)),
        "adjustment": lambda number: AdjustmentCalls(database).submit(number, (item, 1)),
        "count": lambda number: CountCalls(database).open(number, place, item.product_id),
    }


def _receipts(database: Database, shop: Shop) -> dict[str, Again]:
    """Each kind of goods that come or leave in parts, under a number of the caller."""
    item, other = shop.item(10), shop.item(10)
    buying, moving, returning, selling = (
        Buying(database),
        TransferCalls(database),
        ReturnCalls(database),
        Steps(database),
    )
    order, sent = buying.order(shop, (item, 10)), moving.held(shop.warehouse(), (item, 9))
    moving.dispatch(sent, (item, 5), dispatch_id="first")
    back, sale = returning.expected((item, 10)), new_reference()
    selling.reserve(sale, (other, 10))
    one = [FulfillLine(product_id=other.product_id, quantity=1)]
    return {
        "delivery": lambda name: buying.receive(order, name, came(item, 1)),
        "arrival": lambda name: moving.receive(sent, name, arrived(item, 1)),
        "departure": lambda name: moving.dispatch(sent, (item, 1), dispatch_id=name),
        "write-off": lambda name: moving.write_off(sent, "lost", (item, 1), write_off_id=name),
        "inspection": lambda name: returning.inspect(back, name, found(item, 1)),
        "shipment": lambda name: selling.fulfill(sale, one, operation=name),
    }


@pytest.mark.parametrize("kind", ["purchase order", "transfer", "return", "adjustment", "count"])
def test_a_document_whose_number_has_a_twin_is_refused(
    database: Database, shop: Shop, engine: Engine, kind: str
) -> None:
    store, number = _documents(database, shop)[kind], new_reference("d")
    store(number)
    with nothing_is_stored(engine):
        assert refused(partial(store, number.upper())) == ("InvalidRequest", {"known": number})
    store(number + "x")


@pytest.mark.parametrize("kind", ["delivery", "arrival", "departure", "write-off", "inspection", "shipment"])
def test_goods_whose_number_has_a_twin_are_refused(database: Database, shop: Shop, engine: Engine, kind: str) -> None:
    book = _receipts(database, shop)[kind]
    book("D1")
    with nothing_is_stored(engine):
        assert refused(partial(book, "d1")) == ("InvalidRequest", {"known": "D1"})
    book("d2")
