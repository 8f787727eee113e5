"""Stock and products as other programs export them, recognised by their headers.

The columns are those of the programs' public documentation: Shopify's inventory CSV, WooCommerce's product CSV, Odoo's
`stock.quant` and ERPNext's stock reconciliation; and of our own `stock export levels`.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal, InvalidOperation

from stockkeeper.client.file_layouts import Layout, Misshapen, places_of
from stockkeeper.client.table_files import NumberedRow, TableFile
from stockkeeper.contracts.errors import InvalidRequest
from stockkeeper.contracts.import_file import ImportKind

Places = Mapping[str, int]
Cells = Sequence[str]

_STOCK = ["sku", "warehouse", "quantity", "expected_quantity"]
_NO_SKU = "without a SKU"
_ODOO_PRODUCT = re.compile(r"\[([^\]]+)\]")


class _Picked(Layout):
    """Rows of another program: some of them say nothing for us, and are counted by the reason."""

    def __init__(self, program: str, columns: Sequence[str], table: TableFile, warehouse: str | None) -> None:
        super().__init__(list(columns), list(range(len(table.columns))), len(table.columns))
        self.program = program
        self.at = places_of(table.columns)
        self.warehouse = warehouse
        self.left_out: dict[str, int] = {}

    def rows(self, rows: Iterable[NumberedRow]) -> Iterator[NumberedRow]:
        """The rows that say something, as ours."""
        self.left_out.clear()
        yield from self.picked(super().rows(rows))

    def picked(self, rows: Iterable[NumberedRow]) -> Iterator[NumberedRow]:
        """Each row by itself."""
        for line, cells in rows:
            if isinstance(cells, Misshapen):
                yield line, cells
                continue
            found = self.pick(cells)
            if isinstance(found, str):
                self.left_out[found] = self.left_out.get(found, 0) + 1
            else:
                yield line, found

    def pick(self, cells: Cells) -> list[str] | str:
        """A row as ours, or the reason why it is left out."""
        raise NotImplementedError

    def cell(self, cells: Cells, *names: str) -> str:
        """The cell of the first of these columns that the file has; empty if it has none."""
        place = next((self.at[name] for name in names if name in self.at), None)
        return "" if place is None else cells[place].strip()

    def told(self) -> list[str]:
        """The notes, and the rows that were left out."""
        rows = (f"{count:,} {'row' if count == 1 else 'rows'} left out: {why}" for why, count in self.left_out.items())
        return [f"recognised as {self.program}", *self.notes, *rows]


class ShopifyInventory(_Picked):
    """Shopify's inventory CSV: a row for each variant and location.

    ``On hand (new)`` is what the person wrote, ``On hand (current)`` what Shopify had: as with Shopify, a row that has
    changed since isn't applied. Without a new one the current one counts as opening stock, and changes nothing else.
    """

    def pick(self, cells: Cells) -> list[str] | str:
        """A row as ours."""
        sku, current = self.cell(cells, "sku"), self.cell(cells, "on_hand_current")
        new = self.cell(cells, "on_hand_new", "on_hand")
        if not sku:
            return _NO_SKU
        if "not stocked" in {new.casefold(), "" if new else current.casefold()}:
            return "not stocked at the location"
        if not new and not current:
            return "without a quantity"
        before = "" if current.casefold() == "not stocked" else units(current)
        return [sku, self.cell(cells, "location"), units(new or current), before]


class WooCommerceStock(_Picked):
    """The stock of WooCommerce's product CSV, which is that of one warehouse."""

    def pick(self, cells: Cells) -> list[str] | str:
        """A row as ours."""
        sku, stock = self.cell(cells, "sku"), self.cell(cells, "stock")
        if not stock:
            return "stock isn't tracked"
        if stock.casefold() == "parent":
            return "a variation whose stock is that of its parent"
        return [sku, self.warehouse or "", units(stock)] if sku else _NO_SKU


class WooCommerceProducts(_Picked):
    """The products of WooCommerce's product CSV."""

    def pick(self, cells: Cells) -> list[str] | str:
        """A row as ours."""
        sku = self.cell(cells, "sku")
        rest = [self.cell(cells, "name"), self.cell(cells, "regular_price"), self.cell(cells, "weight_kg")]
        return [sku, *rest] if sku else _NO_SKU


class ERPNextReconciliation(_Picked):
    """ERPNext's stock reconciliation: a row for each item and warehouse."""

    def pick(self, cells: Cells) -> list[str] | str:
        """A row as ours."""
        sku = self.cell(cells, "item_code", "item_code_items")
        quantity = self.cell(cells, "qty", "quantity", "quantity_items", "qty_items")
        if not quantity:
            return "without a quantity"
        place = self.cell(cells, "warehouse", "warehouse_items")
        before = self.cell(cells, "current_qty", "current_quantity", "current_qty_items", "current_quantity_items")
        return [sku, place, units(quantity), units(before)] if sku else _NO_SKU


class OurLevels(_Picked):
    """Our own `stock export levels`: edited on hand, beside the reserved and available units of the export."""

    def pick(self, cells: Cells) -> list[str] | str:
        """A row as ours; on hand at the export was reserved plus available."""
        reserved, available = self.cell(cells, "quantity_reserved"), self.cell(cells, "quantity_available")
        before = str(int(reserved) + int(available)) if reserved.isdecimal() and available.isdecimal() else ""
        return [self.cell(cells, "sku"), self.cell(cells, "warehouse"), self.cell(cells, "quantity_on_hand"), before]


class OdooQuants(_Picked):
    """Odoo's `stock.quant`: rows for each product, location, lot and package, which count together by warehouse."""

    counted = ("inventory_quantity", "counted_quantity", "inventoried_quantity")
    on_hand = ("quantity", "on_hand_quantity", "inventory_quantity_auto_apply")

    def __init__(self, program: str, columns: Sequence[str], table: TableFile, warehouse: str | None) -> None:
        super().__init__(program, columns, table, warehouse)
        has_set = {"inventory_quantity_set", "inventory_quantity_has_been_set"} & self.at.keys()
        if set(self.counted) & self.at.keys() and set(self.on_hand) & self.at.keys() and not has_set:
            raise InvalidRequest(
                "Odoo writes a counted quantity of 0 where nothing was counted: export inventory_quantity_set as well, "
                "or leave out one of the two quantities"
            )

    def picked(self, rows: Iterable[NumberedRow]) -> Iterator[NumberedRow]:
        """The sums by product and warehouse, at the line of the first row of each."""
        sums: dict[tuple[str, str], tuple[int, list[str]]] = {}
        for line, cells in super().picked(rows):
            if isinstance(cells, Misshapen):
                yield line, cells
                continue
            first, before = sums.setdefault((cells[0], cells[1]), (line, [*cells[:2], "0", "0"]))
            if not all(_is_whole(cell) for cell in (cells[2], cells[3] or "0")):
                yield line, cells
                continue
            expected = "" if not (before[3] and cells[3]) else str(int(before[3]) + int(cells[3]))
            sums[cells[0], cells[1]] = first, [*cells[:2], str(int(before[2]) + int(cells[2])), expected]
        yield from sums.values()

    def pick(self, cells: Cells) -> list[str] | str:
        """A row as ours."""
        product = self.cell(
            cells, "product_id_default_code", "product_internal_reference", "product_id", "product", "product_variant"
        )
        in_brackets = _ODOO_PRODUCT.match(product)
        sku = in_brackets[1] if in_brackets else product
        location = self.cell(cells, "location_id_complete_name", "location_id", "location").partition("/")[0]
        was_set = self.cell(cells, "inventory_quantity_set", "inventory_quantity_has_been_set").casefold()
        on_hand, counted = self.cell(cells, *self.on_hand), self.cell(cells, *self.counted)
        is_counted = bool(counted) and (not on_hand or was_set in {"true", "1", "yes"})
        if not sku:
            return "without a product"
        if not (on_hand or counted):
            return "without a quantity"
        quantity = units(counted if is_counted else on_hand)
        return [sku, self.warehouse or location, quantity, units(on_hand) if is_counted else ""]


def units(text: str) -> str:
    """Units as programs write them, ``12.000`` for 12. What is no whole number stays as it is, and is refused."""
    try:
        number = Decimal(text)
    except InvalidOperation:
        return text
    return str(int(number)) if number.is_finite() and number == number.to_integral_value() else text


def _is_whole(text: str) -> bool:
    return text.removeprefix("-").isdecimal()


def foreign_layout(kind: ImportKind, table: TableFile, warehouse: str | None) -> Layout | None:
    """The layout of another program whose columns these are; None: they are ours, or nobody's.

    Raises:
        InvalidRequest: It has no warehouse, and none was named.
    """
    at = places_of(table.columns)
    if kind is ImportKind.PRODUCTS and at.keys() >= {"type", "sku", "name", "regular_price"}:
        return WooCommerceProducts("WooCommerce products", ["sku", "name", "unit_price", "weight_kg"], table, None)
    if kind is not ImportKind.STOCK:
        return None
    for program, made, matches in _PROGRAMS:
        if matches(at):
            if made is WooCommerceStock and warehouse is None:
                raise InvalidRequest("WooCommerce's products have one stock and no warehouse; name it: --warehouse")
            return made(program, _STOCK[:3] if made is WooCommerceStock else _STOCK, table, warehouse)
    return None


def _is_odoo(at: Places) -> bool:
    product = {"product_id", "product", "product_id_default_code", "product_internal_reference"}
    location = {"location_id", "location", "location_id_complete_name"}
    quantity = {*OdooQuants.counted, *OdooQuants.on_hand}
    return all(names & at.keys() for names in (product, location, quantity))


def _is_erpnext(at: Places) -> bool:
    return bool({"item_code", "item_code_items"} & at.keys()) and bool({"warehouse", "warehouse_items"} & at.keys())


_PROGRAMS: Sequence[tuple[str, type[_Picked], Callable[[Places], bool]]] = (
    ("Shopify's inventory", ShopifyInventory, lambda at: at.keys() >= {"sku", "location", "on_hand_current"}),
    ("Shopify's inventory", ShopifyInventory, lambda at: at.keys() >= {"sku", "location", "on_hand_new"}),
    ("WooCommerce products", WooCommerceStock, lambda at: at.keys() >= {"sku", "stock", "in_stock"}),
    ("our own levels", OurLevels, lambda at: at.keys() >= {"sku", "warehouse", "quantity_on_hand"}),
    ("Odoo's stock.quant", OdooQuants, _is_odoo),
    ("ERPNext's stock reconciliation", ERPNextReconciliation, _is_erpnext),
)
