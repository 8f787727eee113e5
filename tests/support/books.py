"""What the books say of some items, to be held against what they should say."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from sqlalchemy import Engine, text

from stockkeeper.domain.stock import ItemKey


@dataclass(frozen=True)
class ItemBooks:
    """One item: units on hand and reserved, units and number of open lines, number and sum of movements."""

    on_hand: int
    reserved: int
    held: int
    open_lines: int
    movements: int
    moved: int


@dataclass(frozen=True)
class Books:
    """The items asked for, and how many operations and events of stock the database knows altogether."""

    items: tuple[ItemBooks, ...]
    operations: int
    events: int


_ITEM = text("""
    SELECT quantity_on_hand, quantity_reserved,
        (SELECT coalesce(sum(quantity - quantity_fulfilled - quantity_released), 0) FROM reservations AS held
            WHERE (held.warehouse_id, held.product_id) = (:warehouse_id, :product_id) AND status = 'ACTIVE'),
        (SELECT count(*) FROM reservations AS held
            WHERE (held.warehouse_id, held.product_id) = (:warehouse_id, :product_id) AND status = 'ACTIVE'),
        (SELECT count(*) FROM stock_movements AS moved
            WHERE (moved.warehouse_id, moved.product_id) = (:warehouse_id, :product_id)),
        (SELECT coalesce(sum(quantity), 0) FROM stock_movements AS moved
            WHERE (moved.warehouse_id, moved.product_id) = (:warehouse_id, :product_id))
    FROM inventory_items WHERE (warehouse_id, product_id) = (:warehouse_id, :product_id)
""")

_EVENTS = text("""
    SELECT count(*) FROM (SELECT kind FROM outbox UNION ALL SELECT kind FROM events) AS told
    WHERE kind ~ '^(level|movement|hold)[.]'
""")


def books(engine: Engine, *items: ItemKey) -> Books:
    """What the books say of these items now."""
    with engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
        rows = [tuple(int(value) for value in connection.execute(_ITEM, item._asdict()).one()) for item in items]
        operations = connection.execute(text("SELECT count(*) FROM operations")).scalar_one()
        events = connection.execute(_EVENTS).scalar_one()
    return Books(tuple(ItemBooks(*row) for row in rows), operations, events)


def level(engine: Engine, item: ItemKey) -> tuple[int, int]:
    """Units on hand, and of these the units reserved."""
    entry = books(engine, item).items[0]
    return entry.on_hand, entry.reserved


@contextmanager
def nothing_changes(engine: Engine, *items: ItemKey, kept: int = 0) -> Iterator[None]:
    """Whatever happens inside leaves the books as they were, to the last operation; but for ``kept`` operations."""
    before = books(engine, *items)
    yield
    assert books(engine, *items) == replace(before, operations=before.operations + kept)


_CHANGING = (
    "purchase_orders",
    "purchase_order_lines",
    "purchase_order_approvals",
    "purchase_order_amendments",
    "purchase_order_receipts",
    "purchase_order_receipt_lines",
    "purchase_order_returns",
    "purchase_order_return_lines",
    "supplier_lead_times",
    "transfer_orders",
    "transfer_order_lines",
    "cycle_counts",
    "cycle_count_lines",
    "item_classes",
    "returns",
    "return_lines",
    "adjustments",
    "adjustment_lines",
    "inspections",
    "inspection_lines",
    "unavailable_stock",
    "reservations",
    "waits",
    "waiting_lines",
    "product_suppliers",
    "inventory_items",
)
_GROWING = (
    "stock_movements",
    "transit_movements",
    "cycle_count_entries",
    "return_inspections",
    "return_inspection_lines",
    "inspection_decisions",
    "inspection_decision_lines",
)
# Whatever is written to a row makes a new version of it, which names the transaction that made it: a table with as many
# rows, made by the same transactions, is as it was.
_STORED = text(
    " UNION ALL ".join(
        [
            *(f"SELECT '{table}', count(*), sum(xmin::text::bigint) FROM {table}" for table in _CHANGING),
            # These are only ever added to.
            *(f"SELECT '{table}', count(*), 0 FROM {table}" for table in _GROWING),
            "SELECT 'operations', count(*), sum(xmin::text::bigint) FROM operations",
        ]
    )
)


@contextmanager
def nothing_is_stored(engine: Engine) -> Iterator[None]:
    """Whatever happens inside leaves every document, every item and the ledgers as they were, to the last operation."""

    def stored() -> dict[str, tuple[int, int]]:
        with engine.connect() as connection:
            return {row[0]: (row[1], row[2]) for row in connection.execute(_STORED)}

    before = stored()
    yield
    assert stored() == before
