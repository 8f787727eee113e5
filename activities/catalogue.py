"""Checks of a request against the catalogue: the products, warehouses and suppliers that it names exist."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Column, Connection, select

from database.stock_rows import StockItem
from database.tables import products, suppliers, warehouses
from stockkeeper.domain.errors import InvalidRequest, UnknownProduct, UnknownSupplier, UnknownWarehouse
from stockkeeper.domain.stock import ItemKey


def require_items(connection: Connection, items: Iterable[ItemKey], *, sold: bool = True) -> None:
    """Check that products and warehouses exist, and that the products are active.

    Args:
        connection: The transaction.
        items: The products and their warehouses.
        sold: Whether the products have to be active; inactive ones can still be moved and counted.

    Raises:
        UnknownProduct: With every unknown id.
        UnknownWarehouse: With every unknown id.
        InvalidRequest: A product is no longer active.
    """
    keys = list(items)
    product_ids = {key.product_id for key in keys}
    known = connection.execute(
        select(products.c.product_id, products.c.sku, products.c.is_active).where(
            products.c.product_id.in_(product_ids)
        )
    ).all()
    if missing := product_ids - {row.product_id for row in known}:
        raise UnknownProduct.of(missing)
    warehouse_ids = {key.warehouse_id for key in keys}
    places = connection.execute(
        select(warehouses.c.warehouse_id).where(warehouses.c.warehouse_id.in_(warehouse_ids))
    ).scalars()
    if missing := warehouse_ids - set(places):
        raise UnknownWarehouse.of(missing)
    if sold:
        require_active(row.sku for row in known if not row.is_active)


def require_catalogued(items: Iterable[StockItem]) -> None:
    """Check of items that were read under their locks what `require_items` checks of others.

    Raises:
        UnknownProduct, UnknownWarehouse, InvalidRequest: See `require_items`.
    """
    found = list(items)
    if missing := {item.key.product_id for item in found if item.sku is None}:
        raise UnknownProduct.of(missing)
    if missing := {item.key.warehouse_id for item in found if item.warehouse is None}:
        raise UnknownWarehouse.of(missing)
    require_active({item.sku for item in found if item.sku is not None and not item.is_active})


def require_active(inactive: Iterable[str]) -> None:
    """Refuse products that aren't sold any more, by their SKUs.

    Raises:
        InvalidRequest: There are any.
    """
    if skus := sorted(inactive):
        raise InvalidRequest(f"no longer active: {', '.join(skus[:10])}")


def require_warehouse(connection: Connection, warehouse_id: int) -> None:
    """Check that a warehouse exists.

    Raises:
        UnknownWarehouse: It doesn't.
    """
    _require(connection, warehouses.c.warehouse_id, warehouse_id, UnknownWarehouse)


def require_supplier(connection: Connection, supplier_id: int) -> None:
    """Check that a supplier exists.

    Raises:
        UnknownSupplier: It doesn't.
    """
    _require(connection, suppliers.c.supplier_id, supplier_id, UnknownSupplier)


def _require(
    connection: Connection, key: Column[Any], wanted: int, error: type[UnknownWarehouse | UnknownSupplier]
) -> None:
    if connection.execute(select(key).where(key == wanted)).one_or_none() is None:
        raise error.of([wanted])
