"""A purchase order in the database: its row, its movements and its supplier."""

from typing import Any

from sqlalchemy import Engine, select, text

from database.tables import suppliers
from tests.support import rows


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
