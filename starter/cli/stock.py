"""`stockkeeper stock`: levels now, levels in the past, and the movements behind them."""

from collections.abc import Sequence
from datetime import datetime, tzinfo
from typing import Annotated

import typer
from rich.markup import escape

from starter.cli import options, printing, stock_chart, stock_export, stock_history
from starter.cli.context import connect, run
from starter.cli.output import print_json
from starter.cli.products import of_product, product_asked, product_named
from starter.cli.times import TIME_HELP, instant, to_the_second
from starter.cli.zones import zone_of, zones_of
from stockkeeper.contracts.ledger import LevelThen
from stockkeeper.contracts.stock import DEFAULT_PRIORITY, StockLevel

app = typer.Typer(no_args_is_help=True, help="Levels now and in the past, and the movements behind them.")


@app.command("show")
def show(
    product: options.OnlySku = None,
    *,
    sku: options.SkuOption = None,
    warehouse: options.OnlyWarehouse = None,
    below: Annotated[bool, typer.Option("--below", help="Only items below their reorder point.")] = False,
    limit: options.Limit = 1_000,
    as_json: options.AsJson = False,
) -> None:
    """List levels: on hand, reserved, kept from sale where there is a buffer, and available."""
    levels = printing.ask_for(
        lambda stock: of_product(
            stock,
            product_asked(product, sku),
            lambda named: stock.levels(named, warehouse, below_reorder_point=below),
        ),
        limit,
    )
    _print_levels(levels, limit=limit, as_json=as_json)


def _print_levels(levels: Sequence[StockLevel], *, limit: int | None, as_json: bool) -> None:
    buffers = any(level.quantity_buffer for level in levels)
    priorities = any(level.warehouse_priority != DEFAULT_PRIORITY for level in levels)
    printing.print_rows(
        levels,
        [
            *("sku", "product", "warehouse"),
            *(["#priority"] if priorities else []),
            *("#on hand", "#reserved"),
            *(["#buffer"] if buffers else []),
            *("#available", "#reorder point"),
        ],
        lambda level: [
            escape(level.sku),
            escape(level.name),
            escape(level.warehouse),
            *([str(level.warehouse_priority)] if priorities else []),
            str(level.quantity_on_hand),
            str(level.quantity_reserved),
            *([str(level.quantity_buffer)] if buffers else []),
            str(level.quantity_available),
            printing.text(level.reorder_point),
        ],
        limit=limit,
        as_json=as_json,
    )


@app.command("buffer")
def buffer(
    product: options.Sku,
    units: Annotated[int, typer.Argument(min=0, help="Units that no new hold may have; 0: none are kept.")],
    *,
    warehouse: options.Warehouse,
    performed_by: options.PerformedBy,
    as_json: options.AsJson = False,
) -> None:
    """Keep units of an item from sale. Holds that are there already stay as they are."""

    async def work() -> StockLevel:
        stock = await connect()
        return await stock.set_buffer(await product_named(stock, product), warehouse, units, performed_by=performed_by)

    level = run(work())
    if as_json:
        print_json(level)
        return
    _print_levels([level], limit=None, as_json=False)


@app.command("at")
def at(
    time: Annotated[str, typer.Argument(metavar="TIME", help=f"The instant: {TIME_HELP}")],
    product: options.OnlySku = None,
    *,
    sku: options.SkuOption = None,
    warehouse: options.OnlyWarehouse = None,
    limit: options.Limit = 1_000,
    as_json: options.AsJson = False,
) -> None:
    """List units on hand at an instant; `today` is this moment. The answer is final: asked again, it is the same."""

    async def work() -> tuple[datetime, tzinfo, list[LevelThen], dict[int, tzinfo]]:
        # Of a day that isn't over, the stock so far. A slip is found before any server is asked.
        typed = "now" if time.strip().lower() == "today" else time
        instant(typed, "TIME")
        wanted = product_asked(product, sku)
        stock = await connect()
        zone = await zone_of(stock, warehouse)
        as_of = instant(typed, "TIME", zone=zone)
        found = of_product(stock, wanted, lambda named: stock.stock_at(as_of, product=named, warehouse=warehouse))
        levels = await printing.first_of(found, limit)
        zones = {} if as_json else await zones_of(stock, (each.warehouse_id for each in levels))
        return as_of, zone, levels, zones

    as_of, zone, levels, zones = run(work())
    printing.print_rows(
        levels,
        ["sku", "product", "warehouse", "#on hand", "since"],
        lambda level: [
            escape(level.sku),
            escape(level.name),
            escape(level.warehouse),
            str(level.quantity_on_hand),
            to_the_second(level.moved_at, zones[level.warehouse_id]),
        ],
        limit=limit,
        title=f"at {to_the_second(as_of, zone)}",
        none=f"nothing has a movement by {to_the_second(as_of, zone)}",
        as_json=as_json,
    )


app.command("history")(stock_history.history)
app.command("chart")(stock_chart.chart)
app.add_typer(stock_export.app, name="export")
