"""`stockkeeper plan` and `reorder`: reorder points from demand, and orders of items below theirs."""

from decimal import Decimal
from enum import StrEnum
from typing import Annotated

import typer
from rich.markup import escape

from starter.cli import options, printing
from starter.cli.context import connect, read_input, run
from starter.cli.documents import names_or_ids
from starter.cli.output import amount, err, out, print_json, table
from starter.cli.products import of_product, product_named
from starter.cli.quantities import quantity_of, read_quantity
from stockkeeper.client.stockkeeper import Stockkeeper
from stockkeeper.contracts.errors import InvalidRequest
from stockkeeper.contracts.messages import counted, money
from stockkeeper.contracts.reorder import ReorderState, covered_by
from stockkeeper.contracts.replenishment_plan import ItemPlan, PlanState
from stockkeeper.contracts.stock import FoundItems

plan_app = typer.Typer(help="Reorder points and quantities from demand.")


class Method(StrEnum):
    """How points are found."""

    AUTO = "auto"
    SEED = "seed"


Place = Annotated[str, typer.Argument(metavar="WAREHOUSE", help="The warehouse: name or id.")]


@plan_app.callback(invoke_without_command=True)
def plan(
    context: typer.Context,
    *,
    warehouse: options.OnlyWarehouse = None,
    history_days: Annotated[int, typer.Option(help="Days of demand to plan from.")] = 90,
    service_level: Annotated[float, typer.Option(help="The probability that a cycle has no stockout.")] = 0.95,
    fill_rate: Annotated[
        float | None, typer.Option(help="The part of the units wanted that is sold, instead of --service-level.")
    ] = None,
    method: Annotated[
        Method, typer.Option(help="auto: for each item the distribution that fits; seed: the seed's formula for all.")
    ] = Method.AUTO,
    order_cost: Annotated[str | None, typer.Option(help="The cost of placing an order; else by the settings.")] = None,
    holding_cost_rate: Annotated[
        float | None, typer.Option(help="Holding cost per year, as a part of the unit cost; else by the settings.")
    ] = None,
    bulk_factor: Annotated[
        float | None,
        typer.Option(help="Leave out days with more than this many times the usual demand; else by the settings."),
    ] = None,
    forecast: Annotated[
        bool | None,
        typer.Option(help="Follow trend and season where three years of demand carry them; else by the settings."),
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """Plan reorder points and quantities of every item now, unless a subcommand is given."""
    if context.invoked_subcommand is not None:
        return

    async def work() -> tuple[PlanState, FoundItems | None]:
        cost = _amount(order_cost)
        stock = await connect()
        state = await stock.run_plan(
            warehouse_id=warehouse,
            history_days=history_days,
            service_level=service_level,
            fill_rate=fill_rate,
            method="seed" if method is Method.SEED else None,
            order_cost=cost,
            holding_cost_rate=holding_cost_rate,
            bulk_factor=bulk_factor,
            forecast=forecast,
        )
        return state, await _names_of_skipped(stock, state) if state.skipped else None

    state, names = run(work())
    if as_json:
        print_json(state)
        return
    out.print(f"{counted(state.items_planned, 'item')} planned, {state.items_changed} changed")
    if names is not None:
        _print_skipped(state, names, left="not planned")
    printing.print_afterwards(state.notes)


@plan_app.command("show")
def show(
    product: options.OnlySku = None,
    *,
    warehouse: options.OnlyWarehouse = None,
    limit: options.Limit = 1_000,
    as_json: options.AsJson = False,
) -> None:
    """List reorder points and quantities, and the numbers behind them."""
    found = printing.ask_for(
        lambda stock: of_product(stock, product, lambda named: stock.plans(product=named, warehouse=warehouse)), limit
    )
    _print_plans(found, limit=limit, as_json=as_json)


@plan_app.command("set")
def set_(
    product: options.Sku,
    warehouse: Place,
    *,
    reorder_point: Annotated[
        str,
        typer.Option(metavar="UNITS", help="Units available below which the item is ordered, or packs: 5case."),
    ],
    reorder_quantity: Annotated[str | None, typer.Option(metavar="UNITS", help="Units of one order, or packs.")] = None,
    performed_by: options.PerformedBy,
    as_json: options.AsJson = False,
) -> None:
    """Set an item by hand; planning keeps off it from then on."""
    at, much = "--reorder-point", "--reorder-quantity"
    point = read_input(lambda: read_quantity(reorder_point, at, "120"))
    quantity = read_input(lambda: reorder_quantity and read_quantity(reorder_quantity, much, "72"))

    async def work() -> ItemPlan:
        stock = await connect()
        return await stock.set_by_hand(
            await product_named(stock, product),
            warehouse,
            reorder_point=await quantity_of(stock, product, point, at),
            reorder_quantity=None if quantity is None else await quantity_of(stock, product, quantity, much),
            performed_by=performed_by,
        )

    _show_plan(run(work()), as_json=as_json)


@plan_app.command("auto")
def auto(
    product: options.Sku, warehouse: Place, *, performed_by: options.PerformedBy, as_json: options.AsJson = False
) -> None:
    """Give an item back to planning, from its next run on."""

    async def work() -> ItemPlan:
        stock = await connect()
        return await stock.set_automatic(await product_named(stock, product), warehouse, performed_by=performed_by)

    _show_plan(run(work()), as_json=as_json)
    if not as_json:
        err.print("point and quantity stay as they are until the next planning run", style="dim")


def reorder(
    *,
    warehouse: options.OnlyWarehouse = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the orders, and draft none.")] = False,
    as_json: options.AsJson = False,
) -> None:
    """Order items below their reorder point now."""

    async def work() -> tuple[ReorderState, FoundItems | None]:
        stock = await connect()
        state = await stock.run_reorder(warehouse_id=warehouse, dry_run=dry_run)
        return state, None if as_json else await _names(stock, state)

    state, found = run(work())
    if found is None:
        print_json(state)
        return
    _print_reorder(state, found)


def _amount(text: str | None) -> Decimal | None:
    if text is None:
        return None
    try:
        return Decimal(text)
    except ArithmeticError:
        raise InvalidRequest(f"--order-cost {text!r}: must be an amount, such as 50 or 12.50") from None


async def _names_of_skipped(stock: Stockkeeper, state: PlanState) -> FoundItems:
    return await stock.names(
        [each.product_id for each in state.skipped], [each.warehouse_id for each in state.skipped], []
    )


async def _names(stock: Stockkeeper, state: ReorderState) -> FoundItems:
    lines = [line for order in state.purchase_orders for line in order.line_items]
    places = [order.warehouse_id for order in state.purchase_orders]
    items = [(each.product_id, each.warehouse_id) for each in state.skipped]
    items += [(each.product_id, each.warehouse_id) for each in state.covered]
    return await names_or_ids(
        stock,
        [*(line.product_id for line in lines), *(product_id for product_id, _ in items)],
        [*places, *(warehouse_id for _, warehouse_id in items)],
        [order.supplier_id for order in state.purchase_orders],
    )


def _print_reorder(state: ReorderState, found: FoundItems) -> None:
    would = "would be drafted" if state.dry_run else "drafted"
    out.print(
        f"{counted(state.items_below, 'item')} below the reorder point, {state.items_covered} of them covered; "
        f"{counted(state.orders_drafted, 'purchase order')} {would}"
    )
    for order in state.purchase_orders:
        route = f"{printing.supplier(found, order.supplier_id)} → {printing.warehouse(found, order.warehouse_id)}"
        number = f"purchase order [bold]{escape(order.po_number)}[/bold], " if order.po_number else ""
        out.print()
        out.print(f"{number}{route}, total {amount(order.total)}")
        out.print(
            table(
                ["product", "#units", "#unit cost", "why"],
                [
                    [
                        printing.sku(found, line.product_id),
                        str(line.qty),
                        money(line.unit_cost),
                        escape(line.note),
                    ]
                    for line in order.line_items
                ],
            )
        )
        if order.items > len(order.line_items):
            out.print(f"and {counted(order.items - len(order.line_items), 'more line')}")
    for each in state.waiting:
        group = f"{counted(each.items, 'item')} from {escape(each.supplier)} to {escape(each.warehouse)}"
        err.print(f"waiting: {group}, ordered on {each.order_on} (orders go out on {each.review_days})", style="dim")
    for covered in state.covered:
        item = f"{printing.sku(found, covered.product_id)} in {printing.warehouse(found, covered.warehouse_id)}"
        has = f"{covered.quantity_available} of {covered.reorder_point}"
        if covered.quantity_to_expire:
            has += f", {covered.quantity_to_expire} of them will expire unsold"
        err.print(f"covered: {item}, {has}: {escape(covered_by(covered))}", style="dim")
    _print_skipped(state, found, left="not ordered")
    printing.print_afterwards(state.notes, state.notices)


def _print_skipped(state: ReorderState | PlanState, found: FoundItems, *, left: str) -> None:
    for each in state.skipped:
        item = f"{printing.sku(found, each.product_id)} in {printing.warehouse(found, each.warehouse_id)}"
        err.print(f"{left}: {item}: {escape(each.reason)}", style="yellow")


def _show_plan(plan: ItemPlan, *, as_json: bool) -> None:
    if as_json:
        print_json(plan)
    else:
        _print_plans([plan], as_json=False)


def _print_plans(found: list[ItemPlan], *, limit: int | None = None, as_json: bool) -> None:
    printing.print_rows(
        found,
        ["sku", "warehouse", "planning", "#point", "#quantity", "planned from"],
        lambda each: [
            escape(each.sku),
            escape(each.warehouse),
            each.planning,
            printing.text(each.reorder_point),
            printing.text(each.reorder_quantity),
            _planned_from(each),
        ],
        limit=limit,
        as_json=as_json,
    )


def _planned_from(plan: ItemPlan) -> str:
    """The numbers behind a plan, in the words of the orders that follow from it."""
    if plan.supplier is None:
        return ""
    varies = f" (deviation {_number(plan.lead_time_deviation_days)})" if plan.lead_time_deviation_days else ""
    lead_time = f"{_number(plan.lead_time_days)} {'day' if plan.lead_time_days == 1 else 'days'}{varies}"
    return (
        f"usage {_number(plan.daily_mean)}/day{_forecast(plan)} x lead time {lead_time} "
        f"+ safety stock {_number(plan.safety_stock)} "
        f"(deviation {_number(plan.daily_deviation)} over {counted(plan.days or 0, 'day')}, {_basis(plan)}); "
        f"EOQ {_number(plan.economic_order_quantity)}; {escape(plan.supplier)}{_since(plan)}"
    )


def _since(plan: ItemPlan) -> str:
    """Say that a person has set the item since, and what these numbers lead to."""
    point, quantity = plan.planned_reorder_point, plan.planned_reorder_quantity
    if point is None or (point, quantity) == (plan.reorder_point, plan.reorder_quantity):
        return ""
    return f"; planned are {point} and {quantity}: set by hand until the next run"


def _forecast(plan: ItemPlan) -> str:
    """By which forecast the usage isn't the mean."""
    if plan.forecast is None or plan.forecast_factor is None:
        return ""
    return f" ({_number(plan.forecast_factor)} times the mean, by {plan.forecast.replace('_', ' ')})"


def _basis(plan: ItemPlan) -> str:
    """The level asked for; and of a distribution which one, and what it is expected to reach."""
    level = f"service level {plan.service_level:g}" if plan.fill_rate is None else f"fill rate {plan.fill_rate:g}"
    if plan.method == Method.SEED or plan.expected_cycle_service is None or plan.expected_fill_rate is None:
        return level
    if plan.demand_class is None:
        return f"{level}; no demand in these days"
    return (
        f"{level}; {plan.demand_class}, {plan.method}: expected {100 * plan.expected_cycle_service:.1f} % of cycles, "
        f"{100 * plan.expected_fill_rate:.1f} % of units"
    )


def _number(value: float | None) -> str:
    if value is None:
        return ""
    if isinstance(value, int):
        return str(value)
    # As an order's reason has it: of a very large number, the size.
    return f"{value:.2f}".rstrip("0").rstrip(".") if value < 1e15 else f"{value:g}"
