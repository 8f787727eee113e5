"""Lots that end while an order for more of their item would be on its way: what reorder runs don't count on.

Only tracked items with a plan and a free lot that ends in time are read, by one query for all of them. Locks nothing.
"""

from collections.abc import Collection, Mapping
from datetime import datetime

from sqlalchemy import Connection, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import BigInteger, Double

from database.clock import clock, clocked, day_of
from database.lot_reading import MAY_NOT_LEAVE
from stockkeeper.domain.perishing import LONGEST_DAYS, LOTS_LOOKED_AT, LotAhead, Perishables, usual_sell_days
from stockkeeper.domain.stock import ItemKey

Perishing = Mapping[ItemKey, Perishables]
"""Items with free lots that end within the time that an order has to last; others are left out."""

# Whatever leaves before a lot that ends in time has no later day, so it is among these lots. The last day is that of
# `stockkeeper.domain.lot.LotOnHand.last_day`.
_LOTS = clocked(
    f"""
    WITH perishing AS (
        SELECT item.warehouse_id, item.product_id, plan.daily_mean, plan.lead_time_days, today, minimum_days_left,
            today + least(floor(plan.lead_time_days + :more_days), {LONGEST_DAYS})::integer
                + coalesce(minimum_days_left, 0) AS until
        FROM inventory_items AS item
        JOIN item_plans AS plan USING (warehouse_id, product_id)
        JOIN products USING (product_id)
        JOIN today USING (warehouse_id)
        WHERE item.is_tracked AND item.planning = 'auto'
            AND (CAST(:warehouse_id AS bigint) IS NULL OR item.warehouse_id = :warehouse_id)
            AND (CAST(:product_ids AS bigint[]) IS NULL OR item.product_id = ANY (:product_ids))
    )
    SELECT warehouse_id, product_id, daily_mean, lead_time_days, units, last_day - today, last_day
    FROM perishing AS products
    CROSS JOIN LATERAL (
        SELECT quantity_on_hand - quantity_reserved - quantity_unavailable AS units, created_at, lot_number,
            coalesce(expires_on, best_before) AS use_by,
            least(expires_on, coalesce(expires_on, best_before) - minimum_days_left) AS last_day
        FROM lot_items JOIN lots USING (product_id, lot_number)
        WHERE warehouse_id = products.warehouse_id AND product_id = products.product_id AND quantity_on_hand > 0
            AND coalesce(expires_on, best_before) <= until AND NOT {MAY_NOT_LEAVE}) AS lot
    WHERE units > 0
    ORDER BY warehouse_id, product_id, use_by, created_at, lot_number
    """,  # noqa: S608 - constants only
    today=True,
).bindparams(
    bindparam("warehouse_id", type_=BigInteger),
    bindparam("product_ids", type_=ARRAY(BigInteger)),
    bindparam("more_days", type_=Double),
)


# A shop without lots pays one look into an empty index.
_ANY_TRACKED = text("""
    SELECT EXISTS (
        SELECT FROM inventory_items
        WHERE is_tracked AND (CAST(:warehouse_id AS bigint) IS NULL OR warehouse_id = :warehouse_id))
""")


def read_perishing(
    connection: Connection,
    as_of: datetime,
    *,
    warehouse_id: int | None = None,
    product_ids: Collection[int] | None = None,
    more_days: float = 0.0,
) -> Perishing:
    """The lots of tracked items that end within the lead time, with the demand that their plans expect.

    Args:
        connection: The transaction.
        as_of: The instant that says which day it is in each warehouse.
        warehouse_id: Only items of this warehouse; None: of all.
        product_ids: Only items of these products; None: of all.
        more_days: Days beyond the lead time that an order is to last.
    """
    if not connection.execute(_ANY_TRACKED, {"warehouse_id": warehouse_id}).scalar_one():
        return {}
    asked = {
        "as_of": as_of,
        "warehouse_id": warehouse_id,
        "product_ids": None if product_ids is None else list(product_ids),
        "more_days": more_days,
        **clock(connection, as_of, as_of),
    }
    lots: dict[ItemKey, list[LotAhead]] = {}
    plans = {}
    for place, product, daily_mean, lead_time_days, units, days, last_day in connection.execute(_LOTS, asked):
        item = ItemKey(place, product)
        plans[item] = daily_mean, lead_time_days
        lots.setdefault(item, []).append(LotAhead(units, days, last_day))
    return {item: Perishables(lots[item], *plan) for item, plan in plans.items()}


_CAME = text("""
    SELECT wanted.product_id, lot.created_at, lot.last_day
    FROM inventory_items AS wanted JOIN products USING (product_id)
    CROSS JOIN LATERAL (
        SELECT created_at, least(expires_on, coalesce(expires_on, best_before) - minimum_days_left) AS last_day
        FROM lots
        WHERE lots.product_id = wanted.product_id AND supplier_id = :supplier_id AND (
            expires_on IS NOT NULL OR (best_before IS NOT NULL AND minimum_days_left IS NOT NULL))
        ORDER BY created_at DESC, lot_number LIMIT :most) AS lot
    WHERE is_tracked AND warehouse_id = :warehouse_id AND wanted.product_id = ANY (:product_ids)
    ORDER BY wanted.product_id, created_at DESC
""").bindparams(bindparam("product_ids", type_=ARRAY(BigInteger)))


def read_sell_days(
    connection: Connection, warehouse_id: int, supplier_id: int, product_ids: Collection[int], timezone: str
) -> dict[int, int]:
    """Days on which goods of a supplier can be sold that have just come, by product; those not known are left out.

    Args:
        connection: The transaction.
        warehouse_id: The warehouse that orders; its tracked items are looked at, and the lots that came to any.
        supplier_id: The supplier.
        product_ids: The products.
        timezone: By whose calendar a lot came on a day.
    """
    of = {"warehouse_id": warehouse_id, "supplier_id": supplier_id}
    asked = of | {"product_ids": list(product_ids), "most": LOTS_LOOKED_AT}
    of_lots: dict[int, list[int]] = {}
    for product, came_at, last_day in connection.execute(_CAME, asked):
        of_lots.setdefault(product, []).append((last_day - day_of(came_at, timezone)).days)
    usual = {product: usual_sell_days(days) for product, days in of_lots.items()}
    return {product: days for product, days in usual.items() if days is not None}


def units_to_expire(perishing: Perishing) -> dict[str, list[int]]:
    """The units of each item that will expire unsold, as three parallel arrays: the values of `TO_EXPIRE`."""
    units = {item: each.units() for item, each in perishing.items()}
    listed = [(item.warehouse_id, item.product_id, each) for item, each in units.items() if each > 0]
    columns = zip(*listed, strict=True) if listed else ((), (), ())
    names = ("expiring_warehouses", "expiring_products", "expiring_units")
    return {name: list(column) for name, column in zip(names, columns, strict=True)}


TO_EXPIRE = """to_expire AS (
        SELECT * FROM unnest(:expiring_warehouses, :expiring_products, :expiring_units)
            AS to_expire (warehouse_id, product_id, to_expire)
    )"""
"""A common table expression, with the parameters of `units_to_expire`."""
EXPIRING_ARRAYS = tuple(
    bindparam(name, type_=ARRAY(BigInteger)) for name in ("expiring_warehouses", "expiring_products", "expiring_units")
)
