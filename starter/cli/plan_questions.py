"""`stockkeeper plan explain` and `accuracy`: a plan number by number, and what plans promised and reached."""

from collections.abc import Iterator
from datetime import date
from typing import Annotated

import typer
from rich.markup import escape

from starter.cli import options
from starter.cli.context import connect, read_input, run
from starter.cli.output import out, print_json, table
from starter.cli.plan_chart import draw
from starter.cli.products import product_named
from starter.cli.screen import UNLIMITED
from starter.cli.times import day_or_none
from stockkeeper.client.lines import Named
from stockkeeper.client.stockkeeper import Stockkeeper
from stockkeeper.contracts.errors import InvalidRequest
from stockkeeper.contracts.messages import counted
from stockkeeper.contracts.plan_questions import DAYS_AHEAD, PlanAccuracy, PlanExplained

_ROWS = 12
_OFF_A_TERMINAL = 80


def register(app: typer.Typer) -> None:
    """Add these commands to the group of plans."""
    app.command("explain")(explain)
    app.command("accuracy")(accuracy)


def explain(
    product: options.Sku,
    *,
    warehouse: options.OnlyWarehouse = None,
    days: Annotated[int, typer.Option(min=1, max=366, help="Days to look ahead.")] = DAYS_AHEAD,
    as_json: options.AsJson = False,
) -> None:
    """Explain an item's reorder point number by number, and draw its next weeks: the day by which to order."""

    async def work() -> PlanExplained:
        stock = await connect()
        named = await product_named(stock, product)
        return await stock.explain_plan(named, warehouse or await _only_warehouse(stock, named), days=days)

    found = run(work())
    if as_json:
        print_json(found)
        return
    _print_explained(found)


async def _only_warehouse(stock: Stockkeeper, product: Named) -> Named:
    """The warehouse of a product that is planned in one only.

    Raises:
        InvalidRequest: It has reorder points in several warehouses, or in none yet.
    """
    places = [each.warehouse async for each in stock.plans(product=product)]
    if not places:
        raise InvalidRequest(
            f"{product} has no reorder point anywhere yet: plan it (stockkeeper plan), or set it by hand (stockkeeper "
            "plan set)"
        )
    if len(places) > 1:
        where = f"it has reorder points in {', '.join(places)}"
        raise InvalidRequest(f"name the warehouse of {product} (--warehouse): {where}")
    return places[0]


def _print_explained(found: PlanExplained) -> None:
    planned = found.planned_reorder_point
    by_hand = (
        "" if planned in (None, found.reorder_point) else f" (set by hand until the next run; the plan's is {planned})"
    )
    out.print(
        f"[bold]{escape(found.sku)}[/bold] in {escape(found.warehouse)}: reorder point {found.reorder_point}{by_hand}"
    )
    if not found.numbers:
        out.print("set by hand: no plan is behind it" if found.planning == "manual" else "no plan is behind it yet")
    else:
        out.print(
            table(
                ["number", "#value", "unit", "comes from"],
                [
                    [each.name, "" if each.value is None else _number(each.value), each.unit, escape(each.formula)]
                    for each in found.numbers
                ],
            )
        )
    for line in ahead(found):
        out.print(line)
    if found.outlook:
        out.print()
        width = out.width if out.width < UNLIMITED else _OFF_A_TERMINAL
        out.print(draw(found, width=width, height=_ROWS), soft_wrap=True)


def ahead(found: PlanExplained) -> Iterator[str]:
    """The next weeks in words."""
    yield f"available {found.quantity_available}"
    if found.quantity_to_expire:
        yield f"of them {found.quantity_to_expire} will expire unsold: no order counts on them"
    if found.unavailable:
        states = (f"{units} {state.lower().replace('_', ' ')}" for state, units in found.unavailable.items())
        yield f"unavailable: {', '.join(states)}"
    for each in found.arrivals:
        known_by = f" ({each.basis.lower()})" if each.basis else ""
        when = "no day is known" if each.expected_on is None else f"expected on {each.expected_on}{known_by}"
        where = "waits for approval" if each.waits_for_approval else "on its way"
        yield f"{where}: {counted(each.quantity, 'unit')} with {escape(each.document)}, {when}"
    if found.order_by is not None:
        yield _order_by(found, found.order_by, found.falls_below or found.order_by)
    if found.runs_out is not None:
        yield f"[red]expected to run out on {found.runs_out}[/red] if nothing more is ordered"


def _order_by(found: PlanExplained, order_by: date, below: date) -> str:
    late = order_by > below
    day = f"[bold]order {'on' if late else 'by'} {order_by}[/bold]"
    if below <= found.today:
        return f"{day}{', the next review day of its supplier' if late else ''} (it is below its point)"
    if late:
        day = f"{day}, the next review day of its supplier: there is none until it falls below its point on {below}"
    elif order_by < below:
        day = f"{day}, the last review day of its supplier before it falls below its point on {below}"
    unsure = any(each.expected_on is None for each in found.arrivals)
    return f"{day}{', if what has no day yet comes in time' if unsure else ''}"


def accuracy(
    *,
    warehouse: options.OnlyWarehouse = None,
    since: Annotated[str | None, typer.Option(metavar="DAY", help="From this day's month on; else a year.")] = None,
    as_json: options.AsJson = False,
) -> None:
    """Print what plans promised and what was reached, by month and class of demand."""
    first = read_input(lambda: day_or_none(since, "--since"))

    async def work() -> list[PlanAccuracy]:
        return await (await connect()).plan_accuracies(warehouse=warehouse, since=first)

    found = run(work())
    if as_json:
        print_json([each.model_dump(mode="json") for each in found])
        return
    if not found:
        out.print("no plan has been kept yet: a run keeps those of the run before it")
        return
    out.print(
        table(
            ["month", "class", "#cycles", "#service (promised)", "#units", "#refused", "#filled (promised)"],
            [_row(each) for each in found],
        )
    )


def _row(each: PlanAccuracy) -> list[str]:
    filled = None if each.units is None else _part(each.units, each.units + each.units_refused)
    return [
        *(each.month, each.demand_class, str(each.cycles)),
        _beside(_part(each.cycles_without_stockout, each.cycles), each.promised_cycle_service),
        *("" if each.units is None else str(each.units), str(each.units_refused)),
        _beside(filled, each.promised_fill_rate),
    ]


def _part(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _beside(reached: float | None, promised: float | None) -> str:
    """What was reached, and in brackets what was promised, in percent; empty where nothing has come to its end."""
    if reached is None:
        return ""
    return f"{100 * reached:.1f} %" + ("" if promised is None else f" ({100 * promised:.1f} %)")


def _number(value: float) -> str:
    return f"{value:,.3f}".rstrip("0").rstrip(".") if abs(value) < 1e15 else f"{value:g}"
