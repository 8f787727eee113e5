"""The ledger: on hand changes by a movement and in no other way.

One statement changes an item and writes its movements, so that they always agree; a trigger checks it at commit.
`created_at` is the database's clock, read under the item's lock and moved past the item's previous movement: within an
item later movements have later instants, and each balance follows from the one before. `occurred_at` is when the goods
moved, where that was booked later; it says nothing about balances.
"""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, Row, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import BigInteger

from database.columns import INSTANT
from database.operations import Operation
from stockkeeper.domain.errors import InvalidRequest
from stockkeeper.domain.stock import ItemKey, MovementType

_ARRAYS = tuple(bindparam(name, type_=ARRAY(BigInteger)) for name in ("warehouse_ids", "product_ids", "quantities"))

_RESERVE = text("""
    UPDATE inventory_items AS item
    SET quantity_reserved = item.quantity_reserved + change.quantity
    FROM unnest(:warehouse_ids, :product_ids, :quantities) AS change (warehouse_id, product_id, quantity)
    WHERE (item.warehouse_id, item.product_id) = (change.warehouse_id, change.product_id)
    RETURNING item.is_below_reorder_point
        AND item.quantity_available + change.quantity >= item.reorder_point AS fell_below,
        item.warehouse_id, item.product_id, change.quantity > 0 AS is_taken, item.quantity_on_hand AS on_hand,
        coalesce((
            SELECT balance_after FROM stock_movements AS last
            WHERE (last.warehouse_id, last.product_id) = (item.warehouse_id, item.product_id)
            ORDER BY created_at DESC, movement_id DESC LIMIT 1), 0) AS balance
""").bindparams(*_ARRAYS)

# One movement for each line. Lines of the same item follow each other by a microsecond, each with its own balance.
_MOVE = text("""
    WITH line AS (
        SELECT change.*,
            sum(quantity) OVER earlier AS moved,
            row_number() OVER earlier AS step
        FROM unnest(:warehouse_ids, :product_ids, :quantities) WITH ORDINALITY
            AS change (warehouse_id, product_id, quantity, position)
        WINDOW earlier AS (PARTITION BY warehouse_id, product_id ORDER BY position)
    ),
    total AS (
        SELECT warehouse_id, product_id, sum(quantity)::bigint AS quantity, count(*) AS steps
        FROM line GROUP BY warehouse_id, product_id
    ),
    moved AS (
        UPDATE inventory_items AS item
        SET quantity_on_hand = item.quantity_on_hand + total.quantity,
            quantity_reserved = item.quantity_reserved
                + CASE WHEN :from_reserved THEN total.quantity ELSE 0 END,
            last_moved_at = greatest(clock_timestamp(), item.last_moved_at + interval '1 microsecond')
                + (total.steps - 1) * interval '1 microsecond'
        FROM total
        WHERE (item.warehouse_id, item.product_id) = (total.warehouse_id, total.product_id)
        RETURNING item.warehouse_id, item.product_id, item.last_moved_at, total.steps,
            item.quantity_on_hand - total.quantity AS balance_before,
            coalesce((
                SELECT balance_after FROM stock_movements AS last
                WHERE (last.warehouse_id, last.product_id) = (item.warehouse_id, item.product_id)
                ORDER BY created_at DESC, movement_id DESC LIMIT 1), 0) AS balance
    ),
    written AS (
        INSERT INTO stock_movements (
            warehouse_id, product_id, movement_type, quantity, balance_after, reference_id, performed_by, reason,
            operation_id, workflow_id, run_id, created_at, occurred_at)
        SELECT line.warehouse_id, line.product_id, :movement_type, line.quantity, moved.balance_before + line.moved,
            :reference_id, :performed_by, :reason, :operation_id, :workflow_id, :run_id,
            booked.at, CASE WHEN :occurred_at < booked.at THEN :occurred_at END
        FROM line JOIN moved USING (warehouse_id, product_id)
        CROSS JOIN LATERAL (
            SELECT moved.last_moved_at - (moved.steps - line.step) * interval '1 microsecond' AS at) AS booked
        WHERE moved.balance_before = moved.balance
        ORDER BY line.position
        RETURNING movement_id
    )
    SELECT (SELECT count(*) FROM written) AS written, off.*
    FROM (SELECT) AS one
    LEFT JOIN (
        SELECT warehouse_id, product_id, balance_before AS on_hand, balance FROM moved WHERE balance_before <> balance
        ORDER BY warehouse_id, product_id LIMIT 1
    ) AS off ON true
""").bindparams(*_ARRAYS, bindparam("occurred_at", type_=INSTANT))

_SET_BUFFER = text("""
    UPDATE inventory_items SET quantity_buffer = :units
    WHERE (warehouse_id, product_id) = (:warehouse_id, :product_id)
""")

_NAMES = text("""
    SELECT sku || ' in ' || warehouses.name FROM products, warehouses
    WHERE (warehouse_id, product_id) = (:warehouse_id, :product_id)
""")


def _arrays(lines: Iterable[tuple[ItemKey, int]]) -> dict[str, list[int]]:
    listed = list(lines)
    return {
        "warehouse_ids": [item.warehouse_id for item, _ in listed],
        "product_ids": [item.product_id for item, _ in listed],
        "quantities": [quantity for _, quantity in listed],
    }


def reserve(connection: Connection, units: dict[ItemKey, int]) -> bool:
    """Add units to the reserved quantity of these items; negative ones release. The caller has locked the items.

    Returns:
        Whether an item fell below its reorder point by this.

    Raises:
        InvalidRequest: Units are to be added, and the item's on hand isn't what its movements have left.
        RuntimeError: An item has no row, which its lock would have shown.
    """
    if not units:
        return False
    found = connection.execute(_RESERVE, _arrays(units.items())).all()
    if len(found) != len(units):
        raise RuntimeError(f"{len(units)} items to reserve on, {len(found)} found")
    for row in sorted(found, key=lambda row: (row.warehouse_id, row.product_id)):
        if row.is_taken and row.on_hand != row.balance:
            raise _off_the_ledger(connection, row)
    return any(row.fell_below for row in found)


def move(
    connection: Connection,
    operation: Operation,
    movement_type: MovementType,
    lines: Iterable[tuple[ItemKey, int]],
    *,
    reference_id: str,
    reason: str,
    from_reserved: bool = False,
) -> None:
    """Change on hand and write a movement for each line. The caller has locked the items.

    Args:
        connection: The transaction.
        operation: The person and the run behind it.
        movement_type: The kind of movement.
        lines: Items and units: positive in, negative out. An item may have several lines.
        reference_id: The number of the document behind it: an order, a purchase order, a transfer.
        reason: One sentence for readers of the ledger.
        from_reserved: The units were reserved, so that the reserved quantity changes as well.

    Raises:
        InvalidRequest: An item's on hand isn't what its movements have left.
        RuntimeError: An item has no row, which its lock would have shown.
    """
    arrays = _arrays(lines)
    done = connection.execute(
        _MOVE,
        arrays
        | {
            "movement_type": movement_type,
            "reference_id": reference_id,
            "performed_by": operation.performed_by,
            "reason": reason,
            **operation.origin,
            "occurred_at": operation.occurred_at,
            "from_reserved": from_reserved,
        },
    ).one()
    if done.balance is not None:
        raise _off_the_ledger(connection, done)
    if done.written != len(arrays["quantities"]):
        raise RuntimeError(f"{len(arrays['quantities'])} movements to write, {done.written} written")


def set_buffer(connection: Connection, item: ItemKey, units: int) -> None:
    """Keep so many units of an item from new holds. The caller has locked it."""
    connection.execute(_SET_BUFFER, {**item._asdict(), "units": units})


def _off_the_ledger(connection: Connection, off: Row[Any]) -> InvalidRequest:
    """The refusal to go on with stock that was put in past the ledger: no movement could follow the last one."""
    item = {"warehouse_id": off.warehouse_id, "product_id": off.product_id}
    return InvalidRequest(
        f"{connection.execute(_NAMES, item).scalar_one()} has {off.on_hand} on hand, but its movements have left "
        f"{off.balance}: the difference has no movement; run `stockkeeper audit` and repair its finding first"
    )
