"""`stockkeeper transfer`: move stock from one warehouse to another, and list units in transit."""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Annotated

import typer
from rich.markup import escape

from starter.cli import options, printing
from starter.cli.context import connect, read_input, run
from starter.cli.deliveries import Dock, Due
from starter.cli.documents import Answer, Desk, Mentioned
from starter.cli.order_lines import typed_lines, typed_part
from starter.cli.output import changed, changed_status, out, table
from starter.cli.quantities import document_lines
from starter.cli.shared_commands import add_approve_difference, add_delivery, add_list, add_reasoned, add_show
from starter.cli.times import instant_or_none, shown
from starter.cli.zones import moved_at
from stockkeeper.client.lines import ArrivalLine
from stockkeeper.client.runs import Listed
from stockkeeper.client.stockkeeper import Stockkeeper
from stockkeeper.client.transfer import Transfer
from stockkeeper.contracts.messages import counted
from stockkeeper.contracts.stock import FoundItems, InTransit
from stockkeeper.contracts.transfer_state import TransferState, TransferStatus

app = typer.Typer(no_args_is_help=True, help="Move stock between warehouses: hold, dispatch, receive.")


Number = Annotated[str, typer.Argument(metavar="TRANSFER", help="The transfer's number.")]


def register(root: typer.Typer) -> None:
    """Add ``transfer`` to the command line."""
    root.add_typer(app, name="transfer")


def _row(listed: Listed) -> printing.Row:
    fields = printing.from_memo(listed, "transfer_number", "from_warehouse", "to_warehouse", "units", "in_transit")
    return fields | {"due_at": listed.deadline.isoformat() if listed.deadline else None}


def _due(moment: datetime | None) -> str:
    if moment is None:
        return ""
    return f"[red]{shown(moment)} (overdue)[/red]" if moment <= datetime.now(UTC) else shown(moment)


def _show(answer: Answer[TransferState], found: FoundItems) -> None:
    state, before = answer.state, answer.before
    out.print(
        f"transfer [bold]{escape(state.transfer_number)}[/bold]: {changed_status(before.status, state.status)}, "
        f"{printing.warehouse(found, state.from_warehouse_id)} → {printing.warehouse(found, state.to_warehouse_id)}"
    )
    out.print(f"requested by {escape(state.requested_by)}")
    if state.dispatched_at:
        in_transit = any(line.in_transit for line in state.line_items)
        due = f", due {_due(state.due_at)}" if state.due_at and in_transit else ""
        out.print(f"left at {shown(state.dispatched_at)}{due}")
    if len(state.departures) > 1 or any(line.held and line.dispatched for line in state.line_items):
        for departure in state.departures:
            number = f" {escape(departure.dispatch_id)}" if departure.dispatch_id else ""
            new = "" if departure in before.departures else " [bold](new)[/bold]"
            out.print(
                f"departure{number} by {escape(departure.performed_by)} at {shown(departure.at)}: "
                f"{counted(departure.quantity, 'unit')}{new}"
            )
    printing.print_difference_approvals(state.difference_approvals, before.difference_approvals)
    printing.print_receipts(state.receipts, before.receipts, unfit="damaged")
    for lost in state.write_offs if state.status is TransferStatus.IN_TRANSIT else []:
        number = f" {escape(lost.write_off_id)}" if lost.write_off_id else ""
        new = "" if lost in before.write_offs else " [bold](new)[/bold]"
        out.print(
            f"write-off{number} by {escape(lost.performed_by)} at {shown(lost.at)}: "
            f"{counted(lost.quantity, 'unit')}, {escape(lost.reason)}{new}"
        )
    if state.closed_reason:
        what = "cancelled" if state.status is TransferStatus.CANCELLED else "the rest was written off"
        out.print(f"{what}: {escape(state.closed_reason)}")
    printing.print_shortages(state.shortages, found)
    in_parts = any(line.dispatched not in (0, line.quantity) for line in state.line_items)
    rows: list[Sequence[str]] = []
    for was, line in zip(before.line_items, state.line_items, strict=True):
        of_line = partial(printing.units, found, line.product_id)
        named = ["received", "damaged", "written_off", "returned", "in_transit"]
        rows.append(
            [
                printing.sku(found, line.product_id),
                of_line(line.quantity),
                *(
                    changed(of_line(getattr(was, name)), of_line(getattr(line, name)))
                    for name in [*(["held", "dispatched"] if in_parts else []), *named]
                ),
            ]
        )
    parts = ["#held", "#sent"] if in_parts else []
    out.print(
        table(["product", "#units", *parts, "#received", "#damaged", "#written off", "#returned", "#in transit"], rows)
    )
    _print_lots(before, state, found)
    printing.print_afterwards(state.notes, state.notices, found)


def _print_lots(before: TransferState, state: TransferState, found: FoundItems) -> None:
    """Print the lots of tracked products, if there are any."""
    rows: list[Sequence[str]] = []
    for was, line in zip(before.line_items, state.line_items, strict=True):
        had = {lot.lot_number: lot for lot in was.lots}
        for lot in line.lots:
            old = had.get(lot.lot_number, lot)
            rows.append(
                [
                    printing.sku(found, line.product_id),
                    escape(lot.lot_number),
                    "" if lot.expires_on is None else str(lot.expires_on),
                    changed(old.held, lot.held),
                    changed(old.received, lot.received),
                    changed(old.damaged, lot.damaged),
                    changed(old.written_off, lot.written_off),
                    changed(old.returned, lot.returned),
                    changed(old.in_transit, lot.in_transit),
                ]
            )
    if rows:
        columns = ["#held", "#received", "#damaged", "#written off", "#returned", "#in transit"]
        out.print(table(["product", "lot", "expires", *columns], rows))


_desk = Desk(
    find=lambda stock, number: stock.transfer(number),
    mentions=lambda state: Mentioned(
        [line.product_id for line in state.line_items], [state.from_warehouse_id, state.to_warehouse_id]
    ),
    show=_show,
)


_dock = Dock(
    desk=_desk,
    options=("--line", "--damaged"),
    outstanding=lambda state: [Due(each.product_id, each.in_transit) for each in state.line_items],
    receipts=lambda state: state.receipts,
    how="give what arrived with --line and --damaged, or everything in transit as fit with --all",
    nothing_left="transfer {}: nothing is in transit",
    warehouse=lambda state: state.to_warehouse_id,
    book=lambda transfer, lines, performed_by, receipt_id, came_at, unfit_reason: transfer.receive(
        receipt_id or "",
        [
            ArrivalLine(each.product_id, quantity=each.fit, damaged_quantity=each.unfit, lot_number=each.lot_number)
            for each in lines
        ],
        performed_by=performed_by,
        unfit_reason=unfit_reason,
        occurred_at=came_at,
    ),
)


@app.command("create")
def create(
    transfer_number: Number,
    *,
    source: Annotated[str, typer.Option("--from", metavar="WAREHOUSE", help="The source: name or id.")],
    destination: Annotated[str, typer.Option("--to", metavar="WAREHOUSE", help="The destination: name or id.")],
    line: options.Lines = None,
    lines: options.LinesFile = None,
    transit_hours: Annotated[
        float | None, typer.Option(help="Hours from dispatch after which a notice says that it is overdue.")
    ] = None,
    performed_by: options.PerformedBy,
    as_json: options.AsJson = False,
) -> None:
    """Plan a transfer: all of its lines are held at the source until it is dispatched, or none."""

    async def make(stock: Stockkeeper) -> Transfer:
        return await stock.create_transfer(
            transfer_number,
            await document_lines(stock, wanted),
            from_warehouse_id=source,
            to_warehouse_id=destination,
            requested_by=performed_by,
            expected_transit_hours=transit_hours,
        )

    wanted = read_input(lambda: typed_lines(line, lines))
    _desk.create(make, as_json=as_json)


add_list(
    app,
    "List transfers, the latest first.",
    TransferStatus,
    lambda stock: stock.transfers,
    _row,
    ["transfer", "from", "to", "#units", "#in transit", "due", "products"],
    lambda row: [
        escape(row["transfer_number"]),
        *(printing.text(row[name]) for name in ("from_warehouse", "to_warehouse", "units", "in_transit")),
        _due(datetime.fromisoformat(row["due_at"])) if row["due_at"] else "",
        printing.joined(row["skus"]),
    ],
)


add_show(app, "Show a transfer: units received and missing, notices, and refused commands.", Number, _desk)


@app.command("dispatch")
def dispatch(
    transfer_number: Number,
    line: Annotated[
        list[str] | None, options.given_lines("Only these; else all that are held.", "SKU=UNITS[#LOT]")
    ] = None,
    *,
    dispatch_id: Annotated[str | None, options.own_number("departure", "leaves")] = None,
    occurred_at: options.OccurredAt = None,
    performed_by: options.PerformedBy,
    as_json: options.AsJson = False,
) -> None:
    """Let goods leave the source: all that are held, or some; the rest stays held."""
    wanted = read_input(lambda: typed_part(line) if line else None)
    read_input(lambda: instant_or_none(occurred_at, "--occurred-at"))

    async def send(transfer: Transfer) -> TransferState:
        left_at = (
            await moved_at(occurred_at, await connect(), [transfer.state.from_warehouse_id]) if occurred_at else None
        )
        leaving = None if wanted is None else await document_lines(await connect(), wanted)
        return await transfer.dispatch(leaving, performed_by=performed_by, dispatch_id=dispatch_id, occurred_at=left_at)

    _desk.command(transfer_number, send, as_json=as_json)


add_delivery(
    app,
    "receive",
    "Receive a delivery: units that are fit enter the destination's stock.",
    Number,
    _dock,
    fit=(("--line",), "Units that are fit; of a lot SKU=UNITS#LOT."),
    unfit=("--damaged", "Units on top that are damaged; of a lot SKU=UNITS#LOT."),
    unfit_reason="Why units came damaged.",
    everything="All units in transit have come, and are fit.",
    receipt=("--receipt-id", "The delivery's number: the same one is booked only once."),
)


add_approve_difference(
    app, "Approve units lost or damaged above the limit, before another person books them.", Number, _desk
)


@app.command("write-off")
def write_off(
    transfer_number: Number,
    line: Annotated[
        list[str] | None, options.given_lines("Only these; else all in transit.", "SKU=UNITS[#LOT]")
    ] = None,
    *,
    write_off_id: Annotated[
        str | None, typer.Option(help="The write-off's number: the same one is booked only once.")
    ] = None,
    reason: options.Reason,
    performed_by: options.PerformedBy,
    as_json: options.AsJson = False,
) -> None:
    """Give up units in transit: all of them, or some; the rest stays in transit."""
    lost = read_input(lambda: typed_part(line) if line else None)

    async def send(transfer: Transfer) -> TransferState:
        given_up = None if lost is None else await document_lines(await connect(), lost)
        return await transfer.write_off(given_up, performed_by=performed_by, reason=reason, write_off_id=write_off_id)

    _desk.command(transfer_number, send, as_json=as_json)


add_reasoned(
    app,
    "cancel",
    "Cancel a transfer: release its hold; units in transit go back into the source's stock.",
    Number,
    Transfer.cancel,
    _desk,
)


@app.command("in-transit")
def in_transit(
    product: options.OnlySku = None,
    *,
    source: Annotated[str | None, typer.Option("--from", metavar="WAREHOUSE", help="Only from this source.")] = None,
    destination: Annotated[
        str | None, typer.Option("--to", metavar="WAREHOUSE", help="Only to this destination.")
    ] = None,
    limit: options.Limit = 1_000,
    as_json: options.AsJson = False,
) -> None:
    """List units between warehouses, by product, source and destination."""

    async def work() -> tuple[list[InTransit], FoundItems]:
        stock = await connect()
        asked = stock.in_transit(product=product, from_warehouse=source, to_warehouse=destination)
        rows = await printing.first_of(asked, limit)
        return rows, await printing.units_found(stock, (each.product_id for each in rows), as_json=as_json)

    rows, found = run(work())
    printing.print_rows(
        rows,
        ["sku", "product", "from", "to", "#in transit", "#transfers", "left", "due"],
        lambda each: [
            escape(each.sku),
            escape(each.name),
            escape(each.from_warehouse),
            escape(each.to_warehouse),
            printing.units(found, each.product_id, each.quantity),
            str(each.transfers),
            shown(each.dispatched_at),
            _due(each.due_at),
        ],
        limit=limit,
        none="nothing is in transit",
        as_json=as_json,
    )
