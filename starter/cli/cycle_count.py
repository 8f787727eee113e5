"""`stockkeeper count`: open a count, record what is on the shelf, decide on variances."""

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from starter.cli import options, printing
from starter.cli.context import connect, read_input, run
from starter.cli.count_lines import command_each_line, headline, place_of, signed, sku_of, why
from starter.cli.count_sheet import write_sheet
from starter.cli.documents import Answer, Desk, Mentioned, names_or_ids
from starter.cli.order_lines import skus_from_file, split_units, units_from_file
from starter.cli.output import changed_status, out, print_json, table
from starter.cli.shared_commands import add_list, add_reasoned, add_show
from stockkeeper.client.cycle_count import CycleCount
from stockkeeper.contracts.cycle_count import CountStatus, CycleCountState, RootCause
from stockkeeper.contracts.errors import InvalidRequest
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
    was = {line.product_id: line for line in before.lines}
    lines = sorted(state.lines, key=lambda line: _FIRST.index(line.status))
    out.print(
        table(
            ["product", "status", "#counted", "by", "#books had", "#off by", "why"],
            [
                [
                    escape(sku_of(line.product_id, found)),
                    changed_status(was[line.product_id].status, line.status),
                    "" if line.counted_quantity is None else str(line.counted_quantity),
                    escape(line.counted_by or ""),
                    "" if line.system_quantity is None else str(line.system_quantity),
                    "" if line.delta is None else signed(line.delta),
                    escape(why(line)),
                ]
                for line in lines
            ],
        )
    )
    printing.print_afterwards(state.notes, state.notices, found)


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
    rows = sorted(
        (sku_of(line.product_id, found), line.product_id, line.counted_by or "")
        for line in state.lines
        if line.status in {CountStatus.COUNTING, CountStatus.REVIEW}
    )
    if as_json:
        print_json(
            [
                {"sku": sku, "product_id": product_id, "name": _name(product_id, found), "not_by": counted_by or None}
                for sku, product_id, counted_by in rows
            ]
        )
        return
    if output is not None:
        read_input(lambda: write_sheet(output, [(sku, _name(product_id, found), by) for sku, product_id, by in rows]))
        out.print(f"{counted(len(rows), 'item')} to count in {escape(str(output))}", soft_wrap=True)
        return
    again = sum(bool(counted_by) for *_, counted_by in rows)
    to_count = f"{counted(len(rows), 'item')} to count" if rows else "nothing is to be counted any more"
    out.print(
        f"count [bold]{escape(state.count_number)}[/bold], {place_of(state, found)}: {to_count}"
        + (f", {again} of them again" if again else "")
    )
    if rows:
        out.print(
            table(
                ["sku", "product", "counted", "not by"],
                [
                    [escape(sku), escape(_name(product_id, found)), "_" * 10, escape(counted_by)]
                    for sku, product_id, counted_by in rows
                ],
            )
        )


@app.command("record")
def record(
    count_number: Number,
    *,
    line: Annotated[list[str] | None, options.given_lines("Units on the shelf; once for each product.")] = None,
    lines: Annotated[
        Path | None,
        typer.Option(
            "--lines", metavar="FILE.csv", help="The same from a file, such as a sheet: columns sku, quantity."
        ),
    ] = None,
    root_cause: Annotated[
        RootCause | None, typer.Option(case_sensitive=False, help="Why stock was wrong, if known.")
    ] = None,
    performed_by: options.PerformedBy,
    as_json: options.AsJson = False,
) -> None:
    """Record units on the shelf. Each product is taken by itself; exit status 1 if one was refused."""

    def counts() -> list[tuple[str, int]]:
        if (lines is None) == (not line):
            raise InvalidRequest("give what was counted with --line, or a file of it with --lines")
        return units_from_file(lines, blanks=True) if lines else [split_units(text, "--line") for text in line or []]

    command_each_line(
        _desk,
        count_number,
        counts,
        lambda count, product_id, units: count.record(
            product_id, units, performed_by=performed_by, root_cause=root_cause
        ),
        as_json=as_json,
    )


@app.command("approve")
def approve(
    count_number: Number,
    skus: Annotated[list[str], typer.Argument(metavar="SKU...", help="One product, or several.")],
    *,
    root_cause: Annotated[RootCause, typer.Option(case_sensitive=False, help="Why stock was wrong.")],
    approver: options.Approver,
    as_json: options.AsJson = False,
) -> None:
    """Approve counts that are beyond tolerance. Each product is decided by itself."""
    command_each_line(
        _desk,
        count_number,
        lambda: [(sku, None) for sku in skus],
        lambda count, product_id, _: count.approve_variance(product_id, approver=approver, root_cause=root_cause),
        as_json=as_json,
    )


add_reasoned(app, "cancel", "Cancel the lines that aren't posted yet.", Number, CycleCount.cancel, _desk)
