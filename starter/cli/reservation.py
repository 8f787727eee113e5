"""`stockkeeper reserve`: hold stock for an order, and command what is held."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, NamedTuple

import typer
from rich.markup import escape
from temporalio.client import WorkflowExecution

from contracts import search_attributes
from contracts.errors import InvalidRequest
from contracts.messages import utc
from contracts.reservation import WORKFLOW_TYPE, FulfillLine, ReservationState, ReservationStatus
from contracts.reservation import ReservationLine as Line
from starter.cli.context import AsJson, PerformedBy, connect, run
from starter.cli.output import coloured, err, out, print_json, table
from starter.client import Stockkeeper
from starter.reservation import Hold, checked
from starter.stock import find_items

app = typer.Typer(no_args_is_help=True, help="Hold stock for an order; fulfil, extend or cancel what is held.")

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

    async def work() -> ReservationState:
        stock = await connect()
        lines = await _lines(stock, [_wanted(text) for text in line])
        hold = await stock.reserve(reference, lines, performed_by=performed_by, ttl_minutes=ttl_minutes)
        return hold.state

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
        conditions = [f'WorkflowType="{WORKFLOW_TYPE}"']
        if status:
            conditions.append(f'{search_attributes.STATUS.name}="{status}"')
        if sku:
            conditions.append(f'{search_attributes.SKUS.name}="{_quoted(sku)}"')
        found = stock.client.list_workflows(" AND ".join(conditions), limit=limit)
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

    async def work() -> ReservationState:
        return (await (await connect()).hold(reference)).state

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

    async def work() -> ReservationState:
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
        return await hold.fulfill(lines, performed_by=performed_by, fulfillment_id=fulfillment_id)

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

    async def work() -> ReservationState:
        return await (await _hold(reference)).extend(performed_by=performed_by, ttl_minutes=ttl_minutes)

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

    async def work() -> ReservationState:
        return await (await _hold(reference)).cancel(performed_by=performed_by, reason=reason)

    _show(run(work()), as_json=as_json)


async def _hold(reference: str) -> Hold:
    return await (await connect()).hold(reference)


def _wanted(text: str, *, warehouse_needed: bool = True) -> _Wanted:
    what, equals, units = text.rpartition("=")
    product, at, warehouse = what.rpartition("@") if "@" in what else (what, "", "")
    if not equals or not product or not units.isdecimal() or (at and not warehouse) or (warehouse_needed and not at):
        shape = "SKU@WAREHOUSE=UNITS" if warehouse_needed else "SKU@WAREHOUSE=UNITS or SKU=UNITS"
        raise InvalidRequest(f"--line {text!r}: it has to be {shape}, such as TEA-100@Main=2")
    return _Wanted(product, warehouse or None, int(units))


async def _found(stock: Stockkeeper, wanted: Sequence[_Wanted]) -> Any:
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
            warehouse_id=found.warehouses[want.warehouse],
            quantity=want.quantity,
        )
        for want in wanted
    ]


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _listed(execution: WorkflowExecution) -> dict[str, Any]:
    found = execution.typed_search_attributes
    deadline = found.get(search_attributes.DEADLINE)
    return {
        "reference_id": found.get(search_attributes.REFERENCE) or execution.id,
        "status": found.get(search_attributes.STATUS) or str(execution.status.name if execution.status else ""),
        "expires_at": deadline.isoformat() if deadline else None,
        "skus": list(found.get(search_attributes.SKUS) or []),
        "warehouses": list(found.get(search_attributes.WAREHOUSES) or []),
        "workflow_id": execution.id,
        "run_id": execution.run_id,
    }


def _show(state: ReservationState, *, as_json: bool) -> None:
    if as_json:
        print_json(state)
        return
    until = f" until {utc(state.expires_at)}" if state.expires_at else ""
    out.print(f"order [bold]{escape(state.reference_id)}[/bold]: {coloured(state.status)}{until}")
    out.print(
        table(
            ["#line", "#product", "#warehouse", "#units", "#left the shelf"],
            [
                [
                    str(line.reservation_id or ""),
                    str(line.product_id),
                    str(line.warehouse_id or ""),
                    str(line.quantity),
                    str(line.quantity_fulfilled),
                ]
                for line in state.lines
            ],
        )
    )
    for note in state.notes:
        err.print(f"note: {escape(note)}", style="yellow")
