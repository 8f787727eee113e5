"""A product in every warehouse: its numbers, its course, its lots, and what was there at an instant."""

import asyncio
from datetime import UTC, datetime, timedelta

from starlette.responses import Response

from starter.cli.chart_series import Series, series_of
from starter.cli.times import instant
from starter.console.charts import chart_of
from starter.console.items import (
    Places,
    arrivals_of,
    last_events,
    live,
    named,
    places_of,
    product_named,
    rows_of,
    there_is_none,
    warehouses_of,
)
from starter.console.paging import first
from starter.console.routes import Routes
from starter.console.texts import Texts
from starter.console.visit import Visit
from stockkeeper.contracts.errors import InvalidRequest
from stockkeeper.contracts.ledger import Course, LevelThen
from stockkeeper.contracts.lot_questions import LotShown
from stockkeeper.contracts.product import Tracking
from stockkeeper.contracts.stock import StockLevel

routes = Routes()

PERIODS = (7, 30, 90, 365)
"""Days that a chart may show."""
STEPS = 120
LOTS_SHOWN = 30


@routes.get("/stock/{sku:path}")
async def show_item(visit: Visit) -> Response:
    """A product; ``warehouse`` and ``days`` choose the chart, ``at`` is an instant in that warehouse's time."""
    days = _days(visit)
    with there_is_none():
        name = await product_named(visit)
        product, levels, places, after = await asyncio.gather(
            visit.stock.product_names(name), _levels(visit, name), places_of(visit), last_events(visit)
        )
    product_id = product.product_id
    places = Places(await warehouses_of(visit.stock, [each.warehouse_id for each in levels]), places.chosen)
    place = places.chosen
    if place is None and levels:
        place = max(levels, key=lambda each: each.quantity_on_hand).warehouse_id
    arrivals, course, lots, then = await asyncio.gather(
        arrivals_of(visit.stock, [product_id]),
        _course(visit, product_id, place, days),
        _lots(visit, product_id) if product.tracking is not Tracking.NONE else _no_lots(),
        _then(visit, product_id, place, places),
    )
    shown = Places(places.all, place)
    series = None if course is None else series_of(course, *_period(days))
    return visit.show(
        "stock_item.html",
        product=product,
        sku=product.sku,
        rows=rows_of(levels, arrivals).get(product_id, []),
        live=live(after, [product_id]),
        places=shown,
        here=[each for each in places.all if any(each.warehouse_id == level.warehouse_id for level in levels)],
        zone=shown.zone(place),
        zone_of=places.zone,
        days=days,
        periods=PERIODS,
        chart=None if series is None else chart_of(series, visit.texts, shown.zone(place)),
        said="" if series is None else _in_words(series, visit.texts),
        lots=lots[0],
        more_lots=lots[1],
        at=visit.query("at"),
        then=then,
    )


async def _levels(visit: Visit, name: str) -> list[StockLevel]:
    return [each async for each in visit.stock.levels(name)]


def _days(visit: Visit) -> int:
    typed = visit.query("days")
    if typed is None:
        return PERIODS[1]
    if typed not in {str(each) for each in PERIODS}:
        raise InvalidRequest(visit.texts.say("Choose a period from the list."))
    return int(typed)


def _period(days: int) -> tuple[datetime, datetime]:
    """From so many days ago to the next full minute: the same page within a minute asks the same."""
    now = datetime.now(UTC).replace(second=0, microsecond=0) + timedelta(minutes=1)
    return now - timedelta(days=days), now


async def _course(visit: Visit, product_id: int, place: int | None, days: int) -> Course | None:
    if place is None:
        return None
    since, until = _period(days)
    return await visit.stock.course(named(product_id), named(place), since=since, until=until, steps=STEPS)


async def _lots(visit: Visit, product_id: int) -> tuple[list[LotShown], bool]:
    return await first(visit.stock.lots(named(product_id)), LOTS_SHOWN)


async def _no_lots() -> tuple[list[LotShown], bool]:
    return [], False


async def _then(visit: Visit, product_id: int, place: int | None, places: Places) -> list[LevelThen] | None:
    """What was there at the instant in the address, in the time of the chosen warehouse; None: it names none.

    Raises:
        InvalidRequest: It isn't an instant, or is yet to come.
    """
    typed = visit.query("at")
    if typed is None:
        return None
    try:
        as_of = instant(typed, "at", zone=places.zone(place))
    except InvalidRequest:
        raise InvalidRequest(visit.texts.say("Choose a day and a time, such as 2026-11-23 14:30.")) from None
    if as_of > datetime.now(UTC):
        raise InvalidRequest(visit.texts.say("That time is yet to come. Choose one in the past."))
    return [each async for each in visit.stock.stock_at(as_of, product=named(product_id))]


def _in_words(series: Series, texts: Texts) -> str:
    """The chart in a sentence."""
    if not series.points:
        return texts.say("Nothing had moved by then.")
    on_hand = [each.on_hand for each in series.points]
    lowest = min(each.lowest or 0 for each in series.points)
    said = texts.say(
        "On hand {now}; {most} at the most, {least} at the least.",
        now=texts.number(on_hand[-1]),
        most=texts.number(max(*on_hand, lowest)),
        least=texts.number(lowest),
    )
    if series.stockouts:
        out = texts.counted("Out of stock {number} time.", "Out of stock {number} times.", len(series.stockouts))
        return f"{said} {out}"
    return said
