"""`stockkeeper plan`, `reorder` and `schedule`: when to order again, what to order, and what happens by itself."""

from decimal import Decimal
from typing import Annotated, Any

import typer
from rich.markup import escape

from starter.cli.context import AsJson, PerformedBy, connect, run
from starter.cli.documents import ask_for, print_afterwards, warehouse_named
from starter.cli.output import err, out, print_json, table
from starter.schedules import ScheduleShown, pause_schedule, resume_schedule, schedules, trigger_schedule
from stockkeeper.client.replenishment import plans, run_plan, run_reorder, set_automatic, set_by_hand
from stockkeeper.client.stock import names
from stockkeeper.client.stockkeeper import Stockkeeper
from stockkeeper.contracts.errors import InvalidRequest
from stockkeeper.contracts.messages import amount, counted, money, utc
from stockkeeper.contracts.reorder import ReorderState
from stockkeeper.contracts.replenishment_plan import ItemPlan, PlanState
from stockkeeper.contracts.stock import FoundItems

plan_app = typer.Typer(help="When to order again: reorder points and quantities from demand.")
schedule_app = typer.Typer(no_args_is_help=True, help="What happens by itself, and when.")

Warehouse = Annotated[str | None, typer.Option(help="Only this warehouse.")]
Sku = Annotated[str, typer.Argument(metavar="SKU", help="The product.")]
Place = Annotated[str, typer.Argument(metavar="WAREHOUSE", help="The warehouse.")]
ScheduleId = Annotated[str, typer.Argument(metavar="SCHEDULE", help="Its name, as `schedule list` shows it.")]


@plan_app.callback(invoke_without_command=True)
def plan(
    context: typer.Context,
    *,
    warehouse: Warehouse = None,
    history_days: Annotated[int, typer.Option(help="Days of demand that are looked at.")] = 90,
    service_level: Annotated[float, typer.Option(help="The probability that a cycle has no stockout.")] = 0.95,
    order_cost: Annotated[str | None, typer.Option(help="What an order costs; else as the settings say.")] = None,
    holding_cost_rate: Annotated[
        float | None, typer.Option(help="Holding cost per year, as a part of the unit cost; else as the settings say.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Plan every item anew now. Without a command of its own, that is what `plan` does."""
    if context.invoked_subcommand is not None:
        return

    async def work() -> PlanState:
        stock = await connect()
        return await run_plan(
            stock.client,
            warehouse_id=await warehouse_named(stock, warehouse),
            history_days=history_days,
            service_level=service_level,
            order_cost=_amount(order_cost),
            holding_cost_rate=holding_cost_rate,
            task_queue=stock.task_queue,
        )

    state = run(work())
    if as_json:
        print_json(state)
        return
    out.print(f"{counted(state.items_planned, 'item')} planned, {state.items_changed} changed")
    print_afterwards(state.notes)


@plan_app.command("show")
def show(
    product: Annotated[str | None, typer.Argument(metavar="[SKU]", help="Only this product.")] = None,
    *,
    warehouse: Warehouse = None,
    limit: Annotated[int, typer.Option(min=1, help="How many lines at most.")] = 1_000,
    as_json: AsJson = False,
) -> None:
    """What is planned, and from which numbers."""
    found = ask_for(
        lambda stock: plans(stock.client, product=product, warehouse=warehouse, task_queue=stock.task_queue), limit
    )
    if as_json:
        print_json([each.model_dump(mode="json") for each in found])
        return
    _print_plans(found)
    if len(found) == limit:
        err.print(f"the first {limit}; --limit shows more")


@plan_app.command("set")
def set_(
    product: Sku,
    warehouse: Place,
    *,
    reorder_point: Annotated[int, typer.Option(min=0, help="Units available below which it is ordered.")],
    reorder_quantity: Annotated[int | None, typer.Option(min=1, help="Units that are ordered at once.")] = None,
    performed_by: PerformedBy,
    as_json: AsJson = False,
) -> None:
    """Set an item by hand; planning leaves it alone from then on."""

    async def work() -> ItemPlan:
        stock = await connect()
        return await set_by_hand(
            stock.client,
            product,
            warehouse,
            reorder_point=reorder_point,
            reorder_quantity=reorder_quantity,
            performed_by=performed_by,
            task_queue=stock.task_queue,
        )

    _show_plan(run(work()), as_json=as_json)


@plan_app.command("auto")
def auto(product: Sku, warehouse: Place, *, performed_by: PerformedBy, as_json: AsJson = False) -> None:
    """Let planning have an item again, from its next run on."""

    async def work() -> ItemPlan:
        stock = await connect()
        return await set_automatic(
            stock.client, product, warehouse, performed_by=performed_by, task_queue=stock.task_queue
        )

    _show_plan(run(work()), as_json=as_json)
    if not as_json:
        err.print("point and quantity stay as they are until the next planning run", style="dim")


def reorder(
    *,
    warehouse: Warehouse = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be ordered, and why.")] = False,
    as_json: AsJson = False,
) -> None:
    """Order what is below its reorder point, now."""

    async def work() -> tuple[ReorderState, FoundItems | None]:
        stock = await connect()
        state = await run_reorder(
            stock.client,
            warehouse_id=await warehouse_named(stock, warehouse),
            dry_run=dry_run,
            task_queue=stock.task_queue,
        )
        return state, None if as_json else await _names(stock, state)

    state, found = run(work())
    if found is None:
        print_json(state)
        return
    _print_reorder(state, found)


@schedule_app.command("list")
def list_(*, as_json: AsJson = False) -> None:
    """The schedules: when each ran last and runs next."""

    async def work() -> list[ScheduleShown]:
        stock = await connect()
        return await schedules(stock.client, task_queue=stock.task_queue)

    rows = run(work())
    if as_json:
        print_json([_as_json(row) for row in rows])
        return
    out.print(
        table(
            ["schedule", "what it does", "last run", "next run", ""],
            [
                [
                    escape(row.schedule_id),
                    escape(row.told),
                    utc(row.last_at) if row.last_at else "never",
                    utc(row.next_at) if row.next_at else "",
                    f"[yellow]paused[/yellow]: {escape(row.note)}" if row.paused else "",
                ]
                for row in rows
            ],
        )
    )


@schedule_app.command("pause")
def pause(
    schedule: ScheduleId, *, reason: Annotated[str, typer.Option(help="Why.")], performed_by: PerformedBy
) -> None:
    """Let it run no more until it is resumed."""

    async def work() -> None:
        stock = await connect()
        await pause_schedule(stock.client, schedule, note=f"{performed_by}: {reason}")

    run(work())
    out.print(f"schedule {escape(schedule)} is paused")


@schedule_app.command("resume")
def resume(schedule: ScheduleId, *, performed_by: PerformedBy) -> None:
    """Let it run again."""

    async def work() -> None:
        stock = await connect()
        await resume_schedule(stock.client, schedule, note=f"resumed by {performed_by}")

    run(work())
    out.print(f"schedule {escape(schedule)} runs again")


@schedule_app.command("trigger")
def trigger(schedule: ScheduleId) -> None:
    """Let it run now, once."""

    async def work() -> None:
        stock = await connect()
        await trigger_schedule(stock.client, schedule)

    run(work())
    out.print(f"schedule {escape(schedule)} was asked to run")


def _as_json(row: ScheduleShown) -> dict[str, Any]:
    return {
        "schedule_id": row.schedule_id,
        "paused": row.paused,
        "note": row.note,
        "last_at": row.last_at.isoformat() if row.last_at else None,
        "last_workflow_id": row.last_workflow_id,
        "next_at": row.next_at.isoformat() if row.next_at else None,
    }


def _amount(text: str | None) -> Decimal | None:
    if text is None:
        return None
    try:
        return Decimal(text)
    except ArithmeticError:
        raise InvalidRequest(f"--order-cost {text!r}: it has to be an amount, such as 50 or 12.50") from None


async def _names(stock: Stockkeeper, state: ReorderState) -> FoundItems:
    lines = [line for order in state.purchase_orders for line in order.line_items]
    places = [order.warehouse_id for order in state.purchase_orders]
    return await names(
        stock.client,
        [*(line.product_id for line in lines), *(each.product_id for each in state.skipped)][:1_000],
        [*places, *(each.warehouse_id for each in state.skipped)],
        [order.supplier_id for order in state.purchase_orders],
        task_queue=stock.task_queue,
    )


def _print_reorder(state: ReorderState, found: FoundItems) -> None:
    would = "would be drafted" if state.dry_run else "drafted"
    out.print(
        f"{counted(state.items_below, 'item')} below the reorder point, {state.items_covered} of them covered; "
        f"{counted(state.orders_drafted, 'purchase order')} {would}"
    )
    for order in state.purchase_orders:
        supplier = found.supplier_names.get(order.supplier_id, f"supplier {order.supplier_id}")
        warehouse = found.warehouse_names.get(order.warehouse_id, f"warehouse {order.warehouse_id}")
        number = f"purchase order [bold]{escape(order.po_number)}[/bold], " if order.po_number else ""
        out.print()
        out.print(f"{number}{escape(supplier)} → {escape(warehouse)}, total {amount(order.total)}")
        out.print(
            table(
                ["product", "#units", "#unit cost", "why"],
                [
                    [
                        escape(found.skus.get(line.product_id, f"product {line.product_id}")),
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
    for each in state.skipped:
        sku = found.skus.get(each.product_id, f"product {each.product_id}")
        warehouse = found.warehouse_names.get(each.warehouse_id, f"warehouse {each.warehouse_id}")
        err.print(f"not ordered: {escape(sku)} in {escape(warehouse)}: {escape(each.reason)}", style="yellow")
    print_afterwards(state.notes, state.notices)


def _show_plan(plan: ItemPlan, *, as_json: bool) -> None:
    if as_json:
        print_json(plan)
    else:
        _print_plans([plan])


def _print_plans(found: list[ItemPlan]) -> None:
    out.print(
        table(
            ["sku", "warehouse", "planning", "#point", "#quantity", "planned from"],
            [
                [
                    escape(each.sku),
                    escape(each.warehouse),
                    each.planning,
                    _number(each.reorder_point),
                    _number(each.reorder_quantity),
                    _planned_from(each),
                ]
                for each in found
            ],
        )
    )


def _planned_from(plan: ItemPlan) -> str:
    """What a person needs to check a plan, in the words of the orders that follow from it."""
    if plan.supplier is None:
        return ""
    varies = f" (deviation {_number(plan.lead_time_deviation_days)})" if plan.lead_time_deviation_days else ""
    return (
        f"usage {_number(plan.daily_mean)}/day x lead time {_number(plan.lead_time_days)} days{varies} + safety stock "
        f"{_number(plan.safety_stock)} (deviation {_number(plan.daily_deviation)} over {plan.days} days, service level "
        f"{plan.service_level:g}); EOQ {_number(plan.economic_order_quantity)}; {escape(plan.supplier)}"
    )


def _number(value: float | None) -> str:
    if value is None:
        return ""
    if isinstance(value, int):
        return str(value)
    # As an order's reason has it: of a number that is larger than anybody counts, the size.
    return f"{value:.2f}".rstrip("0").rstrip(".") if value < 1e15 else f"{value:g}"
