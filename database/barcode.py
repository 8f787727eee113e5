"""What barcodes mean, in the database: one product, in a pack of so many base units."""

from collections.abc import Collection
from typing import Any, NamedTuple

from sqlalchemy import Connection, delete, select, text

from database.document import read_rows
from database.locks import lock_row
from database.tables import product_barcodes, products
from stockkeeper.domain.errors import InvalidRequest
from stockkeeper.domain.unit import BaseUnit


class Barcode(NamedTuple):
    """What a barcode means.

    Attributes:
        barcode: As it is kept.
        product_id: The product.
        sku: Its SKU.
        unit: The pack.
        quantity: Base units in that pack.
        base_unit: What the product is counted in.
    """

    barcode: str
    product_id: int
    sku: str
    unit: str
    quantity: int
    base_unit: BaseUnit


class ScannedSku(NamedTuple):
    """A product whose SKU was scanned: plain labels have one, and it says nothing of how many."""

    product_id: int
    sku: str


_BARCODES = select(
    product_barcodes.c.barcode,
    product_barcodes.c.product_id,
    products.c.sku,
    product_barcodes.c.unit,
    product_barcodes.c.quantity,
    products.c.base_unit,
).join_from(product_barcodes, products)

_PAGE = text("""
    SELECT sku, barcode, unit, quantity FROM product_barcodes JOIN products USING (product_id)
    WHERE barcode > :after ORDER BY barcode LIMIT :most
""")


def find_barcodes(connection: Connection, wanted: Collection[str]) -> dict[str, Barcode]:
    """What these barcodes mean, by barcode; unknown ones are left out. Locks nothing."""
    rows = connection.execute(_BARCODES.where(product_barcodes.c.barcode.in_(wanted)))
    return {row.barcode: Barcode(*row[:-1], base_unit=BaseUnit(row.base_unit)) for row in rows}


def find_sku(connection: Connection, sku: str) -> ScannedSku | None:
    """The product with exactly this SKU. Locks nothing."""
    row = connection.execute(select(products.c.product_id, products.c.sku).where(products.c.sku == sku)).one_or_none()
    return None if row is None else ScannedSku(*row)


def read_barcodes(connection: Connection, after: str, most: int) -> list[dict[str, Any]]:
    """Barcodes after this one, in their order."""
    return read_rows(connection, _PAGE, {"after": after, "most": most})


def forget(connection: Connection, barcode: str) -> Barcode:
    """Delete a barcode, and tell what it meant.

    Locks: the barcode.

    Raises:
        InvalidRequest: No product has it.
    """
    if lock_row(connection, product_barcodes, product_barcodes.c.barcode == barcode) is None:
        raise InvalidRequest(f"no product has the barcode {barcode}")
    meant = find_barcodes(connection, [barcode])[barcode]
    connection.execute(delete(product_barcodes).where(product_barcodes.c.barcode == barcode))
    return meant
