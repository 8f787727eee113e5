"""`stockkeeper adjust`: correct stock by hand, and decide on corrections that need an approval."""

from decimal import Decimal
from typing import Annotated, Any

import typer
from rich.markup import escape

from starter.cli import options, printing
from starter.cli.context import read_input
from starter.cli.documents import Answer, Desk, Mentioned
from starter.cli.lot_lines import WITH_LOT
from starter.cli.order_lines import typed_lines
from starter.cli.output import amount, changed_status, out, table
from starter.cli.quantities import shelf_lines
from starter.cli.shared_commands import add_list, add_reasoned, add_show
from starter.cli.times import instant_or_none, shown
from starter.cli.zones import occurred, zone_of
from stockkeeper.client.adjustment import Adjustment
from stockkeeper.client.stockkeeper import Stockkeeper
from stockkeeper.contracts.adjustment import AdjustmentLineState, AdjustmentState, AdjustmentStatus
from stockkeeper.contracts.errors import InsufficientStock
from stockkeeper.contracts.lot import product_and_lot
from stockkeeper.contracts.stock import FoundItems

app = typer.Typer(no_args_is_help=True, help="Correct stock by hand: ask, approve, reject.")


Number = Annotated[str, typer.Argument(metavar="ADJUSTMENT", help="The adjustment's number.")]


def register(root: typer.Typer) -> None:
    """Add ``adjust`` to the command line."""
    root.add_typer(app, name="adjust")


def _short(what: str, requested: int, on_hand: int) -> str:
    return f"{what}: {requested} to be taken off, {on_hand} on hand"


def _headline(before: AdjustmentState, state: AdjustmentState) -> str:
    status = changed_status(before.status, state.status)
    # The value of one that was short is unknown.
    value = "" if state.shortages else f", worth {printing.worth_shown(state.value, state.unvalued_units)}"
    return f"adjustment [bold]{escape(state.adjustment_number)}[/bold]: {status}{value}"


def _show(answer: Answer[AdjustmentState], found: FoundItems) -> None:
    state, before = answer.state, answer.before
    out.print(f"{_headline(before, state)}, in {printing.warehouse(found, state.warehouse_id)}")
    out.print(f"asked for by {escape(state.requested_by)}: {escape(state.reason)}")
    if state.status is AdjustmentStatus.PENDING and state.approve_by:
        out.print(f"waits for another person's approval; cancelled unless approved by {shown(state.approve_by)}")
        printing.print_would_end(state.would_end, state.would_end_total, found)
    if state.approved_by:
        note = f": {escape(state.approval_note)}" if state.approval_note else ""
        out.print(f"approved by {escape(state.approved_by)}{note}")
    if state.closed_reason:
        out.print(f"{state.status.lower()}: {escape(state.closed_reason)}")
    for each in state.shortages:
        out.print(f"short: {_short(printing.sku(found, each.product_id), each.requested, each.available)}")
    out.print(_lines(state, found))
    printing.print_gave_way(state.gave_way, found)
    printing.print_held_before(state.held_before, found)
    printing.print_afterwards(state.notes, state.notices, found)


def _lines(state: AdjustmentState, found: FoundItems) -> Any:
    units = [
        (
            product_and_lot(printing.sku(found, line.product_id), line.lot_number),
            printing.units(found, line.product_id, line.quantity, signed=True),
        )
        for line in state.lines
    ]
    if state.shortages:
        return table(["product", "#units"], units)
    rows = [(*named, *_worth(line)) for named, line in zip(units, state.lines, strict=True)]
    return table(["product", "#units", "#unit cost", "#value"], rows)


def _worth(line: AdjustmentLineState) -> tuple[str, str]:
    if line.unit_cost is None:
        return ("unknown", "")
    return (amount(line.unit_cost), amount(abs(line.quantity) * line.unit_cost))


_desk = Desk(
    find=lambda stock, number: stock.adjustment(number),
    mentions=lambda state: Mentioned([line.product_id for line in state.lines], [state.warehouse_id]),
    show=_show,
)


@app.command("create")
def create(
    adjustment_number: Number,
    *,
    warehouse: options.Warehouse,
    line: Annotated[
        list[str] | None, options.given_lines(f"Once for each line: TEA-100=-3 takes off, MUG-RED=2 adds. {WITH_LOT}")
    ] = None,
    lines: options.LinesFile = None,
    reason: options.Reason,
    occurred_at: options.OccurredAt = None,
    performed_by: options.PerformedBy,
    as_json: options.AsJson = False,
) -> None:
    """Change stock on hand, all lines or none; above a limit it waits for another person's approval."""

    async def make(stock: Stockkeeper) -> Adjustment:
        changes = await shelf_lines(stock, wanted, signed=True)
        try:
            return await stock.adjust(
                adjustment_number,
                changes,
                warehouse_id=warehouse,
                reason=reason,
                performed_by=performed_by,
                occurred_at=occurred(occurred_at, await zone_of(stock, warehouse)) if occurred_at else None,
            )
        except InsufficientStock as short:
            ids = (await stock.ids(each.product for each in wanted)).products
            typed = {product_id: f"{product} in {warehouse}" for product, product_id in ids.items()}
            raise InsufficientStock(
                "; ".join(_short(typed[each.product_id], each.requested, each.available) for each in short.shortages),
                short.shortages,
            ) from None

    wanted = read_input(lambda: typed_lines(line, lines, signed=True, lots=True))
    read_input(lambda: instant_or_none(occurred_at, "--occurred-at"))
    _desk.create(make, as_json=as_json)


@app.command("inbox")
def inbox(*, limit: options.InboxLimit = None, as_json: options.AsJson = False) -> None:
    """List adjustments that wait for approval, the oldest first."""
    printing.print_inbox(
        lambda stock: stock.adjustments_awaiting_approval(limit=limit),
        ["adjustment", "warehouse", "#worth", "#ends holds", "asked for by", "why"],
        lambda waiting: [
            escape(waiting.adjustment_number),
            escape(waiting.warehouse),
            printing.worth_shown(waiting.value, waiting.unvalued_units),
            str(waiting.would_end or ""),
            escape(waiting.requested_by),
            escape(waiting.reason),
        ],
        as_json=as_json,
    )


add_list(
    app,
    "List adjustments, the latest first.",
    AdjustmentStatus,
    lambda stock: stock.adjustments,
    lambda listed: printing.from_memo(
        listed, "adjustment_number", "warehouse", "value", "unvalued_units", "requested_by", "reason"
    ),
    ["adjustment", "warehouse", "#worth", "asked for by", "why", "products"],
    lambda row: [
        escape(row["adjustment_number"]),
        printing.text(row["warehouse"]),
        printing.worth_shown(Decimal(row["value"]), row["unvalued_units"]) if row["value"] else "",
        printing.text(row["requested_by"]),
        printing.text(row["reason"]),
        printing.joined(row["skus"]),
    ],
)


add_show(
    app,
    "Show an adjustment: lines, reason, approval, holds that gave way, and refused commands.",
    Number,
    _desk,
)


@app.command("approve")
def approve(
    adjustment_numbers: Annotated[
        list[str], typer.Argument(metavar="ADJUSTMENT...", help="One adjustment, or several.")
    ],
    *,
    note: options.Note = None,
    approver: options.Approver,
    as_json: options.AsJson = False,
) -> None:
    """Approve adjustments, which posts them. Each is decided by itself; exit status 1 if one was refused."""
    _desk.command_each(
        adjustment_numbers,
        lambda adjustment: adjustment.approve(approver=approver, note=note),
        _headline,
        as_json=as_json,
    )


@app.command("reject")
def reject(
    adjustment_number: Number, *, reason: options.Reason, approver: options.Approver, as_json: options.AsJson = False
) -> None:
    """Reject an adjustment: stock doesn't change."""
    _desk.command(
        adjustment_number, lambda adjustment: adjustment.reject(approver=approver, reason=reason), as_json=as_json
    )


add_reasoned(app, "cancel", "Cancel an adjustment that hasn't been approved yet.", Number, Adjustment.cancel, _desk)
