"""Lots as people and programs read them: with what is on hand of each, and who holds it. It locks nothing."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, bindparam, text
from sqlalchemy.types import Date, Integer

from database.clock import clock, clocked

MAY_NOT_LEAVE = """coalesce(lots.status <> 'AVAILABLE' OR lots.expires_on < today
    OR coalesce(lots.expires_on, lots.best_before) < today + products.minimum_days_left, false)"""
"""Whether free units of a lot can't be promised: a condition on ``lots``, ``products`` and `database.clock`'s
``today``, as `stockkeeper.domain.lot.LotOnHand.is_usable` has it."""

_LAST_DAY = "coalesce(lots.expires_on, lots.best_before)"
_PLACE = f"(sku, coalesce({_LAST_DAY}, DATE '2199-12-31'), lot_number, warehouses.name)"
_PLACE_BY_DAY = f"(warehouses.name, {_LAST_DAY}, sku, lot_number)"

# A condition that isn't asked for is left out, so that each question has the plan of an index of its own.
_SELECT = f"""
    SELECT product_id, sku, products.name, warehouse_id, warehouses.name AS warehouse, lot_number,
        lots.expires_on, lots.best_before, lots.made_on, lots.status, lots.status_reason, lots.status_since,
        lots.status_by, lots.supplier_id, suppliers.name AS supplier, lots.receipt, lots.created_at AS came_at,
        item.quantity_on_hand, item.quantity_reserved, item.quantity_unavailable,
        item.quantity_on_hand - item.quantity_reserved - item.quantity_unavailable AS quantity_free,
        NOT {MAY_NOT_LEAVE} AS may_leave, {_LAST_DAY} - today AS days_left, item.last_moved_at
    FROM lot_items AS item
    JOIN lots USING (product_id, lot_number)
    JOIN products USING (product_id)
    JOIN warehouses USING (warehouse_id)
    JOIN today USING (warehouse_id)
    LEFT JOIN suppliers USING (supplier_id)
    WHERE {{conditions}}
    ORDER BY {{place}}
    LIMIT :most
"""  # noqa: S608 - constants only
_ON_HAND = "item.quantity_on_hand > 0"
_ONLY = {
    "product_id": "product_id = :product_id",
    "warehouse_id": "warehouse_id = :warehouse_id",
    "lot_number": "lot_number = :lot_number",
    "status": "lots.status = :status",
    "expiring_before": f"{_LAST_DAY} < :expiring_before",
    # The first of these is for the index: a page begins where the last one ended.
    "after_sku": f"sku >= :after_sku AND {_PLACE} > (:after_sku, :after_day, :after_number, :after_warehouse)",
}
_EXPIRING = (
    f"{_LAST_DAY} <= today + :within_days",
    _ON_HAND,
    "(CAST(:warehouse_id AS bigint) IS NULL OR warehouse_id = :warehouse_id)",
    f"""(CAST(:after_warehouse AS text) IS NULL OR warehouses.name >= :after_warehouse
        AND {_PLACE_BY_DAY} > (:after_warehouse, :after_day, :after_sku, :after_number))""",
)
EXPIRING = clocked(_SELECT.format(conditions=" AND ".join(_EXPIRING), place=_PLACE_BY_DAY), today=True).bindparams(
    bindparam("within_days", type_=Integer),
    bindparam("after_day", type_=Date),
)

_HOLDS = text("""
    SELECT warehouse_id, warehouses.name AS warehouse, reservation_id, reference_type, reference_id,
        held.quantity_held AS quantity, expires_at
    FROM reservation_lots AS held
    JOIN reservations USING (reservation_id, warehouse_id, product_id)
    JOIN warehouses USING (warehouse_id)
    WHERE (product_id, lot_number) = (:product_id, :lot_number) AND held.quantity_held > 0
        AND (CAST(:warehouse_id AS bigint) IS NULL OR warehouse_id = :warehouse_id)
        AND (warehouses.name, reservation_id) > (:after_warehouse, :after_id)
    ORDER BY warehouses.name, reservation_id
    LIMIT :most
""")


def read_lots_shown(
    connection: Connection,
    *,
    as_of: datetime,
    most: int,
    after: tuple[str, date, str, str] | None,
    with_those_gone: bool,
    **only: object,
) -> list[RowMapping]:
    """Lots with their units in each warehouse, by SKU, last day, number and warehouse.

    Args:
        connection: A snapshot.
        as_of: The instant that says which day it is in each warehouse.
        most: How many lines.
        after: The place of the last line seen.
        with_those_gone: With lots of which nothing is on hand.
        only: What they must have: a name in `_ONLY`, and its value; None: any.
    """
    asked: dict[str, Any] = {name: value for name, value in only.items() if value is not None}
    if after is not None:
        names = ("after_sku", "after_day", "after_number", "after_warehouse")
        asked |= dict(zip(names, after, strict=True))
    conditions = [condition for name, condition in _ONLY.items() if name in asked]
    conditions.append("true" if with_those_gone else _ON_HAND)
    statement = clocked(_SELECT.format(conditions=" AND ".join(conditions), place=_PLACE), today=True)
    days = [bindparam(name, type_=Date) for name in ("after_day", "expiring_before") if name in asked]
    asked |= {"as_of": as_of, "most": most} | clock(connection, as_of, as_of)
    return list(connection.execute(statement.bindparams(*days), asked).mappings().all())


def read_expiring_lots(
    connection: Connection,
    *,
    as_of: datetime,
    within_days: int,
    warehouse_id: int | None,
    after: tuple[str, date, str, str] | None,
    most: int,
) -> list[RowMapping]:
    """Lots on hand whose last day is over or near: by warehouse, last day, SKU and number.

    Args:
        connection: A snapshot.
        as_of: The instant that says which day it is in each warehouse.
        within_days: The most days left.
        warehouse_id: Only this warehouse; None: all.
        after: The place of the last line seen.
        most: How many lines.
    """
    warehouse, day, sku, number = after or (None, None, None, None)
    asked = {
        "as_of": as_of,
        "within_days": within_days,
        "warehouse_id": warehouse_id,
        "after_warehouse": warehouse,
        "after_day": day,
        "after_sku": sku,
        "after_number": number,
        "most": most,
    }
    return list(connection.execute(EXPIRING, asked | clock(connection, as_of, as_of)).mappings().all())


def read_holds_of_lot(
    connection: Connection,
    *,
    product_id: int,
    lot_number: str,
    warehouse_id: int | None,
    after: tuple[str, int] | None,
    most: int,
) -> list[RowMapping]:
    """The lines of orders and transfers that hold units of a lot, by warehouse and line."""
    warehouse, reservation_id = after or ("", 0)
    asked = {
        "product_id": product_id,
        "lot_number": lot_number,
        "warehouse_id": warehouse_id,
        "after_warehouse": warehouse,
        "after_id": reservation_id,
        "most": most,
    }
    return list(connection.execute(_HOLDS, asked).mappings().all())
