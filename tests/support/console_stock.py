"""Stock that people look at: products and warehouses with names to search for, and the rows of a page's tables."""

import re
from collections.abc import Sequence
from html import unescape
from typing import NamedTuple

from sqlalchemy import insert, update

from database import tables
from stockkeeper.domain.stock import ItemKey
from tests.support.shop import Shop, new_reference


def rows_in(page: str) -> list[list[str]]:
    """The cells of every row of a page's tables, as they are read."""
    found = []
    for row in re.findall(r"<tr[^>]*>(.*?)</tr>", page, re.DOTALL):
        cells = re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL)
        hidden = [re.sub(r'<span class="hidden">.*?</span>', "", cell) for cell in cells]
        found.append([unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", cell))).strip() for cell in hidden])
    return found


def row_of(page: str, name: str) -> list[str]:
    """The row that begins with this."""
    [row] = [each for each in rows_in(page) if each and each[0].startswith(name)]
    return row


class Named:
    """Gives products and warehouses of a test names that people search for."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.word = new_reference("Quux").replace("-", "")

    def product(self, name: str) -> tuple[int, str]:
        """A product called so, and its SKU."""
        product, sku = self.shop.product(), f"{self.word}-{name.split(maxsplit=1)[0]}"
        column = tables.products.c
        with self.shop.engine.begin() as connection:
            named = update(tables.products).where(column.product_id == product)
            connection.execute(named.values(sku=sku, name=f"{name} {self.word}"))
        return product, sku

    def warehouse(self, name: str, timezone: str = "Europe/Berlin") -> tuple[int, str]:
        """A warehouse called so, and its whole name."""
        warehouse, called = self.shop.warehouse(timezone), f"{name} {self.word}"
        column = tables.warehouses.c
        with self.shop.engine.begin() as connection:
            connection.execute(update(tables.warehouses).where(column.warehouse_id == warehouse).values(name=called))
        return warehouse, called

    def barcode(self, product: int) -> str:
        """A barcode of a product."""
        code = f"own-{new_reference()}"
        with self.shop.engine.begin() as connection:
            row = {"barcode": code, "product_id": product, "unit": "each", "quantity": 1}
            connection.execute(insert(tables.product_barcodes), row)
        return code


class Tea(NamedTuple):
    """An item with a reason for each of its numbers.

    100 are on hand: 12 of them held for an order, 5 set aside. 40 are on order and confirmed for 24 December 2126.
    Its reorder point is 200.

    Attributes:
        item: The item.
        sku: The SKU of the product, of the name Assam loose leaf.
        reasons: The warehouse's name, and the numbers of order, inspection and purchase order.
    """

    item: ItemKey
    sku: str
    reasons: Sequence[str]
