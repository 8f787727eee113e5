"""The ledger: append-only, never apart from on hand, and each movement later than the one before."""

import itertools
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError, IntegrityError, ProgrammingError

from database import ledger
from database.operations import Operation
from database.sessions import Database
from database.stock_reading import Wants, locked_stock
from database.stock_rows import Moving
from stockkeeper.domain.stock import ItemKey, MovementType
from tests.support.books import level, nothing_changes
from tests.support.shop import Shop

BY_HAND = Operation("test", "test", {}, "tests", "test", "test")

_CHANGES = {
    "UPDATE": "UPDATE stock_movements SET quantity = quantity + 1",
    "UPDATE of nothing": "UPDATE stock_movements SET reason = reason WHERE false",
    "DELETE": "DELETE FROM stock_movements",
    "TRUNCATE": "TRUNCATE stock_movements",
    "TRUNCATE of all": "TRUNCATE inventory_items CASCADE",
}


def _item(engine: Engine | Connection, item: ItemKey, change: str) -> None:
    statement = text(
        f"UPDATE inventory_items SET {change} WHERE (warehouse_id, product_id) = (:warehouse_id, :product_id)"
    )
    if isinstance(engine, Engine):
        with engine.begin() as connection:
            connection.execute(statement, item._asdict())
    else:
        engine.execute(statement, item._asdict())


@pytest.mark.parametrize("change", _CHANGES.values(), ids=_CHANGES)
def test_the_owner_cannot_change_the_past(engine: Engine, shop: Shop, change: str) -> None:
    item = shop.item(10)
    refusal = "the ledger is append-only"
    with nothing_changes(engine, item), pytest.raises(DBAPIError, match=refusal), engine.begin() as connection:
        connection.exec_driver_sql(change)


@pytest.mark.parametrize("change", _CHANGES.values(), ids=_CHANGES)
def test_the_worker_has_no_right_to_change_the_past(
    engine: Engine, database: Database, shop: Shop, change: str
) -> None:
    item = shop.item(10)
    refused = pytest.raises(ProgrammingError, match="permission denied for table")
    with nothing_changes(engine, item), refused, database.transaction() as connection:
        connection.exec_driver_sql(change)


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE stock_movements DISABLE TRIGGER ALL",
        "DROP TRIGGER stock_movements_append_only ON stock_movements",
        "SET session_replication_role = replica",
        "DELETE FROM reservations",
        "TRUNCATE operations",
        "DELETE FROM inventory_items",
    ],
)
def test_the_worker_cannot_get_round_it(database: Database, engine: Engine, shop: Shop, statement: str) -> None:
    item = shop.item(10)
    refused = pytest.raises(ProgrammingError, match=r"permission denied|must be owner")
    with nothing_changes(engine, item), refused, database.transaction() as connection:
        connection.exec_driver_sql(statement)


def test_the_worker_acts_as_the_role_it_was_given(database: Database) -> None:
    with database.transaction() as connection:
        assert connection.exec_driver_sql("SELECT current_user").scalar_one() == "stockkeeper_worker"


@pytest.mark.parametrize("change", ["quantity_on_hand = 9", "quantity_on_hand = 11", "quantity_on_hand = 0"])
def test_on_hand_cannot_change_without_a_movement(engine: Engine, shop: Shop, change: str) -> None:
    item = shop.item(10)
    with nothing_changes(engine, item), pytest.raises(IntegrityError, match="its latest movement left 10"):
        _item(engine, item, change)


def test_an_item_cannot_begin_with_stock_from_nowhere(engine: Engine, shop: Shop) -> None:
    item = ItemKey(shop.warehouse(), shop.product())
    insert = text("""
        INSERT INTO inventory_items (warehouse_id, product_id, quantity_on_hand) VALUES (:warehouse_id, :product_id, 5)
    """)
    with pytest.raises(IntegrityError, match="has 5 on hand, but its latest movement left 0"), engine.begin() as begun:
        begun.execute(insert, item._asdict())


@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        ("quantity_reserved = 11", "inventory_items_never_oversold"),
        ("quantity_reserved = -1", "inventory_items_quantity_reserved_check"),
        ("quantity_on_hand = 3", "inventory_items_never_oversold"),
        ("quantity_on_hand = -1", "inventory_items_quantity_on_hand_check|inventory_items_never_oversold"),
        ("reorder_quantity = 0", "inventory_items_reorder_quantity_check"),
        ("reorder_point = -1", "inventory_items_reorder_point_check"),
    ],
)
def test_the_database_refuses_what_cannot_be(engine: Engine, shop: Shop, change: str, constraint: str) -> None:
    item = shop.item(10)
    with engine.begin() as connection:
        _reserve(connection, {item: 4})
        with pytest.raises(IntegrityError, match=constraint), connection.begin_nested():
            _item(connection, item, change)
        _reserve(connection, {item: -4})


def test_available_is_computed_by_the_database_and_by_nobody_else(engine: Engine, shop: Shop) -> None:
    item = shop.item(10)
    with pytest.raises(ProgrammingError, match="quantity_available"):
        _item(engine, item, "quantity_available = 5")


@pytest.mark.parametrize(
    ("movement_type", "units"),
    [
        (MovementType.RETURN, -1),
        (MovementType.TRANSFER_IN, -1),
        (MovementType.SALE, 1),
        (MovementType.TRANSFER_OUT, 1),
    ],
)
def test_a_movement_goes_the_way_of_its_type(
    engine: Engine, shop: Shop, movement_type: MovementType, units: int
) -> None:
    item = shop.item(10)
    with nothing_changes(engine, item), pytest.raises(IntegrityError, match="stock_movements_direction"):
        _move(engine, movement_type, (item, units))


def test_a_purchase_goes_back_only_with_its_order(engine: Engine, shop: Shop) -> None:
    item = shop.item(10)
    refusal = "purchase order test is booked with -1, and its lines say 0"
    with nothing_changes(engine, item), pytest.raises(IntegrityError, match=refusal):
        _move(engine, MovementType.PURCHASE, (item, -1))


def _move(engine: Engine, movement_type: MovementType, *lines: tuple[ItemKey, int]) -> None:
    with engine.begin() as connection:
        ledger.move(
            connection, BY_HAND, movement_type, [Moving(*line) for line in lines], reference_id="test", reason="test"
        )


def _reserve(connection: Connection, units: Mapping[ItemKey, int]) -> None:
    with locked_stock(connection, Wants(items=list(units)), BY_HAND) as stock:
        ledger.reserve_units(stock, units)


def test_no_movement_of_nothing(engine: Engine, shop: Shop) -> None:
    item = shop.item(10)
    with nothing_changes(engine, item), pytest.raises(IntegrityError, match="stock_movements_quantity_check"):
        _move(engine, MovementType.ADJUSTMENT, (item, 0))


def test_no_movement_below_zero_even_for_a_moment(engine: Engine, shop: Shop) -> None:
    item = shop.item(10)
    with nothing_changes(engine, item), pytest.raises(IntegrityError, match="stock_movements_balance_after_check"):
        _move(engine, MovementType.ADJUSTMENT, (item, -11), (item, 5))


def test_moving_what_has_no_row_is_a_mistake_in_the_code(engine: Engine, shop: Shop) -> None:
    item = shop.item(10)
    nowhere = item._replace(product_id=shop.product())
    with nothing_changes(engine, item):
        with pytest.raises(RuntimeError, match="2 movements to write, 1 written"):
            _move(engine, MovementType.PURCHASE, (item, 1), (nowhere, 1))
        with pytest.raises(RuntimeError, match="2 items to reserve on, 1 found"), engine.begin() as connection:
            _reserve(connection, {item: 1, nowhere: 1})


def _history(engine: Engine, item: ItemKey) -> list[tuple[int, int, datetime]]:
    query = text("""
        SELECT quantity, balance_after, created_at FROM stock_movements
        WHERE (warehouse_id, product_id) = (:warehouse_id, :product_id) ORDER BY movement_id
    """)
    with engine.connect() as connection:
        return [(row[0], row[1], row[2]) for row in connection.execute(query, item._asdict())]


def test_several_movements_in_one_statement_rise_by_a_microsecond(engine: Engine, shop: Shop) -> None:
    item = shop.item(0)
    shop.move(item, 5, -2, 4, -7)
    history = _history(engine, item)
    assert [(quantity, balance) for quantity, balance, _ in history] == [(5, 5), (-2, 3), (4, 7), (-7, 0)]
    instants = [instant for *_, instant in history]
    assert [(b - a).total_seconds() for a, b in itertools.pairwise(instants)] == [1e-6] * 3
    assert level(engine, item) == (0, 0)


def test_movements_rise_even_if_the_clock_steps_back(engine: Engine, shop: Shop) -> None:
    item = shop.item(10)
    ahead = datetime(2100, 1, 1, tzinfo=UTC)
    _item(engine, item, f"last_moved_at = '{ahead.isoformat()}'")
    shop.move(item, 1, 1)
    instants = [instant for *_, instant in _history(engine, item)][1:]
    assert [(instant - ahead).total_seconds() for instant in instants] == [1e-6, 2e-6]


def test_movements_at_once_rise_one_after_the_other(engine: Engine, shop: Shop) -> None:
    item = shop.item(0)
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: shop.move(item, 2, -1), range(40)))
    history = _history(engine, item)
    instants = [instant for *_, instant in history]
    assert len(history) == 80
    assert instants == sorted(set(instants))
    assert level(engine, item) == (40, 0)


@pytest.mark.parametrize(
    ("quantity", "balance_after", "created_at", "message"),
    [
        (5, 15, "clock_timestamp()", "has 10 on hand, but its latest movement left 15"),
        (5, 500, "clock_timestamp()", "has 10 on hand, but its latest movement left 500"),
        (5, 10, "clock_timestamp()", "doesn't follow the one before it"),
        (5, 15, "clock_timestamp() - interval '1 day'", "doesn't follow the one before it"),
    ],
)
def test_a_movement_cannot_be_written_without_its_item_nor_into_the_past(
    engine: Engine, shop: Shop, quantity: int, balance_after: int, created_at: str, message: str
) -> None:
    item = shop.item(10)
    insert = text(f"""
        INSERT INTO stock_movements (
            warehouse_id, product_id, movement_type, quantity, balance_after, reference_id, performed_by, reason,
            operation_id, workflow_id, run_id, created_at)
        VALUES (:warehouse_id, :product_id, 'PURCHASE', :quantity, :balance_after, 'r', 'p', 'r', 'o', 'w', 'r',
            {created_at})
    """)
    written = item._asdict() | {"quantity": quantity, "balance_after": balance_after}
    with nothing_changes(engine, item), pytest.raises(IntegrityError, match=message), engine.begin() as begun:
        begun.execute(insert, written)
