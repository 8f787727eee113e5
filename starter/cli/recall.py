"""`stockkeeper recall`: the recalls of lots, what became of their units, and how they end."""

from typing import Annotated

import typer
from rich.markup import escape

from starter.cli import printing
from starter.cli.documents import Answer, Desk, Mentioned
from starter.cli.output import changed_status, out, table
from starter.cli.shared_commands import add_list, add_reasoned, add_show
from starter.cli.times import shown
from stockkeeper.client.recall import Recall
from stockkeeper.contracts.recall import LotFiguresState, RecallState, RecallStatus
from stockkeeper.contracts.stock import FoundItems

app = typer.Typer(no_args_is_help=True, help="Recalls of lots: where their units are, and how they end.")


Number = Annotated[str, typer.Argument(metavar="RECALL", help="The recall's number.")]


def register(root: typer.Typer) -> None:
    """Add ``recall`` to the command line."""
    root.add_typer(app, name="recall")


def _show(answer: Answer[RecallState], found: FoundItems) -> None:
    state, before = answer.state, answer.before
    lot = f"lot {escape(state.lot_number)} of {printing.sku(found, state.lines[0].product_id)}"
    status = changed_status(before.status, state.status)
    out.print(f"recall [bold]{escape(state.recall_number)}[/bold]: {status}, {lot}")
    out.print(f"blocked by {escape(state.requested_by)}: {escape(state.reason)}")
    if state.released_by:
        out.print(f"released by {escape(state.released_by)}: {escape(state.closed_reason or '')}")
    elif state.closed_reason:
        out.print(f"closed: {escape(state.closed_reason)}")
    if state.databases:
        out.print(f"blocked in the databases {escape(', '.join(state.databases))} as well")
    places = [(escape(each.warehouse), str(each.quantity_on_hand), str(each.quantity_held)) for each in state.stopped]
    out.print(table(["stopped in", "#on hand", "#were held"], places))
    for each in state.in_transit:
        out.print(f"in transit: {each.quantity} by transfer {escape(each.transfer_number)}")
    printing.print_gave_way(state.gave_way, found)
    if state.orders:
        out.print(
            table(["order that got units", "#units"], [(escape(o.reference_id), str(o.quantity)) for o in state.orders])
        )
        if (more := state.orders_total - len(state.orders)) > 0:
            out.print(f"and {more} more: `stockkeeper lot trace` has all of them")
    if state.figures is not None:
        at = f" at {shown(state.looked_at)}" if state.looked_at else ""
        out.print(table([f"its units{at}", "#"], _report(state.figures)))
        if state.figures.difference:
            out.print(f"[bold red]the report doesn't add up by {state.figures.difference}[/bold red]")
    printing.print_afterwards(state.notes, state.notices, found)


def _report(figures: LotFiguresState) -> list[tuple[str, str]]:
    rows = [
        ("received from suppliers", figures.received),
        ("put in by adjustments and counts", figures.found),
        ("returned by customers", figures.returned),
        ("returned by customers and scrapped", figures.returned_unfit),
        ("sold", -figures.sold),
        ("sent back to suppliers", -figures.sent_back),
        ("taken off by adjustments and counts", -figures.lost),
        ("on hand", figures.on_hand),
        ("in transit", figures.in_transit),
        ("damaged on the way", figures.damaged),
        ("written off on the way", figures.written_off),
        ("unaccounted for", figures.difference),
    ]
    return [(what, str(units)) for what, units in rows if units or what in ("on hand", "unaccounted for")]


desk = Desk(
    find=lambda stock, number: stock.recall(number),
    mentions=lambda state: Mentioned(
        [line.product_id for line in state.lines], [each.warehouse_id for each in state.stopped]
    ),
    show=_show,
)


add_list(
    app,
    "List recalls, the latest first.",
    RecallStatus,
    lambda stock: stock.recalls,
    lambda listed: printing.from_memo(listed, "recall_number", "lot_number", "orders", "requested_by", "reason"),
    ["recall", "lot", "#orders", "blocked by", "why", "products"],
    lambda row: [
        *(printing.text(row[name]) for name in ("recall_number", "lot_number", "orders", "requested_by", "reason")),
        printing.joined(row["skus"]),
    ],
)


add_show(app, "Show a recall: what was stopped where, who has got units, and what became of all of them.", Number, desk)


add_reasoned(
    app, "release", "Let the lot leave again; by another person than who blocked it.", Number, Recall.release, desk
)


add_reasoned(
    app, "close", "Expect nothing more back: the report is final, the lot stays blocked.", Number, Recall.close, desk
)
