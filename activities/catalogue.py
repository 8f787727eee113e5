"""Whether what a request names is there."""

from collections.abc import Iterable

from sqlalchemy import Connection, select

from database.tables import products, suppliers, warehouses
from stockkeeper.domain.errors import InvalidRequest, UnknownProduct, UnknownSupplier, UnknownWarehouse
from stockkeeper.domain.stock import ItemKey


def require_items(connection: Connection, items: Iterable[ItemKey], *, sold: bool = True) -> None:
    """Products and warehouses exist, and the products are sold.

    Args:
        connection: The transaction.
        items: Products and where.
        sold: Whether they have to be; what isn't sold any more can still be moved.

    Raises:
        UnknownProduct: With every id that isn't there.
        UnknownWarehouse: The same.
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
    if sold and (inactive := sorted(row.sku for row in known if not row.is_active)):
        raise InvalidRequest(f"no longer active: {', '.join(inactive[:10])}")


def require_warehouse(connection: Connection, warehouse_id: int) -> None:
    """The warehouse exists.

    Raises:
        UnknownWarehouse: It doesn't.
    """
    known = select(warehouses.c.warehouse_id).where(warehouses.c.warehouse_id == warehouse_id)
    if connection.execute(known).one_or_none() is None:
        raise UnknownWarehouse.of([warehouse_id])


def require_supplier(connection: Connection, supplier_id: int) -> None:
    """The supplier exists.

    Raises:
        UnknownSupplier: It doesn't.
    """
    known = select(suppliers.c.supplier_id).where(suppliers.c.supplier_id == supplier_id)
    if connection.execute(known).one_or_none() is None:
        raise UnknownSupplier.of([supplier_id])
