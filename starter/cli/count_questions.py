"""`stockkeeper count plan`, `review` and `accuracy`: what is due, what waits for a decision, how right we were."""

from datetime import datetime
from typing import Annotated

import typer
from rich.markup import escape

from starter.cli.context import AsJson, connect, run
from starter.cli.count_lines import signed
from starter.cli.documents import ask_for, print_afterwards
from starter.cli.output import err, out, print_json, table
from stockkeeper.client.count_questions import accuracies, variances
from stockkeeper.client.cycle_count_plan import run_count_plan
from stockkeeper.client.stock import find_items, names
from stockkeeper.contracts.count_questions import Accuracy
from stockkeeper.contracts.cycle_count_plan import CycleCountPlanState
from stockkeeper.contracts.messages import counted, utc
from stockkeeper.contracts.stock import FoundItems

Warehouse = Annotated[str | None, typer.Option(help="Only this warehouse: a name or an id.")]


def register(app: typer.Typer) -> None:
    """Give the group of commands these, too."""
    app.command("plan")(plan)
    app.command("review")(review)
    app.command("accuracy")(accuracy)


def plan(*, warehouse: Warehouse = None, as_json: AsJson = False) -> None:
    """Start the count of the day now, of what is due, wherever there is none yet."""

    async def work() -> tuple[CycleCountPlanState, FoundItems | None]:
        stock = await connect()
        only = None
        if warehouse is not None:
            found = await find_items(stock.client, [], [warehouse], task_queue=stock.task_queue)
            only = found.warehouses[warehouse]
        state = await run_count_plan(stock.client, warehouse_id=only, task_queue=stock.task_queue)
        if as_json:
            return state, None
        places = [each.warehouse_id for each in state.counts] + [each.warehouse_id for each in state.skipped]
        return state, await names(stock.client, [], places, task_queue=stock.task_queue)

    state, found = run(work())
    if found is None:
        print_json(state)
        return

    def named(warehouse_id: int) -> str:
        return escape(found.warehouse_names.get(warehouse_id, f"warehouse {warehouse_id}"))

    out.print(f"{counted(state.counts_started, 'count')} started, {counted(state.items, 'item')} to count")
    if state.counts:
        out.print(
            table(
                ["count", "warehouse", "#items", "#due, beyond the cap"],
                [
                    [escape(each.count_number), named(each.warehouse_id), str(each.items), str(each.late)]
                    for each in state.counts
                ],
            )
        )
    for each in state.skipped:
        err.print(f"not started: {named(each.warehouse_id)}: {escape(each.reason)}", style="yellow")
    print_afterwards(state.notes)


def review(
    *,
    warehouse: Warehouse = None,
    count: Annotated[str | None, typer.Option("--count", metavar="COUNT", help="Only this count.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many lines at most.")] = 1_000,
    as_json: AsJson = False,
) -> None:
    """What is beyond tolerance, with its numbers. For those who approve: who counts again shouldn't look."""
    found = ask_for(
        lambda stock: variances(stock.client, warehouse=warehouse, count_number=count, task_queue=stock.task_queue),
        limit,
    )
    if as_json:
        print_json([each.model_dump(mode="json") for each in found])
        return
    if not found:
        out.print("nothing waits for a second count or an approval")
        return
    out.print(
        table(
            ["count", "warehouse", "sku", "#counted", "#books had", "#off by", "by", "at", "root cause"],
            [
                [
                    escape(each.count_number),
                    escape(each.warehouse),
                    escape(each.sku),
                    str(each.counted_quantity),
                    str(each.system_quantity),
                    signed(each.delta),
                    escape(each.counted_by),
                    utc(each.counted_at),
                    each.root_cause or "",
                ]
                for each in found
            ],
        )
    )
    if len(found) == limit:
        err.print(f"the first {limit}; --limit shows more")


def accuracy(
    *,
    warehouse: Warehouse = None,
    since: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Only what was posted from this day on.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """How right the books were: by warehouse, month and class, the part of the first counts within tolerance."""
    found = ask_for(
        lambda stock: accuracies(
            stock.client, warehouse=warehouse, since=since.date() if since else None, task_queue=stock.task_queue
        )
    )
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
    """A part of a whole; of nothing there is none."""
    return f"{100 * part / whole:.1f} %" if whole else ""
