"""Items of ours for the ten units, and what their rows promise."""

import uuid

from sqlalchemy import Engine, text

_NEW_ITEM = """
    WITH product AS (INSERT INTO products (sku, name) VALUES (:sku, 'Kettle') RETURNING product_id),
    moved AS (
        INSERT INTO stock_movements (product_id, warehouse_id, movement_type, quantity, balance_after, reference_id,
            performed_by, reason, operation_id, workflow_id, run_id, created_at)
        SELECT product_id, 1, 'ADJUSTMENT', :units, :units, 'opening', 'bench', 'opening stock', :sku, :sku, :sku, now()
        FROM product
    )
    INSERT INTO inventory_items (product_id, warehouse_id, quantity_on_hand)
    SELECT product_id, 1, :units FROM product RETURNING product_id
"""


def new_item(engine: Engine, units: int) -> int:
    """A product of which the only warehouse has so many units."""
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO warehouses (name) SELECT 'W' WHERE NOT EXISTS (SELECT FROM warehouses)"))
        made = connection.execute(text(_NEW_ITEM), {"sku": uuid.uuid4().hex, "units": units})
        return int(made.scalar_one())


def promised_units(engine: Engine, product: int) -> int:
    """Units that are reserved."""
    with engine.connect() as connection:
        found = connection.execute(
            text("SELECT quantity_reserved FROM inventory_items WHERE product_id = :product"), {"product": product}
        )
        return int(found.scalar_one())
