"""Stock that is planned from its demand, and ordered once: by a run, by ten at a time, and by the sale that empties it.

A warehouse of its own opens for it, whose demand ends today: the sample's is of one October, and from some day on
no plan would use it any more.
"""

import asyncio
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from devstack.scenes.scene import Play, Scene, Shop, Sight
from starter.schedules import pause_schedule, schedules
from stockkeeper import DeliveryLine, Line, PurchaseOrder, Stockkeeper
from stockkeeper.contracts.messages import amount
from stockkeeper.contracts.reorder import ReorderState
from stockkeeper.contracts.replenishment_plan import ItemPlan

_WHERE, _TIMEZONE = "Rotterdam", "Europe/Amsterdam"
_CUP, _SAUCER = "CUP-1", "SAUCER-1"
_WEEK = (44, 44, 44, 44, 44, 60, 70)
"""From Monday on. Over five weeks, whichever day they begin: 50 a day, and 10 the sample's standard deviation."""
_HISTORY_DAYS = 35
_RUNS_AT_ONCE = 10
_WITHIN_SECONDS = 30

_FILES = {
    "warehouses": ["name,timezone", f"{_WHERE},{_TIMEZONE}"],
    "products": ["sku,name,unit_cost,unit_price", f"{_CUP},Cup,3.10,7.50", f"{_SAUCER},Saucer,2.00,4.00"],
    "product-suppliers": [
        "sku,supplier,is_preferred,unit_cost,lead_time_days,minimum_order_quantity,pack_size",
        f"{_CUP},Weser Ceramics,true,3.10,7,36,6",
        f"{_SAUCER},Weser Ceramics,true,2.00,7,12,12",
    ],
    "stock": ["sku,warehouse,quantity", f"{_CUP},{_WHERE},500", f"{_SAUCER},{_WHERE},40"],
}


async def pause_schedules(stock: Stockkeeper) -> Scene:
    """Pause the schedules, so that none starts a run in the middle of a scene."""
    for planned in await schedules(stock.connection):
        await pause_schedule(stock.connection, planned.schedule_id, note="demo: everything at its time")
    shown = await schedules(stock.connection)
    return Scene(
        "the schedules that setup has made",
        "reorder-hourly paused, replenishment-plan-daily paused, cycle-count-daily paused, lot-expiry-hourly paused, "
        "stock-audit-nightly paused",
        ", ".join(f"{each.schedule_id} {'paused' if each.paused else 'running'}" for each in shown),
    )


async def _planned(shop: Shop) -> Sight:
    """Plan: 44 cups sold on each weekday, 60 on Saturdays, 70 on Sundays; 7 days to get more."""
    # A warehouse opens, and five weeks of demand become a reorder point.
    today = datetime.now(ZoneInfo(_TIMEZONE)).date()
    # Today isn't looked at; it is there for a demo that is shown around midnight.
    days = [today - timedelta(days=back) for back in range(_HISTORY_DAYS + 1)]
    sold = ["sku,warehouse,day,quantity", *(f"{_CUP},{_WHERE},{day},{_WEEK[day.weekday()]}" for day in days)]
    for kind, lines in (_FILES | {"demand": sold}).items():
        await shop.imports(kind, lines)
    state = await shop.stock.run_plan(
        warehouse_id=(await _ids(shop))[_WHERE],
        history_days=_HISTORY_DAYS,
        method="seed",
    )
    plan = await _plan_of(shop, _CUP)
    usage = (plan.daily_mean or 0) * (plan.lead_time_days or 0)
    yield (
        "1 planned: 50 a day, deviation 10, over 35 days: point 394 = 350 + 43.5, quantity 1536",
        (
            f"{state.items_planned} planned: {plan.daily_mean:g} a day, deviation {plan.daily_deviation:g}, "
            f"over {plan.days} days: point {plan.reorder_point} = {usage:g} "
            f"+ {plan.safety_stock:.1f}, quantity {plan.reorder_quantity}"
        ),
    )


async def _dry_run(shop: Shop) -> Sight:
    """Reorder --dry-run, twice: 40 saucers, and a point of 50."""
    # A planner sets a point by hand, and looks at what would be ordered.
    await shop.stock.set_by_hand(
        _SAUCER,
        _WHERE,
        reorder_point=50,
        reorder_quantity=60,
        performed_by="ann",
    )
    first, second = [await _reorder(shop, dry_run=True) for _ in range(2)]
    line = first.purchase_orders[0].line_items[0]
    why = "point 50 (set by hand); available 40, on order 0, in transit 0; minimum 12, pack 12"
    yield (
        f"1 below, 0 covered: 60 would be ordered; {why}",
        f"{_found(first)}: {line.qty} would be ordered; {line.note}",
    )
    yield "the second time: 1 below, 0 covered", f"the second time: {_found(second)}"


async def _once(shop: Shop) -> Sight:
    """Reorder, ten runs at once."""
    # Ten runs at once find the same item below its point, and one more looks afterwards.
    runs = await asyncio.gather(*(_reorder(shop) for _ in range(_RUNS_AT_ONCE)))
    orders = [order for run in runs for order in run.purchase_orders]
    drafted = await _order(shop, orders[0].po_number or "")
    state, line = drafted.state, drafted.state.line_items[0]
    afterwards = await _reorder(shop)
    yield (
        "1 order: 60 saucers, 120.00, SUBMITTED",
        f"{len(orders)} order: {line.qty} saucers, {amount(state.total)}, {state.status}",
    )
    yield (
        "another run: 1 below, 1 covered, 0 orders",
        f"another run: {_found(afterwards)}, {afterwards.orders_drafted} orders",
    )


async def _at_once(shop: Shop) -> Sight:
    """100 of 500 cups are sold, then 10, and 20 more when these have been ordered."""
    # A sale lets the cups fall below their point: that orders them at once, and the next sale not again.
    available = [await _sell(shop, order, units) for order, units in (("2001", 100), ("2002", 10))]
    drafted = await _drafted(shop)
    available.append(await _sell(shop, "2003", 20))
    afterwards = await _reorder(shop)
    line = (await _order(shop, drafted)).state.line_items[0]
    why = (
        "point 394 = usage 50/day x lead time 7 days + safety stock 43.52 (deviation 10 over 35 days, service level "
        "0.95); available 390, on order 0, in transit 0; EOQ 1534.55, minimum 36, pack 6"
    )
    yield "400, 390, 370 left", f"{', '.join(map(str, available))} left"
    yield f"1536 ordered: {why}", f"{line.qty} ordered: {line.note}"
    looked = f"{_found(afterwards)}, {afterwards.orders_drafted} orders"
    yield "another run: 2 below, 2 covered, 0 orders", f"another run: {looked}"


async def _approved(shop: Shop) -> Sight:
    """Procurement approves what was drafted, and the cups come."""
    # Procurement approves what the run has drafted, and the goods come.
    order = await _order(shop, await _drafted(shop))
    approved = await order.approve(approver="buyer")
    line = approved.line_items[0]
    came = DeliveryLine(product_id=line.product_id, quantity=line.qty)
    state = await order.receive("R-1", [came], performed_by="dock")
    yield "4,761.60: SUBMITTED", f"{amount(approved.total)}: {approved.status}"
    yield "RECEIVED: 1906 on hand, 0 reserved", f"{state.status}: {await shop.level(_CUP, _WHERE)}"
    yield "another run: 1 below, 1 covered", f"another run: {_found(await _reorder(shop))}"


async def _ids(shop: Shop) -> dict[str, int]:
    """Ids of the sold product and of the warehouse, by SKU and name."""
    found = await shop.stock.ids([_CUP], [_WHERE])
    return found.products | found.warehouses


async def _plan_of(shop: Shop, sku: str) -> ItemPlan:
    found = shop.stock.plans(product=sku, warehouse=_WHERE)
    [plan] = [each async for each in found]
    return plan


async def _reorder(shop: Shop, *, dry_run: bool = False) -> ReorderState:
    return await shop.stock.run_reorder(
        warehouse_id=(await _ids(shop))[_WHERE],
        dry_run=dry_run,
    )


async def _sell(shop: Shop, order: str, units: int) -> int:
    """Sell some cups; how many are left."""
    ids = await _ids(shop)
    line = Line(product_id=ids[_CUP], warehouse_id=ids[_WHERE], quantity=units)
    await (await shop.stock.reserve(order, [line], performed_by="checkout")).fulfill(performed_by="packing")
    return (await _plan_of(shop, _CUP)).quantity_available


async def _drafted(shop: Shop) -> str:
    """The order that is in procurement's inbox, or comes there soon, and that a run has drafted."""
    async with asyncio.timeout(_WITHIN_SECONDS):
        while True:
            for draft in await shop.stock.awaiting_approval():
                if draft.requested_by == "reorder":
                    return draft.po_number
            await asyncio.sleep(0.1)


async def _order(shop: Shop, po_number: str) -> PurchaseOrder:
    """An order, once its own workflow has it."""
    order = await shop.stock.purchase_order(po_number)
    async with asyncio.timeout(_WITHIN_SECONDS):
        while not order.state.line_items:
            await asyncio.sleep(0.05)
            await order.refresh()
    return order


def _found(state: ReorderState) -> str:
    return f"{state.items_below} below, {state.items_covered} covered"


SCENES: list[Play] = [_planned, _dry_run, _once, _at_once, _approved]
