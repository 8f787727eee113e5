"""Levels as files that other programs take: their columns, with our units on hand.

The columns are those of their public documentation; `stockkeeper.client.foreign_files` reads the same ones.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from stockkeeper.contracts.stock import StockLevel

LEVEL_COLUMNS = (
    *("sku", "warehouse", "quantity_on_hand", "quantity_reserved", "quantity_available"),
    *("reorder_point",),
)
"""The columns of our own file of levels."""


class LevelFormat(StrEnum):
    """The program that a file of levels is for."""

    OWN = "own"
    SHOPIFY = "shopify"
    WOOCOMMERCE = "woocommerce"
    ODOO = "odoo"
    ERPNEXT = "erpnext"


@dataclass(frozen=True)
class LevelColumns:
    """The columns of a file of levels, and a level's cells in them.

    Attributes:
        columns: The header.
        cells: The cells.
        of_one_warehouse: Whether the program knows one stock only.
    """

    columns: Sequence[str]
    cells: Callable[[StockLevel], Sequence[object]]
    of_one_warehouse: bool = False


_SHOPIFY = (
    *("Handle", "Title", "Option1 Name", "Option1 Value", "Option2 Name", "Option2 Value"),
    *("Option3 Name", "Option3 Value", "SKU", "HS Code", "COO", "Location", "Bin name"),
    *("Incoming (not editable)", "Unavailable (not editable)", "Committed (not editable)"),
    *("Available (not editable)", "On hand (current)", "On hand (new)"),
)


def _shopify(level: StockLevel) -> Sequence[object]:
    """Without Shopify's own present units: with them, it would skip a row whose units are others."""
    named = {
        "Title": level.name,
        "SKU": level.sku,
        "Location": level.warehouse,
        "Committed (not editable)": level.quantity_reserved,
        "Available (not editable)": level.quantity_available,
        "On hand (new)": level.quantity_on_hand,
    }
    return [named.get(column, "") for column in _SHOPIFY]


FORMATS: dict[LevelFormat, LevelColumns] = {
    LevelFormat.OWN: LevelColumns(LEVEL_COLUMNS, lambda level: [getattr(level, name) for name in LEVEL_COLUMNS]),
    LevelFormat.SHOPIFY: LevelColumns(_SHOPIFY, _shopify),
    # Without the type: WooCommerce would turn a variation into a product of its own.
    LevelFormat.WOOCOMMERCE: LevelColumns(
        ("SKU", "Name", "In stock?", "Stock"),
        lambda level: [level.sku, level.name, int(level.quantity_available > 0), level.quantity_available],
        of_one_warehouse=True,
    ),
    LevelFormat.ODOO: LevelColumns(
        ("location_id", "product_id", "inventory_quantity"),
        lambda level: [f"{level.warehouse}/Stock", f"[{level.sku}] {level.name}", level.quantity_on_hand],
    ),
    LevelFormat.ERPNEXT: LevelColumns(
        ("Item Code", "Warehouse", "Quantity"),
        lambda level: [level.sku, level.warehouse, level.quantity_on_hand],
    ),
}
