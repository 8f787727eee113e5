"""Units on hand that can't be promised, by what keeps them: those set aside, and free ones of lots that may not leave.

What was set aside is stored with its item. Whether a lot may leave depends on the day in its warehouse, and isn't
stored: it is asked at an instant, and only of items that are tracked, so that others cost nothing.
"""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import BigInteger, ColumnElement, Connection, bindparam, case, func, literal, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import Date

from database.clock import clock, clocked, day_of
from database.lot_reading import MAY_NOT_LEAVE
from database.tables import inventory_items, warehouses
from stockkeeper.domain.stock import ItemKey

ByState = dict[str, int]
"""Units by state: `stockkeeper.domain.lot.StockState` has those of units that were set aside."""

_BY_STATE = clocked(
    f"""
    SELECT warehouse_id, product_id, state, sum(units)::bigint AS units FROM (
        SELECT warehouse_id, product_id, state, quantity AS units
        FROM unnest(:warehouse_ids, :product_ids) AS wanted (warehouse_id, product_id)
        JOIN unavailable_stock USING (warehouse_id, product_id)
        UNION ALL
        SELECT warehouse_id, product_id,
            CASE WHEN lots.status = 'BLOCKED' THEN 'BLOCKED' WHEN lots.status = 'QUARANTINED' THEN 'QUARANTINE'
                WHEN lots.expires_on < today THEN 'EXPIRED' ELSE 'TOO_FEW_DAYS_LEFT' END,
            quantity_on_hand - quantity_reserved - quantity_unavailable
        FROM unnest(:warehouse_ids, :product_ids) AS wanted (warehouse_id, product_id)
        JOIN lot_items USING (warehouse_id, product_id)
        JOIN lots USING (product_id, lot_number)
        JOIN products USING (product_id)
        JOIN today USING (warehouse_id)
        WHERE quantity_on_hand > 0 AND {MAY_NOT_LEAVE}
    ) AS each
    WHERE units > 0
    GROUP BY warehouse_id, product_id, state
    ORDER BY warehouse_id, product_id, state
    """,  # noqa: S608 - constants only
    today=True,
).bindparams(*(bindparam(name, type_=ARRAY(BigInteger)) for name in ("warehouse_ids", "product_ids")))


def read_unavailable(connection: Connection, items: Iterable[ItemKey], as_of: datetime) -> dict[ItemKey, ByState]:
    """The units of these items that can't be promised at an instant, by state; items without any are left out.

    Held units aren't among them, also where their lot may not leave any more: they count as reserved.
    """
    keys = list(items)
    found: dict[ItemKey, ByState] = {}
    if not keys:
        return found
    asked = {
        "as_of": as_of,
        "warehouse_ids": [key.warehouse_id for key in keys],
        "product_ids": [key.product_id for key in keys],
        **clock(connection, as_of, as_of),
    }
    for warehouse_id, product_id, state, units in connection.execute(_BY_STATE, asked):
        found.setdefault(ItemKey(warehouse_id, product_id), {})[state] = units
    return found


def available_at(connection: Connection, as_of: datetime) -> ColumnElement[int]:
    """Units of an item that can be promised at an instant: a column of a query on them and ``warehouses``.

    Below zero more is promised, or kept as buffer, than there is.
    """
    item, timezone = inventory_items.c, warehouses.c.timezone
    zones = connection.execute(select(timezone).distinct()).scalars()
    days = [(timezone == zone, literal(day_of(as_of, zone), Date)) for zone in zones]
    today = case(*days) if days else literal(None, Date)
    unusable = func.unusable_units(item.warehouse_id, item.product_id, today)
    return case((item.is_tracked, item.quantity_available - unusable), else_=item.quantity_available)
