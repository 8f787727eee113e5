"""`stockkeeper count`: open a count, record what is on the shelf, decide on variances."""

from datetime import date
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from starter.cli import options, printing
from starter.cli.context import connect, read_input, run
from starter.cli.count_lines import (
    Wanted,
    command_each_line,
    headline,
    key_of,
    name_of,
    place_of,
    signed,
    sku_of,
    why,
)
from starter.cli.count_sheet import SheetRow, has_lots, write_sheet
from starter.cli.documents import Answer, Desk, Mentioned, names_or_ids
from starter.cli.lot_lines import WITH_LOT
from starter.cli.order_lines import skus_from_file, units_from_file, units_of_lot
from starter.cli.output import changed_status, out, print_json, table
from starter.cli.quantities import Resolved, TypedLine, in_base_units
from starter.cli.shared_commands import add_list, add_reasoned, add_show
from stockkeeper.client.cycle_count import CycleCount
from stockkeeper.client.stockkeeper import Stockkeeper
from stockkeeper.contracts.cycle_count import CountStatus, CycleCountState, RootCause
from stockkeeper.contracts.errors import InvalidRequest, UnknownProduct
from stockkeeper.contracts.messages import counted
from stockkeeper.contracts.stock import FoundItems

app = typer.Typer(no_args_is_help=True, help="Count the shelf, and correct stock by it.")


def register(root: typer.Typer) -> None:
    """Add ``count`` to the command line."""
    root.add_typer(app, name="count")


Number = Annotated[str, typer.Argument(metavar="COUNT", help="The count's number.")]
_FIRST = (CountStatus.REVIEW, CountStatus.COUNTING, CountStatus.POSTED, CountStatus.CANCELLED)
"""The order of the lines: those that wait for a decision come first."""


def _show(answer: Answer[CycleCountState], found: FoundItems) -> None:
    state, before = answer.state, answer.before
    out.print(headline(answer, found))
    out.print(f"requested by {escape(state.requested_by)}")
    if state.closed_reason:
        out.print(f"given up: {escape(state.closed_reason)}")
    printing.print_gave_way(state.gave_way, found)
    printing.print_held_before(state.held_before, found)
    was = {key_of(line): line.status for line in before.lines}
    lines = sorted(state.lines, key=lambda line: _FIRST.index(line.status))
    out.print(
        table(
            ["product", "status", "#counted", "by", "#books had", "#off by", "why"],
            [
                [
                    escape(name_of(line, found)),
                    changed_status(was.get(key_of(line), line.status), line.status),
                    _units(line.product_id, line.counted_quantity, found),
                    escape(line.counted_by or ""),
                    _units(line.product_id, line.system_quantity, found),
                    "" if line.delta is None else signed(line.delta),
                    escape(why(line)),
                ]
                for line in lines
            ],
        )
    )
    printing.print_afterwards(state.notes, state.notices, found)


def _units(product_id: int, quantity: int | None, found: FoundItems) -> str:
    return "" if quantity is None else printing.units(found, product_id, quantity)


def _name(product_id: int, found: FoundItems) -> str:
    return found.product_names.get(product_id, "")


_desk = Desk(
    find=lambda stock, number: stock.cycle_count(number),
    mentions=lambda state: Mentioned([line.product_id for line in state.lines], [state.warehouse_id]),
    show=_show,
)


@app.command("start")
def start(
    count_number: Number,
    *,
    warehouse: options.Warehouse,
    sku: Annotated[
        list[str] | None, typer.Option("--sku", "--line", metavar="SKU", help="A product to count; once for each.")
    ] = None,
    skus: Annotated[
        Path | None, typer.Option("--skus", "--lines", metavar="FILE.csv", help="The same from a file: column sku.")
    ] = None,
    performed_by: options.PerformedBy,
    as_json: options.AsJson = False,
) -> None:
    """Open a count of some products. `count plan` opens one of those that are due today."""

    def products() -> list[str]:
        if (skus is None) == (not sku):
            raise InvalidRequest("give what is to be counted with --sku, or a file of it with --skus")
        return skus_from_file(skus) if skus else sku or []

    wanted = read_input(products)
    _desk.create(
        lambda stock: stock.open_count(count_number, wanted, warehouse_id=warehouse, requested_by=performed_by),
        as_json=as_json,
    )


add_list(
    app,
    "List counts, the latest first.",
    CountStatus,
    lambda stock: stock.cycle_counts,
    lambda listed: printing.from_memo(
        listed, "count_number", "warehouse", "items", "to_count", "in_review", "requested_by"
    ),
    ["count", "warehouse", "#items", "#to count", "#in review", "requested by"],
    lambda row: [
        printing.text(row[name])
        for name in ("count_number", "warehouse", "items", "to_count", "in_review", "requested_by")
    ],
)


add_show(app, "Show a count: products to count, beyond tolerance and posted, and refused commands.", Number, _desk)


@app.command("sheet")
def sheet(
    count_number: Number,
    *,
    output: Annotated[
        Path | None,
        typer.Option(metavar="FILE.csv", help="A file with a column to fill in, for `count record --lines`."),
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """Print a blank list to count by: products to count, or to count again by another person."""

    async def work() -> tuple[CycleCountState, FoundItems]:
        stock = await connect()
        state = (await stock.cycle_count(count_number)).state
        products, places = _desk.mentions(state)[:2]
        return state, await names_or_ids(stock, products, filter(None, places))

    state, found = run(work())
    # With the person who may not count again, and without any number found so far.
    # Those of a product stay in their order: the lot that expires first comes first.
    rows = sorted(
        (
            SheetRow(
                sku_of(line.product_id, found),
                line.product_id,
                _name(line.product_id, found),
                line.lot_number or "",
                "" if line.expires_on is None else line.expires_on.isoformat(),
                line.counted_by or "",
            )
            for line in state.lines
            if line.status in {CountStatus.COUNTING, CountStatus.REVIEW}
        ),
        key=lambda row: row.sku,
    )
    if as_json:
        print_json([_as_json(row) for row in rows])
        return
    if output is not None:
        read_input(lambda: write_sheet(output, rows))
        out.print(f"{counted(len(rows), 'item')} to count in {escape(str(output))}", soft_wrap=True)
        return
    again = sum(bool(row.not_by) for row in rows)
    to_count = f"{counted(len(rows), 'item')} to count" if rows else "nothing is to be counted any more"
    out.print(
        f"count [bold]{escape(state.count_number)}[/bold], {place_of(state, found)}: {to_count}"
        + (f", {again} of them again" if again else "")
    )
    if rows:
        lots = has_lots(rows)
        out.print(
            table(
                ["sku", "product", *(["lot", "expires on"] if lots else []), "counted", "not by"],
                [
                    [
                        escape(row.sku),
                        escape(row.name),
                        *([escape(row.lot_number), row.expires_on] if lots else []),
                        "_" * 10,
                        escape(row.not_by),
                    ]
                    for row in rows
                ],
            )
        )


def _as_json(row: SheetRow) -> dict[str, object]:
    lot = {"lot_number": row.lot_number, "expires_on": row.expires_on or None} if row.lot_number else {}
    return {"sku": row.sku, "product_id": row.product_id, "name": row.name, "not_by": row.not_by or None, **lot}


@app.command("record")
def record(
    count_number: Number,
    *,
    line: Annotated[
        list[str] | None, options.given_lines(f"Units on the shelf; once for each product. {WITH_LOT}")
    ] = None,
    lines: Annotated[
        Path | None,
        typer.Option(
            "--lines",
            metavar="FILE.csv",
            help="The same from a file, such as a sheet: columns sku, quantity, unit, lot_number, expires_on.",
        ),
    ] = None,
    root_cause: Annotated[
        RootCause | None, typer.Option(case_sensitive=False, help="Why stock was wrong, if known.")
    ] = None,
    performed_by: options.PerformedBy,
    as_json: options.AsJson = False,
) -> None:
    """Record units on the shelf. Each product is taken by itself; exit status 1 if one was refused."""

    def counts() -> list[TypedLine]:
        if (lines is None) == (not line):
            raise InvalidRequest("give what was counted with --line, or a file of it with --lines")
        if lines:
            return units_from_file(lines, blanks=True, lots=True)
        return [units_of_lot(text, "--line") for text in line or []]

    typed = read_input(counts)

    async def units(stock: Stockkeeper) -> list[Wanted[Resolved]]:
        return [Wanted(each.product, each.lot_number, each) for each in await in_base_units(stock, typed)]

    command_each_line(
        _desk,
        count_number,
        units,
        lambda count, product_id, line: count.record(
            product_id,
            line.said.quantity,
            performed_by=performed_by,
            root_cause=root_cause,
            lot_number=line.lot_number,
            expires_on=None if line.said.expires_on is None else date.fromisoformat(line.said.expires_on),
        ),
        as_json=as_json,
    )


@app.command("approve")
def approve(
    count_number: Number,
    skus: Annotated[
        list[str], typer.Argument(metavar="SKU...", help="One product, or several; of a tracked one a lot: MILK#L-77.")
    ],
    *,
    root_cause: Annotated[RootCause, typer.Option(case_sensitive=False, help="Why stock was wrong.")],
    approver: options.Approver,
    as_json: options.AsJson = False,
) -> None:
    """Approve counts that are beyond tolerance. Each product is decided by itself."""

    async def chosen(stock: Stockkeeper) -> list[Wanted[None]]:
        return [Wanted(*await _product_and_lot(stock, each), None) for each in skus]

    command_each_line(
        _desk,
        count_number,
        chosen,
        lambda count, product_id, line: count.approve_variance(
            product_id, approver=approver, root_cause=root_cause, lot_number=line.lot_number
        ),
        as_json=as_json,
    )


async def _product_and_lot(stock: Stockkeeper, typed: str) -> tuple[str, str | None]:
    """``MILK#L-77`` as the product and the lot; a SKU may have the sign in it as well."""
    product, sign, lot_number = typed.partition("#")
    if not sign:
        return typed, None
    try:
        await stock.ids([typed])
    except UnknownProduct:
        return product, lot_number
    return typed, None


add_reasoned(app, "cancel", "Cancel the lines that aren't posted yet.", Number, CycleCount.cancel, _desk)
