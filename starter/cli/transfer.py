"""`stockkeeper transfer`: move stock from one warehouse to another, and see what is on its way."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from temporalio.client import WorkflowExecution

from starter.cli.context import AsJson, PerformedBy, connect
from starter.cli.documents import (
    Answer,
    Desk,
    Mentioned,
    Row,
    ask_for,
    has_receipt,
    in_typed_names,
    joined,
    list_runs,
    print_afterwards,
    print_list,
    print_receipts,
    print_shortages,
    short_in_typed_names,
)
from starter.cli.order_lines import came_by_product, split_units, units_from_file
from starter.cli.output import changed, changed_status, err, out, print_json, table
from stockkeeper.client.calls import checked
from stockkeeper.client.stock import find_items, in_transit
from stockkeeper.client.stockkeeper import Stockkeeper
from stockkeeper.contracts import search_attributes
from stockkeeper.contracts.errors import InsufficientStock, InvalidRequest
from stockkeeper.contracts.messages import utc
from stockkeeper.contracts.stock import FoundItems
from stockkeeper.contracts.transfer import (
    WORKFLOW_TYPE,
    ArrivedLine,
    TransferLine,
    TransferState,
    TransferStatus,
    workflow_id,
)

app = typer.Typer(no_args_is_help=True, help="Move stock between warehouses: hold, dispatch, receive.")


def register(root: typer.Typer) -> None:
    """Add ``transfer`` to the command line."""
    root.add_typer(app, name="transfer")


Number = Annotated[str, typer.Argument(metavar="TRANSFER", help="The transfer's number.")]
Reason = Annotated[str, typer.Option(help="Why.")]


@app.command("create")
def create(
    transfer_number: Number,
    *,
    source: Annotated[str, typer.Option("--from", metavar="WAREHOUSE", help="Where it is: a name or an id.")],
    destination: Annotated[str, typer.Option("--to", metavar="WAREHOUSE", help="Where it is to be: a name or an id.")],
    line: Annotated[list[str] | None, typer.Option("--line", metavar="SKU=UNITS", help="Once for each line.")] = None,
    lines: Annotated[
        Path | None, typer.Option("--lines", metavar="FILE.csv", help="The lines: columns sku, quantity.")
    ] = None,
    transit_hours: Annotated[
        float | None, typer.Option(help="Hours from dispatch after which a notice says that it is overdue.")
    ] = None,
    performed_by: PerformedBy,
    as_json: AsJson = False,
) -> None:
    """Plan a transfer: its stock is held at the source until it is dispatched, all of it or none."""

    async def work() -> Answer[TransferState]:
        if (lines is None) == (not line):
            raise InvalidRequest("give the lines by --line, or a file of them by --lines")
        wanted = units_from_file(lines) if lines else [split_units(text, "--line") for text in line or []]
        stock = await connect()
        found = await find_items(
            stock.client, [product for product, _ in wanted], [source, destination], task_queue=stock.task_queue
        )
        try:
            transfer = await stock.create_transfer(
                transfer_number,
                [
                    checked(TransferLine, product_id=found.products[product], quantity=units)
                    for product, units in wanted
                ],
                from_warehouse_id=found.warehouses[source],
                to_warehouse_id=found.warehouses[destination],
                requested_by=performed_by,
                expected_transit_hours=transit_hours,
            )
        except InsufficientStock as short:
            typed = {
                (found.products[product], found.warehouses[source]): f"{product} in {source}" for product, _ in wanted
            }
            raise short_in_typed_names(short, typed) from None
        return await _desk.named(stock, transfer.state, as_json=as_json)

    _desk.answer(work(), as_json=as_json)


@app.command("list")
def list_(
    *,
    status: Annotated[TransferStatus | None, typer.Option(help="Only these.")] = None,
    sku: Annotated[str | None, typer.Option(help="Only those of this product.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many, latest first.")] = 50,
    as_json: AsJson = False,
) -> None:
    """Transfers, the latest first."""
    rows = list_runs(WORKFLOW_TYPE, _listed, status=status, sku=sku, limit=limit)
    print_list(
        rows,
        ["transfer", "from", "to", "#units", "#in transit", "due", "products"],
        lambda row: [
            escape(row["transfer_number"]),
            escape(row["from_warehouse"] or ""),
            escape(row["to_warehouse"] or ""),
            "" if row["units"] is None else str(row["units"]),
            "" if row["in_transit"] is None else str(row["in_transit"]),
            _due(datetime.fromisoformat(row["due_at"])) if row["due_at"] else "",
            joined(row["skus"]),
        ],
        limit=limit,
        as_json=as_json,
    )


@app.command("show")
def show(transfer_number: Number, *, as_json: AsJson = False) -> None:
    """How a transfer stands: what has arrived, what is missing, what was refused."""
    _desk.look(transfer_number, as_json=as_json)


@app.command("dispatch")
def dispatch(transfer_number: Number, *, performed_by: PerformedBy, as_json: AsJson = False) -> None:
    """Everything leaves the source."""
    _desk.command(transfer_number, lambda transfer: transfer.dispatch(performed_by=performed_by), as_json=as_json)


@app.command("receive")
def receive(
    transfer_number: Number,
    line: Annotated[list[str] | None, typer.Option("--line", metavar="SKU=UNITS", help="What is fit.")] = None,
    *,
    damaged: Annotated[
        list[str] | None, typer.Option("--damaged", metavar="SKU=UNITS", help="What came on top, and is damaged.")
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Everything that is in transit has come, and is fit.")
    ] = False,
    receipt_id: Annotated[str, typer.Option(help="The delivery's number: the same one is booked only once.")],
    performed_by: PerformedBy,
    as_json: AsJson = False,
) -> None:
    """Goods have arrived: put what is fit into the destination's stock."""

    async def work() -> Answer[TransferState]:
        if everything == bool(line or damaged):
            raise InvalidRequest("say what came by --line and --damaged, or --all if everything has, and is fit")
        stock = await connect()
        fit_units = [split_units(text, "--line") for text in line or []]
        damaged_units = [split_units(text, "--damaged") for text in damaged or []]
        transfer = await stock.transfer(transfer_number)
        left = any(each.in_transit for each in transfer.state.line_items)
        if everything and not left and has_receipt(transfer.state.receipts, receipt_id):
            # Sent again: everything that was in transit then has been booked.
            return await _desk.named(stock, transfer.state, as_json=as_json)
        products = [product for product, _ in [*fit_units, *damaged_units]]
        found = await find_items(stock.client, products, [], task_queue=stock.task_queue)
        lines = [
            checked(ArrivedLine, product_id=product_id, quantity=fit, damaged_quantity=broken)
            for product_id, (fit, broken) in came_by_product(
                found.products,
                fit_units,
                damaged_units,
                [(each.product_id, each.in_transit) for each in transfer.state.line_items if everything],
            ).items()
        ]
        if not lines:
            raise InvalidRequest(f"transfer {transfer_number}: nothing is in transit")
        try:
            return await _desk.commanded(
                stock,
                transfer_number,
                lambda transfer: transfer.receive(receipt_id, lines, performed_by=performed_by),
                as_json=as_json,
            )
        except InvalidRequest as refused:
            raise in_typed_names(refused, found.products) from None

    _desk.answer(work(), as_json=as_json)


@app.command("write-off")
def write_off(transfer_number: Number, *, reason: Reason, performed_by: PerformedBy, as_json: AsJson = False) -> None:
    """What is still missing won't come any more."""
    _desk.command(
        transfer_number,
        lambda transfer: transfer.write_off(performed_by=performed_by, reason=reason),
        as_json=as_json,
    )


@app.command("cancel")
def cancel(transfer_number: Number, *, reason: Reason, performed_by: PerformedBy, as_json: AsJson = False) -> None:
    """Release what is held; in transit, put what hasn't arrived back into the source's stock."""
    _desk.command(
        transfer_number, lambda transfer: transfer.cancel(performed_by=performed_by, reason=reason), as_json=as_json
    )


@app.command("in-transit")
def in_transit_(
    product: Annotated[str | None, typer.Argument(metavar="[SKU]", help="Only this product.")] = None,
    *,
    source: Annotated[str | None, typer.Option("--from", metavar="WAREHOUSE", help="Only what left there.")] = None,
    destination: Annotated[
        str | None, typer.Option("--to", metavar="WAREHOUSE", help="Only what is to arrive there.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many lines at most.")] = 1_000,
    as_json: AsJson = False,
) -> None:
    """What is between warehouses, by product and by where from and to."""
    found = ask_for(
        lambda stock: in_transit(
            stock.client,
            product=product,
            from_warehouse=source,
            to_warehouse=destination,
            task_queue=stock.task_queue,
        ),
        limit,
    )
    if as_json:
        print_json([each.model_dump(mode="json") for each in found])
        return
    if not found:
        out.print("nothing is in transit")
        return
    out.print(
        table(
            ["sku", "product", "from", "to", "#in transit", "#transfers", "left", "due"],
            [
                [
                    escape(each.sku),
                    escape(each.name),
                    escape(each.from_warehouse),
                    escape(each.to_warehouse),
                    str(each.quantity),
                    str(each.transfers),
                    utc(each.dispatched_at),
                    _due(each.due_at),
                ]
                for each in found
            ],
        )
    )
    if len(found) == limit:
        err.print(f"the first {limit}; --limit shows more")


async def _listed(execution: WorkflowExecution) -> Row:
    shown = await execution.memo()
    due = execution.typed_search_attributes.get(search_attributes.DEADLINE)
    return {
        "transfer_number": execution.id.removeprefix(workflow_id("")),
        "from_warehouse": shown.get("from_warehouse"),
        "to_warehouse": shown.get("to_warehouse"),
        "units": shown.get("units"),
        "in_transit": shown.get("in_transit"),
        "due_at": due.isoformat() if due else None,
    }


def _due(moment: datetime | None) -> str:
    if moment is None:
        return ""
    return f"[red]{utc(moment)} (overdue)[/red]" if moment <= datetime.now(UTC) else utc(moment)


def _show(answer: Answer[TransferState], found: FoundItems) -> None:
    state, before = answer.state, answer.before
    places = [
        found.warehouse_names.get(place or 0, f"warehouse {place}")
        for place in (state.from_warehouse_id, state.to_warehouse_id)
    ]
    out.print(
        f"transfer [bold]{escape(state.transfer_number)}[/bold]: {changed_status(before.status, state.status)}, "
        f"{escape(places[0])} → {escape(places[1])}"
    )
    out.print(f"requested by {escape(state.requested_by)}")
    if state.dispatched_at:
        due = f", due {_due(state.due_at)}" if state.due_at and state.status is TransferStatus.IN_TRANSIT else ""
        out.print(f"left at {utc(state.dispatched_at)}{due}")
    print_receipts(state.receipts, before.receipts, unfit="damaged")
    if state.closed_reason:
        what = "cancelled" if state.status is TransferStatus.CANCELLED else "the rest was written off"
        out.print(f"{what}: {escape(state.closed_reason)}")
    print_shortages(state.shortages, found)
    rows: list[Sequence[str]] = []
    for was, line in zip(before.line_items, state.line_items, strict=True):
        rows.append(
            [
                escape(found.skus.get(line.product_id, f"product {line.product_id}")),
                str(line.quantity),
                changed(was.received, line.received),
                changed(was.damaged, line.damaged),
                changed(was.written_off, line.written_off),
                changed(was.returned, line.returned),
                changed(was.in_transit, line.in_transit),
            ]
        )
    out.print(table(["product", "#units", "#received", "#damaged", "#written off", "#returned", "#in transit"], rows))
    print_afterwards(state.notes, state.notices)


_desk = Desk(
    find=Stockkeeper.transfer,
    mentions=lambda state: Mentioned(
        [line.product_id for line in state.line_items], [state.from_warehouse_id, state.to_warehouse_id]
    ),
    show=_show,
)
