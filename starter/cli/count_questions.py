"""`stockkeeper count plan`, `review` and `accuracy`: due counts, variances to decide on, accuracy of stock."""

from typing import Annotated

import typer
from rich.markup import escape

from starter.cli import options, printing
from starter.cli.context import connect, read_input, run
from starter.cli.count_lines import signed
from starter.cli.documents import names_or_ids
from starter.cli.output import err, out, print_json, table
from starter.cli.times import day_or_none, shown
from stockkeeper.contracts.count_questions import Accuracy, Variance
from stockkeeper.contracts.cycle_count_plan import CycleCountPlanState
from stockkeeper.contracts.lot import product_and_lot
from stockkeeper.contracts.messages import counted
from stockkeeper.contracts.stock import FoundItems


def register(app: typer.Typer) -> None:
    """Add these commands to the group of counts."""
    app.command("plan")(plan)
    app.command("review")(review)
    app.command("accuracy")(accuracy)


def plan(*, warehouse: options.OnlyWarehouse = None, as_json: options.AsJson = False) -> None:
    """Open the count of the day now, of products that are due, wherever there is none yet."""

    async def work() -> tuple[CycleCountPlanState, FoundItems | None]:
        stock = await connect()
        state = await stock.plan_counts(warehouse_id=warehouse)
        if as_json:
            return state, None
        places = [each.warehouse_id for each in state.counts] + [each.warehouse_id for each in state.skipped]
        return state, await names_or_ids(stock, [], places)

    state, found = run(work())
    if found is None:
        print_json(state)
        return

    out.print(f"{counted(state.counts_started, 'count')} started, {counted(state.items, 'item')} to count")
    if state.counts:
        out.print(
            table(
                ["count", "warehouse", "#items", "#due, beyond the cap"],
                [
                    [
                        escape(each.count_number),
                        printing.warehouse(found, each.warehouse_id),
                        str(each.items),
                        str(each.late),
                    ]
                    for each in state.counts
                ],
            )
        )
    for each in state.skipped:
        err.print(f"not started: {printing.warehouse(found, each.warehouse_id)}: {escape(each.reason)}", style="yellow")
    printing.print_afterwards(state.notes)


def _holders(variance: Variance) -> str:
    """The orders and transfers that would lose their units by an approval."""
    named = [f"{each.reference_type.lower()} {each.reference_id} ({each.quantity})" for each in variance.would_end]
    more = variance.would_end_total - len(named)
    return escape(", ".join([*named, *([f"and {more} more"] if more > 0 else [])]))


def review(
    *,
    warehouse: options.OnlyWarehouse = None,
    count: Annotated[str | None, typer.Option("--count", metavar="COUNT", help="Only this count.")] = None,
    limit: options.Limit = 1_000,
    as_json: options.AsJson = False,
) -> None:
    """List variances with their numbers: for approvers, and not for those who count again."""
    printing.print_rows(
        printing.ask_for(lambda stock: stock.variances(warehouse=warehouse, count_number=count), limit),
        ["count", "warehouse", "sku", "#counted", "#books had", "#off by", "by", "at", "root cause", "ends holds of"],
        lambda each: [
            escape(each.count_number),
            escape(each.warehouse),
            escape(product_and_lot(each.sku, each.lot_number)),
            str(each.counted_quantity),
            str(each.system_quantity),
            signed(each.delta),
            escape(each.counted_by),
            shown(each.counted_at),
            each.root_cause or "",
            _holders(each),
        ],
        limit=limit,
        none="nothing waits for a second count or an approval",
        as_json=as_json,
    )


def accuracy(
    *,
    warehouse: options.OnlyWarehouse = None,
    since: Annotated[str | None, typer.Option(metavar="DAY", help="Only counts posted from this day on.")] = None,
    as_json: options.AsJson = False,
) -> None:
    """Print the accuracy of stock by warehouse, month and class: the part of first counts within tolerance."""
    first = read_input(lambda: day_or_none(since, "--since"))
    found = printing.ask_for(lambda stock: stock.accuracies(warehouse=warehouse, since=first))
    if as_json:
        print_json([each.model_dump(mode="json") for each in found])
        return
    if not found:
        out.print("nothing was counted")
        return
    out.print(
        table(
            ["warehouse", "month", "class", "#counted", "#accurate", "#accuracy", "#units off", "#of what books had"],
            [
                *([escape(each.warehouse), each.month, each.count_class, *_numbers([each])] for each in found),
                ["[bold]in all[/bold]", "", "", *_numbers(found)],
            ],
        )
    )


def _numbers(found: list[Accuracy]) -> list[str]:
    counted_lines, accurate = sum(each.counted for each in found), sum(each.accurate for each in found)
    off, system = sum(each.units_off for each in found), sum(each.units_system for each in found)
    return [str(counted_lines), str(accurate), _percent(accurate, counted_lines), str(off), _percent(off, system)]


def _percent(part: int, whole: int) -> str:
    """A part of a whole in percent; empty if the whole is zero."""
    return f"{100 * part / whole:.1f} %" if whole else ""
