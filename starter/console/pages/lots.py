"""Lots: those about to expire, those of a product or number, and who holds units of one."""

import asyncio
from contextlib import suppress

from starlette.responses import Response

from starter.console.items import chosen_warehouse, named, places_of, there_is_none
from starter.console.paging import address, first, part_of
from starter.console.routes import Routes
from starter.console.visit import Visit
from stockkeeper.contracts.errors import InvalidRequest, NotFound, UnknownProduct
from stockkeeper.contracts.lot_questions import (
    EXPIRING_WITHIN_DAYS,
    LONGEST_DAYS_AHEAD,
    LotShown,
    ShowExpiringLots,
    ShowLots,
)
from stockkeeper.contracts.question import SHOW_EXPIRING_LOTS, SHOW_LOTS

routes = Routes()

SHOWN = 50
HOLDERS = 300


@routes.get("/lots")
async def show_lots(visit: Visit) -> Response:
    """Lots on hand that have expired or will within ``within`` days; or with ``q`` those of a product or a number."""
    typed, within = visit.query("q"), _within(visit)
    place = chosen_warehouse(visit)
    warehouse = None if place is None else named(place)
    asked = _expiring(visit, warehouse, within) if typed is None else _found(visit, warehouse, typed)
    with there_is_none():
        (lots, more), places = await asyncio.gather(asked, places_of(visit))
    onward = address("/lots", q=typed, within=visit.query("within"), warehouse=places.chosen, after=more)
    return visit.show(
        "lots.html",
        lots=lots,
        places=places,
        typed=typed,
        within=within,
        longest=LONGEST_DAYS_AHEAD,
        more=onward if more else None,
        with_product=True,
    )


@routes.get("/lots/holders")
async def show_holders(visit: Visit) -> Response:
    """The orders and transfers that hold units of a lot."""
    sku, lot = visit.query("sku"), visit.query("lot")
    if sku is None or lot is None:
        raise InvalidRequest(visit.texts.say("Choose a lot in the list."))
    product = await _product(visit, sku)
    if product is None:
        raise NotFound(visit.texts.say("No product has the SKU {name}.", name=sku))
    (holds, more), places = await asyncio.gather(
        first(visit.stock.lot_holds(named(product), lot), HOLDERS), places_of(visit)
    )
    return visit.show("lot_holders.html", sku=sku, lot=lot, holds=holds, more=more, places=places)


def _within(visit: Visit) -> int:
    typed = visit.query("within")
    if typed is None:
        return EXPIRING_WITHIN_DAYS
    if not (typed.isascii() and typed.isdecimal() and len(typed) < 6 and int(typed) <= LONGEST_DAYS_AHEAD):
        said = visit.texts.say("Give days as a number from 0 to {most}.", most=visit.texts.number(LONGEST_DAYS_AHEAD))
        raise InvalidRequest(said)
    return int(typed)


async def _expiring(visit: Visit, warehouse: str | None, within: int) -> tuple[list[LotShown], str | None]:
    asked = ShowExpiringLots(within_days=within, warehouse=warehouse)
    return await part_of(visit.stock, SHOW_EXPIRING_LOTS, asked, SHOWN, visit.query("after"))


async def _found(visit: Visit, warehouse: str | None, typed: str) -> tuple[list[LotShown], str | None]:
    """Lots of what was scanned, of a product, or with a number."""
    scanned, product = await asyncio.gather(visit.stock.scan(typed), _product(visit, typed))
    lot: str | None = None
    if scanned.certain and scanned.readings[0].product_id is not None:
        product = scanned.readings[0].product_id
        lot = scanned.readings[0].lot_number or scanned.readings[0].serial
    elif product is None:
        lot = typed[:100]
    asked = ShowLots(
        product=None if product is None else named(product),
        lot_number=lot,
        warehouse=warehouse,
    )
    return await part_of(visit.stock, SHOW_LOTS, asked, SHOWN, visit.query("after"))


async def _product(visit: Visit, sku: str) -> int | None:
    with suppress(UnknownProduct):
        return (await visit.stock.ids([sku[:200]])).products[sku[:200]]
    return None
