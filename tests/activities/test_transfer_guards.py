"""What the database itself refuses of transfers, whatever the code thinks."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError, IntegrityError, ProgrammingError

from database.sessions import Database
from stockkeeper.domain.stock import ItemKey
from tests.support.shop import Shop
from tests.support.steps.transfer import TransferCalls, arrived, transfer_stays

_OF = "WHERE transfer_id = (SELECT transfer_id FROM transfer_orders WHERE transfer_number = :number)"
_ENTRY = """
    INSERT INTO transit_movements (
        transfer_id, line_number, kind, quantity, balance_after, receipt_id, performed_by, reason, operation_id,
        workflow_id, run_id, created_at)
    SELECT transfer_id, :line_number, :kind, :quantity, :balance, :receipt_id, 'p', 'r', 'o', 'w', 'r',
        clock_timestamp()
    FROM transfer_orders WHERE transfer_number = :number
"""
_ANOTHER_LINE = f"""
    INSERT INTO transfer_order_lines (transfer_id, line_number, product_id, quantity, dispatched, in_transit)
    SELECT transfer_id, 2, product_id, 1, 1, 1 FROM transfer_order_lines {_OF}
"""
_CLOSED = "closed_at = created_at, closed_by = 'test'"
_SENT = "status = 'IN_TRANSIT', dispatched_at = created_at, due_at = created_at"
_LEFT = f"UPDATE transfer_order_lines SET dispatched = 5, in_transit = 5 {_OF}"
UNEXPLAINED = "doesn't have what its movements add up to"


@pytest.fixture
def moving(database: Database) -> TransferCalls:
    """The activities, acting as the worker's role."""
    return TransferCalls(database)


def _pending(moving: TransferCalls, shop: Shop) -> tuple[str, ItemKey]:
    """A transfer of five units that are held."""
    item = shop.item(9)
    return moving.held(shop.warehouse(), (item, 5), hours=2), item


def _on_its_way(moving: TransferCalls, shop: Shop) -> tuple[str, ItemKey]:
    """A transfer of five units: one has arrived, one was damaged, three are in transit."""
    number, item = _pending(moving, shop)
    moving.dispatch(number)
    moving.receive(number, "1", arrived(item, 1, damaged=1))
    return number, item


def _run(connection: Connection, statement: str, number: str, **values: Any) -> None:
    assert connection.execute(text(statement), {"number": number} | values).rowcount == 1


def _enter(connection: Connection, number: str, kind: str, quantity: int, balance: int, **other: Any) -> None:
    """Write an entry by itself; RECEIVED and DAMAGED are of a receipt that nobody has booked, unless told otherwise."""
    receipt_id = "2" if kind in ("RECEIVED", "DAMAGED") else None
    values = {"line_number": 1, "kind": kind, "quantity": quantity, "balance": balance, "receipt_id": receipt_id}
    _run(connection, _ENTRY, number, **values | other)


@contextmanager
def _refused(opened: Engine, engine: Engine, number: str, item: ItemKey, message: str) -> Iterator[Connection]:
    """A transaction that can't be committed, and leaves everything as it was."""
    with (
        transfer_stays(engine, number, item),
        pytest.raises(IntegrityError, match=message),
        opened.begin() as connection,
    ):
        yield connection


@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        ("transfer_order_lines SET received = received + 1", "transfer_order_lines_conserve"),
        ("transfer_order_lines SET damaged = damaged - 1", "transfer_order_lines_conserve"),
        ("transfer_order_lines SET written_off = written_off + 1", "transfer_order_lines_conserve"),
        ("transfer_order_lines SET returned = returned + 1", "transfer_order_lines_conserve"),
        ("transfer_order_lines SET in_transit = in_transit - 1", "transfer_order_lines_conserve"),
        ("transfer_order_lines SET dispatched = 0", "transfer_order_lines_conserve"),
        ("transfer_order_lines SET dispatched = 4, in_transit = 2", "transfer_order_lines_whole"),
        ("transfer_order_lines SET dispatched = 6, in_transit = 4", "transfer_order_lines_whole"),
        ("transfer_order_lines SET quantity = 6", "transfer_order_lines_whole"),
        ("transfer_order_lines SET quantity = 0", "transfer_order_lines_quantity_check"),
        (
            "transfer_order_lines SET received = received - 2, in_transit = in_transit + 2",
            "transfer_order_lines_received_check",
        ),
        (
            "transfer_order_lines SET damaged = damaged - 2, in_transit = in_transit + 2",
            "transfer_order_lines_damaged_check",
        ),
        (
            "transfer_order_lines SET written_off = written_off - 1, in_transit = in_transit + 1",
            "transfer_order_lines_written_off_check",
        ),
        (
            "transfer_order_lines SET returned = returned - 1, in_transit = in_transit + 1",
            "transfer_order_lines_returned_check",
        ),
        (
            "transfer_order_lines SET received = received + 4, in_transit = in_transit - 4",
            "transfer_order_lines_in_transit_check",
        ),
        ("transfer_orders SET to_warehouse_id = from_warehouse_id", "transfer_orders_two_places"),
        ("transfer_orders SET status = 'PENDING'", "transfer_orders_dispatched"),
        ("transfer_orders SET dispatched_at = NULL, due_at = NULL", "transfer_orders_dispatched"),
        ("transfer_orders SET due_at = NULL", "transfer_orders_due"),
        ("transfer_orders SET expected_transit_hours = NULL", "transfer_orders_due"),
        ("transfer_orders SET expected_transit_hours = 0", "transfer_orders_expected_transit_hours_check"),
        ("transfer_orders SET status = 'RECEIVED'", "transfer_orders_closed"),
        ("transfer_orders SET status = 'CANCELLED', closed_at = created_at", "transfer_orders_closed"),
        (f"transfer_orders SET {_CLOSED}", "transfer_orders_closed"),
        ("transfer_orders SET status = 'REJECTED'", "transfer_orders_status_check"),
    ],
)
def test_a_transfer_cannot_be_what_makes_no_sense(
    moving: TransferCalls, shop: Shop, engine: Engine, change: str, constraint: str
) -> None:
    number, item = _on_its_way(moving, shop)
    with _refused(engine, engine, number, item, f'"{constraint}"') as connection:
        _run(connection, f"UPDATE {change} {_OF}", number)


def test_a_transfer_to_its_own_warehouse_cannot_be_stored(moving: TransferCalls, shop: Shop, engine: Engine) -> None:
    number, item = _pending(moving, shop)
    again = f"""
        INSERT INTO transfer_orders (
            transfer_number, from_warehouse_id, to_warehouse_id, requested_by, created_at, operation_id, workflow_id,
            run_id)
        SELECT transfer_number || '-again', from_warehouse_id, from_warehouse_id, requested_by, created_at,
            operation_id, workflow_id, run_id
        FROM transfer_orders {_OF}
    """
    with _refused(engine, engine, number, item, "transfer_orders_two_places") as connection:
        _run(connection, again, number)


@pytest.mark.parametrize(
    "change",
    [
        "received = received + 1, in_transit = in_transit - 1",
        "damaged = damaged + 1, in_transit = in_transit - 1",
        "written_off = written_off + 1, in_transit = in_transit - 1",
        "returned = returned + 1, in_transit = in_transit - 1",
        "received = received - 1, in_transit = in_transit + 1",
        "received = received + 1, damaged = damaged - 1",
        "written_off = written_off + 1, received = received - 1",
    ],
)
def test_no_counter_moves_without_an_entry(
    moving: TransferCalls, shop: Shop, engine: Engine, database: Database, change: str
) -> None:
    number, item = _on_its_way(moving, shop)
    for opened in (engine, database.engine):
        with _refused(opened, engine, number, item, UNEXPLAINED) as connection:
            _run(connection, f"UPDATE transfer_order_lines SET {change} {_OF}", number)


def test_nothing_leaves_without_an_entry(moving: TransferCalls, shop: Shop, engine: Engine, database: Database) -> None:
    number, item = _pending(moving, shop)
    for opened in (engine, database.engine):
        with _refused(opened, engine, number, item, UNEXPLAINED) as connection:
            _run(connection, f"UPDATE transfer_orders SET {_SENT} {_OF}", number)
            _run(connection, _LEFT, number)


def test_no_line_begins_with_units_from_nowhere(moving: TransferCalls, shop: Shop, engine: Engine) -> None:
    number, item = _on_its_way(moving, shop)
    with _refused(engine, engine, number, item, UNEXPLAINED) as connection:
        _run(connection, _ANOTHER_LINE, number)


@pytest.mark.parametrize("kind", ["RECEIVED", "DAMAGED", "WRITTEN_OFF", "RETURNED"])
def test_no_entry_is_written_without_its_line(
    moving: TransferCalls, shop: Shop, engine: Engine, database: Database, kind: str
) -> None:
    number, item = _on_its_way(moving, shop)
    for opened in (engine, database.engine):
        with _refused(opened, engine, number, item, UNEXPLAINED) as connection:
            _enter(connection, number, kind, -1, 2)


def test_no_entry_says_that_units_left_that_are_held(
    moving: TransferCalls, shop: Shop, engine: Engine, database: Database
) -> None:
    number, item = _pending(moving, shop)
    for opened in (engine, database.engine):
        with _refused(opened, engine, number, item, UNEXPLAINED) as connection:
            _enter(connection, number, "DISPATCHED", 5, 5)


@pytest.mark.parametrize(
    ("kind", "quantity", "receipt_id"),
    [("DISPATCHED", 5, None), ("RECEIVED", -1, "1"), ("DAMAGED", -1, "1")],
)
def test_a_line_is_dispatched_once_and_gets_each_receipt_once(
    moving: TransferCalls, shop: Shop, engine: Engine, kind: str, quantity: int, receipt_id: str | None
) -> None:
    number, item = _on_its_way(moving, shop)
    with _refused(engine, engine, number, item, "transit_movements_once") as connection:
        _enter(connection, number, kind, quantity, 2, receipt_id=receipt_id)


@pytest.mark.parametrize("kind", ["WRITTEN_OFF", "RETURNED"])
def test_a_line_is_written_off_or_returned_once(moving: TransferCalls, shop: Shop, engine: Engine, kind: str) -> None:
    number, item = _on_its_way(moving, shop)
    (moving.write_off if kind == "WRITTEN_OFF" else moving.cancel)(number)
    with _refused(engine, engine, number, item, "transit_movements_once") as connection:
        _enter(connection, number, kind, -1, 0)


@pytest.mark.parametrize(
    ("entry", "constraint"),
    [
        ({"kind": "DISPATCHED", "quantity": -5}, "transit_movements_direction"),
        ({"kind": "RECEIVED", "quantity": 1}, "transit_movements_direction"),
        ({"kind": "DAMAGED", "quantity": 1}, "transit_movements_direction"),
        ({"kind": "WRITTEN_OFF", "quantity": 1}, "transit_movements_direction"),
        ({"kind": "RETURNED", "quantity": 1}, "transit_movements_direction"),
        ({"kind": "WRITTEN_OFF", "quantity": 0}, "transit_movements_direction"),
        ({"kind": "RECEIVED", "quantity": -4, "balance": -1}, "transit_movements_balance_after_check"),
        ({"kind": "LOST", "quantity": -1}, "transit_movements_kind_check"),
        ({"kind": "RECEIVED", "quantity": -1, "receipt_id": None}, "transit_movements_receipt"),
        ({"kind": "DAMAGED", "quantity": -1, "receipt_id": None}, "transit_movements_receipt"),
        ({"kind": "WRITTEN_OFF", "quantity": -1, "receipt_id": "2"}, "transit_movements_receipt"),
        ({"kind": "RETURNED", "quantity": -1, "receipt_id": "2"}, "transit_movements_receipt"),
        ({"kind": "WRITTEN_OFF", "quantity": -1, "line_number": 2}, "transit_movements_line"),
    ],
)
def test_an_entry_cannot_be_what_makes_no_sense(
    moving: TransferCalls, shop: Shop, engine: Engine, entry: dict[str, Any], constraint: str
) -> None:
    number, item = _on_its_way(moving, shop)
    with _refused(engine, engine, number, item, constraint) as connection:
        _enter(connection, number, **{"balance": 2} | entry)


@pytest.mark.parametrize("status", ["RECEIVED", "CANCELLED"])
def test_no_transfer_ends_with_units_in_transit(
    moving: TransferCalls, shop: Shop, engine: Engine, database: Database, status: str
) -> None:
    number, item = _on_its_way(moving, shop)
    refusal = f"transfer {number} is {status} with 3 in transit"
    for opened in (engine, database.engine):
        with _refused(opened, engine, number, item, refusal) as connection:
            _run(connection, f"UPDATE transfer_orders SET status = '{status}', {_CLOSED} {_OF}", number)


def test_no_transfer_is_in_transit_with_nothing_in_transit(
    moving: TransferCalls, shop: Shop, engine: Engine, database: Database
) -> None:
    held, item = _pending(moving, shop)
    ended, other = _on_its_way(moving, shop)
    moving.write_off(ended)
    opened_again = f"status = 'IN_TRANSIT', closed_at = NULL, closed_by = NULL {_OF}"
    for opened in (engine, database.engine):
        with _refused(opened, engine, held, item, f"transfer {held} is IN_TRANSIT with 0 in transit") as connection:
            _run(connection, f"UPDATE transfer_orders SET {_SENT} {_OF}", held)
        with _refused(opened, engine, ended, other, f"transfer {ended} is IN_TRANSIT with 0 in transit") as connection:
            _run(connection, f"UPDATE transfer_orders SET {opened_again}", ended)


def test_the_last_unit_in_transit_cannot_go_without_the_status(
    moving: TransferCalls, shop: Shop, engine: Engine, database: Database
) -> None:
    number, item = _on_its_way(moving, shop)
    gone = f"UPDATE transfer_order_lines SET written_off = 3, in_transit = 0 {_OF}"
    for opened in (engine, database.engine):
        refusal = f"transfer {number} is IN_TRANSIT with 0 in transit"
        with _refused(opened, engine, number, item, refusal) as connection:
            _run(connection, gone, number)
            _enter(connection, number, "WRITTEN_OFF", -3, 0)


def test_the_first_unit_cannot_leave_without_the_status(
    moving: TransferCalls, shop: Shop, engine: Engine, database: Database
) -> None:
    number, item = _pending(moving, shop)
    for opened in (engine, database.engine):
        with _refused(opened, engine, number, item, f"transfer {number} is PENDING with 5 in transit") as connection:
            _run(connection, _LEFT, number)
            _enter(connection, number, "DISPATCHED", 5, 5)


def test_no_line_begins_in_transit_on_a_transfer_that_is_not(moving: TransferCalls, shop: Shop, engine: Engine) -> None:
    number, item = _pending(moving, shop)
    with _refused(engine, engine, number, item, f"transfer {number} is PENDING with 1 in transit") as connection:
        _run(connection, _ANOTHER_LINE, number)
        _enter(connection, number, "DISPATCHED", 1, 1, line_number=2)


_CHANGES = {
    "UPDATE": "UPDATE transit_movements SET quantity = quantity - 1",
    "UPDATE of nothing": "UPDATE transit_movements SET reason = reason WHERE false",
    "DELETE": "DELETE FROM transit_movements",
    "TRUNCATE": "TRUNCATE transit_movements",
    "TRUNCATE of all": "TRUNCATE transfer_orders CASCADE",
}


@pytest.mark.parametrize("change", _CHANGES.values(), ids=_CHANGES)
def test_the_owner_cannot_change_what_was_in_transit(
    moving: TransferCalls, shop: Shop, engine: Engine, change: str
) -> None:
    number, item = _on_its_way(moving, shop)
    refusal = pytest.raises(DBAPIError, match="the ledger is append-only")
    with transfer_stays(engine, number, item), refusal, engine.begin() as connection:
        connection.exec_driver_sql(change)


@pytest.mark.parametrize(
    "change",
    [*_CHANGES.values(), "DELETE FROM transfer_orders", "DELETE FROM transfer_order_lines"],
    ids=[*_CHANGES, "DELETE of transfers", "DELETE of lines"],
)
def test_the_worker_has_no_right_to_change_what_was_in_transit(
    moving: TransferCalls, shop: Shop, engine: Engine, database: Database, change: str
) -> None:
    number, item = _on_its_way(moving, shop)
    refusal = pytest.raises(ProgrammingError, match="permission denied for table trans")
    with transfer_stays(engine, number, item), refusal, database.transaction() as connection:
        connection.exec_driver_sql(change)
