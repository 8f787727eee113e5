"""The command line as a person uses it."""

from collections.abc import Awaitable, Callable

from sqlalchemy import Engine, select
from typer.testing import Result

from database.tables import products, warehouses
from stockkeeper.domain.stock import ItemKey

Command = Callable[..., Awaitable[Result]]


def names(engine: Engine, item: ItemKey) -> tuple[str, str]:
    """What people call an item: SKU and warehouse."""
    with engine.connect() as connection:
        sku = connection.execute(select(products.c.sku).where(products.c.product_id == item.product_id)).scalar_one()
        place = connection.execute(
            select(warehouses.c.name).where(warehouses.c.warehouse_id == item.warehouse_id)
        ).scalar_one()
    return str(sku), str(place)
