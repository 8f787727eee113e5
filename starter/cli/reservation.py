"""`stockkeeper reserve`: hold stock for an order, ship it, extend or cancel the hold."""

from datetime import datetime
from functools import partial
from typing import Annotated

import typer
from rich.markup import escape

from starter.cli import options, printing
from starter.cli.context import connect, read_input, run
from starter.cli.documents import Answer, Desk, Mentioned
from starter.cli.order_lines import SOURCED_UNITS, picked_line, sourced_line
from starter.cli.output import changed, changed_status, out, table
from starter.cli.quantities import document_lines
from starter.cli.shared_commands import add_list, add_reasoned, add_show
from starter.cli.times import day_shown, instant_or_none, shown
from starter.cli.zones import moved_at
from stockkeeper.client.reservation import Hold
from stockkeeper.client.runs import Listed
from stockkeeper.client.stockkeeper import Stockkeeper
from stockkeeper.contracts.lot import lots_in_words
from stockkeeper.contracts.messages import counted
from stockkeeper.contracts.reservation import ReservationState, ReservationStatus
from stockkeeper.contracts.stock import FoundItems
from stockkeeper.contracts.waiting import WaitingShown

app = typer.Typer(no_args_is_help=True, help="Hold stock for an order; fulfil, extend or cancel the hold.")

ANY_WAREHOUSE = "any"
WAITING_COLUMNS = ["order", "product", "where", "#wanted", "#no.", "#short", "since", "until", "turn by"]
"""The table of the orders that wait: short words, so that a screen of 80 columns has room for it."""

Reference = Annotated[str, typer.Argument(metavar="ORDER", help="The order's number.")]


def register(root: typer.Typer) -> None:
    """Add ``reserve`` to the command line."""
    root.add_typer(app, name="reserve")


def _row(listed: Listed) -> printing.Row:
    return {
        "reference_id": listed.number,
        "expires_at": listed.deadline.isoformat() if listed.deadline else None,
    }


def _show(answer: Answer[ReservationState], found: FoundItems) -> None:
    state, before = answer.state, answer.before
    is_held = state.status is ReservationStatus.ACTIVE
    until = f" until {changed(_until(before), _until(state))}" if is_held and state.expires_at else ""
    status = changed_status(before.status, state.status)
    out.print(f"order [bold]{escape(state.reference_id)}[/bold]: {status}{until}")
    given_up = any(line.quantity_released for line in state.lines)
    has_lots = any(line.lots for line in state.lines)
    # An order that waited has other lines once it is held: its parts.
    lines_before = before.lines if len(before.lines) == len(state.lines) else state.lines
    out.print(
        table(
            [
                *("product", "warehouse", "#ordered", "#shipped"),
                *(["#given up"] if given_up else []),
                *(["lots"] if has_lots else []),
            ],
            [
                [
                    printing.sku(found, line.product_id),
                    printing.warehouse(found, line.warehouse_id),
                    of_line(line.quantity),
                    changed(of_line(was.quantity_fulfilled), of_line(line.quantity_fulfilled)),
                    *([changed(of_line(was.quantity_released), of_line(line.quantity_released))] if given_up else []),
                    *([escape(lots_in_words(line.lots))] if has_lots else []),
                ]
                for was, line in zip(lines_before, state.lines, strict=True)
                for of_line in [partial(printing.units, found, line.product_id)]
            ],
        )
    )
    _print_places(state, found)
    printing.print_shortages(state.shortages, found)
    printing.print_afterwards(state.notes, found=found)


def _print_places(state: ReservationState, found: FoundItems) -> None:
    """Print what a waiting order waits for, and how long."""
    for place in state.queue:
        where = f" in {printing.warehouse(found, place.warehouse_id)}" if place.warehouse_id else ""
        lacks = f"{counted(place.missing, 'unit')} missing" if place.missing else "all of it is there"
        out.print(f"no. {place.position} in the queue for {printing.sku(found, place.product_id)}{where}: {lacks}")
    if state.waiting_until is not None and state.queue:
        out.print(f"it waits until {shown(state.waiting_until)}")
    if state.available_on is not None:
        brought_by = f", with {printing.joined(state.counts_on)}" if state.counts_on else ""
        late = ", after the end of its wait" if state.is_expected_late else ""
        out.print(f"its turn is expected by {day_shown(state.available_on)}{brought_by}{late}")
    elif any(place.missing for place in state.queue):
        out.print("no day is foreseen for its turn: not enough is on its way")


def _until(state: ReservationState) -> str:
    return shown(state.expires_at) if state.expires_at else ""


_desk = Desk(
    find=lambda stock, number: stock.hold(number),
    mentions=lambda state: Mentioned(
        [line.product_id for line in state.lines], [line.warehouse_id for line in state.lines]
    ),
    show=_show,
)


@app.command("start")
def start(
    reference: Reference,
    line: Annotated[
        list[str], options.given_lines("Once for each line; without a warehouse, from anywhere.", SOURCED_UNITS)
    ],
    *,
    ttl_minutes: Annotated[float, typer.Option(help="How long to hold; may be a fraction.")] = 30,
    wait_minutes: Annotated[
        float, typer.Option(help="How long the order waits for stock that is short; may be a fraction.")
    ] = 0,
    minimum_days_left: Annotated[
        int | None,
        typer.Option(help="Days that each unit of a tracked product must have left; else what its product asks for."),
    ] = None,
    performed_by: options.PerformedBy,
    as_json: options.AsJson = False,
) -> None:
    """Hold stock for an order: all of its lines, or none. One that waits is printed at once, with its place.

    A line without a warehouse comes from one that has everything, or else from the fewest; the table says from which.
    """
    wanted = read_input(lambda: [sourced_line(text) for text in line])

    async def make(stock: Stockkeeper) -> Hold:
        return await stock.reserve(
            reference,
            await document_lines(stock, wanted),
            performed_by=performed_by,
            ttl_minutes=ttl_minutes,
            wait_minutes=wait_minutes,
            minimum_days_left=minimum_days_left,
            at_once=True,
        )

    _desk.create(make, as_json=as_json)


@app.command("waiting")
def waiting(
    *,
    sku: options.WithSku = None,
    warehouse: options.OfWarehouse = None,
    as_json: options.AsJson = False,
) -> None:
    """List the orders that wait for stock, the first first: what for, since when and until when.

    And the day by which an order has its turn, by what is on its way; empty where that can't be foreseen.
    """

    async def work() -> list[WaitingShown]:
        return await (await connect()).queue(sku=sku, warehouse=warehouse)

    printing.print_rows(
        run(work()),
        WAITING_COLUMNS,
        waiting_cells,
        none="no order waits for stock",
        as_json=as_json,
    )


def waiting_cells(line: WaitingShown) -> list[str]:
    """What an order waits for, as a row of `WAITING_COLUMNS`."""
    return [
        escape(line.reference_id),
        escape(line.sku),
        escape(line.warehouse or ANY_WAREHOUSE),
        str(line.quantity),
        str(line.position),
        str(line.missing),
        shown(line.waiting_since),
        shown(line.waiting_until),
        day_shown(line.available_on),
    ]


add_list(
    app,
    "List reservations, the latest first.",
    ReservationStatus,
    lambda stock: stock.holds,
    _row,
    ["order", "until", "holds", "where"],
    lambda row: [
        escape(row["reference_id"]),
        shown(datetime.fromisoformat(row["expires_at"])) if row["expires_at"] else "",
        printing.joined(row["skus"]),
        printing.joined(row["warehouses"]),
    ],
)


add_show(app, "Show an order's reservation: its lines, and refused commands.", Reference, _desk)


@app.command("fulfill")
def fulfill(
    reference: Reference,
    line: Annotated[
        list[str] | None,
        options.given_lines(
            "Only these; else all. With another lot than the one that is held: once for each lot.",
            f"{SOURCED_UNITS}[#LOT]",
        ),
    ] = None,
    *,
    fulfillment_id: Annotated[str | None, options.own_number("shipment", "leaves")] = None,
    occurred_at: options.OccurredAt = None,
    performed_by: options.PerformedBy,
    as_json: options.AsJson = False,
) -> None:
    """Ship held stock: all of it, or some lines."""
    lines = read_input(lambda: [picked_line(text) for text in line] if line else None)
    read_input(lambda: instant_or_none(occurred_at, "--occurred-at"))

    async def send(hold: Hold) -> ReservationState:
        places = [each.warehouse_id for each in hold.state.lines]
        left_at = await moved_at(occurred_at, await connect(), places) if occurred_at else None
        shipped = None if lines is None else await document_lines(await connect(), lines)
        return await hold.fulfill(
            shipped, performed_by=performed_by, fulfillment_id=fulfillment_id, occurred_at=left_at
        )

    _desk.command(reference, send, as_json=as_json)


@app.command("hold-again")
def hold_again(reference: Reference, *, performed_by: options.PerformedBy, as_json: options.AsJson = False) -> None:
    """Hold an order again whose hold gave way to a correction, until the deadline that it had."""

    async def make(stock: Stockkeeper) -> Hold:
        return await stock.hold_again(reference, performed_by=performed_by)

    _desk.create(make, as_json=as_json)


@app.command("release")
def release(
    reference: Reference,
    line: Annotated[list[str], options.given_lines("Units that aren't needed any more.", SOURCED_UNITS)],
    *,
    release_id: Annotated[str | None, options.own_number("release", "is done")] = None,
    reason: options.Reason,
    performed_by: options.PerformedBy,
    as_json: options.AsJson = False,
) -> None:
    """Give up a part of the held stock; the rest stays held."""
    lines = read_input(lambda: [sourced_line(text) for text in line])

    async def send(hold: Hold) -> ReservationState:
        released = await document_lines(await connect(), lines)
        return await hold.release(released, performed_by=performed_by, reason=reason, release_id=release_id)

    _desk.command(reference, send, as_json=as_json)


@app.command("extend")
def extend(
    reference: Reference,
    *,
    ttl_minutes: Annotated[float, typer.Option(help="The new deadline, in minutes from now.")],
    performed_by: options.PerformedBy,
    as_json: options.AsJson = False,
) -> None:
    """Move the deadline."""
    _desk.command(
        reference, lambda hold: hold.extend(performed_by=performed_by, ttl_minutes=ttl_minutes), as_json=as_json
    )


add_reasoned(app, "cancel", "Release the stock that is still held.", Reference, Hold.cancel, _desk)
