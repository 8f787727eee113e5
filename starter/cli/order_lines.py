"""The lines of a document as a person types them, or has them in a file."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

from rich.markup import escape

from starter.cli.count_sheet import BESIDE
from starter.cli.output import err
from stockkeeper.client.calls import checked
from stockkeeper.client.csv_files import read_lines
from stockkeeper.client.file_layouts import Misshapen
from stockkeeper.client.lines import Line, OrderLine
from stockkeeper.client.stockkeeper import Stockkeeper
from stockkeeper.contracts.errors import InvalidRequest
from stockkeeper.contracts.import_rows import BadRow, refusal
from stockkeeper.contracts.messages import counted
from stockkeeper.contracts.purchase_order_state import PurchaseOrderLine, PurchaseOrderState

_WHOLE = "must be whole units, without dots or commas"
_NEEDS = "needs a sku and whole units, without dots or commas"
SOURCED_UNITS = "SKU[@WAREHOUSE]=UNITS"
"""A line that may leave the warehouse open, as it is typed."""
_SPELLINGS = {"qty": "quantity", "quantity": "qty"}
"""Both names of the column of units, of which a file has one."""


class WantedLine(NamedTuple):
    """One line of an order; without a cost, as agreed with the supplier."""

    product: str
    qty: int
    unit_cost: str | None


def _lines_from_options(texts: Sequence[str], option: str = "--line") -> list[WantedLine]:
    """Lines such as ``TEA-100=50@4.20`` or ``TEA-100=50``.

    Raises:
        InvalidRequest: One isn't such a line.
    """
    wanted = []
    for text in texts:
        what, at, cost = text.rpartition("@") if "@" in text.rpartition("=")[2] else (text, "", "")
        product, _, units = what.rpartition("=")
        if not product or not units or (at and not cost):
            raise InvalidRequest(f"{option} {text!r}: must be SKU=UNITS or SKU=UNITS@COST, such as TEA-100=50@4.20")
        require_whole(units, f"{option} {text!r}", "TEA-100=50@4.20")
        wanted.append(WantedLine(product, int(units), cost or None))
    return wanted


def _lines_from_file(path: Path) -> list[WantedLine]:
    """Lines of a file with the columns sku, qty and, if it isn't as agreed, unit_cost.

    Raises:
        InvalidRequest: It isn't such a file; the first bad rows are named by line.
    """
    rows = _rows(path, "qty", ["unit_cost"], "sku, qty and, unless as agreed, unit_cost")
    return [WantedLine(row["sku"], int(row["qty"]), row.get("unit_cost") or None) for row in rows]


def units_from_file(path: Path, *, signed: bool = False, blanks: bool = False) -> list[tuple[str, int]]:
    """Product and units of each line of a file with the columns sku and quantity.

    Args:
        path: The file.
        signed: Units may go out as well, as ``-3``.
        blanks: A row without units is left out, as on a sheet that isn't filled in to its end.

    Raises:
        InvalidRequest: It isn't such a file; the first bad rows are named by line.
    """
    rows = _rows(path, "quantity", BESIDE if blanks else (), "sku and quantity", signed=signed, blanks=blanks)
    if not rows:
        raise InvalidRequest(f"{path}: no row has a quantity")
    return [(row["sku"], int(row["quantity"])) for row in rows]


def skus_from_file(path: Path) -> list[str]:
    """The products of a file with the column sku.

    Raises:
        InvalidRequest: It isn't such a file; the first bad rows are named by line.
    """
    return [row["sku"] for row in _rows(path, None, [], "sku alone")]


def _rows(
    path: Path,
    units: str | None,
    more: Sequence[str],
    described: str,
    *,
    signed: bool = False,
    blanks: bool = False,
) -> list[dict[str, str]]:
    """The rows of a file that has a product in each, a number of units if it has that column, and maybe more.

    A product is given by ``sku``, which is never an id, or in a column of its own by ``product_id``; units by
    ``quantity`` or ``qty``.
    """
    spellings = [units, _SPELLINGS[units]] if units else []
    lines = read_lines(path, needed=[], more=[*spellings, *more], described=described)
    if units and len([name for name in spellings if name in lines.columns]) != 1:
        raise InvalidRequest(f"{path}: the columns have to be {described}")
    columns = [units if units and name in spellings else name for name in lines.columns]
    misread = {each.line for each in lines.bad}
    found: list[dict[str, str]] = []
    bad = list(lines.bad)
    left_out = 0
    for line, cells in lines.rows:
        row = dict(zip(columns, cells, strict=False))
        product = f"id:{row['product_id']}" if _is_whole(row.get("product_id", "")) else row.get("sku", "")
        if row.get("sku", "").startswith("id:"):
            bad.append(BadRow(line, "sku", "must be a SKU; an id stands in a column product_id"))
        elif line in misread:
            continue
        elif units and blanks and product and not row.get(units):
            left_out += 1
        elif isinstance(cells, Misshapen) or not product or (units and not _is_whole(row[units], signed=signed)):
            bad.append(BadRow(line, None, _NEEDS if units else "needs a sku alone"))
        else:
            found.append(row | {"sku": product})
    if bad:
        raise refusal(sorted(bad, key=lambda each: each.line), len(bad))
    if left_out:
        err.print(f"{counted(left_out, 'row')} without a {units} left out", style="dim")
    for note in lines.notes:
        err.sentence(escape(note), style="dim")
    return found


def split_units(text: str, option: str, *, signed: bool = False) -> tuple[str, int]:
    """``TEA-100=45`` as product and units; ``signed``: also ``TEA-100=-3``.

    Raises:
        InvalidRequest: It isn't that.
    """
    product, _, units = text.rpartition("=")
    example = "TEA-100=-3" if signed else "TEA-100=45"
    if not product or not units:
        raise InvalidRequest(f"{option} {text!r}: must be SKU=UNITS, such as {example}")
    require_whole(units, f"{option} {text!r}", example, signed=signed)
    return product, int(units)


def sourced_line(text: str, option: str = "--line") -> Line:
    """A line such as ``TEA-100@Main=2``, or ``TEA-100=2`` from any warehouse.

    Raises:
        InvalidRequest: It isn't such a line.
    """
    what, _, units = text.rpartition("=")
    product, at, warehouse = what.rpartition("@") if "@" in what else (what, "", "")
    complete = product and (warehouse or not at)
    typed = f"{option} {text!r}".strip()
    if not complete or not units:
        raise InvalidRequest(f"{typed}: must be SKU@WAREHOUSE=UNITS or SKU=UNITS, such as TEA-100@Main=2")
    require_whole(units, typed, "TEA-100@Main=2")
    return Line(product, warehouse or None, quantity=int(units))


def require_whole(units: str, where: str, example: str, *, signed: bool = False) -> None:
    """Check a typed number of units: neither a point nor a comma says whether 1.000 is one or a thousand.

    Raises:
        InvalidRequest: They aren't a whole number.
    """
    if not _is_whole(units, signed=signed):
        wrong = "must not be negative" if _is_whole(units, signed=True) else _WHOLE
        raise InvalidRequest(f"{where}: {units!r} {wrong}, such as {example}")


def order_lines(line: Sequence[str] | None, lines: Path | None) -> list[WantedLine]:
    """The lines of a purchase order: by ``--line``, or from a file by ``--lines``.

    Raises:
        InvalidRequest: Neither or both were given, or one isn't a line.
    """
    _require_one_source(line, lines)
    return _lines_from_file(lines) if lines else _lines_from_options(line or [])


def typed_lines(line: Sequence[str] | None, lines: Path | None, *, signed: bool = False) -> list[Line]:
    """The lines of a document: by ``--line``, or from a file by ``--lines``.

    Raises:
        InvalidRequest: Neither or both were given, or one isn't a line.
    """
    _require_one_source(line, lines)
    units = (
        units_from_file(lines, signed=signed)
        if lines
        else [split_units(text, "--line", signed=signed) for text in line or []]
    )
    return [Line(product, quantity=quantity) for product, quantity in units]


def _require_one_source(line: Sequence[str] | None, lines: Path | None) -> None:
    """Lines come by options or from a file.

    Raises:
        InvalidRequest: Neither or both were given.
    """
    if (lines is None) == (not line):
        raise InvalidRequest("give the lines with --line, or a file of them with --lines")


def amended_lines(line: Sequence[str] | None, lines: Path | None, change: Sequence[str] | None) -> list[WantedLine]:
    """The lines of an amendment: all of them by ``--line`` or ``--lines``, or those that change by ``--change``.

    Raises:
        InvalidRequest: None or several of these were given, or one isn't a line.
    """
    if not change:
        return order_lines(line, lines)
    if line or lines:
        raise InvalidRequest("give all lines with --line or --lines, or those that change with --change")
    return _lines_from_options(change, "--change")


async def changed_lines(
    stock: Stockkeeper, order: PurchaseOrderState, changes: Sequence[WantedLine]
) -> list[OrderLine]:
    """All lines of an order with these changed, added at the end, or taken off by 0 units.

    Without a cost, a line keeps its own, and a new one has the cost agreed with the supplier.

    Raises:
        InvalidRequest: A product is on several lines, or isn't on the order and is to be taken off; or no cost is
            agreed, or a cost isn't an amount.
    """
    products = (await stock.ids([each.product for each in changes])).products
    lines = [
        OrderLine(each.product_id, qty=each.qty, unit_cost=each.unit_cost, note=each.note) for each in order.line_items
    ]
    new: list[WantedLine] = []
    for each in changes:
        places = [place for place, line in enumerate(lines) if line.product_id == products[each.product]]
        if len(places) > 1:
            raise InvalidRequest(f"{each.product} is on {len(places)} lines; give all lines with --line")
        if not places and not each.qty:
            raise InvalidRequest(f"{each.product} isn't on the order")
        if not places:
            new.append(each)
        elif not each.qty:
            del lines[places[0]]
        else:
            was = lines[places[0]]
            cost = _cost(each) if each.unit_cost else was.unit_cost
            lines[places[0]] = replace(was, qty=each.qty, unit_cost=cost)
    if new:
        names = await stock.names(supplier_ids=[order.supplier_id or 0])
        lines += await with_costs(stock, next(iter(names.supplier_names.values()), ""), new)
    return lines


async def with_costs(stock: Stockkeeper, supplier: str, wanted: Sequence[WantedLine]) -> list[OrderLine]:
    """The lines with the agreed cost where none was given.

    Raises:
        InvalidRequest: No cost is agreed for a product, or a cost isn't an amount.
    """
    open_costs = sorted({line.product for line in wanted if line.unit_cost is None})
    agreed: dict[str, Decimal] = {}
    if open_costs:
        ids = await stock.ids(open_costs, suppliers=[supplier])
        units = Counter[int]()
        for line in wanted:
            if line.product in ids.products:
                units[ids.products[line.product]] += line.qty
        terms = await stock.terms(ids.suppliers[supplier], list(ids.products.values()), units)
        agreed = {sku: terms[ids.products[sku]] for sku in open_costs if ids.products[sku] in terms}
    if without := sorted(set(open_costs) - agreed.keys()):
        named = ", ".join(without[:10])
        raise InvalidRequest(f"no cost is agreed with this supplier for {named}; give one, such as SKU=50@4.20")
    return [
        OrderLine(line.product, qty=line.qty, unit_cost=_cost(line) if line.unit_cost else agreed[line.product])
        for line in wanted
    ]


def _cost(line: WantedLine) -> Decimal:
    # By the contract's rule for amounts, which takes no exponent and no sign.
    return checked(PurchaseOrderLine, product_id=1, qty=max(line.qty, 1), unit_cost=line.unit_cost).unit_cost


def _is_whole(text: str, *, signed: bool = False) -> bool:
    digits = text[1:] if signed and text[:1] in {"-", "+"} else text
    return digits.isascii() and digits.isdecimal()
