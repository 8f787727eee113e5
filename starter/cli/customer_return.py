"""`stockkeeper return`: goods that customers send back, and the outcome of their inspection."""

from collections.abc import Sequence
from functools import partial
from typing import Annotated

import typer
from rich.markup import escape

from starter.cli import options, printing
from starter.cli.context import read_input
from starter.cli.deliveries import Dock, Due
from starter.cli.documents import Answer, Desk, Mentioned
from starter.cli.lot_lines import WITH_LOT
from starter.cli.order_lines import typed_lines
from starter.cli.output import changed, changed_status, out, table
from starter.cli.quantities import shelf_lines
from starter.cli.shared_commands import add_approve_difference, add_delivery, add_list, add_reasoned, add_show
from stockkeeper.client.customer_return import CustomerReturn
from stockkeeper.client.lines import InspectionLine
from stockkeeper.client.stockkeeper import Stockkeeper
from stockkeeper.contracts.customer_return import ReturnLineState, ReturnState, ReturnStatus
from stockkeeper.contracts.lot import product_and_lot
from stockkeeper.contracts.stock import FoundItems

app = typer.Typer(no_args_is_help=True, help="Goods from customers: expect them, inspect them, restock or scrap them.")


Number = Annotated[str, typer.Argument(metavar="RETURN", help="The return's number.")]


def register(root: typer.Typer) -> None:
    """Add ``return`` to the command line."""
    root.add_typer(app, name="return")


def _expected(state: ReturnState, line: ReturnLineState) -> int:
    """Units that are still expected; none once the return has ended."""
    missing = line.quantity - line.restocked - line.scrapped
    return missing if state.status is ReturnStatus.EXPECTED else 0


def _show(answer: Answer[ReturnState], found: FoundItems) -> None:
    state, before = answer.state, answer.before
    out.print(
        f"return [bold]{escape(state.return_number)}[/bold]: {changed_status(before.status, state.status)}, "
        f"order {escape(state.reference_id)} → {printing.warehouse(found, state.warehouse_id)}"
    )
    out.print(f"registered by {escape(state.requested_by)}")
    printing.print_difference_approvals(state.difference_approvals, before.difference_approvals)
    printing.print_receipts(state.inspections, before.inspections, unfit="scrapped", what="inspection")
    if state.closed_reason:
        what = "nothing came" if state.status is ReturnStatus.CANCELLED else "the rest never came"
        out.print(f"{what}: {escape(state.closed_reason)}")
    rows: list[Sequence[str]] = []
    for was, line in zip(before.lines, state.lines, strict=True):
        of_line = partial(printing.units, found, line.product_id)
        rows.append(
            [
                product_and_lot(printing.sku(found, line.product_id), line.lot_number),
                of_line(line.quantity),
                changed(of_line(was.restocked), of_line(line.restocked)),
                changed(of_line(was.scrapped), of_line(line.scrapped)),
                changed(of_line(_expected(before, was)), of_line(_expected(state, line))),
            ]
        )
    out.print(table(["product", "#units", "#restocked", "#scrapped", "#still expected"], rows))
    lots = [
        (product_and_lot(printing.sku(found, line.product_id), lot.lot_number), str(lot.restocked), str(lot.scrapped))
        for line in state.lines
        for lot in line.lots
    ]
    if lots:
        out.print(table(["came back", "#restocked", "#scrapped"], lots))
    printing.print_afterwards(state.notes, found=found)


_desk = Desk(
    find=lambda stock, number: stock.customer_return(number),
    mentions=lambda state: Mentioned([line.product_id for line in state.lines], [state.warehouse_id]),
    show=_show,
)


_dock = Dock(
    desk=_desk,
    options=("--restock", "--scrap"),
    outstanding=lambda state: [Due(each.product_id, _expected(state, each), each.lot_number) for each in state.lines],
    receipts=lambda state: state.inspections,
    how="give what was found with --restock and --scrap, or everything expected as fit with --all",
    nothing_left="return {}: nothing is expected any more",
    warehouse=lambda state: state.warehouse_id,
    book=lambda returned, lines, performed_by, inspection_id, came_at, _: returned.inspect(
        [
            InspectionLine(
                each.product_id,
                restock_quantity=each.fit,
                scrap_quantity=each.unfit,
                lot_number=each.lot_number,
                expires_on=each.expires_on,
            )
            for each in lines
        ],
        performed_by=performed_by,
        occurred_at=came_at,
        inspection_id=inspection_id,
    ),
)


@app.command("create")
def create(
    return_number: Number,
    *,
    warehouse: options.Warehouse,
    reference: Annotated[str, typer.Option(metavar="ORDER", help="The number of the order they were sold under.")],
    line: Annotated[
        list[str] | None, options.given_lines(f"Once for each product, such as TEA-100=2. {WITH_LOT}")
    ] = None,
    lines: options.LinesFile = None,
    performed_by: options.PerformedBy,
    as_json: options.AsJson = False,
) -> None:
    """Register goods that a customer sends back. Stock doesn't change before their inspection."""

    async def make(stock: Stockkeeper) -> CustomerReturn:
        return await stock.create_return(
            return_number,
            await shelf_lines(stock, wanted),
            warehouse_id=warehouse,
            reference_id=reference,
            performed_by=performed_by,
        )

    wanted = read_input(lambda: typed_lines(line, lines, lots=True))
    _desk.create(make, as_json=as_json)


add_list(
    app,
    "List returns, the latest first.",
    ReturnStatus,
    lambda stock: stock.customer_returns,
    lambda listed: printing.from_memo(listed, "return_number", "reference_id", "warehouse", "units", "expected"),
    ["return", "order", "warehouse", "#units", "#still expected", "products"],
    lambda row: [
        *(printing.text(row[name]) for name in ("return_number", "reference_id", "warehouse", "units", "expected")),
        printing.joined(row["skus"]),
    ],
)


add_show(app, "Show a return: units restocked, scrapped and still expected, and refused commands.", Number, _desk)


add_delivery(
    app,
    "inspect",
    "Book an inspection: fit units go back into stock.",
    Number,
    _dock,
    fit=(("--restock", "--line"), f"Fit units that go back into stock. {WITH_LOT}"),
    unfit=("--scrap", "Units on top that aren't fit."),
    everything="All expected units have come, and are fit.",
    receipt=(
        "--inspection-id",
        "The inspection's number: the same one is booked only once. Without it, each is another.",
    ),
    numbered=False,
)


add_approve_difference(
    app, "Approve units that the order never shipped, before another person restocks them.", Number, _desk
)


add_reasoned(app, "close-short", "Expect nothing more.", Number, CustomerReturn.close_short, _desk)
