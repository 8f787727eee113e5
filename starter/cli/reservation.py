"""`stockkeeper reserve`: hold stock for an order, and command what is held."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, NamedTuple

import typer
from rich.markup import escape
from temporalio.client import WorkflowExecution

from starter.cli.context import AsJson, PerformedBy, connect
from starter.cli.documents import (
    Answer,
    Desk,
    Mentioned,
    Row,
    joined,
    list_runs,
    print_afterwards,
    print_list,
    print_shortages,
    short_in_typed_names,
)
from starter.cli.output import changed, changed_status, out, table
from stockkeeper.client.calls import checked
from stockkeeper.client.stock import find_items
from stockkeeper.client.stockkeeper import Stockkeeper
from stockkeeper.contracts import search_attributes
from stockkeeper.contracts.errors import InsufficientStock, InvalidRequest
from stockkeeper.contracts.messages import utc
from stockkeeper.contracts.reservation import (
    WORKFLOW_TYPE,
    FulfillLine,
    ReservationState,
    ReservationStatus,
    workflow_id,
)
from stockkeeper.contracts.reservation import ReservationLine as Line
from stockkeeper.contracts.stock import FoundItems

app = typer.Typer(no_args_is_help=True, help="Hold stock for an order; fulfil, extend or cancel what is held.")


def register(root: typer.Typer) -> None:
    """Add ``reserve`` to the command line."""
    root.add_typer(app, name="reserve")


Reference = Annotated[str, typer.Argument(metavar="ORDER", help="The order's number.")]


class _Wanted(NamedTuple):
    product: str
    warehouse: str | None
    quantity: int


@app.command("start")
def start(
    reference: Reference,
    line: Annotated[list[str], typer.Option("--line", metavar="SKU@WAREHOUSE=UNITS", help="Once for each line.")],
    *,
    ttl_minutes: Annotated[float, typer.Option(help="How long to hold; may be a fraction.")] = 30,
    performed_by: PerformedBy,
    as_json: AsJson = False,
) -> None:
    """Hold stock for an order: all of its lines, or none."""

    async def work() -> Answer[ReservationState]:
        stock = await connect()
        wanted = [_wanted(text) for text in line]
        lines = await _lines(stock, wanted)
        try:
            hold = await stock.reserve(reference, lines, performed_by=performed_by, ttl_minutes=ttl_minutes)
        except InsufficientStock as short:
            typed = {
                (line.product_id, line.warehouse_id or 0): f"{want.product} in {want.warehouse}"
                for want, line in zip(wanted, lines, strict=True)
            }
            raise short_in_typed_names(short, typed) from None
        return await _desk.named(stock, hold.state, as_json=as_json)

    _desk.answer(work(), as_json=as_json)


@app.command("list")
def list_(
    *,
    status: Annotated[ReservationStatus | None, typer.Option(help="Only these.")] = None,
    sku: Annotated[str | None, typer.Option(help="Only those that hold this product.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many, latest first.")] = 50,
    as_json: AsJson = False,
) -> None:
    """Reservations, the latest first."""
    rows = list_runs(WORKFLOW_TYPE, _listed, status=status, sku=sku, limit=limit)
    print_list(
        rows,
        ["order", "until", "holds", "where"],
        lambda row: [
            escape(row["reference_id"]),
            utc(datetime.fromisoformat(row["expires_at"])) if row["expires_at"] else "",
            joined(row["skus"]),
            joined(row["warehouses"]),
        ],
        limit=limit,
        as_json=as_json,
    )


@app.command("show")
def show(reference: Reference, *, as_json: AsJson = False) -> None:
    """How an order's reservation stands, and what was refused."""
    _desk.look(reference, as_json=as_json)


@app.command("fulfill")
def fulfill(
    reference: Reference,
    line: Annotated[
        list[str] | None, typer.Option("--line", metavar="SKU[@WAREHOUSE]=UNITS", help="Only these; else all.")
    ] = None,
    *,
    fulfillment_id: Annotated[
        str | None, typer.Option(help="The shipment's number: the same one leaves only once.")
    ] = None,
    performed_by: PerformedBy,
    as_json: AsJson = False,
) -> None:
    """The goods leave: all that is held, or some lines."""

    async def work() -> Answer[ReservationState]:
        stock = await connect()
        lines = None
        if line:
            wanted = [_wanted(text, warehouse_needed=False) for text in line]
            found = await _found(stock, wanted)
            lines = [
                checked(
                    FulfillLine,
                    product_id=found.products[want.product],
                    warehouse_id=found.warehouses[want.warehouse] if want.warehouse else None,
                    quantity=want.quantity,
                )
                for want in wanted
            ]
        return await _desk.commanded(
            stock,
            reference,
            lambda hold: hold.fulfill(lines, performed_by=performed_by, fulfillment_id=fulfillment_id),
            as_json=as_json,
        )

    _desk.answer(work(), as_json=as_json)


@app.command("extend")
def extend(
    reference: Reference,
    *,
    ttl_minutes: Annotated[float, typer.Option(help="The new deadline, in minutes from now.")],
    performed_by: PerformedBy,
    as_json: AsJson = False,
) -> None:
    """Move the deadline."""
    _desk.command(
        reference, lambda hold: hold.extend(performed_by=performed_by, ttl_minutes=ttl_minutes), as_json=as_json
    )


@app.command("cancel")
def cancel(
    reference: Reference,
    *,
    reason: Annotated[str, typer.Option(help="Why.")],
    performed_by: PerformedBy,
    as_json: AsJson = False,
) -> None:
    """Give back what is held."""
    _desk.command(reference, lambda hold: hold.cancel(performed_by=performed_by, reason=reason), as_json=as_json)


def _wanted(text: str, *, warehouse_needed: bool = True) -> _Wanted:
    what, _, units = text.rpartition("=")
    product, at, warehouse = what.rpartition("@") if "@" in what else (what, "", "")
    complete = product and (warehouse or not (at or warehouse_needed))
    if not complete or not (units.isascii() and units.isdecimal()):
        shape = "SKU@WAREHOUSE=UNITS" if warehouse_needed else "SKU@WAREHOUSE=UNITS or SKU=UNITS"
        raise InvalidRequest(f"--line {text!r}: it has to be {shape}, such as TEA-100@Main=2")
    return _Wanted(product, warehouse or None, int(units))


async def _found(stock: Stockkeeper, wanted: Sequence[_Wanted]) -> FoundItems:
    return await find_items(
        stock.client,
        [want.product for want in wanted],
        [want.warehouse for want in wanted if want.warehouse],
        task_queue=stock.task_queue,
    )


async def _lines(stock: Stockkeeper, wanted: Sequence[_Wanted]) -> list[Line]:
    found = await _found(stock, wanted)
    return [
        checked(
            Line,
            product_id=found.products[want.product],
            warehouse_id=found.warehouses[want.warehouse or ""],
            quantity=want.quantity,
        )
        for want in wanted
    ]


async def _listed(execution: WorkflowExecution) -> Row:
    deadline = execution.typed_search_attributes.get(search_attributes.DEADLINE)
    return {
        "reference_id": execution.id.removeprefix(workflow_id("")),
        "expires_at": deadline.isoformat() if deadline else None,
    }


def _show(answer: Answer[ReservationState], found: FoundItems) -> None:
    state, before = answer.state, answer.before
    until = f" until {changed(_until(before), _until(state))}" if state.expires_at else ""
    status = changed_status(before.status, state.status)
    out.print(f"order [bold]{escape(state.reference_id)}[/bold]: {status}{until}")
    out.print(
        table(
            ["product", "warehouse", "#ordered", "#shipped"],
            [
                [
                    escape(found.skus.get(line.product_id, f"product {line.product_id}")),
                    escape(found.warehouse_names.get(line.warehouse_id or 0, f"warehouse {line.warehouse_id}")),
                    str(line.quantity),
                    changed(was.quantity_fulfilled, line.quantity_fulfilled),
                ]
                for was, line in zip(before.lines, state.lines, strict=True)
            ],
        )
    )
    print_shortages(state.shortages, found)
    print_afterwards(state.notes)


def _until(state: ReservationState) -> str:
    return utc(state.expires_at) if state.expires_at else ""


_desk = Desk(
    find=Stockkeeper.hold,
    mentions=lambda state: Mentioned(
        [line.product_id for line in state.lines], [line.warehouse_id for line in state.lines]
    ),
    show=_show,
)
