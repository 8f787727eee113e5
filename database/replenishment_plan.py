"""Plans of items in the database: the terms that they are computed from, their numbers, and the points they set."""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Double,
    Integer,
    Table,
    Text,
    bindparam,
    case,
    func,
    select,
    text,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import BigInteger

from database.binary_arrays import bigints, doubles, integers
from database.columns import INSTANT, METADATA, item_as_primary_key, item_key, needed, reference
from database.item_events import points_from, tell_levels, tell_points, values_of
from database.locks import lock_many, lock_or_create_items
from database.operations import Operation
from database.order_terms import price_breaks_of, review_days_stored
from database.perishing import read_perishing
from database.pipeline import Statement, send, words
from database.tables import inventory_items, products, suppliers, warehouses
from database.unavailable import available_at
from stockkeeper.domain.order_quantity import PriceBreak
from stockkeeper.domain.replenishment import LeadTime, Terms, lead_time_from
from stockkeeper.domain.review_days import ReviewDays, review_wait, with_wait
from stockkeeper.domain.stock import ItemKey

item_plans = Table(
    "item_plans",
    METADATA,
    *item_as_primary_key(),
    reference("suppliers.supplier_id"),
    needed("days", Integer),
    needed("daily_mean", Double),
    needed("daily_deviation", Double),
    needed("lead_time_days", Double),
    Column("lead_time_deviation_days", Double),
    needed("service_level", Double),
    needed("safety_stock", Double),
    needed("economic_order_quantity", Double),
    needed("reorder_point", BigInteger),
    needed("reorder_quantity", BigInteger),
    needed("planned_at", INSTANT),
    needed("service_measure", Text, server_default=text("'cycle'")),
    Column("method", Text, server_default=text("'seed'")),
    Column("demand_class", Text),
    Column("days_with_demand", Integer),
    Column("order_cost", Double),
    Column("holding_cost_rate", Double),
    Column("unit_cost", Double),
    Column("undershoot", Double),
    Column("outgoing_mean", Double),
    Column("outgoing_deviation", Double),
    Column("outgoing_skewness", Double),
    Column("factor", Double),
    Column("expected_cycle_service", Double),
    Column("expected_fill_rate", Double),
    Column("review_wait_days", Double),
    Column("forecast", Text),
    Column("forecast_factor", Double),
    Column("forecast_error", Double),
    Column("usual_deviation", Double),
    Column("usual_days", Double),
    Column("widening", Double),
    item_key("item_plans_item"),
)

# The preferred supplier of a product; if none is preferred, the cheapest one.
_TERMS = """
    SELECT DISTINCT ON (product_id) product_id, supplier_id, unit_cost, minimum_order_quantity, pack_size, price_breaks,
        lead_time_days::float8, lead_time_deviation_days::float8, lead_times_measured, measured_lead_time_days::float8,
        measured_lead_time_deviation_days::float8, review_days
    FROM product_suppliers JOIN suppliers USING (supplier_id)
    WHERE product_id = ANY (CAST(%s AS bigint[]))
    ORDER BY product_id, is_preferred DESC, unit_cost, supplier_id
"""

_PAGE = text("""
    SELECT warehouse_id, product_id, reorder_point, reorder_quantity FROM inventory_items
    WHERE planning = 'auto'
        AND (:warehouse_id IS NULL OR warehouse_id = :warehouse_id)
        AND (warehouse_id, product_id) > (:after_warehouse_id, :after_product_id)
    ORDER BY warehouse_id, product_id
    LIMIT :most
""").bindparams(
    *(bindparam(name, type_=BigInteger) for name in ("warehouse_id", "after_warehouse_id", "after_product_id"))
)

# The items of an earlier system's demand, each found by one look into the index, without reading all of its days.
_NEVER_STOCKED = text("""
    WITH RECURSIVE known AS (
        (SELECT warehouse_id, product_id FROM imported_demand ORDER BY warehouse_id, product_id LIMIT 1)
        UNION ALL
        SELECT next.warehouse_id, next.product_id
        FROM known CROSS JOIN LATERAL (
            SELECT warehouse_id, product_id FROM imported_demand AS later
            WHERE (later.warehouse_id, later.product_id) > (known.warehouse_id, known.product_id)
            ORDER BY warehouse_id, product_id LIMIT 1) AS next
    )
    SELECT warehouse_id, product_id FROM known JOIN products USING (product_id)
    WHERE is_active AND NOT EXISTS (
        SELECT 1 FROM inventory_items AS item
        WHERE (item.warehouse_id, item.product_id) = (known.warehouse_id, known.product_id))
    ORDER BY warehouse_id, product_id
""")

_ACTIVE = text("SELECT product_id FROM products WHERE is_active AND product_id = ANY (:product_ids)").bindparams(
    bindparam("product_ids", type_=ARRAY(BigInteger))
)

# Meanwhile an item may have been set by hand, and another run may have planned it. Few of them are below their point,
# so their keys are read, and nothing of the others.
_SET_POINTS = f"""
    WITH written AS (
        UPDATE inventory_items AS item
        SET reorder_point = plan.reorder_point, reorder_quantity = plan.reorder_quantity
        FROM unnest(CAST(%s AS bigint[]), CAST(%s AS bigint[]), CAST(%s AS bigint[]), CAST(%s AS bigint[]))
            AS plan (warehouse_id, product_id, reorder_point, reorder_quantity)
        WHERE (item.warehouse_id, item.product_id) = (plan.warehouse_id, plan.product_id) AND item.planning = 'auto'
            AND (item.reorder_point, item.reorder_quantity) IS DISTINCT FROM (plan.reorder_point, plan.reorder_quantity)
        RETURNING item.warehouse_id, item.product_id, item.reorder_point, item.reorder_quantity,
            item.is_below_reorder_point
    ), told AS ({points_from("written AS item")})
    SELECT count(*), array_agg(warehouse_id) FILTER (WHERE is_below_reorder_point),
        array_agg(product_id) FILTER (WHERE is_below_reorder_point)
    FROM written
"""  # noqa: S608 - constants only

_TRACKED = """
    SELECT warehouse_id, product_id FROM inventory_items
    WHERE is_tracked AND planning = 'auto' AND (warehouse_id, product_id) IN (
        SELECT * FROM unnest(CAST(%s AS bigint[]), CAST(%s AS bigint[])))
"""

_NUMBERS = [each.name for each in item_plans.columns if each.name not in ("warehouse_id", "product_id", "planned_at")]
_ALIKE = ("service_level", "service_measure", "order_cost", "holding_cost_rate")
"""Of all plans of a run; the others are given as arrays."""
_OF_EACH = [name for name in ("warehouse_id", "product_id", *_NUMBERS) if name not in _ALIKE]


class _Sent(NamedTuple):
    """How values of a type of columns are sent: the type's name, and what writes an array of them."""

    name: str
    array: Callable[[Sequence[Any]], bytes | str]


_SENT: Mapping[type, _Sent] = {
    BigInteger: _Sent("bigint", bigints),
    Integer: _Sent("integer", integers),
    Double: _Sent("double precision", doubles),
    Text: _Sent("text", words),
}


def _insert_plans() -> str:
    """Insert or replace plans; a plan with the same numbers as before is left as it is, and isn't locked.

    Those of before are looked for between the first and the last item, so that a page costs the same wherever it is.
    """
    types = {each.name: _SENT[type(each.type)] for each in item_plans.columns if type(each.type) in _SENT}
    arrays = ", ".join(f"CAST(%s AS {types[name].name}[])" for name in _OF_EACH)
    alike = ", ".join(f"CAST(%s AS {types[name].name})" for name in _ALIKE)
    key = "(CAST(%s AS bigint), CAST(%s AS bigint))"
    written = ", ".join(("warehouse_id", "product_id", *_NUMBERS))
    given, known = (", ".join(f"{table}.{name}" for name in _NUMBERS) for table in ("given", "known"))
    replaced = ", ".join(f"{name} = excluded.{name}" for name in (*_NUMBERS, "planned_at"))
    return f"""
        INSERT INTO item_plans ({written}, planned_at)
        SELECT {written}, CAST(%s AS timestamptz)
        FROM (
            SELECT * FROM unnest({arrays}) AS of_each ({", ".join(_OF_EACH)})
            CROSS JOIN (VALUES ({alike})) AS alike ({", ".join(_ALIKE)})
        ) AS given
        WHERE NOT EXISTS (
            SELECT FROM item_plans AS known
            WHERE (known.warehouse_id, known.product_id) = (given.warehouse_id, given.product_id)
                AND (known.warehouse_id, known.product_id) BETWEEN {key} AND {key}
                AND ({known}) IS NOT DISTINCT FROM ({given}))
        ORDER BY warehouse_id, product_id
        ON CONFLICT (warehouse_id, product_id) DO UPDATE SET {replaced}
    """  # noqa: S608 - the names of our own columns


_INSERT_PLANS = _insert_plans()


PointAndQuantity = tuple[int | None, int | None]


class Supply(NamedTuple):
    """How a product is supplied.

    Attributes:
        supplier_id: The preferred supplier, or else the cheapest.
        unit_cost: The agreed cost of a unit; money.
        lead_time: The measured lead time where there are enough measurements, or else the agreed one; with the wait
            for the supplier's next review day.
        terms: In what quantities it is sold.
        price_breaks: From how many units on it costs less, in rising order.
        review_wait: The wait, within the lead time.
        review_days: The weekdays on which orders go out to the supplier.
    """

    supplier_id: int
    unit_cost: Decimal
    lead_time: LeadTime
    terms: Terms
    price_breaks: tuple[PriceBreak, ...]
    review_wait: LeadTime
    review_days: ReviewDays = ()


def count_to_plan(connection: Connection, warehouse_id: int | None) -> int:
    """How many items are planned automatically, in one warehouse or (None) in all."""
    to_plan = select(func.count()).select_from(inventory_items).where(inventory_items.c.planning == "auto")
    if warehouse_id is not None:
        to_plan = to_plan.where(inventory_items.c.warehouse_id == warehouse_id)
    return connection.execute(to_plan).scalar_one()


def create_items_with_demand(connection: Connection) -> None:
    """Create the items that an earlier system sold and that were never stocked here, so that they are planned.

    Locks: the new items.
    """
    if never_stocked := [ItemKey(*row) for row in connection.execute(_NEVER_STOCKED)]:
        lock_or_create_items(connection, never_stocked)


def active_products(connection: Connection, product_ids: set[int]) -> set[int]:
    """The products, of these, that are still sold."""
    return set(connection.execute(_ACTIVE, {"product_ids": sorted(product_ids)}).scalars())


def read_page(
    connection: Connection, warehouse_id: int | None, after: tuple[int, int] | None, most: int
) -> dict[ItemKey, PointAndQuantity]:
    """Items that are planned automatically, at most ``most``, by (warehouse_id, product_id), after the given one.

    Each has its reorder point and quantity; None: it was never planned.
    """
    after_warehouse_id, after_product_id = after or (0, 0)
    of = {"warehouse_id": warehouse_id, "most": most}
    rows = connection.execute(
        _PAGE, of | {"after_warehouse_id": after_warehouse_id, "after_product_id": after_product_id}
    ).all()
    return {ItemKey(warehouse, product): (point, units) for warehouse, product, point, units in rows}


def read_supplies(connection: Connection, product_ids: set[int]) -> dict[int, Supply]:
    """How each of these products is supplied; products without a supplier are left out."""
    [rows] = send(connection, [Statement(_TERMS, (bigints(sorted(product_ids)),))])
    return {product_id: _supply(*terms) for product_id, *terms in rows}


# Thousands of products share a few of these.
@lru_cache(maxsize=1_000)
def _terms(minimum_order_quantity: int, pack_size: int) -> Terms:
    return Terms(minimum_order_quantity, pack_size)


@lru_cache(maxsize=1_000)
def _lead_time(
    agreed: float,
    agreed_deviation: float | None,
    measured_orders: int,
    measured: float | None,
    measured_deviation: float | None,
    review_days: str | None,
) -> tuple[LeadTime, LeadTime, ReviewDays]:
    """The lead time with the wait for a review day, the wait, and these days."""
    lead_time = lead_time_from(LeadTime(agreed, agreed_deviation), measured_orders, measured, measured_deviation)
    days = review_days_stored(review_days)
    wait = review_wait(days)
    return with_wait(lead_time, wait), wait, days


def _supply(
    supplier_id: int,
    unit_cost: Decimal,
    minimum_order_quantity: int,
    pack_size: int,
    price_breaks: list[dict[str, Any]] | None,
    *of_lead_time: Any,
) -> Supply:
    lead_time, wait, review_days = _lead_time(*of_lead_time)
    return Supply(
        supplier_id,
        unit_cost,
        lead_time,
        _terms(minimum_order_quantity, pack_size),
        price_breaks_of(price_breaks) if price_breaks else (),
        wait,
        review_days,
    )


def set_points(
    connection: Connection,
    operation: Operation,
    items: Sequence[ItemKey],
    points: Sequence[int],
    quantities: Sequence[int],
    before: Mapping[ItemKey, PointAndQuantity],
    *,
    as_of: datetime,
) -> tuple[int, bool]:
    """Set the reorder points and quantities that a plan changes, and tell them; not those set by hand meanwhile.

    Locks: the items that change. The numbers behind the new points have been kept before (`insert_plans`).

    Args:
        connection: The transaction.
        operation: The run behind it.
        items: The items.
        points: Their points.
        quantities: Their quantities.
        before: What they had when the page was read.
        as_of: The workflow's time, which says which lots may leave.

    Returns:
        How many were changed, and whether an item fell below its reorder point by this.
    """
    planned = zip(items, points, quantities, strict=True)
    changed = [(*item, point, units) for item, point, units in planned if before[item] != (point, units)]
    if not changed:
        return 0, False
    warehouse_ids, product_ids, *numbers = (bigints(column) for column in zip(*changed, strict=True))
    # Planned for a few rows and by key, the update finds each item by its key, whatever the table's size.
    were_below, [(written, *now_below)], tracked = send(
        connection,
        [
            lock_many(warehouse_ids, product_ids),
            Statement(_SET_POINTS, (warehouse_ids, product_ids, *numbers, *values_of(operation))),
            Statement(_TRACKED, (warehouse_ids, product_ids)),
        ],
    )
    are_below = set(zip(*(each or () for each in now_below), strict=True))
    # Whether a tracked item is below its point its row doesn't say, but the level that is told does.
    if others := are_below.symmetric_difference(were_below).union(tuple(key) for key in tracked):
        tell_levels(connection, operation, (ItemKey(*each) for each in others))
    fell_below = not are_below <= set(were_below)
    if tracked and not fell_below:
        points_of = {ItemKey(place, product): point for place, product, point, _ in changed}
        fell_below = _fell_below_by_lots(connection, as_of, {ItemKey(*key) for key in tracked}, points_of, before)
    return written, fell_below


def _fell_below_by_lots(
    connection: Connection,
    as_of: datetime,
    tracked: Collection[ItemKey],
    points: Mapping[ItemKey, int],
    before: Mapping[ItemKey, PointAndQuantity],
) -> bool:
    """Whether one of these items is below its new point, and wasn't below the old one, by what can be sold in time.

    That is less than their rows show: without lots that may not leave, and what will expire before it can be sold.
    """
    known, products_of = inventory_items.c, {item.product_id for item in tracked}
    available = (
        select(known.warehouse_id, known.product_id, available_at(connection, as_of))
        .join_from(inventory_items, warehouses, warehouses.c.warehouse_id == known.warehouse_id)
        .where(known.is_tracked, known.product_id.in_(products_of))
    )
    perishing = read_perishing(connection, as_of, product_ids=products_of)
    for place, product, units in connection.execute(available):
        item = ItemKey(place, product)
        if item in tracked:
            to_sell, point = units - (perishing[item].units() if item in perishing else 0), before[item][0]
            if to_sell < points[item] and (point is None or to_sell >= point):
                return True
    return False


def insert_plans(connection: Connection, items: Sequence[ItemKey], columns: Mapping[str, Any], as_of: datetime) -> None:
    """Keep the numbers behind the plans of items, in place of those of an earlier run.

    Args:
        connection: The transaction.
        items: The items.
        columns: The columns of `item_plans` by their names, each with a value for each item; those of `_ALIKE` with
            the value that all of them have.
        as_of: The workflow's time.
    """
    if not items:
        return
    warehouse_ids, product_ids = (list(each) for each in zip(*items, strict=True))
    of_each = {"warehouse_id": warehouse_ids, "product_id": product_ids, **columns}
    arrays = [_SENT[type(item_plans.c[name].type)].array(of_each[name]) for name in _OF_EACH]
    alike = (columns[name] for name in _ALIKE)
    send(connection, [Statement(_INSERT_PLANS, (as_of, *arrays, *alike, *min(items), *max(items)))])


def set_planning(connection: Connection, operation: Operation, item: ItemKey, **values: Any) -> None:
    """Change how an item is planned, and tell its point if that has changed. The caller has locked it."""
    columns = inventory_items.c
    told = (columns.reorder_point, columns.reorder_quantity, columns.is_tracked, columns.is_below_reorder_point)
    *before, is_tracked, was_below = connection.execute(select(*told).where(is_item(item))).one()
    changed = update(inventory_items).where(is_item(item)).values(**values).returning(*told)
    *now, _, is_below = connection.execute(changed).one()
    if now != before:
        tell_points(connection, operation, [item])
    if is_below != was_below or (is_tracked and now != before):
        tell_levels(connection, operation, [item])


def is_item(item: ItemKey) -> ColumnElement[bool]:
    """The condition for one inventory item."""
    items = inventory_items.c
    return (items.warehouse_id == item.warehouse_id) & (items.product_id == item.product_id)


def has_plan(
    product_ids: Sequence[int], warehouse_ids: Sequence[int], after: tuple[str, str] | None
) -> list[ColumnElement[bool]]:
    """The conditions for items with a reorder point.

    Args:
        product_ids: Only these products; none: all.
        warehouse_ids: Only these warehouses; none: all.
        after: Only those after this SKU and warehouse name; None: from the beginning.
    """
    conditions: list[ColumnElement[bool]] = [inventory_items.c.reorder_point.is_not(None)]
    if product_ids:
        conditions.append(inventory_items.c.product_id.in_(product_ids))
    if warehouse_ids:
        conditions.append(inventory_items.c.warehouse_id.in_(warehouse_ids))
    if after is not None:
        conditions.append(tuple_(products.c.sku, warehouses.c.name) > tuple_(*after))
    return conditions


def read_plans(
    connection: Connection, conditions: Sequence[ColumnElement[bool]], most: int, as_of: datetime
) -> list[dict[str, Any]]:
    """Items with their points, and the numbers behind those that are planned automatically; by SKU and warehouse.

    What is available of them is so at ``as_of``: lots that may not leave by then aren't.
    """
    shown = [
        name for name in _NUMBERS if name not in ("supplier_id", "service_level", "reorder_point", "reorder_quantity")
    ]
    level, measure = item_plans.c.service_level, item_plans.c.service_measure
    behind = [
        *(item_plans.c[name] for name in (*shown, "planned_at")),
        case((measure == "cycle", level)).label("service_level"),
        case((measure == "fill", level)).label("fill_rate"),
        item_plans.c.reorder_point.label("planned_reorder_point"),
        item_plans.c.reorder_quantity.label("planned_reorder_quantity"),
    ]
    statement = (
        select(
            inventory_items.c.product_id,
            products.c.sku,
            inventory_items.c.warehouse_id,
            warehouses.c.name.label("warehouse"),
            inventory_items.c.planning,
            inventory_items.c.reorder_point,
            inventory_items.c.reorder_quantity,
            available_at(connection, as_of).label("quantity_available"),
            suppliers.c.name.label("supplier"),
            *behind,
        )
        .join_from(inventory_items, products, products.c.product_id == inventory_items.c.product_id)
        .join(warehouses, warehouses.c.warehouse_id == inventory_items.c.warehouse_id)
        .outerjoin(
            item_plans,
            (item_plans.c.warehouse_id == inventory_items.c.warehouse_id)
            & (item_plans.c.product_id == inventory_items.c.product_id)
            & (inventory_items.c.planning == "auto"),
        )
        .outerjoin(suppliers, suppliers.c.supplier_id == item_plans.c.supplier_id)
        .where(*conditions)
        .order_by(products.c.sku, warehouses.c.name)
        .limit(most)
    )
    return [dict(row) for row in connection.execute(statement).mappings()]
