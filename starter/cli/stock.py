"""`stockkeeper stock`: what there is, what there was, and why."""

from datetime import datetime
from typing import Annotated

import typer
from rich.markup import escape

from starter.cli import stock_chart, stock_export, stock_history
from starter.cli.context import AsJson, connect, run
from starter.cli.documents import ask_for, first_of
from starter.cli.output import err, out, print_json, table
from starter.cli.times import TIME_HELP, instant, to_the_second
from stockkeeper.client.ledger import stock_at
from stockkeeper.client.stock import levels
from stockkeeper.contracts.ledger import LevelThen

app = typer.Typer(no_args_is_help=True, help="What there is, what there was, and why.")

Sku = Annotated[str | None, typer.Argument(metavar="[SKU]", help="Only this product.")]
Warehouse = Annotated[str | None, typer.Option(help="Only this warehouse.")]
Limit = Annotated[int, typer.Option(min=1, help="How many lines at most.")]


@app.command("show")
def show(
    product: Sku = None,
    *,
    warehouse: Warehouse = None,
    below: Annotated[bool, typer.Option("--below", help="Only what is below its reorder point.")] = False,
    limit: Limit = 1_000,
    as_json: AsJson = False,
) -> None:
    """Levels: on hand, reserved, available."""
    found = ask_for(
        lambda stock: levels(
            stock.client,
            product=product,
            warehouse=warehouse,
            below_reorder_point=below,
            task_queue=stock.task_queue,
        ),
        limit,
    )
    if as_json:
        print_json([level.model_dump(mode="json") for level in found])
        return
    out.print(
        table(
            ["sku", "product", "warehouse", "#on hand", "#reserved", "#available", "#reorder point"],
            [
                [
                    escape(level.sku),
                    escape(level.name),
                    escape(level.warehouse),
                    str(level.quantity_on_hand),
                    str(level.quantity_reserved),
                    str(level.quantity_available),
                    "" if level.reorder_point is None else str(level.reorder_point),
                ]
                for level in found
            ],
        )
    )
    if len(found) == limit:
        err.print(f"the first {limit}; --limit shows more")


@app.command("at")
def at(
    time: Annotated[str, typer.Argument(metavar="TIME", help=f"The instant: {TIME_HELP}")],
    product: Sku = None,
    *,
    warehouse: Warehouse = None,
    limit: Limit = 1_000,
    as_json: AsJson = False,
) -> None:
    """What was on hand at an instant. The answer is final: asked again, it is the same."""

    async def work() -> tuple[datetime, list[LevelThen]]:
        as_of = instant(time, "TIME")
        stock = await connect()
        found = stock_at(stock.client, as_of, product=product, warehouse=warehouse, task_queue=stock.task_queue)
        return as_of, await first_of(found, limit)

    as_of, found = run(work())
    if as_json:
        print_json([level.model_dump(mode="json") for level in found])
        return
    out.print(
        table(
            ["sku", "product", "warehouse", "#on hand", "since (UTC)"],
            [
                [
                    escape(level.sku),
                    escape(level.name),
                    escape(level.warehouse),
                    str(level.quantity_on_hand),
                    to_the_second(level.moved_at),
                ]
                for level in found
            ],
            title=f"at {to_the_second(as_of)} UTC",
        )
    )
    if len(found) == limit:
        err.print(f"the first {limit}; --limit shows more")


app.command("history")(stock_history.history)
app.command("chart")(stock_chart.chart)
app.add_typer(stock_export.app, name="export")
