"""Items to be ordered, and the orders drafted for them, in the database."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import Any, NamedTuple

from sqlalchemy import Engine, text

from stockkeeper.domain.stock import ItemKey
from tests.support.wire import eventually

_SUPPLY = text("""
    INSERT INTO product_suppliers (product_id, supplier_id, unit_cost, lead_time_days, minimum_order_quantity,
        pack_size, is_preferred)
    VALUES (:product_id, :supplier_id, :unit_cost, :lead_time_days, :minimum, :pack, :is_preferred)
""")


_POINT = text("""
    UPDATE inventory_items SET reorder_point = :point, reorder_quantity = :quantity, planning = :planning
    WHERE (warehouse_id, product_id) = (:warehouse_id, :product_id)
""")


def supply(
    engine: Engine,
    items: ItemKey | Sequence[ItemKey],
    supplier_id: int,
    *,
    unit_cost: str = "1.00",
    lead_time_days: str = "7",
    minimum: int = 1,
    pack: int = 1,
    is_preferred: bool = False,
) -> None:
    """Let a supplier have the products."""
    listed = [items] if isinstance(items, ItemKey) else items
    terms = {
        "supplier_id": supplier_id,
        "unit_cost": Decimal(unit_cost),
        "lead_time_days": Decimal(lead_time_days),
        "minimum": minimum,
        "pack": pack,
        "is_preferred": is_preferred,
    }
    with engine.begin() as connection:
        connection.execute(_SUPPLY, [terms | {"product_id": item.product_id} for item in listed])


def set_point(
    engine: Engine,
    items: ItemKey | Sequence[ItemKey],
    point: int | None,
    quantity: int | None = None,
    *,
    planning: str = "manual",
) -> None:
    """Set the items' point and quantity, and nobody hears of it."""
    listed = [items] if isinstance(items, ItemKey) else items
    values = {"point": point, "quantity": quantity, "planning": planning}
    with engine.begin() as connection:
        connection.execute(_POINT, [values | item._asdict() for item in listed])


class Ordered(NamedTuple):
    """A line of a purchase order that was drafted for a warehouse, and what the order says."""

    po_number: str
    supplier_id: int
    status: str
    product_id: int
    qty: int
    unit_cost: Decimal
    note: str | None


_ORDERED = text("""
    SELECT po_number, supplier_id, status, product_id, qty, unit_cost, note
    FROM purchase_orders JOIN purchase_order_lines USING (po_id)
    WHERE warehouse_id = :warehouse_id ORDER BY po_id, line_number
""")


def ordered(engine: Engine, warehouse_id: int) -> list[Ordered]:
    """The lines of all orders for a warehouse, in the order in which they were drafted."""
    with engine.connect() as connection:
        return [Ordered(*row) for row in connection.execute(_ORDERED, {"warehouse_id": warehouse_id})]


def order_row(engine: Engine, po_number: str) -> Any:
    """A purchase order's row."""
    with engine.connect() as connection:
        query = text("SELECT * FROM purchase_orders WHERE po_number = :po_number")
        return connection.execute(query, {"po_number": po_number}).one()


def numbers_used(engine: Engine) -> tuple[int, bool]:
    """How far the numbers of reorder runs have come; looking uses none up."""
    with engine.connect() as connection:
        last, is_called = connection.execute(text("SELECT last_value, is_called FROM reorder_numbers")).one()
        return int(last), bool(is_called)


def tidy(engine: Engine) -> None:
    """Nothing is below its point any more, and every draft counts as taken over.

    Runs that begin at once look at everything, and every run starts what was left: what one test leaves behind would
    be ordered or started in the middle of another.
    """
    with engine.begin() as connection:
        # Tracked items may be below it for lots that may not leave, which their row doesn't show.
        connection.execute(
            text("UPDATE inventory_items SET reorder_point = NULL WHERE is_below_reorder_point OR is_tracked")
        )
        connection.execute(text("UPDATE purchase_orders SET run_id = 'nobody' WHERE run_id = ''"))


async def all_are_taken_over(engine: Engine) -> None:
    """Return once every draft has a run of its own workflow, which writes no more of itself then."""

    async def left() -> int:
        with engine.connect() as connection:
            return int(connection.execute(text("SELECT count(*) FROM purchase_orders WHERE run_id = ''")).scalar_one())

    await eventually(left, lambda drafts: drafts == 0)


@contextmanager
def nothing_else_to_order(engine: Engine) -> Iterator[None]:
    """Neither what other tests have left, nor what this one leaves."""
    tidy(engine)
    yield
    tidy(engine)


_SOLD_EARLIER = text("""
    INSERT INTO imported_demand (warehouse_id, product_id, day, quantity)
    SELECT :warehouse_id, :product_id, current_date - ago, :quantity FROM generate_series(0, :days) AS ago
""")


def sold_earlier(engine: Engine, item: ItemKey, units_a_day: int, days: int = 10) -> None:
    """As many units were sold each day up to and with today: it doesn't matter if midnight comes."""
    values = item._asdict() | {"quantity": units_a_day, "days": days}
    with engine.begin() as connection:
        connection.execute(_SOLD_EARLIER, values)


_MUCH = text("""
    WITH product AS (
        INSERT INTO products (sku, name)
        SELECT 'MUCH-' || :warehouse_id || '-' || number, 'One of many' FROM generate_series(1, :count) AS number
        RETURNING product_id
    ), item AS (
        INSERT INTO inventory_items (warehouse_id, product_id, reorder_point, reorder_quantity, planning)
        SELECT :warehouse_id, product_id, 10, 20, 'manual' FROM product
    )
    INSERT INTO product_suppliers (product_id, supplier_id, unit_cost, lead_time_days)
    SELECT product_id, :supplier_id, 1, 7 FROM product
""")


_NO_MORE = text("""
    WITH item AS (DELETE FROM inventory_items WHERE warehouse_id = :warehouse_id RETURNING product_id),
    known AS (DELETE FROM product_suppliers USING item WHERE product_suppliers.product_id = item.product_id)
    DELETE FROM products USING item WHERE products.product_id = item.product_id
""")


@contextmanager
def much(engine: Engine, warehouse_id: int, supplier_id: int, count: int) -> Iterator[None]:
    """So many items of new products that have nothing of ten; twenty are ordered at once, at 1.00.

    They are gone at the end, because every test goes over all books. Nothing may have been ordered of them.
    """
    values = {"warehouse_id": warehouse_id, "supplier_id": supplier_id, "count": count}
    with engine.begin() as connection:
        connection.execute(_MUCH, values)
    yield
    with engine.begin() as connection:
        # Nothing refers to them; to look for that would read all demand once for each.
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        connection.execute(_NO_MORE, values)


def warehouse_name(engine: Engine, warehouse_id: int) -> str:
    """What people call a warehouse."""
    with engine.connect() as connection:
        query = text("SELECT name FROM warehouses WHERE warehouse_id = :warehouse_id")
        return str(connection.execute(query, {"warehouse_id": warehouse_id}).scalar_one())
