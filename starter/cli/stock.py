"""`stockkeeper stock`: levels now, levels in the past, and the movements behind them."""

from collections.abc import Mapping, Sequence
from datetime import datetime, tzinfo
from typing import Annotated

import typer
from rich.markup import escape

from starter.cli import options, printing, stock_chart, stock_export, stock_history
from starter.cli.context import connect, read_input, run
from starter.cli.output import print_json
from starter.cli.products import of_product, product_asked, product_named
from starter.cli.quantities import quantity_of, read_quantity
from starter.cli.times import TIME_HELP, day_shown, instant, to_the_second
from starter.cli.zones import zone_of, zones_of
from stockkeeper.contracts.ledger import LevelThen, LotThen
from stockkeeper.contracts.stock import DEFAULT_PRIORITY, FoundItems, StockLevel

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
    """List levels: on hand, reserved, kept from sale and unavailable where there is any, and available."""

    async def work() -> tuple[list[StockLevel], FoundItems]:
        stock = await connect()
        asked = of_product(
            stock,
            product_asked(product, sku),
            lambda named: stock.levels(named, warehouse, below_reorder_point=below),
        )
        levels = await printing.first_of(asked, limit)
        return levels, await printing.units_found(stock, (each.product_id for each in levels), as_json=as_json)

    levels, found = run(work())
    _print_levels(levels, found, limit=limit, as_json=as_json)


def _print_levels(levels: Sequence[StockLevel], found: FoundItems, *, limit: int | None, as_json: bool) -> None:
    def units(level: StockLevel, quantity: int) -> str:
        return printing.units(found, level.product_id, quantity)

    buffers = any(level.quantity_buffer for level in levels)
    unavailable = any(level.quantity_unavailable for level in levels)
    priorities = any(level.warehouse_priority != DEFAULT_PRIORITY for level in levels)
    printing.print_rows(
        levels,
        [
            *("sku", "product", "warehouse"),
            *(["#priority"] if priorities else []),
            *("#on hand", "#reserved"),
            *(["#buffer"] if buffers else []),
            *(["unavailable"] if unavailable else []),
            *("#available", "#reorder point"),
        ],
        lambda level: [
            escape(level.sku),
            escape(level.name),
            escape(level.warehouse),
            *([str(level.warehouse_priority)] if priorities else []),
            units(level, level.quantity_on_hand),
            units(level, level.quantity_reserved),
            *([units(level, level.quantity_buffer)] if buffers else []),
            *([by_state(level.unavailable)] if unavailable else []),
            units(level, level.quantity_available),
            "" if level.reorder_point is None else units(level, level.reorder_point),
        ],
        limit=limit,
        as_json=as_json,
    )


def by_state(units: Mapping[str, int]) -> str:
    """Units that can't be promised, by state, as people read them: ``10 expired, 2 damaged``."""
    return ", ".join(f"{each} {state.lower().replace('_', ' ')}" for state, each in sorted(units.items()))


@app.command("buffer")
def buffer(
    product: options.Sku,
    units: Annotated[
        str, typer.Argument(metavar="UNITS", help="Units that no new hold may have, or packs: 5case; 0: none are kept.")
    ],
    *,
    warehouse: options.Warehouse,
    performed_by: options.PerformedBy,
    as_json: options.AsJson = False,
) -> None:
    """Keep units of an item from sale. Holds that are there already stay as they are."""
    typed = read_input(lambda: read_quantity(units, "UNITS", "20"))

    async def work() -> tuple[StockLevel, FoundItems]:
        stock = await connect()
        named = await product_named(stock, product)
        kept = await quantity_of(stock, product, typed, "UNITS")
        level = await stock.set_buffer(named, warehouse, kept, performed_by=performed_by)
        return level, await printing.units_found(stock, [level.product_id], as_json=as_json)

    level, found = run(work())
    if as_json:
        print_json(level)
        return
    _print_levels([level], found, limit=None, as_json=False)


@app.command("at")
def at(
    time: Annotated[str, typer.Argument(metavar="TIME", help=f"The instant: {TIME_HELP}")],
    product: options.OnlySku = None,
    *,
    sku: options.SkuOption = None,
    warehouse: options.OnlyWarehouse = None,
    lots: Annotated[bool, typer.Option("--lots", help="Of tracked products a line for each lot.")] = False,
    limit: options.Limit = 1_000,
    as_json: options.AsJson = False,
) -> None:
    """List units on hand at an instant; `today` is this moment. The answer is final: asked again, it is the same."""

    async def work() -> tuple[datetime, tzinfo, list[LevelThen] | list[LotThen], dict[int, tzinfo], FoundItems]:
        # Of a day that isn't over, the stock so far. A slip is found before any server is asked.
        typed = "now" if time.strip().lower() == "today" else time
        instant(typed, "TIME")
        wanted = product_asked(product, sku)
        stock = await connect()
        zone = await zone_of(stock, warehouse)
        as_of = instant(typed, "TIME", zone=zone)
        levels: list[LevelThen] | list[LotThen]
        if lots:
            by_lot = of_product(stock, wanted, lambda named: stock.lots_at(as_of, product=named, warehouse=warehouse))
            levels = await printing.first_of(by_lot, limit)
        else:
            by_item = of_product(stock, wanted, lambda named: stock.stock_at(as_of, product=named, warehouse=warehouse))
            levels = await printing.first_of(by_item, limit)
        zones = {} if as_json else await zones_of(stock, (each.warehouse_id for each in levels))
        found = await printing.units_found(stock, (each.product_id for each in levels), as_json=as_json)
        return as_of, zone, levels, zones, found

    as_of, zone, levels, zones, found = run(work())
    printing.print_rows(
        levels,
        ["sku", "product", "warehouse", *(["lot", "expires on"] if lots else []), "#on hand", "since"],
        lambda level: [
            escape(level.sku),
            escape(level.name),
            escape(level.warehouse),
            *([printing.text(level.lot_number), day_shown(level.expires_on)] if isinstance(level, LotThen) else []),
            printing.units(found, level.product_id, level.quantity_on_hand),
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
