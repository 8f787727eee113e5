"""A purchase order in the database: its row, its movements and its supplier."""

from typing import Any

from sqlalchemy import Engine, select, text

from database.tables import suppliers
from tests.support import rows


def is_late(engine: Engine, po_number: str, day: str = "2026-01-01") -> None:
    """The day on which it was expected has passed: no caller may ask for such a day, so it is put there."""
    late = text("UPDATE purchase_orders SET expected_delivery_date = CAST(:day AS date) WHERE po_number = :number")
    with engine.begin() as connection:
        assert connection.execute(late, {"day": day, "number": po_number}).rowcount == 1


def supplier_name(engine: Engine, supplier_id: int) -> str:
    """What people call a supplier."""
    with engine.connect() as connection:
        name = select(suppliers.c.name).where(suppliers.c.supplier_id == supplier_id)
        return str(connection.execute(name).scalar_one())


_MOVEMENTS = text("""
    SELECT product_id, quantity, balance_after, performed_by, reason FROM stock_movements
    WHERE reference_id = :number AND movement_type = 'PURCHASE' ORDER BY movement_id
""")


def purchases(engine: Engine, po_number: str) -> list[tuple[Any, ...]]:
    """What an order has put into stock: product, units, balance, by whom and why, in the order of the ledger."""
    return rows.found(engine, _MOVEMENTS, po_number)


locked_order = rows.DocumentRow("purchase_orders", "po_number").locked
"""Hold the order's row."""
