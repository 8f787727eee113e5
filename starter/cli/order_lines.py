"""The lines of an order as a person types them, or has them in a file."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from stockkeeper.client.calls import checked
from stockkeeper.client.csv_files import read_table
from stockkeeper.client.stock import unit_costs
from stockkeeper.client.stockkeeper import Stockkeeper
from stockkeeper.contracts.errors import InvalidRequest
from stockkeeper.contracts.import_rows import BadRow, refusal
from stockkeeper.contracts.messages import money
from stockkeeper.contracts.purchase_order import PurchaseOrderLine


class WantedLine(NamedTuple):
    """One line in words; no cost: what the supplier has agreed to."""

    product: str
    qty: int
    unit_cost: str | None


def lines_from_options(texts: Sequence[str]) -> list[WantedLine]:
    """Lines such as ``TEA-100=50@4.20`` or ``TEA-100=50``.

    Raises:
        InvalidRequest: One isn't such a line.
    """
    wanted = []
    for text in texts:
        what, at, cost = text.rpartition("@") if "@" in text.rpartition("=")[2] else (text, "", "")
        product, _, units = what.rpartition("=")
        if not product or not _is_whole(units) or (at and not cost):
            raise InvalidRequest(f"--line {text!r}: it has to be SKU=UNITS or SKU=UNITS@COST, such as TEA-100=50@4.20")
        wanted.append(WantedLine(product, int(units), cost or None))
    return wanted


def lines_from_file(path: Path) -> list[WantedLine]:
    """Lines of a CSV file with the columns sku, qty and, if it isn't as agreed, unit_cost.

    Raises:
        InvalidRequest: It isn't such a file; the first bad rows are named by line.
    """
    rows = _rows(path, "qty", ["unit_cost"], "sku, qty and, unless as agreed, unit_cost")
    return [WantedLine(row["sku"], int(row["qty"]), row.get("unit_cost") or None) for row in rows]


def units_from_file(path: Path, *, signed: bool = False) -> list[tuple[str, int]]:
    """Product and units of each line of a CSV file with the columns sku and quantity.

    Args:
        path: The file.
        signed: Units may go out as well, as ``-3``.

    Raises:
        InvalidRequest: It isn't such a file; the first bad rows are named by line.
    """
    rows = _rows(path, "quantity", [], "sku and quantity", signed=signed)
    return [(row["sku"], int(row["quantity"])) for row in rows]


def skus_from_file(path: Path) -> list[str]:
    """The products of a CSV file with the column sku.

    Raises:
        InvalidRequest: It isn't such a file; the first bad rows are named by line.
    """
    return [row["sku"] for row in _rows(path, None, [], "sku alone")]


def _rows(
    path: Path, units: str | None, more: Sequence[str], described: str, *, signed: bool = False
) -> list[dict[str, str]]:
    """The rows of a file that has a product in each, a number of units if it has that column, and maybe more."""
    columns, rows = read_table(path)
    needed = {"sku", units} if units else {"sku"}
    if set(columns) - needed - set(more) or needed - set(columns) or len(columns) != len(set(columns)):
        raise InvalidRequest(f"{path}: the columns have to be {described}")
    found, bad = [], []
    for line, cells in rows:
        row = dict(zip(columns, (cell.strip() for cell in cells), strict=False))
        is_number = units is None or _is_whole(row.get(units, ""), signed=signed)
        if len(cells) != len(columns) or not row.get("sku") or not is_number:
            bad.append(BadRow(line, None, "needs a sku and a whole number of units" if units else "needs a sku alone"))
        else:
            found.append(row)
    if bad:
        raise refusal(bad, len(bad))
    return found


def split_units(text: str, option: str, *, signed: bool = False) -> tuple[str, int]:
    """``TEA-100=45`` as product and units; ``signed``: also ``TEA-100=-3``.

    Raises:
        InvalidRequest: It isn't that.
    """
    product, _, units = text.rpartition("=")
    if not product or not _is_whole(units, signed=signed):
        example = "TEA-100=-3" if signed else "TEA-100=45"
        raise InvalidRequest(f"{option} {text!r}: it has to be SKU=UNITS, such as {example}")
    return product, int(units)


def came_by_product(
    products: Mapping[str, int],
    fit: Sequence[tuple[str, int]],
    unfit: Sequence[tuple[str, int]],
    outstanding: Iterable[tuple[int, int]] = (),
) -> dict[int, tuple[int, int]]:
    """What came of each product, in units: fit ones and, on top, those that aren't.

    Args:
        products: The ids of what was typed.
        fit: Product and units, as typed.
        unfit: The same.
        outstanding: Product ids and units that have come as well, because everything has.
    """
    came: dict[int, tuple[int, int]] = {}
    units = [
        *((product_id, count, 0) for product_id, count in outstanding if count),
        *((products[product], count, 0) for product, count in fit),
        *((products[product], 0, count) for product, count in unfit),
    ]
    for product_id, more_fit, more_unfit in units:
        fit_so_far, unfit_so_far = came.get(product_id, (0, 0))
        came[product_id] = (fit_so_far + more_fit, unfit_so_far + more_unfit)
    return came


async def with_costs(
    stock: Stockkeeper, supplier_id: int, wanted: Sequence[WantedLine], products: Mapping[str, int]
) -> list[PurchaseOrderLine]:
    """The lines with their ids, and the agreed cost where none was given.

    Raises:
        InvalidRequest: Nothing is agreed for a product, or a cost isn't an amount.
    """
    asked = [products[line.product] for line in wanted if line.unit_cost is None]
    agreed = await unit_costs(stock.client, supplier_id, asked, task_queue=stock.task_queue) if asked else {}
    without = {line.product for line in wanted if not line.unit_cost and products[line.product] not in agreed}
    if without:
        named = ", ".join(sorted(without)[:10])
        raise InvalidRequest(f"no cost is agreed with this supplier for {named}: say it, such as SKU=50@4.20")
    return [
        checked(
            PurchaseOrderLine,
            product_id=products[line.product],
            qty=line.qty,
            unit_cost=line.unit_cost or money(agreed[products[line.product]]),
        )
        for line in wanted
    ]


def _is_whole(text: str, *, signed: bool = False) -> bool:
    digits = text[1:] if signed and text[:1] in {"-", "+"} else text
    return digits.isascii() and digits.isdecimal()
