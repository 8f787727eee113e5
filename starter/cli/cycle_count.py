"""`stockkeeper count`: what is to be counted, what was there, and what becomes of a variance."""

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from temporalio.client import WorkflowExecution

from starter.cli.context import Approver, AsJson, PerformedBy, connect, run
from starter.cli.count_lines import command_each_line, headline, place_of, signed, sku_of, why
from starter.cli.documents import (
    Answer,
    Desk,
    Mentioned,
    Row,
    list_runs,
    print_afterwards,
    print_gave_way,
    print_list,
)
from starter.cli.order_lines import skus_from_file, split_units, units_from_file
from starter.cli.output import changed_status, out, print_json, table
from stockkeeper.client.stock import find_items, names
from stockkeeper.client.stockkeeper import Stockkeeper
from stockkeeper.contracts.cycle_count import WORKFLOW_TYPE, CountStatus, CycleCountState, RootCause, workflow_id
from stockkeeper.contracts.errors import InvalidRequest
from stockkeeper.contracts.messages import counted
from stockkeeper.contracts.stock import FoundItems

app = typer.Typer(no_args_is_help=True, help="Count what is on the shelf, and bring the books to it.")


def register(root: typer.Typer) -> None:
    """Add ``count`` to the command line."""
    root.add_typer(app, name="count")


Number = Annotated[str, typer.Argument(metavar="COUNT", help="The count's number.")]
_FIRST = (CountStatus.REVIEW, CountStatus.COUNTING, CountStatus.POSTED, CountStatus.CANCELLED)
"""What waits for somebody comes first."""


@app.command("start")
def start(
    count_number: Number,
    *,
    warehouse: Annotated[str, typer.Option(help="Where: a name or an id.")],
    sku: Annotated[list[str] | None, typer.Option("--sku", help="What is to be counted; once for each.")] = None,
    skus: Annotated[Path | None, typer.Option(metavar="FILE.csv", help="The same from a file: column sku.")] = None,
    performed_by: PerformedBy,
    as_json: AsJson = False,
) -> None:
    """Say what is to be counted. `count plan` does so for what is due today."""

    async def work() -> Answer[CycleCountState]:
        if (skus is None) == (not sku):
            raise InvalidRequest("say what is to be counted by --sku, or by a file of them by --skus")
        wanted = skus_from_file(skus) if skus else sku or []
        stock = await connect()
        found = await find_items(stock.client, wanted, [warehouse], task_queue=stock.task_queue)
        count = await stock.open_count(
            count_number,
            [found.products[product] for product in wanted],
            warehouse_id=found.warehouses[warehouse],
            requested_by=performed_by,
        )
        return await _desk.named(stock, count.state, as_json=as_json)

    _desk.answer(work(), as_json=as_json)


@app.command("list")
def list_(
    *,
    status: Annotated[CountStatus | None, typer.Option(help="Only these.")] = None,
    sku: Annotated[str | None, typer.Option(help="Only those of this product.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many, latest first.")] = 50,
    as_json: AsJson = False,
) -> None:
    """Counts, the latest first."""
    rows = list_runs(WORKFLOW_TYPE, _listed, status=status, sku=sku, limit=limit)
    print_list(
        rows,
        ["count", "warehouse", "#items", "#to count", "#in review", "requested by"],
        lambda row: [
            escape(row["count_number"]),
            escape(row["warehouse"] or ""),
            *("" if row[name] is None else str(row[name]) for name in ("items", "to_count", "in_review")),
            escape(row["requested_by"] or ""),
        ],
        limit=limit,
        as_json=as_json,
    )


@app.command("show")
def show(count_number: Number, *, as_json: AsJson = False) -> None:
    """How a count stands: what is to be counted, what is beyond tolerance, what is in the books."""
    _desk.look(count_number, as_json=as_json)


@app.command("sheet")
def sheet(count_number: Number, *, as_json: AsJson = False) -> None:
    """A blank list to count by: what is still to be counted, or to be counted again by somebody else."""

    async def work() -> tuple[CycleCountState, FoundItems]:
        stock = await connect()
        state = (await stock.cycle_count(count_number)).state
        products, places = _desk.mentions(state)[:2]
        return state, await names(stock.client, products, filter(None, places), task_queue=stock.task_queue)

    state, found = run(work())
    # Who may not count again, and nothing of what anybody has found.
    rows = sorted(
        (sku_of(line.product_id, found), line.product_id, line.counted_by or "")
        for line in state.lines
        if line.status in {CountStatus.COUNTING, CountStatus.REVIEW}
    )
    if as_json:
        print_json(
            [
                {"sku": sku, "product_id": product_id, "name": _name(product_id, found), "not_by": counted_by or None}
                for sku, product_id, counted_by in rows
            ]
        )
        return
    again = sum(bool(counted_by) for *_, counted_by in rows)
    to_count = f"{counted(len(rows), 'item')} to count" if rows else "nothing is to be counted any more"
    out.print(
        f"count [bold]{escape(state.count_number)}[/bold], {place_of(state, found)}: {to_count}"
        + (f", {again} of them again" if again else "")
    )
    if rows:
        out.print(
            table(
                ["sku", "product", "counted", "not by"],
                [
                    [escape(sku), escape(_name(product_id, found)), "_" * 10, escape(counted_by)]
                    for sku, product_id, counted_by in rows
                ],
            )
        )


@app.command("record")
def record(
    count_number: Number,
    *,
    line: Annotated[
        list[str] | None, typer.Option("--line", metavar="SKU=UNITS", help="What was there; once for each product.")
    ] = None,
    lines: Annotated[
        Path | None, typer.Option("--lines", metavar="FILE.csv", help="The same from a file: columns sku, quantity.")
    ] = None,
    root_cause: Annotated[
        RootCause | None, typer.Option(case_sensitive=False, help="Why it is another number, if you know.")
    ] = None,
    performed_by: PerformedBy,
    as_json: AsJson = False,
) -> None:
    """So much was there. Each product is taken by itself; the exit status tells whether all were."""

    def counts() -> list[tuple[str, int]]:
        if (lines is None) == (not line):
            raise InvalidRequest("say what was counted by --line, or by a file of it by --lines")
        return units_from_file(lines) if lines else [split_units(text, "--line") for text in line or []]

    command_each_line(
        _desk,
        count_number,
        counts,
        lambda count, product_id, units: count.record(
            product_id, units, performed_by=performed_by, root_cause=root_cause
        ),
        as_json=as_json,
    )


@app.command("approve")
def approve(
    count_number: Number,
    skus: Annotated[list[str], typer.Argument(metavar="SKU...", help="One product, or several.")],
    *,
    root_cause: Annotated[RootCause, typer.Option(case_sensitive=False, help="Why the books were wrong.")],
    approver: Approver,
    as_json: AsJson = False,
) -> None:
    """What was counted is right, although it is beyond tolerance. Each product is decided by itself."""
    command_each_line(
        _desk,
        count_number,
        lambda: [(sku, None) for sku in skus],
        lambda count, product_id, _: count.approve_variance(product_id, approver=approver, root_cause=root_cause),
        as_json=as_json,
    )


@app.command("cancel")
def cancel(
    count_number: Number,
    *,
    reason: Annotated[str, typer.Option(help="Why.")],
    performed_by: PerformedBy,
    as_json: AsJson = False,
) -> None:
    """What isn't in the books yet isn't counted any more; what is, stays."""
    _desk.command(count_number, lambda count: count.cancel(performed_by=performed_by, reason=reason), as_json=as_json)


async def _listed(execution: WorkflowExecution) -> Row:
    shown = await execution.memo()
    return {
        "count_number": execution.id.removeprefix(workflow_id("")),
        **{name: shown.get(name) for name in ("warehouse", "items", "to_count", "in_review", "requested_by")},
    }


def _show(answer: Answer[CycleCountState], found: FoundItems) -> None:
    state, before = answer.state, answer.before
    out.print(headline(answer, found))
    out.print(f"requested by {escape(state.requested_by)}")
    if state.closed_reason:
        out.print(f"given up: {escape(state.closed_reason)}")
    print_gave_way(state.gave_way, found)
    was = {line.product_id: line for line in before.lines}
    lines = sorted(state.lines, key=lambda line: _FIRST.index(line.status))
    out.print(
        table(
            ["product", "status", "#counted", "by", "#books had", "#off by", "why"],
            [
                [
                    escape(sku_of(line.product_id, found)),
                    changed_status(was[line.product_id].status, line.status),
                    "" if line.counted_quantity is None else str(line.counted_quantity),
                    escape(line.counted_by or ""),
                    "" if line.system_quantity is None else str(line.system_quantity),
                    "" if line.delta is None else signed(line.delta),
                    escape(why(line)),
                ]
                for line in lines
            ],
        )
    )
    print_afterwards(state.notes, state.notices)


def _name(product_id: int, found: FoundItems) -> str:
    return found.product_names.get(product_id, "")


_desk = Desk(
    find=Stockkeeper.cycle_count,
    mentions=lambda state: Mentioned([line.product_id for line in state.lines], [state.warehouse_id]),
    show=_show,
)
