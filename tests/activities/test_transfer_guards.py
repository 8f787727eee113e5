"""What the database itself refuses of transfers, whatever the code thinks."""

from functools import partial
from typing import Any

import pytest
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from database.sessions import Database
from stockkeeper.domain.stock import ItemKey
from tests.support.guards import Guarded, Roles
from tests.support.shop import Shop
from tests.support.steps.transfer import TransferCalls, arrived, transfer_stays

_OF = "WHERE transfer_id = (SELECT transfer_id FROM transfer_orders WHERE transfer_number = :number)"
_ENTRY = """
    INSERT INTO transit_movements (
        transfer_id, line_number, kind, quantity, balance_after, receipt_id, command_id, performed_by, reason,
        operation_id, workflow_id, run_id, created_at, unfit_reason)
    SELECT transfer_id, :line_number, :kind, :quantity, :balance, :receipt_id, :command_id, 'p', 'r', :operation, 'w',
        'r', clock_timestamp(), :unfit_reason
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
def pending(moving: TransferCalls, shop: Shop) -> Guarded:
    """A transfer of five units that are held."""
    return _held(moving, shop)[0]


@pytest.fixture
def on_its_way(moving: TransferCalls, shop: Shop) -> Guarded:
    """A transfer of five units: one has arrived, one was damaged, three are in transit."""
    transfer, item = _held(moving, shop)
    moving.dispatch(transfer.number)
    moving.receive(transfer.number, "1", arrived(item, 1, damaged=1))
    return transfer


def _held(moving: TransferCalls, shop: Shop) -> tuple[Guarded, ItemKey]:
    item = shop.item(9)
    number = moving.held(shop.warehouse(), (item, 5), hours=2)
    return Guarded(number, partial(transfer_stays, shop.engine, number, item)), item


def _enter(transfer: Guarded, connection: Connection, kind: str, quantity: int, balance: int, **other: Any) -> None:
    """Write an entry by itself; RECEIVED and DAMAGED belong to a receipt that was never booked, unless one is given."""
    receipt_id = "2" if kind in ("RECEIVED", "DAMAGED") else None
    values = {"line_number": 1, "kind": kind, "quantity": quantity, "balance": balance, "receipt_id": receipt_id}
    values |= {"command_id": None, "operation": "o", "unfit_reason": None}
    transfer.run(connection, _ENTRY, **values | other)


@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        ("transfer_order_lines SET received = received + 1", "transfer_order_lines_conserve"),
        ("transfer_order_lines SET damaged = damaged - 1", "transfer_order_lines_conserve"),
        ("transfer_order_lines SET written_off = written_off + 1", "transfer_order_lines_conserve"),
        ("transfer_order_lines SET returned = returned + 1", "transfer_order_lines_conserve"),
        ("transfer_order_lines SET in_transit = in_transit - 1", "transfer_order_lines_conserve"),
        ("transfer_order_lines SET dispatched = 0", "transfer_order_lines_conserve"),
        ("transfer_order_lines SET dispatched = 6, in_transit = 4", "transfer_order_lines_whole"),
        ("transfer_order_lines SET quantity = 4", "transfer_order_lines_whole"),
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
    on_its_way: Guarded, engine: Engine, change: str, constraint: str
) -> None:
    on_its_way.refuses(engine, f"UPDATE {change} {_OF}", f'"{constraint}"')


def test_a_transfer_to_its_own_warehouse_cannot_be_stored(pending: Guarded, engine: Engine) -> None:
    again = f"""
        INSERT INTO transfer_orders (
            transfer_number, from_warehouse_id, to_warehouse_id, requested_by, created_at, operation_id, workflow_id,
            run_id)
        SELECT transfer_number || '-again', from_warehouse_id, from_warehouse_id, requested_by, created_at,
            operation_id, workflow_id, run_id
        FROM transfer_orders {_OF}
    """
    pending.refuses(engine, again, "transfer_orders_two_places")


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
def test_no_counter_moves_without_an_entry(on_its_way: Guarded, both_roles: Roles, change: str) -> None:
    on_its_way.refuses(both_roles, f"UPDATE transfer_order_lines SET {change} {_OF}", UNEXPLAINED)


def test_nothing_leaves_without_an_entry(pending: Guarded, both_roles: Roles) -> None:
    for opened in both_roles:
        with pending.refused(opened, UNEXPLAINED) as connection:
            pending.run(connection, f"UPDATE transfer_orders SET {_SENT} {_OF}")
            pending.run(connection, _LEFT)


def test_no_line_begins_with_units_from_nowhere(on_its_way: Guarded, engine: Engine) -> None:
    on_its_way.refuses(engine, _ANOTHER_LINE, UNEXPLAINED)


@pytest.mark.parametrize("kind", ["RECEIVED", "DAMAGED", "WRITTEN_OFF", "RETURNED"])
def test_no_entry_is_written_without_its_line(on_its_way: Guarded, both_roles: Roles, kind: str) -> None:
    for opened in both_roles:
        with on_its_way.refused(opened, UNEXPLAINED) as connection:
            _enter(on_its_way, connection, kind, -1, 2)


def test_no_entry_says_that_units_left_that_are_held(pending: Guarded, both_roles: Roles) -> None:
    for opened in both_roles:
        with pending.refused(opened, UNEXPLAINED) as connection:
            _enter(pending, connection, "DISPATCHED", 5, 5)


@pytest.mark.parametrize("kind", ["RECEIVED", "DAMAGED"])
def test_a_line_gets_each_receipt_once(on_its_way: Guarded, engine: Engine, kind: str) -> None:
    with on_its_way.refused(engine, "transit_movements_once") as connection:
        _enter(on_its_way, connection, kind, -1, 2, receipt_id="1")


@pytest.mark.parametrize(("command", "kind"), [("write_off", "WRITTEN_OFF"), ("cancel", "RETURNED")])
def test_an_operation_writes_off_or_returns_a_line_once(
    on_its_way: Guarded, moving: TransferCalls, engine: Engine, command: str, kind: str
) -> None:
    getattr(moving, command)(on_its_way.number, operation="1")
    operation = f"transfer-{on_its_way.number}/{command}/1"
    with on_its_way.refused(engine, "transit_movements_once") as connection:
        _enter(on_its_way, connection, kind, -1, 0, operation=operation)


def test_a_departure_sends_a_line_once(moving: TransferCalls, shop: Shop, engine: Engine) -> None:
    transfer, item = _held(moving, shop)
    moving.dispatch(transfer.number, (item, 2), operation="1")
    with transfer.refused(engine, "transit_movements_once") as connection:
        _enter(transfer, connection, "DISPATCHED", 1, 3, operation=f"transfer-{transfer.number}/dispatch/1")


def test_no_unit_leaves_that_the_hold_has_not_given(moving: TransferCalls, shop: Shop, both_roles: Roles) -> None:
    transfer, item = _held(moving, shop)
    moving.dispatch(transfer.number, (item, 2))
    more = f"UPDATE transfer_order_lines SET dispatched = 3, in_transit = 3 {_OF}"
    for opened in both_roles:
        with transfer.refused(opened, "has dispatched 3 of product .*, and 2 left its hold") as connection:
            transfer.run(connection, more)
            _enter(transfer, connection, "DISPATCHED", 1, 3)


def test_a_transfer_is_in_transit_while_something_is_still_held_and_no_longer(
    moving: TransferCalls, shop: Shop, both_roles: Roles
) -> None:
    transfer, item = _held(moving, shop)
    moving.dispatch(transfer.number, (item, 2))
    moving.receive(transfer.number, "1", arrived(item, 2))
    ended = f"UPDATE reservations SET status = 'CANCELLED', {_CLOSED} WHERE reference_id = :number"
    refusal = f"transfer {transfer.number} is IN_TRANSIT with 0 in transit"
    for opened in both_roles:
        with transfer.refused(opened, refusal) as connection:
            transfer.run(connection, ended)
            transfer.run(connection, f"UPDATE transfer_orders SET due_at = due_at {_OF}")


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
        ({"kind": "RETURNED", "quantity": -1, "command_id": "2"}, "transit_movements_command"),
        ({"kind": "RECEIVED", "quantity": -1, "command_id": "2"}, "transit_movements_command"),
        ({"kind": "WRITTEN_OFF", "quantity": -1, "line_number": 2}, "transit_movements_line"),
        ({"kind": "DAMAGED", "quantity": -1, "unfit_reason": ""}, "transit_movements_unfit_reason"),
        ({"kind": "RECEIVED", "quantity": -1, "unfit_reason": "wet"}, "transit_movements_unfit_reason"),
    ],
)
def test_an_entry_cannot_be_what_makes_no_sense(
    on_its_way: Guarded, engine: Engine, entry: dict[str, Any], constraint: str
) -> None:
    with on_its_way.refused(engine, constraint) as connection:
        _enter(on_its_way, connection, **{"balance": 2} | entry)


@pytest.mark.parametrize("status", ["RECEIVED", "CANCELLED"])
def test_no_transfer_ends_with_units_in_transit(on_its_way: Guarded, both_roles: Roles, status: str) -> None:
    refusal = f"transfer {on_its_way.number} is {status} with 3 in transit"
    on_its_way.refuses(both_roles, f"UPDATE transfer_orders SET status = '{status}', {_CLOSED} {_OF}", refusal)


def test_no_transfer_is_in_transit_with_nothing_in_transit(
    pending: Guarded, on_its_way: Guarded, moving: TransferCalls, both_roles: Roles
) -> None:
    moving.write_off(on_its_way.number)
    opened_again = "status = 'IN_TRANSIT', closed_at = NULL, closed_by = NULL"
    for transfer, change in ((pending, _SENT), (on_its_way, opened_again)):
        refusal = f"transfer {transfer.number} is IN_TRANSIT with 0 in transit"
        transfer.refuses(both_roles, f"UPDATE transfer_orders SET {change} {_OF}", refusal)


def test_the_last_unit_in_transit_cannot_go_without_the_status(on_its_way: Guarded, both_roles: Roles) -> None:
    gone = f"UPDATE transfer_order_lines SET written_off = 3, in_transit = 0 {_OF}"
    for opened in both_roles:
        refusal = f"transfer {on_its_way.number} is IN_TRANSIT with 0 in transit"
        with on_its_way.refused(opened, refusal) as connection:
            on_its_way.run(connection, gone)
            _enter(on_its_way, connection, "WRITTEN_OFF", -3, 0)


def test_the_first_unit_cannot_leave_without_the_status(pending: Guarded, both_roles: Roles) -> None:
    for opened in both_roles:
        with pending.refused(opened, f"transfer {pending.number} is PENDING with 5 in transit") as connection:
            pending.run(connection, _LEFT)
            _enter(pending, connection, "DISPATCHED", 5, 5)


def test_no_line_begins_in_transit_on_a_transfer_that_is_not(pending: Guarded, engine: Engine) -> None:
    with pending.refused(engine, f"transfer {pending.number} is PENDING with 1 in transit") as connection:
        pending.run(connection, _ANOTHER_LINE)
        _enter(pending, connection, "DISPATCHED", 1, 1, line_number=2)


_CHANGES = {
    "UPDATE": "UPDATE transit_movements SET quantity = quantity - 1",
    "UPDATE of nothing": "UPDATE transit_movements SET reason = reason WHERE false",
    "DELETE": "DELETE FROM transit_movements",
    "TRUNCATE": "TRUNCATE transit_movements",
    "TRUNCATE of all": "TRUNCATE transfer_orders CASCADE",
}


@pytest.mark.parametrize("change", _CHANGES.values(), ids=_CHANGES)
def test_the_owner_cannot_change_what_was_in_transit(on_its_way: Guarded, engine: Engine, change: str) -> None:
    on_its_way.forbids(engine, change, "the ledger is append-only", error=DBAPIError)


@pytest.mark.parametrize(
    "change",
    [*_CHANGES.values(), "DELETE FROM transfer_orders", "DELETE FROM transfer_order_lines"],
    ids=[*_CHANGES, "DELETE of transfers", "DELETE of lines"],
)
def test_the_worker_has_no_right_to_change_what_was_in_transit(
    on_its_way: Guarded, database: Database, change: str
) -> None:
    on_its_way.forbids(database.engine, change, "permission denied for table trans")
