"""`stockkeeper stock`: levels now, levels in the past, and the movements behind them."""

from typing import Annotated

import typer
from rich.markup import escape

from starter.cli import options, printing, stock_chart, stock_export, stock_history
from starter.cli.context import read_input
from starter.cli.products import of_product
from starter.cli.times import TIME_HELP, instant, to_the_second

app = typer.Typer(no_args_is_help=True, help="Levels now and in the past, and the movements behind them.")


@app.command("show")
def show(
    product: options.OnlySku = None,
    *,
    warehouse: options.OnlyWarehouse = None,
    below: Annotated[bool, typer.Option("--below", help="Only items below their reorder point.")] = False,
    limit: options.Limit = 1_000,
    as_json: options.AsJson = False,
) -> None:
    """List levels: on hand, reserved, available."""
    printing.print_rows(
        printing.ask_for(
            lambda stock: of_product(
                stock, product, lambda named: stock.levels(named, warehouse, below_reorder_point=below)
            ),
            limit,
        ),
        ["sku", "product", "warehouse", "#on hand", "#reserved", "#available", "#reorder point"],
        lambda level: [
            escape(level.sku),
            escape(level.name),
            escape(level.warehouse),
            str(level.quantity_on_hand),
            str(level.quantity_reserved),
            str(level.quantity_available),
            printing.text(level.reorder_point),
        ],
        limit=limit,
        as_json=as_json,
    )


@app.command("at")
def at(
    time: Annotated[str, typer.Argument(metavar="TIME", help=f"The instant: {TIME_HELP}")],
    product: options.OnlySku = None,
    *,
    warehouse: options.OnlyWarehouse = None,
    limit: options.Limit = 1_000,
    as_json: options.AsJson = False,
) -> None:
    """List units on hand at an instant. The answer is final: asked again, it is the same."""
    as_of = read_input(lambda: instant(time, "TIME"))
    printing.print_rows(
        printing.ask_for(
            lambda stock: of_product(
                stock, product, lambda named: stock.stock_at(as_of, product=named, warehouse=warehouse)
            ),
            limit,
        ),
        ["sku", "product", "warehouse", "#on hand", "since (UTC)"],
        lambda level: [
            escape(level.sku),
            escape(level.name),
            escape(level.warehouse),
            str(level.quantity_on_hand),
            to_the_second(level.moved_at),
        ],
        limit=limit,
        title=f"at {to_the_second(as_of)} UTC",
        as_json=as_json,
    )


app.command("history")(stock_history.history)
app.command("chart")(stock_chart.chart)
app.add_typer(stock_export.app, name="export")
