"""Holds: stock that is promised to an order or to a transfer.

An order's reservation and a transfer's hold at its source are the same rows, under the same locks and rules; neither
takes precedence. A hold is in `reservations` and its units are in `inventory_items`. Only goods that leave the shelf
are a movement.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import Connection, bindparam, text, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import BigInteger

from database import ledger
from database.given_way import close_offers, insert_given_way
from database.locks import lock_items, open_holds, overdue_lines
from database.operations import Operation
from database.reservation import reservations
from stockkeeper.domain.errors import InsufficientStock, Shortage
from stockkeeper.domain.reservation import HeldLine, ItemHold, ReservationStatus, giving_way
from stockkeeper.domain.stock import ItemKey, Level, MovementType, shortages, wanted_by_item

_INSERT_LINES = text("""
    INSERT INTO reservations (
        product_id, warehouse_id, quantity, reference_type, reference_id, expires_at, created_at,
        performed_by, operation_id, workflow_id, run_id)
    SELECT product_id, warehouse_id, quantity, :reference_type, :reference_id, :expires_at, :as_of,
        :performed_by, :operation_id, :workflow_id, :run_id
    FROM unnest(:product_ids, :warehouse_ids, :quantities) WITH ORDINALITY
        AS line (product_id, warehouse_id, quantity, position)
    ORDER BY position
""").bindparams(
    *(bindparam(name, type_=ARRAY(BigInteger)) for name in ("product_ids", "warehouse_ids", "quantities")),
    bindparam("expires_at", type_=reservations.c.expires_at.type),
)

_TAKE_LINES = text("""
    UPDATE reservations AS held
    SET quantity_fulfilled = held.quantity_fulfilled + taken.units,
        status = CASE WHEN whole THEN 'FULFILLED' ELSE held.status END,
        closed_at = CASE WHEN whole THEN :as_of END,
        closed_by = CASE WHEN whole THEN :operation_id END
    FROM (
        SELECT reservation_id, units, quantity_fulfilled + units + quantity_released = quantity AS whole
        FROM unnest(:reservation_ids, :units) AS given (reservation_id, units)
        JOIN reservations USING (reservation_id)
    ) AS taken
    WHERE held.reservation_id = taken.reservation_id
""").bindparams(
    *(bindparam(name, type_=ARRAY(BigInteger)) for name in ("reservation_ids", "units")),
    bindparam("as_of", type_=reservations.c.closed_at.type),
    bindparam("operation_id", type_=reservations.c.closed_by.type),
)


_LOWER_LINES = text("""
    WITH given AS (
        SELECT reservation_id, units, quantity_fulfilled + quantity_released + units = quantity AS whole
        FROM unnest(:reservation_ids, :units) AS given (reservation_id, units)
        JOIN reservations USING (reservation_id)
    ),
    lowered AS (
        UPDATE reservations AS held
        SET quantity_released = held.quantity_released + given.units,
            status = CASE WHEN whole THEN 'FULFILLED' ELSE held.status END,
            closed_at = CASE WHEN whole THEN :as_of END,
            closed_by = CASE WHEN whole THEN :operation_id END,
            closed_reason = CASE WHEN whole THEN :reason END
        FROM given
        WHERE held.reservation_id = given.reservation_id
        RETURNING held.reservation_id, given.units
    )
    INSERT INTO reservation_releases (
        reservation_id, quantity, released_at, released_by, reason, operation_id, workflow_id, run_id)
    SELECT reservation_id, units, :as_of, :performed_by, :reason, :operation_id, :workflow_id, :run_id
    FROM lowered ORDER BY reservation_id
""").bindparams(
    *(bindparam(name, type_=ARRAY(BigInteger)) for name in ("reservation_ids", "units")),
    bindparam("as_of", type_=reservations.c.closed_at.type),
    bindparam("operation_id", type_=reservations.c.closed_by.type),
    bindparam("reason", type_=reservations.c.closed_reason.type),
)


def place(
    connection: Connection,
    operation: Operation,
    reference_type: str,
    reference_id: str,
    lines: Sequence[tuple[ItemKey, int]],
    *,
    expires_at: datetime | None,
    as_of: datetime,
) -> bool:
    """Hold all of these lines, or none.

    If an item is short, holds on it that are overdue by ``as_of`` are released first, in the same transaction.

    Locks: the items, sorted by (warehouse_id, product_id).

    Args:
        connection: The transaction.
        operation: The person and the run behind it.
        reference_type: The kind of holder: ``ORDER`` or ``TRANSFER``.
        reference_id: The number of the order or transfer.
        lines: Items and units. The same item on two lines counts together.
        expires_at: The deadline of the hold; None: it has none.
        as_of: The workflow's time.

    Returns:
        Whether an item fell below its reorder point by this.

    Raises:
        InsufficientStock: With the numbers of every item that is short.
    """
    wanted = wanted_by_item(lines)
    levels = lock_items(connection, wanted)
    if short := shortages(wanted, levels):
        _release_overdue(connection, operation, f"{reference_type} {reference_id}", wanted, levels, short, as_of)
    connection.execute(
        _INSERT_LINES,
        {
            "product_ids": [item.product_id for item, _ in lines],
            "warehouse_ids": [item.warehouse_id for item, _ in lines],
            "quantities": [quantity for _, quantity in lines],
            "reference_type": reference_type,
            "reference_id": reference_id,
            "expires_at": expires_at,
            "as_of": as_of,
            "performed_by": operation.performed_by,
            **operation.origin,
        },
    )
    return ledger.reserve(connection, wanted)


def place_again(
    connection: Connection,
    operation: Operation,
    lines: Sequence[HeldLine],
    units: Mapping[int, int],
    *,
    as_of: datetime,
) -> bool:
    """Hold lines again that gave way, with the units and the deadline that they had; all of them or none.

    The caller has locked the lines' items.

    Args:
        connection: The transaction.
        operation: The person and the run behind it.
        lines: The lines of one order that gave way.
        units: Units by reservation_id that each of them held.
        as_of: The workflow's time.

    Returns:
        Whether an item fell below its reorder point by this.

    Raises:
        InsufficientStock: With the numbers of every item that is short.
    """
    wanted = wanted_by_item((line.item, units[line.reservation_id]) for line in lines)
    levels = lock_items(connection, wanted)
    if short := shortages(wanted, levels):
        _release_overdue(connection, operation, operation.workflow_id, wanted, levels, short, as_of)
    connection.execute(
        update(reservations)
        .where(reservations.c.reservation_id.in_([line.reservation_id for line in lines]))
        .values(status=ReservationStatus.ACTIVE, closed_at=None, closed_by=None, closed_reason=None)
    )
    close_offers(connection, operation, lines, as_of)
    return ledger.reserve(connection, wanted)


def take(
    connection: Connection,
    operation: Operation,
    lines: Sequence[HeldLine],
    taken: Mapping[int, int],
    movement_type: MovementType,
    *,
    reference_id: str,
    reason: str,
    as_of: datetime,
) -> None:
    """Take held units off the shelf, by a movement for each line that gives some.

    The caller has locked the lines' items.

    Args:
        connection: The transaction.
        operation: The person and the run behind it.
        lines: The hold.
        taken: Units by reservation_id, as `stockkeeper.domain.reservation.plan_fulfilment` has them.
        movement_type: Why they leave: SALE or TRANSFER_OUT.
        reference_id: The document's number.
        reason: One sentence for readers of the ledger.
        as_of: The workflow's time.
    """
    connection.execute(
        _TAKE_LINES,
        {
            "reservation_ids": list(taken),
            "units": list(taken.values()),
            "as_of": as_of,
            "operation_id": operation.operation_id,
        },
    )
    ledger.move(
        connection,
        operation,
        movement_type,
        [(line.item, -taken[line.reservation_id]) for line in lines if line.reservation_id in taken],
        reference_id=reference_id,
        reason=reason,
        from_reserved=True,
    )


def release(
    connection: Connection,
    operation: Operation,
    lines: Sequence[HeldLine],
    status: ReservationStatus,
    *,
    reason: str,
    as_of: datetime,
    gave_way_to: str | None = None,
) -> None:
    """End the open rest of these lines, so that it becomes available. The caller has locked their items.

    ``gave_way_to`` is the number of the correction that they give way to; empty: they follow another line.
    """
    still_held = [line for line in lines if line.quantity_open]
    if not still_held:
        return
    if gave_way_to is not None:
        insert_given_way(connection, operation, still_held, gave_way_to, as_of)
    connection.execute(
        update(reservations)
        .where(reservations.c.reservation_id.in_([line.reservation_id for line in still_held]))
        .values(status=status, closed_at=as_of, closed_by=operation.operation_id, closed_reason=reason)
    )
    ledger.reserve(connection, wanted_by_item((line.item, -line.quantity_open) for line in still_held))


def ending(connection: Connection, item: ItemKey, units: int, as_of: datetime) -> list[ItemHold]:
    """The holds that would give way before their deadline if so many units of an item are missing. It is locked."""
    return [hold for hold in giving_way(open_holds(connection, item), units, as_of) if not hold.is_overdue(as_of)]


def lower(
    connection: Connection,
    operation: Operation,
    lines: Sequence[HeldLine],
    given_up: Mapping[int, int],
    *,
    reason: str,
    as_of: datetime,
) -> None:
    """Give up held units, so that they become available; the rest stays held. The caller has locked their items.

    Args:
        connection: The transaction.
        operation: The person and the run behind it.
        lines: The hold.
        given_up: Units by reservation_id, as `stockkeeper.domain.reservation.plan_fulfilment` has them.
        reason: Why.
        as_of: The workflow's time.
    """
    connection.execute(
        _LOWER_LINES,
        {
            "reservation_ids": list(given_up),
            "units": list(given_up.values()),
            "as_of": as_of,
            "reason": reason,
            "performed_by": operation.performed_by,
            **operation.origin,
        },
    )
    freed = [(line.item, -given_up[line.reservation_id]) for line in lines if line.reservation_id in given_up]
    ledger.reserve(connection, wanted_by_item(freed))


def give_way(
    connection: Connection,
    operation: Operation,
    item: ItemKey,
    units: int,
    *,
    reason: str,
    as_of: datetime,
    document: str,
) -> list[ItemHold]:
    """End holds on an item whose promised stock is missing, the latest first, until enough units are free.

    The lock of the item is enough: an order's or transfer's other lines are released by its own workflow, once that is
    notified.

    Args:
        connection: The transaction; the item is locked.
        operation: The person and the run behind it.
        item: The item.
        units: How many units have to be given up.
        reason: One sentence for the holders that give way.
        as_of: The workflow's time.
        document: The number of the correction.

    Returns:
        The holds that ended before their deadline, whose workflows have to be notified.
    """
    ended = giving_way(open_holds(connection, item), units, as_of)
    overdue = [hold for hold in ended if hold.is_overdue(as_of)]
    in_time = [hold for hold in ended if not hold.is_overdue(as_of)]
    for given_up, status, to in (
        (overdue, ReservationStatus.EXPIRED, None),
        (in_time, ReservationStatus.CANCELLED, document),
    ):
        lines = [line for hold in given_up for line in hold.lines]
        release(connection, operation, lines, status, reason=reason, as_of=as_of, gave_way_to=to)
    return in_time


def extend(connection: Connection, lines: Sequence[HeldLine], expires_at: datetime) -> None:
    """Set a new deadline on lines that still hold something. The caller has locked the lines' items."""
    still_held = [line.reservation_id for line in lines if line.quantity_open]
    connection.execute(
        update(reservations).where(reservations.c.reservation_id.in_(still_held)).values(expires_at=expires_at)
    )


def _release_overdue(
    connection: Connection,
    operation: Operation,
    needed_for: str,
    wanted: Mapping[ItemKey, int],
    levels: Mapping[ItemKey, Level],
    short: Sequence[Shortage],
    as_of: datetime,
) -> None:
    """Release overdue holds for a request that is short, so that deadlines are exact without waiting for timers.

    Raises:
        InsufficientStock: Even without them it is short. Nothing is released.
    """
    items = [item for item in wanted if any(item == (each.warehouse_id, each.product_id) for each in short)]
    overdue = overdue_lines(connection, items, as_of)
    freed = wanted_by_item((line.item, line.quantity_open) for line in overdue)
    after = {item: replace(level, reserved=level.reserved - freed.get(item, 0)) for item, level in levels.items()}
    if still_short := shortages(wanted, after):
        raise InsufficientStock.of(still_short)
    reason = f"overdue, and needed for {needed_for}"
    release(connection, operation, overdue, ReservationStatus.EXPIRED, reason=reason, as_of=as_of)
