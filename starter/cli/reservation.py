"""`stockkeeper reserve`: hold stock for an order, and command what is held."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, NamedTuple

import typer
from rich.markup import escape
from temporalio.client import WorkflowExecution

from contracts import search_attributes
from contracts.errors import InsufficientStock, InvalidRequest
from contracts.messages import utc
from contracts.reservation import WORKFLOW_TYPE, FulfillLine, ReservationState, ReservationStatus, workflow_id
from contracts.reservation import ReservationLine as Line
from contracts.stock import FoundItems
from starter.calls import checked
from starter.cli.context import AsJson, PerformedBy, connect, run
from starter.cli.output import changed, changed_status, coloured, err, out, print_json, table
from starter.client import Stockkeeper
from starter.runs import find_runs
from starter.stock import find_items, names

app = typer.Typer(no_args_is_help=True, help="Hold stock for an order; fulfil, extend or cancel what is held.")

Reference = Annotated[str, typer.Argument(metavar="ORDER", help="The order's number.")]


class _Answer(NamedTuple):
    """What came of a command: the state before and after it, and for people the names of what it is about."""

    state: ReservationState
    before: ReservationState | None = None
    found: FoundItems | None = None


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

    async def work() -> _Answer:
        stock = await connect()
        wanted = [_wanted(text) for text in line]
        lines = await _lines(stock, wanted)
        try:
            hold = await stock.reserve(reference, lines, performed_by=performed_by, ttl_minutes=ttl_minutes)
        except InsufficientStock as short:
            raise _in_names(short, wanted, lines) from None
        return await _named(stock, hold.state, None, as_json=as_json)

    _show(run(work()), as_json=as_json)


@app.command("list")
def list_(
    *,
    status: Annotated[ReservationStatus | None, typer.Option(help="Only these.")] = None,
    sku: Annotated[str | None, typer.Option(help="Only those that hold this product.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many, latest first.")] = 50,
    as_json: AsJson = False,
) -> None:
    """Reservations, the latest first."""

    async def work() -> list[dict[str, Any]]:
        stock = await connect()
        found = find_runs(stock.client, WORKFLOW_TYPE, status=status, sku=sku, limit=limit)
        return [_listed(execution) async for execution in found]

    rows = run(work())
    if as_json:
        print_json(rows)
        return
    out.print(
        table(
            ["order", "status", "until", "holds", "where"],
            [
                [
                    escape(row["reference_id"]),
                    coloured(row["status"]),
                    utc(datetime.fromisoformat(row["expires_at"])) if row["expires_at"] else "",
                    escape(", ".join(row["skus"])),
                    escape(", ".join(row["warehouses"])),
                ]
                for row in rows
            ],
        )
    )
    if len(rows) == limit:
        err.print(f"the latest {limit}; --limit shows more")


@app.command("show")
def show(reference: Reference, *, as_json: AsJson = False) -> None:
    """How an order's reservation stands, and what was refused."""

    async def work() -> _Answer:
        stock = await connect()
        return await _named(stock, (await stock.hold(reference)).state, None, as_json=as_json)

    _show(run(work()), as_json=as_json)


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

    async def work() -> _Answer:
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
        hold = await stock.hold(reference)
        before = hold.state
        state = await hold.fulfill(lines, performed_by=performed_by, fulfillment_id=fulfillment_id)
        return await _named(stock, state, before, as_json=as_json)

    _show(run(work()), as_json=as_json)


@app.command("extend")
def extend(
    reference: Reference,
    *,
    ttl_minutes: Annotated[float, typer.Option(help="The new deadline, in minutes from now.")],
    performed_by: PerformedBy,
    as_json: AsJson = False,
) -> None:
    """Move the deadline."""

    async def work() -> _Answer:
        stock = await connect()
        hold = await stock.hold(reference)
        before = hold.state
        state = await hold.extend(performed_by=performed_by, ttl_minutes=ttl_minutes)
        return await _named(stock, state, before, as_json=as_json)

    _show(run(work()), as_json=as_json)


@app.command("cancel")
def cancel(
    reference: Reference,
    *,
    reason: Annotated[str, typer.Option(help="Why.")],
    performed_by: PerformedBy,
    as_json: AsJson = False,
) -> None:
    """Give back what is held."""

    async def work() -> _Answer:
        stock = await connect()
        hold = await stock.hold(reference)
        before = hold.state
        state = await hold.cancel(performed_by=performed_by, reason=reason)
        return await _named(stock, state, before, as_json=as_json)

    _show(run(work()), as_json=as_json)


async def _named(
    stock: Stockkeeper, state: ReservationState, before: ReservationState | None, *, as_json: bool
) -> _Answer:
    if as_json:
        return _Answer(state)
    found = await names(
        stock.client,
        [line.product_id for line in state.lines],
        [line.warehouse_id for line in state.lines if line.warehouse_id],
        task_queue=stock.task_queue,
    )
    return _Answer(state, before, found)


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


def _in_names(short: InsufficientStock, wanted: Sequence[_Wanted], lines: Sequence[Line]) -> InsufficientStock:
    """The same error, in the words that were typed."""
    typed = {(line.product_id, line.warehouse_id): want for want, line in zip(wanted, lines, strict=True)}
    told = [
        f"{want.product} in {want.warehouse}: requested {each.requested}, available {each.available}"
        for each in short.shortages
        if (want := typed.get((each.product_id, each.warehouse_id)))
    ]
    return InsufficientStock("; ".join(told) or short.message, short.shortages)


def _listed(execution: WorkflowExecution) -> dict[str, Any]:
    found = execution.typed_search_attributes
    deadline = found.get(search_attributes.DEADLINE)
    return {
        "reference_id": execution.id.removeprefix(workflow_id("")),
        "status": found.get(search_attributes.STATUS) or str(execution.status.name if execution.status else ""),
        "expires_at": deadline.isoformat() if deadline else None,
        "skus": list(found.get(search_attributes.SKUS) or []),
        "warehouses": list(found.get(search_attributes.WAREHOUSES) or []),
        "workflow_id": execution.id,
        "run_id": execution.run_id,
    }


def _show(answer: _Answer, *, as_json: bool) -> None:
    state, before, found = answer
    if as_json or found is None:
        print_json(state)
        return
    before = before or state
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
    for note in state.notes:
        err.print(f"note: {escape(note)}", style="yellow")


def _until(state: ReservationState) -> str:
    return utc(state.expires_at) if state.expires_at else ""
