"""What has changed of stock under lock, as statements over arrays: one for each table, whatever the number of rows.

An update names its keys twice, so that the server looks them up however small it takes the table for.
"""

from collections.abc import Iterable, Sequence

from database.operations import Operation
from database.pipeline import Statement, instants, numbers, texts
from database.stock_rows import GivenUp, GivenWay, HeldAgain, Movement, StockItem, StockLine

_INSERT_LINES = """
    INSERT INTO reservations (
        reservation_id, warehouse_id, product_id, quantity, quantity_fulfilled, quantity_released, reference_type,
        reference_id, status, expires_at, created_at, performed_by, operation_id, workflow_id, run_id,
        closed_at, closed_by, closed_reason, sourced_line, minimum_days_left)
    OVERRIDING SYSTEM VALUE
    SELECT * FROM unnest(
        %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[], %s::text[],
        %s::text[], %s::text[], %s::timestamptz[], %s::timestamptz[], %s::text[], %s::text[], %s::text[], %s::text[],
        %s::timestamptz[], %s::text[], %s::text[], %s::bigint[], %s::integer[])
"""

_UPDATE_LINES = """
    UPDATE reservations AS held
    SET quantity_fulfilled = line.quantity_fulfilled, quantity_released = line.quantity_released,
        status = line.status, expires_at = line.expires_at,
        closed_at = line.closed_at, closed_by = line.closed_by, closed_reason = line.closed_reason
    FROM unnest(
        %s::bigint[], %s::bigint[], %s::bigint[], %s::text[], %s::timestamptz[], %s::timestamptz[], %s::text[],
        %s::text[]
    ) AS line (
        reservation_id, quantity_fulfilled, quantity_released, status, expires_at, closed_at, closed_by, closed_reason)
    WHERE held.reservation_id = line.reservation_id AND held.reservation_id = ANY (%s::bigint[])
"""

_INSERT_GIVEN_UP = """
    INSERT INTO reservation_releases (
        reservation_id, quantity, reason, released_at, released_by, operation_id, workflow_id, run_id)
    SELECT * FROM unnest(
        %s::bigint[], %s::bigint[], %s::text[], %s::timestamptz[], %s::text[], %s::text[], %s::text[], %s::text[])
"""

_INSERT_GIVEN_WAY = """
    INSERT INTO given_way (
        reservation_id, operation_id, warehouse_id, product_id, quantity, document, gave_way_at, expires_at)
    SELECT * FROM unnest(
        %s::bigint[], %s::text[], %s::bigint[], %s::bigint[], %s::bigint[], %s::text[], %s::timestamptz[],
        %s::timestamptz[])
"""

_UPDATE_HELD_AGAIN = """
    UPDATE given_way AS given SET held_again_at = again.at, held_again_by = again.operation_id
    FROM unnest(%s::bigint[], %s::text[], %s::timestamptz[]) AS again (reservation_id, operation_id, at)
    WHERE given.reservation_id = again.reservation_id AND held_again_at IS NULL
        AND given.reservation_id = ANY (%s::bigint[])
"""

_UPDATE_ITEMS = """
    UPDATE inventory_items AS item
    SET quantity_on_hand = item.quantity_on_hand + change.moved,
        quantity_reserved = item.quantity_reserved + change.held,
        quantity_unavailable = item.quantity_unavailable + change.set_aside,
        last_moved_at = change.last_moved_at
    FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[], %s::timestamptz[])
        AS change (warehouse_id, product_id, moved, held, set_aside, last_moved_at)
    WHERE (item.warehouse_id, item.product_id) = (change.warehouse_id, change.product_id)
        AND item.warehouse_id = ANY (%s::bigint[]) AND item.product_id = ANY (%s::bigint[])
"""

_INSERT_MOVEMENTS = """
    INSERT INTO stock_movements (
        warehouse_id, product_id, movement_type, quantity, balance_after, reference_id, reason, created_at,
        occurred_at, performed_by, operation_id, workflow_id, run_id, lot_number, lot_balance_after)
    SELECT warehouse_id, product_id, movement_type, quantity, balance_after, reference_id, reason, created_at,
        occurred_at, performed_by, operation_id, workflow_id, run_id, lot_number, lot_balance_after
    FROM unnest(
        %s::bigint[], %s::bigint[], %s::text[], %s::bigint[], %s::bigint[], %s::text[], %s::text[], %s::timestamptz[],
        %s::timestamptz[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::bigint[]
    ) WITH ORDINALITY AS moved (
        warehouse_id, product_id, movement_type, quantity, balance_after, reference_id, reason, created_at,
        occurred_at, performed_by, operation_id, workflow_id, run_id, lot_number, lot_balance_after, position)
    ORDER BY position
"""


def _origins(operations: Iterable[Operation]) -> tuple[str, str, str, str]:
    """The columns ``performed_by``, ``operation_id``, ``workflow_id``, ``run_id``."""
    listed = list(operations)
    return (
        texts(each.performed_by for each in listed),
        texts(each.operation_id for each in listed),
        texts(each.workflow_id for each in listed),
        texts(each.run_id for each in listed),
    )


def insert_lines(lines: Sequence[StockLine]) -> Statement:
    """New lines, as they have become; each has a reference and an operation that placed it."""
    held = [line.held for line in lines]
    references = [line.reference for line in lines if line.reference is not None]
    return Statement(
        _INSERT_LINES,
        (
            numbers(each.reservation_id for each in held),
            numbers(each.item.warehouse_id for each in held),
            numbers(each.item.product_id for each in held),
            numbers(each.quantity for each in held),
            numbers(each.quantity_fulfilled for each in held),
            numbers(each.quantity_released for each in held),
            texts(each.reference_type for each in references),
            texts(each.reference_id for each in references),
            texts(each.status for each in held),
            instants(each.expires_at for each in held),
            instants(line.placed_at for line in lines),
            *_origins(line.placed_by for line in lines if line.placed_by is not None),
            instants(line.closed_at for line in lines),
            texts(line.closed_by for line in lines),
            texts(line.closed_reason for line in lines),
            numbers(each.sourced_line for each in held),
            numbers(each.minimum_days_left for each in held),
        ),
    )


def update_lines(lines: Sequence[StockLine]) -> Statement:
    """Lines that were there, as they have become."""
    held = [line.held for line in lines]
    keys = numbers(each.reservation_id for each in held)
    return Statement(
        _UPDATE_LINES,
        (
            keys,
            numbers(each.quantity_fulfilled for each in held),
            numbers(each.quantity_released for each in held),
            texts(each.status for each in held),
            instants(each.expires_at for each in held),
            instants(line.closed_at for line in lines),
            texts(line.closed_by for line in lines),
            texts(line.closed_reason for line in lines),
            keys,
        ),
    )


def insert_given_up(given_up: Sequence[GivenUp]) -> Statement:
    """Units of lines that are given up."""
    return Statement(
        _INSERT_GIVEN_UP,
        (
            numbers(each.reservation_id for each in given_up),
            numbers(each.quantity for each in given_up),
            texts(each.reason for each in given_up),
            instants(each.at for each in given_up),
            *_origins(each.operation for each in given_up),
        ),
    )


def insert_given_way(given_way: Sequence[GivenWay]) -> Statement:
    """Lines that give way."""
    return Statement(
        _INSERT_GIVEN_WAY,
        (
            numbers(each.line.reservation_id for each in given_way),
            texts(each.operation.operation_id for each in given_way),
            numbers(each.line.item.warehouse_id for each in given_way),
            numbers(each.line.item.product_id for each in given_way),
            numbers(each.line.quantity_open for each in given_way),
            texts(each.document for each in given_way),
            instants(each.at for each in given_way),
            instants(each.line.expires_at for each in given_way),
        ),
    )


def update_held_again(held_again: Sequence[HeldAgain]) -> Statement:
    """Lines that gave way and are held again."""
    keys = numbers(each.reservation_id for each in held_again)
    return Statement(
        _UPDATE_HELD_AGAIN,
        (
            keys,
            texts(each.operation.operation_id for each in held_again),
            instants(each.at for each in held_again),
            keys,
        ),
    )


def update_items(items: Sequence[StockItem]) -> Statement:
    """Items, each by the sum of its changes."""
    warehouses = numbers(item.key.warehouse_id for item in items)
    products = numbers(item.key.product_id for item in items)
    return Statement(
        _UPDATE_ITEMS,
        (
            warehouses,
            products,
            numbers(item.moved for item in items),
            numbers(item.held for item in items),
            numbers(item.set_aside for item in items),
            instants(item.last_moved_at for item in items),
            warehouses,
            products,
        ),
    )


def insert_movements(movements: Sequence[Movement]) -> Statement:
    """Movements, in their order."""
    return Statement(
        _INSERT_MOVEMENTS,
        (
            numbers(each.item.warehouse_id for each in movements),
            numbers(each.item.product_id for each in movements),
            texts(each.movement_type for each in movements),
            numbers(each.quantity for each in movements),
            numbers(each.balance_after for each in movements),
            texts(each.reference_id for each in movements),
            texts(each.reason for each in movements),
            instants(each.created_at for each in movements),
            instants(each.occurred_at for each in movements),
            *_origins(each.operation for each in movements),
            texts(each.lot_number for each in movements),
            numbers(each.lot_balance_after for each in movements),
        ),
    )
