"""`stockkeeper adjust`: put the books right by hand, and decide on what others want to put right."""

from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from temporalio.client import WorkflowExecution

from starter.cli.context import Approver, AsJson, PerformedBy, connect, run
from starter.cli.documents import (
    Answer,
    Desk,
    Mentioned,
    Row,
    joined,
    list_runs,
    print_afterwards,
    print_gave_way,
    print_inbox,
    print_list,
)
from starter.cli.order_lines import split_units, units_from_file
from starter.cli.output import changed_status, out, table
from stockkeeper.client.calls import checked
from stockkeeper.client.stock import find_items
from stockkeeper.client.stockkeeper import Stockkeeper
from stockkeeper.contracts.adjustment import (
    WORKFLOW_TYPE,
    AdjustmentLine,
    AdjustmentLineState,
    AdjustmentState,
    AdjustmentStatus,
    workflow_id,
    worth,
)
from stockkeeper.contracts.errors import InsufficientStock, InvalidRequest
from stockkeeper.contracts.messages import amount, money, utc
from stockkeeper.contracts.stock import FoundItems

app = typer.Typer(no_args_is_help=True, help="Put the books right by hand: ask, approve, reject.")


def register(root: typer.Typer) -> None:
    """Add ``adjust`` to the command line."""
    root.add_typer(app, name="adjust")


Number = Annotated[str, typer.Argument(metavar="ADJUSTMENT", help="The adjustment's number.")]
Reason = Annotated[str, typer.Option(help="Why.")]


@app.command("create")
def create(
    adjustment_number: Number,
    *,
    warehouse: Annotated[str, typer.Option(help="Where: a name or an id.")],
    line: Annotated[
        list[str] | None,
        typer.Option("--line", metavar="SKU=UNITS", help="Once for each line: TEA-100=-3 takes off, MUG-RED=2 adds."),
    ] = None,
    lines: Annotated[
        Path | None, typer.Option("--lines", metavar="FILE.csv", help="The lines: columns sku, quantity.")
    ] = None,
    reason: Reason,
    performed_by: PerformedBy,
    as_json: AsJson = False,
) -> None:
    """Change what is on hand, all lines or none; above a limit it waits until somebody else approves it."""

    async def work() -> Answer[AdjustmentState]:
        if (lines is None) == (not line):
            raise InvalidRequest("give the lines by --line, or a file of them by --lines")
        wanted = (
            units_from_file(lines, signed=True)
            if lines
            else [split_units(text, "--line", signed=True) for text in line or []]
        )
        stock = await connect()
        found = await find_items(
            stock.client, [product for product, _ in wanted], [warehouse], task_queue=stock.task_queue
        )
        try:
            adjustment = await stock.adjust(
                adjustment_number,
                [
                    checked(AdjustmentLine, product_id=found.products[product], quantity=units)
                    for product, units in wanted
                ],
                warehouse_id=found.warehouses[warehouse],
                reason=reason,
                performed_by=performed_by,
            )
        except InsufficientStock as short:
            typed = {found.products[product]: f"{product} in {warehouse}" for product, _ in wanted}
            raise InsufficientStock(
                "; ".join(_short(typed[each.product_id], each.requested, each.available) for each in short.shortages),
                short.shortages,
            ) from None
        return await _desk.named(stock, adjustment.state, as_json=as_json)

    _desk.answer(work(), as_json=as_json)


@app.command("inbox")
def inbox(
    *,
    limit: Annotated[int | None, typer.Option(min=1, help="How many at most.")] = None,
    as_json: AsJson = False,
) -> None:
    """What waits for approval, the oldest first."""

    async def work() -> list[dict[str, Any]]:
        stock = await connect()
        return [
            {
                "adjustment_number": waiting.adjustment_number,
                "warehouse": waiting.warehouse,
                "value": money(waiting.value),
                "unvalued_units": waiting.unvalued_units,
                "reason": waiting.reason,
                "requested_by": waiting.requested_by,
                "since": waiting.since.isoformat(),
                "approve_by": waiting.approve_by.isoformat() if waiting.approve_by else None,
            }
            for waiting in await stock.adjustments_awaiting_approval(limit=limit)
        ]

    print_inbox(
        run(work()),
        ["adjustment", "warehouse", "#worth", "asked for by", "why"],
        lambda row: [
            escape(row["adjustment_number"]),
            escape(row["warehouse"]),
            worth(Decimal(row["value"]), row["unvalued_units"]),
            escape(row["requested_by"]),
            escape(row["reason"]),
        ],
        as_json=as_json,
    )


@app.command("list")
def list_(
    *,
    status: Annotated[AdjustmentStatus | None, typer.Option(help="Only these.")] = None,
    sku: Annotated[str | None, typer.Option(help="Only those of this product.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many, latest first.")] = 50,
    as_json: AsJson = False,
) -> None:
    """Adjustments, the latest first."""
    rows = list_runs(WORKFLOW_TYPE, _listed, status=status, sku=sku, limit=limit)
    print_list(
        rows,
        ["adjustment", "warehouse", "#worth", "asked for by", "why", "products"],
        lambda row: [
            escape(row["adjustment_number"]),
            escape(row["warehouse"] or ""),
            worth(Decimal(row["value"]), row["unvalued_units"]) if row["value"] else "",
            escape(row["requested_by"] or ""),
            escape(row["reason"] or ""),
            joined(row["skus"]),
        ],
        limit=limit,
        as_json=as_json,
    )


@app.command("show")
def show(adjustment_number: Number, *, as_json: AsJson = False) -> None:
    """How an adjustment stands: what it changes and why, who approved it, which holds gave way, what was refused."""
    _desk.look(adjustment_number, as_json=as_json)


@app.command("approve")
def approve(
    adjustment_numbers: Annotated[
        list[str], typer.Argument(metavar="ADJUSTMENT...", help="One adjustment, or several.")
    ],
    *,
    note: Annotated[str | None, typer.Option(help="Anything worth keeping.")] = None,
    approver: Approver,
    as_json: AsJson = False,
) -> None:
    """Approve adjustments: they are posted. Of several, each is decided by itself; exit status 1 if one was refused."""
    _desk.command_each(
        adjustment_numbers,
        lambda adjustment: adjustment.approve(approver=approver, note=note),
        _headline,
        as_json=as_json,
    )


@app.command("reject")
def reject(adjustment_number: Number, *, reason: Reason, approver: Approver, as_json: AsJson = False) -> None:
    """Reject an adjustment: nothing is changed."""
    _desk.command(
        adjustment_number, lambda adjustment: adjustment.reject(approver=approver, reason=reason), as_json=as_json
    )


@app.command("cancel")
def cancel(adjustment_number: Number, *, reason: Reason, performed_by: PerformedBy, as_json: AsJson = False) -> None:
    """It isn't wanted any more, and wasn't approved yet."""
    _desk.command(
        adjustment_number,
        lambda adjustment: adjustment.cancel(performed_by=performed_by, reason=reason),
        as_json=as_json,
    )


async def _listed(execution: WorkflowExecution) -> Row:
    shown = await execution.memo()
    return {
        "adjustment_number": execution.id.removeprefix(workflow_id("")),
        **{name: shown.get(name) for name in ("warehouse", "value", "unvalued_units", "requested_by", "reason")},
    }


def _short(what: str, requested: int, on_hand: int) -> str:
    return f"{what}: {requested} to be taken off, {on_hand} on hand"


def _headline(before: AdjustmentState, state: AdjustmentState) -> str:
    status = changed_status(before.status, state.status)
    # What one that was short is worth, nobody has looked up.
    value = "" if state.shortages else f", worth {worth(state.value, state.unvalued_units)}"
    return f"adjustment [bold]{escape(state.adjustment_number)}[/bold]: {status}{value}"


def _show(answer: Answer[AdjustmentState], found: FoundItems) -> None:
    state, before = answer.state, answer.before
    place = escape(found.warehouse_names.get(state.warehouse_id or 0, f"warehouse {state.warehouse_id}"))
    out.print(f"{_headline(before, state)}, in {place}")
    out.print(f"asked for by {escape(state.requested_by)}: {escape(state.reason)}")
    if state.status is AdjustmentStatus.PENDING and state.approve_by:
        out.print(f"waits for an approval by somebody else; cancelled unless approved by {utc(state.approve_by)}")
    if state.approved_by:
        note = f": {escape(state.approval_note)}" if state.approval_note else ""
        out.print(f"approved by {escape(state.approved_by)}{note}")
    if state.closed_reason:
        out.print(f"{state.status.lower()}: {escape(state.closed_reason)}")
    for each in state.shortages:
        out.print(f"short: {_short(_sku(each.product_id, found), each.requested, each.available)}")
    out.print(_lines(state, found))
    print_gave_way(state.gave_way, found)
    print_afterwards(state.notes, state.notices)


def _lines(state: AdjustmentState, found: FoundItems) -> Any:
    units = [(_sku(line.product_id, found), f"{line.quantity:+}") for line in state.lines]
    if state.shortages:
        return table(["product", "#units"], units)
    rows = [(*named, *_worth(line)) for named, line in zip(units, state.lines, strict=True)]
    return table(["product", "#units", "#unit cost", "#value"], rows)


def _worth(line: AdjustmentLineState) -> tuple[str, str]:
    if line.unit_cost is None:
        return ("unknown", "")
    return (amount(line.unit_cost), amount(abs(line.quantity) * line.unit_cost))


def _sku(product_id: int, found: FoundItems) -> str:
    return escape(found.skus.get(product_id, f"product {product_id}"))


_desk = Desk(
    find=Stockkeeper.adjustment,
    mentions=lambda state: Mentioned([line.product_id for line in state.lines], [state.warehouse_id]),
    show=_show,
)
