"""`stockkeeper inspection`: units that are set aside, and what becomes of them."""

from collections.abc import Sequence
from typing import Annotated

import typer
from rich.markup import escape

from starter.cli import options, printing
from starter.cli.context import connect, read_input
from starter.cli.documents import Answer, Desk, Mentioned
from starter.cli.order_lines import typed_part
from starter.cli.output import changed, changed_status, out, table
from starter.cli.quantities import TypedLine, document_lines
from starter.cli.shared_commands import add_approve_difference, add_list, add_show
from starter.cli.times import shown
from stockkeeper.client.inspection import Inspection
from stockkeeper.client.lines import Line
from stockkeeper.client.stockkeeper import Stockkeeper
from stockkeeper.contracts.cycle_count import RootCause
from stockkeeper.contracts.inspection import InspectionState, InspectionStatus, StockState
from stockkeeper.contracts.stock import FoundItems

app = typer.Typer(no_args_is_help=True, help="Set units aside, and release or scrap them after a look.")

Number = Annotated[str, typer.Argument(metavar="INSPECTION", help="The inspection's number.")]
_LINE = "SKU=UNITS[#LOT]"
Lines = Annotated[list[str], options.given_lines("Once for each line: MUG-RED=2, or MILK=4#L-77.", _LINE)]
Some = Annotated[
    list[str] | None, options.given_lines("Only these units, as when they were set aside; else all of them.", _LINE)
]
DecisionId = Annotated[
    str | None, typer.Option(metavar="NUMBER", help="The decision's number: the same one is carried out once.")
]


def register(root: typer.Typer) -> None:
    """Add ``inspection`` to the command line."""
    root.add_typer(app, name="inspection")


async def _lines(wanted: Sequence[TypedLine] | None) -> list[Line] | None:
    return None if wanted is None else await document_lines(await connect(), wanted)


def _show(answer: Answer[InspectionState], found: FoundItems) -> None:
    state, before = answer.state, answer.before
    out.print(
        f"inspection [bold]{escape(state.inspection_number)}[/bold]: {changed_status(before.status, state.status)}, "
        f"{state.state.lower().replace('_', ' ')} in {printing.warehouse(found, state.warehouse_id)}"
    )
    out.print(f"set aside by {escape(state.requested_by)}: {escape(state.reason)}")
    if state.due_at:
        out.print(f"waits for another person; overdue at {shown(state.due_at)}")
    for each in state.shortages:
        what = printing.sku(found, each.product_id)
        out.print(f"short: {what}: {each.requested} to be set aside, {each.available} could be")
    printing.print_difference_approvals(state.difference_approvals, before.difference_approvals)
    for made in state.decisions:
        why = f": {escape(made.reason)}" if made.reason else ""
        out.print(f"{made.outcome.lower()} {made.quantity} by {escape(made.performed_by)}{why}")
    rows: list[Sequence[str]] = []
    earlier = before.lines if len(before.lines) == len(state.lines) else state.lines
    for was, line in zip(earlier, state.lines, strict=True):
        rows.append(
            [
                printing.sku(found, line.product_id),
                escape(line.lot_number or ""),
                str(line.quantity),
                changed(was.released, line.released),
                changed(was.scrapped, line.scrapped),
                changed(was.aside, line.aside),
            ]
        )
    out.print(table(["product", "lot", "#units", "#released", "#scrapped", "#set aside"], rows))
    printing.print_gave_way(state.gave_way, found)
    printing.print_afterwards(state.notes, state.notices, found)


_desk = Desk(
    find=lambda stock, number: stock.inspection(number),
    mentions=lambda state: Mentioned([line.product_id for line in state.lines], [state.warehouse_id]),
    show=_show,
)


@app.command("open")
def open_(
    inspection_number: Number,
    *,
    warehouse: options.Warehouse,
    line: Lines,
    state: Annotated[
        StockState, typer.Option(case_sensitive=False, help="What the units are meanwhile.")
    ] = StockState.QUARANTINE,
    held_too: Annotated[
        bool, typer.Option("--held-too", help="Units that are held as well: holders get others, or give way.")
    ] = False,
    set_aside_already: Annotated[
        bool,
        typer.Option("--set-aside-already", help="They are in that state already, and no inspection answers for them."),
    ] = False,
    reason: options.Reason,
    performed_by: options.PerformedBy,
    as_json: options.AsJson = False,
) -> None:
    """Set units aside, all lines or none, until another person has released or scrapped them."""

    async def make(stock: Stockkeeper) -> Inspection:
        return await stock.open_inspection(
            inspection_number,
            await document_lines(stock, wanted),
            warehouse_id=warehouse,
            state=state,
            held_too=held_too,
            set_aside_already=set_aside_already,
            reason=reason,
            performed_by=performed_by,
        )

    wanted = read_input(lambda: typed_part(line))
    _desk.create(make, as_json=as_json)


add_list(
    app,
    "List inspections, the latest first.",
    InspectionStatus,
    lambda stock: stock.inspections,
    lambda listed: printing.from_memo(
        listed, "inspection_number", "warehouse", "state", "units", "open", "requested_by", "reason"
    ),
    ["inspection", "warehouse", "state", "#units", "#set aside", "set aside by", "why", "products"],
    lambda row: [
        *(
            printing.text(row[name])
            for name in ("inspection_number", "warehouse", "state", "units", "open", "requested_by", "reason")
        ),
        printing.joined(row["skus"]),
    ],
)


add_show(app, "Show an inspection: units, decisions, holds that gave way, and refused commands.", Number, _desk)


@app.command("release")
def release(
    inspection_number: Number,
    *,
    line: Some = None,
    decision_id: DecisionId = None,
    note: options.Note = None,
    performed_by: options.PerformedBy,
    as_json: options.AsJson = False,
) -> None:
    """Make units available again. Whoever has set them aside may not."""
    wanted = read_input(lambda: typed_part(line) if line else None)

    async def send(inspection: Inspection) -> InspectionState:
        fit = await _lines(wanted)
        return await inspection.release(fit, performed_by=performed_by, decision_id=decision_id, note=note)

    _desk.command(inspection_number, send, as_json=as_json)


@app.command("scrap")
def scrap(
    inspection_number: Number,
    *,
    line: Some = None,
    root_cause: Annotated[RootCause, typer.Option(case_sensitive=False, help="Why they are lost.")],
    reason: options.Reason,
    decision_id: DecisionId = None,
    performed_by: options.PerformedBy,
    as_json: options.AsJson = False,
) -> None:
    """Take units off the books. Whoever has set them aside may not; above the limit somebody else approves it first."""
    wanted = read_input(lambda: typed_part(line) if line else None)

    async def send(inspection: Inspection) -> InspectionState:
        return await inspection.scrap(
            await _lines(wanted),
            performed_by=performed_by,
            root_cause=root_cause,
            reason=reason,
            decision_id=decision_id,
        )

    _desk.command(inspection_number, send, as_json=as_json)


add_approve_difference(app, "Approve a worth above the limit, before another person scraps it.", Number, _desk)
