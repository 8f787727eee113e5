"""Replenishment: what is below its reorder point, why the point is where it is, the next weeks, and another point."""

import asyncio
from contextlib import suppress

from starlette.responses import Response

from starter.console.addresses import segment
from starter.console.charts import outlook_of
from starter.console.items import (
    Places,
    arrivals_of,
    chosen_warehouse,
    last_events,
    live,
    named,
    places_of,
    product_named,
    rows_of,
    there_is_none,
    warehouses_of,
)
from starter.console.paging import address, part_of
from starter.console.routes import Routes
from starter.console.visit import Visit
from stockkeeper.contracts.errors import InvalidRequest, NotPermitted
from stockkeeper.contracts.messages import MAX_UNITS
from stockkeeper.contracts.permission import Needs, Role, require_role
from stockkeeper.contracts.plan_questions import PlanExplained
from stockkeeper.contracts.question import SHOW_LEVELS
from stockkeeper.contracts.stock import ShowLevels

routes = Routes()

SHOWN = 40
PLAN = Needs((Role.BUY,))
"""As `set_planning` needs it, in the item's warehouse."""


@routes.get("/replenishment")
async def show_below(visit: Visit) -> Response:
    """Items of which less is available than their reorder point, with what is on its way to each."""
    place = chosen_warehouse(visit)
    asked = ShowLevels(below_reorder_point=True, warehouse_ids=[] if place is None else [place], limit=SHOWN)
    with there_is_none():
        (levels, more), places, after = await asyncio.gather(
            part_of(visit.stock, SHOW_LEVELS, asked, SHOWN, visit.query("after")), places_of(visit), last_events(visit)
        )
    products = sorted({each.product_id for each in levels})
    found = rows_of(levels, await arrivals_of(visit.stock, products, place))
    its = {(row.level.product_id, row.warehouse_id): row for rows in found.values() for row in rows if row.level}
    rows = [its[each.product_id, each.warehouse_id] for each in levels]
    onward = address("/replenishment", warehouse=places.chosen, after=more)
    follows = live(after, products) if products else None
    return visit.show("replenishment.html", rows=rows, places=places, more=onward if more else None, live=follows)


@routes.get("/replenishment/{sku:path}")
async def show_plan(visit: Visit) -> Response:
    """How an item's point came about, and its next weeks."""
    with there_is_none():
        name, place = await product_named(visit), chosen_warehouse(visit)
        if place is None:
            level = await anext(visit.stock.levels(name), None)
            place = None if level is None else level.warehouse_id
        product, found, plan = await asyncio.gather(
            visit.stock.product_names(name), warehouses_of(visit.stock, [place]), _explained(visit, name, place)
        )
    places = Places(found, place)
    return visit.show(
        "plan.html",
        product=product,
        sku=product.sku,
        places=places,
        plan=plan,
        chart=None if plan is None else outlook_of(plan, visit.texts, places.zone(place)),
        may_set=place is not None and visit.may(PLAN, {"warehouse_id": place}),
        most=MAX_UNITS,
    )


@routes.post("/replenishment/{sku:path}/point", Role.BUY)
async def set_point(visit: Visit) -> Response:
    """Set an item's point, and the units of an order, by hand."""
    name, place = await product_named(visit), _place(visit)
    point = await _units(visit, "reorder_point", least=0)
    quantity = await _units(visit, "reorder_quantity", least=1)
    if point is None:
        raise InvalidRequest(visit.texts.say("Give the reorder point: the units below which it is ordered."))
    if quantity is None and (now := await _explained(visit, name, place)) is not None:
        # Left empty: as it is.
        quantity = now.reorder_quantity
    plan = await visit.stock.set_by_hand(
        name,
        named(place),
        reorder_point=point,
        reorder_quantity=quantity,
        performed_by=visit.person,
    )
    said = visit.texts.say(
        "The reorder point of {name} is {point} now, set by you.", name=plan.sku, point=visit.texts.number(point)
    )
    return visit.go_to(_page(plan.sku, place), said)


@routes.post("/replenishment/{sku:path}/automatic", Role.BUY)
async def set_automatic(visit: Visit) -> Response:
    """Give an item back to planning."""
    name, place = await product_named(visit), _place(visit)
    plan = await visit.stock.set_automatic(name, named(place), performed_by=visit.person)
    said = visit.texts.say("{name} is planned by its demand again, from the next run on.", name=plan.sku)
    return visit.go_to(_page(plan.sku, place), said)


def _place(visit: Visit) -> int:
    """The warehouse in the address, in which the person may plan.

    Raises:
        NotPermitted: The person may not.
    """
    place = chosen_warehouse(visit)
    if place is None:
        raise InvalidRequest(visit.texts.say("Choose a warehouse from the list."))
    try:
        require_role(visit.identity, PLAN, "set_planning", [place])
    except NotPermitted:
        said = visit.texts.say("You may not set reorder points in this warehouse. Ask whoever buys for it.")
        raise NotPermitted(said) from None
    return place


def _page(sku: str, place: int) -> str:
    return address(f"/replenishment/{segment(sku)}", warehouse=place)


async def _units(visit: Visit, name: str, *, least: int) -> int | None:
    typed = await visit.field(name)
    if typed is None:
        return None
    if not (typed.isascii() and typed.isdecimal() and len(typed) < 20 and least <= int(typed) <= MAX_UNITS):
        raise InvalidRequest(visit.texts.say("Give whole units, without signs or points: 120."))
    return int(typed)


async def _explained(visit: Visit, name: str, place: int | None) -> PlanExplained | None:
    """The plan; None: the item has no point yet."""
    if place is None:
        return None
    with suppress(InvalidRequest):
        return await visit.stock.explain_plan(name, named(place))
    return None
