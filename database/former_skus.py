"""Products that are renamed, and the SKUs that they had. A SKU, present or former, means one product in any case."""

from datetime import datetime

from sqlalchemy import Connection, RowMapping, and_, func, insert, select, update

from database.events import NewEvent, insert_events
from database.locks import lock_row, lock_table
from database.operations import Operation
from database.pipeline import send
from database.tables import former_skus, product_barcodes, products
from stockkeeper.domain.errors import InvalidRequest
from stockkeeper.domain.event import EventKind

STILL_LEADS = former_skus.c.taken_back_at.is_(None)
"""A former SKU that its product hasn't taken up again."""


def rename(connection: Connection, operation: Operation, product_id: int, sku: str, as_of: datetime) -> None:
    """Give a product another SKU, keep the one that it had, and tell it; the same SKU again changes nothing.

    Locks: the products, against imports, and the product.

    Raises:
        InvalidRequest: Another product has that SKU, or had it.
    """
    lock_table(connection, products)
    product = lock_row(connection, products, products.c.product_id == product_id)
    if product is None or product.sku == sku:
        return
    same = func.lower(products.c.sku) == func.lower(sku)
    taken = select(products.c.sku).where(same, products.c.product_id != product_id)
    if (other := connection.execute(taken.limit(1)).scalar_one_or_none()) is not None:
        raise InvalidRequest(f"{other} is the SKU of another product")
    earlier = and_(func.lower(former_skus.c.sku) == func.lower(sku), STILL_LEADS)
    had = (
        select(products.c.sku, former_skus.c.renamed_at)
        .join_from(former_skus, products)
        .where(earlier, former_skus.c.product_id != product_id)
    )
    if (row := connection.execute(had).one_or_none()) is not None:
        raise InvalidRequest(
            f"{sku} was the SKU of {row.sku} until {row.renamed_at:%Y-%m-%d}, and still leads to it; choose another"
        )
    # One that it had is taken up again, or its own is written in another case.
    connection.execute(update(former_skus).values(taken_back_at=as_of).where(earlier))
    connection.execute(update(products).values(sku=sku).where(products.c.product_id == product_id))
    if product.sku.lower() != sku.lower():
        kept = {
            "sku": product.sku,
            "product_id": product_id,
            "renamed_at": as_of,
            "renamed_by": operation.performed_by,
            "operation_id": operation.operation_id,
        }
        connection.execute(insert(former_skus).values(kept))
    told = {"product_id": product_id, "sku": sku, "former_sku": product.sku}
    renamed = NewEvent(EventKind.PRODUCT_RENAMED, f"product/{product_id}", told, operation, product_id=product_id)
    send(connection, [insert_events([renamed])])


def names_of(connection: Connection, product_id: int) -> tuple[RowMapping, list[RowMapping]]:
    """What the product is called and how it is counted and told apart, and the SKUs that it had, the latest first."""
    columns = (products.c.product_id, products.c.sku, products.c.name, products.c.tracking, products.c.base_unit)
    now = select(*columns).where(products.c.product_id == product_id)
    had = (
        select(former_skus.c.sku, former_skus.c.renamed_at, former_skus.c.renamed_by)
        .where(former_skus.c.product_id == product_id, STILL_LEADS)
        .order_by(former_skus.c.renamed_at.desc(), former_skus.c.sku)
    )
    return connection.execute(now).mappings().one(), list(connection.execute(had).mappings())


def barcodes_of(connection: Connection, product_id: int) -> list[RowMapping]:
    """The product's barcodes, the smallest packs first."""
    columns = (product_barcodes.c.barcode, product_barcodes.c.unit, product_barcodes.c.quantity)
    of_it = select(*columns).where(product_barcodes.c.product_id == product_id)
    return list(connection.execute(of_it.order_by(product_barcodes.c.quantity, product_barcodes.c.barcode)).mappings())
