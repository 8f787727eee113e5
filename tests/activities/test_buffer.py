"""Units of an item that are kept from sale: who may not have them, and for whom they count."""

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import IntegrityError
from temporalio.exceptions import ApplicationError

from activities.buffer import ItemBuffers
from activities.stock import StockQuestions
from database.sessions import Database
from stockkeeper.contracts.buffer import SetBufferStep
from stockkeeper.contracts.stock import ShowLevels, StockLevel
from stockkeeper.domain.stock import ItemKey
from tests.support.books import level, nothing_changes
from tests.support.reservation import shortage
from tests.support.shop import Shop, new_reference
from tests.support.steps.activity import MINUTE, NOON, refused, run_activity
from tests.support.steps.reservation import Steps
from tests.support.steps.transfer import TransferCalls


class Keeping:
    """Keeps units from sale, and looks at the levels."""

    def __init__(self, database: Database) -> None:
        self._buffers = ItemBuffers(database)
        self._questions = StockQuestions(database)

    def keep(
        self, item: ItemKey, units: int, *, operation: str | None = None, product: str | None = None
    ) -> StockLevel:
        step = SetBufferStep(
            operation_id=operation or new_reference("buffer"),
            performed_by="olga",
            as_of=NOON,
            product=product or f"id:{item.product_id}",
            warehouse=f"id:{item.warehouse_id}",
            quantity=units,
        )
        return run_activity("set_buffer", self._buffers.set_buffer, step)

    def level(self, item: ItemKey) -> tuple[int, int, int, int]:
        """On hand, reserved, buffer, available."""
        asked = ShowLevels(product_ids=[item.product_id], warehouse_ids=[item.warehouse_id])
        [found] = self._questions.show_levels(asked).levels
        return _numbers(found)


def _numbers(found: StockLevel) -> tuple[int, int, int, int]:
    return found.quantity_on_hand, found.quantity_reserved, found.quantity_buffer, found.quantity_available


@pytest.fixture
def keeping(database: Database) -> Keeping:
    return Keeping(database)


def test_a_hold_may_have_everything_but_the_buffer(keeping: Keeping, steps: Steps, shop: Shop, engine: Engine) -> None:
    item = shop.item(10)
    assert _numbers(keeping.keep(item, 3)) == (10, 0, 3, 7)
    with nothing_changes(engine, item):
        assert refused(lambda: steps.reserve(new_reference(), (item, 8))) == (
            "InsufficientStock",
            [shortage(item, 8, 7)],
        )
    steps.reserve(new_reference(), (item, 5))
    steps.reserve(new_reference(), (item, 2))
    assert keeping.level(item) == (10, 7, 3, 0)
    assert refused(lambda: steps.reserve(new_reference(), (item, 1))) == ("InsufficientStock", [shortage(item, 1, 0)])
    # Without it they are for sale again.
    assert _numbers(keeping.keep(item, 0)) == (10, 7, 0, 3)
    steps.reserve(new_reference(), (item, 3))
    assert level(engine, item) == (10, 10)


def test_a_transfer_may_not_have_it_either(keeping: Keeping, database: Database, shop: Shop, engine: Engine) -> None:
    item, elsewhere, transfers = shop.item(10), shop.warehouse(), TransferCalls(database)
    keeping.keep(item, 4)
    with nothing_changes(engine, item):
        assert refused(lambda: transfers.hold(new_reference("t"), elsewhere, (item, 7))) == (
            "InsufficientStock",
            [shortage(item, 7, 6)],
        )
    transfers.sent(elsewhere, (item, 6))
    assert keeping.level(item) == (4, 0, 4, 0)


def test_a_hold_that_is_overdue_is_released_for_a_buyer_and_the_buffer_stays(
    keeping: Keeping, steps: Steps, shop: Shop, engine: Engine
) -> None:
    item = shop.item(10)
    keeping.keep(item, 3)
    steps.reserve(new_reference(), (item, 7))
    later = NOON + 31 * MINUTE
    assert refused(lambda: steps.reserve(new_reference(), (item, 8), as_of=later)) == (
        "InsufficientStock",
        [shortage(item, 8, 7)],
    )
    steps.reserve(new_reference(), (item, 7), as_of=later)
    assert level(engine, item) == (10, 7)


def test_what_is_promised_already_stays_promised_and_leaves(
    keeping: Keeping, steps: Steps, shop: Shop, engine: Engine
) -> None:
    item, order = shop.item(10), new_reference()
    steps.reserve(order, (item, 8))
    assert _numbers(keeping.keep(item, 6)) == (10, 8, 6, 0)
    steps.fulfill(order)
    assert keeping.level(item) == (2, 0, 6, 0)
    # Goods that come fill the buffer first.
    shop.move(item, 5)
    assert keeping.level(item) == (7, 0, 6, 1)
    assert level(engine, item) == (7, 0)


def test_the_reorder_point_counts_what_may_be_sold(keeping: Keeping, shop: Shop, engine: Engine) -> None:
    item = shop.item(12)
    with engine.begin() as connection:
        connection.execute(
            text("UPDATE inventory_items SET reorder_point = 10 WHERE (warehouse_id, product_id) = (:w, :p)"),
            {"w": item.warehouse_id, "p": item.product_id},
        )

    def below() -> list[tuple[int, int]]:
        with engine.connect() as connection:
            query = text("SELECT quantity_available, reorder_point FROM items_below WHERE warehouse_id = :w")
            return [tuple(row) for row in connection.execute(query, {"w": item.warehouse_id})]

    keeping.keep(item, 2)
    assert below() == []
    keeping.keep(item, 3)
    assert below() == [(9, 10)]
    # An order also fills the part of the buffer that is missing.
    keeping.keep(item, 20)
    assert below() == [(-8, 10)]
    assert keeping.level(item) == (12, 0, 20, 0)


def test_an_item_that_was_never_stocked_may_have_one(keeping: Keeping, shop: Shop, engine: Engine) -> None:
    item = ItemKey(shop.warehouse(), shop.product())
    assert _numbers(keeping.keep(item, 5)) == (0, 0, 5, 0)
    assert level(engine, item) == (0, 0)


def test_a_buffer_is_set_once_and_refused_by_a_rule(keeping: Keeping, shop: Shop, engine: Engine) -> None:
    item, operation = shop.item(10), new_reference("buffer")
    keeping.keep(item, 3, operation=operation)
    keeping.keep(item, 4)
    assert _numbers(keeping.keep(item, 3, operation=operation)) == (10, 0, 3, 7)
    assert keeping.level(item) == (10, 0, 4, 6)
    with pytest.raises(ApplicationError) as caught:
        keeping.keep(item, 5, operation=operation)
    assert (caught.value.type, caught.value.message) == (
        "OperationConflict",
        "this buffer was set to another number of units before",
    )
    with pytest.raises(ApplicationError) as caught:
        keeping.keep(item, 5, product=new_reference("none"))
    assert caught.value.type == "UnknownProduct"
    with pytest.raises(IntegrityError, match="inventory_items_quantity_buffer_check"):
        _set(engine, item, -1)
    assert keeping.level(item) == (10, 0, 4, 6)


def _set(engine: Engine, item: ItemKey, units: int) -> None:
    with engine.begin() as connection:
        connection.execute(
            text("UPDATE inventory_items SET quantity_buffer = :u WHERE (warehouse_id, product_id) = (:w, :p)"),
            {"u": units, "w": item.warehouse_id, "p": item.product_id},
        )
