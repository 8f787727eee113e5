"""`stockkeeper return`: what customers send back, and what was found when it came."""

from collections.abc import Sequence
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
    has_receipt,
    in_typed_names,
    joined,
    list_runs,
    print_afterwards,
    print_list,
    print_receipts,
)
from starter.cli.order_lines import came_by_product, split_units, units_from_file
from starter.cli.output import changed, changed_status, out, table
from stockkeeper.client.calls import checked
from stockkeeper.client.stock import find_items
from stockkeeper.client.stockkeeper import Stockkeeper
from stockkeeper.contracts.customer_return import (
    WORKFLOW_TYPE,
    InspectedLine,
    ReturnLine,
    ReturnLineState,
    ReturnState,
    ReturnStatus,
    workflow_id,
)
from stockkeeper.contracts.errors import InvalidRequest
from stockkeeper.contracts.stock import FoundItems

app = typer.Typer(no_args_is_help=True, help="What customers send back: expect it, inspect it, restock or scrap it.")


def register(root: typer.Typer) -> None:
    """Add ``return`` to the command line."""
    root.add_typer(app, name="return")


Number = Annotated[str, typer.Argument(metavar="RETURN", help="The return's number.")]


@app.command("create")
def create(
    return_number: Number,
    *,
    warehouse: Annotated[str, typer.Option(metavar="WAREHOUSE", help="Where it comes back to: a name or an id.")],
    reference: Annotated[str, typer.Option(metavar="ORDER", help="What it was sold under: the order's number.")],
    line: Annotated[list[str] | None, typer.Option("--line", metavar="SKU=UNITS", help="Once for each line.")] = None,
    lines: Annotated[
        Path | None, typer.Option("--lines", metavar="FILE.csv", help="The lines: columns sku, quantity.")
    ] = None,
    performed_by: PerformedBy,
    as_json: AsJson = False,
) -> None:
    """Say what a customer sends back. Stock doesn't change until it has come and was inspected."""

    async def work() -> Answer[ReturnState]:
        if (lines is None) == (not line):
            raise InvalidRequest("give the lines by --line, or a file of them by --lines")
        wanted = units_from_file(lines) if lines else [split_units(text, "--line") for text in line or []]
        stock = await connect()
        found = await find_items(
            stock.client, [product for product, _ in wanted], [warehouse], task_queue=stock.task_queue
        )
        returned = await stock.create_return(
            return_number,
            [checked(ReturnLine, product_id=found.products[product], quantity=units) for product, units in wanted],
            warehouse_id=found.warehouses[warehouse],
            reference_id=reference,
            performed_by=performed_by,
        )
        return await _desk.named(stock, returned.state, as_json=as_json)

    _desk.answer(work(), as_json=as_json)


@app.command("list")
def list_(
    *,
    status: Annotated[ReturnStatus | None, typer.Option(help="Only these.")] = None,
    sku: Annotated[str | None, typer.Option(help="Only those of this product.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many, latest first.")] = 50,
    as_json: AsJson = False,
) -> None:
    """Returns, the latest first."""
    rows = list_runs(WORKFLOW_TYPE, _listed, status=status, sku=sku, limit=limit)
    print_list(
        rows,
        ["return", "order", "warehouse", "#units", "#still expected", "products"],
        lambda row: [
            escape(row["return_number"]),
            escape(row["reference_id"] or ""),
            escape(row["warehouse"] or ""),
            "" if row["units"] is None else str(row["units"]),
            "" if row["expected"] is None else str(row["expected"]),
            joined(row["skus"]),
        ],
        limit=limit,
        as_json=as_json,
    )


@app.command("show")
def show(return_number: Number, *, as_json: AsJson = False) -> None:
    """How a return stands: what was restocked, what was scrapped, what is still expected."""
    _desk.look(return_number, as_json=as_json)


@app.command("inspect")
def inspect(
    return_number: Number,
    *,
    restock: Annotated[
        list[str] | None, typer.Option("--restock", metavar="SKU=UNITS", help="What is fit, and goes back into stock.")
    ] = None,
    scrap: Annotated[
        list[str] | None, typer.Option("--scrap", metavar="SKU=UNITS", help="What came on top, and isn't fit.")
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Everything that is still expected has come, and is fit.")
    ] = False,
    inspection_id: Annotated[
        str | None,
        typer.Option(help="The inspection's number: the same one is booked only once. Without it, each is another."),
    ] = None,
    performed_by: PerformedBy,
    as_json: AsJson = False,
) -> None:
    """Goods have come and were looked at: put what is fit back into stock."""

    async def work() -> Answer[ReturnState]:
        if everything == bool(restock or scrap):
            raise InvalidRequest("say what was found by --restock and --scrap, or --all if everything came, and is fit")
        stock = await connect()
        fit_units = [split_units(text, "--restock") for text in restock or []]
        scrapped_units = [split_units(text, "--scrap") for text in scrap or []]
        state = (await stock.customer_return(return_number)).state
        left = [(each.product_id, _expected(state, each)) for each in state.lines if everything]
        if everything and not any(units for _, units in left) and has_receipt(state.inspections, inspection_id):
            # Sent again: everything that was expected then has been booked.
            return await _desk.named(stock, state, as_json=as_json)
        products = [product for product, _ in [*fit_units, *scrapped_units]]
        found = await find_items(stock.client, products, [], task_queue=stock.task_queue)
        lines = [
            checked(InspectedLine, product_id=product_id, restock_quantity=fit, scrap_quantity=scrapped)
            for product_id, (fit, scrapped) in came_by_product(found.products, fit_units, scrapped_units, left).items()
        ]
        if not lines:
            raise InvalidRequest(f"return {return_number}: nothing is expected any more")
        try:
            return await _desk.commanded(
                stock,
                return_number,
                lambda returned: returned.inspect(lines, performed_by=performed_by, inspection_id=inspection_id),
                as_json=as_json,
            )
        except InvalidRequest as refused:
            raise in_typed_names(refused, found.products) from None

    _desk.answer(work(), as_json=as_json)


@app.command("close-short")
def close_short(
    return_number: Number,
    *,
    reason: Annotated[str, typer.Option(help="Why.")],
    performed_by: PerformedBy,
    as_json: AsJson = False,
) -> None:
    """What hasn't come isn't expected any more."""
    _desk.command(
        return_number,
        lambda returned: returned.close_short(performed_by=performed_by, reason=reason),
        as_json=as_json,
    )


async def _listed(execution: WorkflowExecution) -> Row:
    shown = await execution.memo()
    return {
        "return_number": execution.id.removeprefix(workflow_id("")),
        "reference_id": shown.get("reference_id"),
        "warehouse": shown.get("warehouse"),
        "units": shown.get("units"),
        "expected": shown.get("expected"),
    }


def _expected(state: ReturnState, line: ReturnLineState) -> int:
    """Units that are still to come; of one that has ended none are."""
    missing = line.quantity - line.restocked - line.scrapped
    return missing if state.status is ReturnStatus.EXPECTED else 0


def _show(answer: Answer[ReturnState], found: FoundItems) -> None:
    state, before = answer.state, answer.before
    place = found.warehouse_names.get(state.warehouse_id or 0, f"warehouse {state.warehouse_id}")
    out.print(
        f"return [bold]{escape(state.return_number)}[/bold]: {changed_status(before.status, state.status)}, "
        f"order {escape(state.reference_id)} → {escape(place)}"
    )
    out.print(f"registered by {escape(state.requested_by)}")
    print_receipts(state.inspections, before.inspections, unfit="scrapped", what="inspection")
    if state.closed_reason:
        what = "nothing came" if state.status is ReturnStatus.CANCELLED else "the rest never came"
        out.print(f"{what}: {escape(state.closed_reason)}")
    rows: list[Sequence[str]] = []
    for was, line in zip(before.lines, state.lines, strict=True):
        rows.append(
            [
                escape(found.skus.get(line.product_id, f"product {line.product_id}")),
                str(line.quantity),
                changed(was.restocked, line.restocked),
                changed(was.scrapped, line.scrapped),
                changed(_expected(before, was), _expected(state, line)),
            ]
        )
    out.print(table(["product", "#units", "#restocked", "#scrapped", "#still expected"], rows))
    print_afterwards(state.notes)


_desk = Desk(
    find=Stockkeeper.customer_return,
    mentions=lambda state: Mentioned([line.product_id for line in state.lines], [state.warehouse_id]),
    show=_show,
)
