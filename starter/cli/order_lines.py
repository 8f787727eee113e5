"""The lines of a document as a person types them, or has them in a file."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

from rich.markup import escape

from starter.cli.count_sheet import BESIDE, LOT
from starter.cli.lot_lines import day_of_lot, split_days, split_lot
from starter.cli.output import err
from starter.cli.quantities import Resolved, TypedLine, in_base_units, is_whole, read_quantity
from stockkeeper.client.calls import checked
from stockkeeper.client.csv_files import read_lines
from stockkeeper.client.file_layouts import Misshapen
from stockkeeper.client.lines import OrderLine
from stockkeeper.client.stockkeeper import Stockkeeper
from stockkeeper.contracts.errors import InvalidRequest
from stockkeeper.contracts.import_rows import BadRow, refusal
from stockkeeper.contracts.messages import counted
from stockkeeper.contracts.purchase_order_state import PurchaseOrderLine, PurchaseOrderState
from stockkeeper.contracts.unit import is_quantity

_NEEDS = "needs a sku and whole units, without dots or commas"
SOURCED_UNITS = "SKU[@WAREHOUSE]=UNITS"
"""A line that may leave the warehouse open, as it is typed."""
_SPELLINGS = {"qty": "quantity", "quantity": "qty"}
"""Both names of the column of units, of which a file has one."""
_UNIT = "unit"
"""The column that says what a quantity is counted in; empty: base units."""


def _lines_from_options(texts: Sequence[str], option: str = "--line") -> list[TypedLine]:
    """Lines such as ``TEA-100=50@4.20``, ``TEA-100=50`` or ``TEA-100=5 cases@57.60/case``.

    Raises:
        InvalidRequest: One isn't such a line.
    """
    wanted = []
    for text in texts:
        what, at, cost = text.rpartition("@") if "@" in text.rpartition("=")[2] else (text, "", "")
        product, _, units = what.rpartition("=")
        if not product or not units or (at and not cost):
            raise InvalidRequest(f"{option} {text!r}: must be SKU=UNITS or SKU=UNITS@COST, such as TEA-100=50@4.20")
        where = f"{option} {text!r}"
        quantity = read_quantity(units, where, "TEA-100=50@4.20")
        wanted.append(TypedLine(product, quantity, unit_cost=cost or None, where=where))
    return wanted


def _lines_from_file(path: Path) -> list[TypedLine]:
    """Lines of a file with the columns sku, qty and, if it isn't as agreed, unit_cost; and maybe unit.

    Raises:
        InvalidRequest: It isn't such a file; the first bad rows are named by line.
    """
    rows = _rows(path, "qty", ["unit_cost"], "sku, qty and, unless as agreed, unit_cost")
    return [_line_of(row, "qty") for row in rows]


def _line_of(row: dict[str, str], units: str) -> TypedLine:
    """A row of a file, in base units or in those that it names."""
    quantity = f"{row[units]} {row[_UNIT]}" if row.get(_UNIT) else int(row[units])
    where = f"line {row['line']}"
    expires_on = day_of_lot(row.get(LOT[1]) or None, where)
    of_lot = {"lot_number": row.get(LOT[0]) or None, "expires_on": expires_on}
    return TypedLine(row["sku"], quantity, unit_cost=row.get("unit_cost") or None, where=where, **of_lot)


def units_from_file(path: Path, *, signed: bool = False, blanks: bool = False, lots: bool = False) -> list[TypedLine]:
    """Product and units of each line of a file with the columns sku and quantity, and maybe unit.

    Args:
        path: The file.
        signed: Units may go out as well, as ``-3``.
        blanks: A row without units is left out, as on a sheet that isn't filled in to its end.
        lots: It may have the columns lot_number and expires_on.

    Raises:
        InvalidRequest: It isn't such a file; the first bad rows are named by line.
    """
    more = [*(BESIDE if blanks else ()), *(LOT if lots else ())]
    described = "sku, quantity and, of tracked products, lot_number and expires_on" if lots else "sku and quantity"
    rows = _rows(path, "quantity", more, described, signed=signed, blanks=blanks)
    if not rows:
        raise InvalidRequest(f"{path}: no row has a quantity")
    return [_line_of(row, "quantity") for row in rows]


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
    counted_in = [_UNIT] if units else []
    lines = read_lines(path, needed=[], more=[*spellings, *counted_in, *more], described=described)
    if units and len([name for name in spellings if name in lines.columns]) != 1:
        raise InvalidRequest(f"{path}: the columns have to be {described}")
    columns = [units if units and name in spellings else name for name in lines.columns]
    misread = {each.line for each in lines.bad}
    found: list[dict[str, str]] = []
    bad = list(lines.bad)
    left_out = 0
    for line, cells in lines.rows:
        row = dict(zip(columns, cells, strict=False))
        product = f"id:{row['product_id']}" if is_whole(row.get("product_id", "")) else row.get("sku", "")
        if row.get("sku", "").startswith("id:"):
            bad.append(BadRow(line, "sku", "must be a SKU; an id stands in a column product_id"))
        elif line in misread:
            continue
        elif units and blanks and product and not row.get(units):
            left_out += 1
        elif isinstance(cells, Misshapen) or not product or (units and not _has_units(row, units, signed=signed)):
            bad.append(BadRow(line, None, _NEEDS if units else "needs a sku alone"))
        else:
            found.append(row | {"sku": product, "line": str(line)})
    if bad:
        raise refusal(sorted(bad, key=lambda each: each.line), len(bad))
    if left_out:
        err.print(f"{counted(left_out, 'row')} without a {units} left out", style="dim")
    for note in lines.notes:
        err.sentence(escape(note), style="dim")
    return found


def _has_units(row: dict[str, str], units: str, *, signed: bool) -> bool:
    """Whether a row has a quantity: whole units, or a number of the unit that it names."""
    if row.get(_UNIT):
        return is_quantity(f"{row[units]} {row[_UNIT]}", signed=signed)
    return is_whole(row[units], signed=signed)


def split_units(text: str, option: str, *, signed: bool = False) -> TypedLine:
    """``TEA-100=45`` or ``TEA-100=5 cases`` as product and units; ``signed``: also ``TEA-100=-3``.

    Raises:
        InvalidRequest: It isn't that.
    """
    product, _, units = text.rpartition("=")
    example = "TEA-100=-3" if signed else "TEA-100=45"
    if not product or not units:
        raise InvalidRequest(f"{option} {text!r}: must be SKU=UNITS, such as {example}")
    where = f"{option} {text!r}"
    return TypedLine(product, read_quantity(units, where, example, signed=signed), where=where)


def sourced_line(text: str, option: str = "--line") -> TypedLine:
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
    return TypedLine(product, read_quantity(units, typed, "TEA-100@Main=2"), warehouse or None, where=typed)


def picked_line(text: str) -> TypedLine:
    """A line of `sourced_line` that may name the lot that was picked: ``TEA-100@Main=2#L-77``.

    Raises:
        InvalidRequest: It isn't such a line.
    """
    typed, lot_number = split_lot(text)
    return with_lot(sourced_line(typed), lot_number)


def typed_part(line: Sequence[str]) -> list[TypedLine]:
    """The lines of a part that leaves, or is lost: ``TEA-100=45``, or ``TEA-100=45#L-77`` of a lot.

    Raises:
        InvalidRequest: One isn't such a line.
    """
    typed = [split_lot(text) for text in line]
    lines = typed_lines([text for text, _ in typed], None)
    return [with_lot(each, lot) for each, (_, lot) in zip(lines, typed, strict=True)]


def with_lot(line: TypedLine, lot_number: str | None) -> TypedLine:
    """The line with the one lot that all of its units are of, if one is named."""
    return line._replace(lot_number=lot_number)


def order_lines(line: Sequence[str] | None, lines: Path | None) -> list[TypedLine]:
    """The lines of a purchase order: by ``--line``, or from a file by ``--lines``.

    Raises:
        InvalidRequest: Neither or both were given, or one isn't a line.
    """
    _require_one_source(line, lines)
    return _lines_from_file(lines) if lines else _lines_from_options(line or [])


def typed_lines(
    line: Sequence[str] | None, lines: Path | None, *, signed: bool = False, lots: bool = False
) -> list[TypedLine]:
    """The lines of a document: by ``--line``, or from a file by ``--lines``; ``lots``: each may name its lot.

    Raises:
        InvalidRequest: Neither or both were given, or one isn't a line.
    """
    _require_one_source(line, lines)
    if lines:
        return units_from_file(lines, signed=signed, lots=lots)
    split = units_of_lot if lots else split_units
    return [split(text, "--line", signed=signed) for text in line or []]


def units_of_lot(text: str, option: str, *, signed: bool = False) -> TypedLine:
    """A line of `split_units` that may name its lot, and the day on which that expires: ``MILK=24#L-77#2027-03-31``.

    Raises:
        InvalidRequest: It isn't such a line.
    """
    typed, named = split_lot(text)
    line = split_units(typed, option, signed=signed)
    if named is None:
        return line
    lot_number, expires_on = split_days(named)
    return line._replace(lot_number=lot_number, expires_on=day_of_lot(expires_on, f"{option} {text!r}"))


def _require_one_source(line: Sequence[str] | None, lines: Path | None) -> None:
    """Lines come by options or from a file.

    Raises:
        InvalidRequest: Neither or both were given.
    """
    if (lines is None) == (not line):
        raise InvalidRequest("give the lines with --line, or a file of them with --lines")


def amended_lines(line: Sequence[str] | None, lines: Path | None, change: Sequence[str] | None) -> list[TypedLine]:
    """The lines of an amendment: all of them by ``--line`` or ``--lines``, or those that change by ``--change``.

    Raises:
        InvalidRequest: None or several of these were given, or one isn't a line.
    """
    if not change:
        return order_lines(line, lines)
    if line or lines:
        raise InvalidRequest("give all lines with --line or --lines, or those that change with --change")
    return _lines_from_options(change, "--change")


async def changed_lines(stock: Stockkeeper, order: PurchaseOrderState, typed: Sequence[TypedLine]) -> list[OrderLine]:
    """All lines of an order with these changed, added at the end, or taken off by 0 units.

    Without a cost, a line keeps its own, and a new one has the cost agreed with the supplier.

    Raises:
        InvalidRequest: A product is on several lines, or isn't on the order and is to be taken off; or no cost is
            agreed, or a cost isn't an amount; or as `in_base_units`.
    """
    changes = await in_base_units(stock, typed, order.supplier_id)
    products = (await stock.ids([each.product for each in changes])).products
    lines = [
        OrderLine(each.product_id, qty=each.qty, unit_cost=each.unit_cost, note=each.note) for each in order.line_items
    ]
    new: list[Resolved] = []
    for each in changes:
        places = [place for place, line in enumerate(lines) if line.product_id == products[each.product]]
        if len(places) > 1:
            raise InvalidRequest(f"{each.product} is on {len(places)} lines; give all lines with --line")
        if not places and not each.quantity:
            raise InvalidRequest(f"{each.product} isn't on the order")
        if not places:
            new.append(each)
        elif not each.quantity:
            del lines[places[0]]
        else:
            was = lines[places[0]]
            cost = _cost(each) if each.unit_cost else was.unit_cost
            lines[places[0]] = replace(was, qty=each.quantity, unit_cost=cost)
    if new:
        names = await stock.names(supplier_ids=[order.supplier_id or 0])
        lines += await _with_costs(stock, next(iter(names.supplier_names.values()), ""), new)
    return lines


async def with_costs(stock: Stockkeeper, supplier: str, typed: Sequence[TypedLine]) -> list[OrderLine]:
    """The lines in base units, with the agreed cost where none was given. The supplier's own packs come first.

    Raises:
        InvalidRequest: No cost is agreed for a product, or a cost isn't an amount; or as `in_base_units`.
    """
    return await _with_costs(stock, supplier, await in_base_units(stock, typed, supplier))


async def _with_costs(stock: Stockkeeper, supplier: str, wanted: Sequence[Resolved]) -> list[OrderLine]:
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
                units[ids.products[line.product]] += line.quantity
        terms = await stock.terms(ids.suppliers[supplier], list(ids.products.values()), units)
        agreed = {sku: terms[ids.products[sku]] for sku in open_costs if ids.products[sku] in terms}
    if without := sorted(set(open_costs) - agreed.keys()):
        named = ", ".join(without[:10])
        raise InvalidRequest(f"no cost is agreed with this supplier for {named}; give one, such as SKU=50@4.20")
    return [
        OrderLine(line.product, qty=line.quantity, unit_cost=_cost(line) if line.unit_cost else agreed[line.product])
        for line in wanted
    ]


def _cost(line: Resolved) -> Decimal:
    # By the contract's rule for amounts, which takes no exponent and no sign.
    return checked(PurchaseOrderLine, product_id=1, qty=max(line.quantity, 1), unit_cost=line.unit_cost).unit_cost
