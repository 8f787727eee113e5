"""What is behind an item's numbers: its movements, who holds it, what is on its way, and what can't be promised."""

import asyncio
from dataclasses import dataclass
from datetime import tzinfo
from typing import Any

from starlette.responses import Response

from starter.cli.links import run_url
from starter.console.items import Places, named, places_of, product_of
from starter.console.paging import first, part_of
from starter.console.routes import Routes
from starter.console.visit import Visit
from stockkeeper.contracts.errors import NotFound
from stockkeeper.contracts.ledger import ShowHistory
from stockkeeper.contracts.product import ProductNames
from stockkeeper.contracts.question import SHOW_HISTORY

routes = Routes()

SHOWN = 50
"""Rows on a page."""
MOST = 300
"""Holds or lines on a page that has no next one."""


@dataclass(frozen=True)
class _Item:
    """The item in the address.

    Attributes:
        product: The product.
        places: The warehouses; the item's is the chosen one.
        product_name: The product, for questions.
        place_name: The warehouse, for questions.
        zone: The warehouse's timezone.
    """

    product: ProductNames
    places: Places
    product_name: str
    place_name: str
    zone: tzinfo


async def _item_of(visit: Visit) -> _Item:
    """The item in the address; without a warehouse that of the first one that has the product.

    Raises:
        NotFound: No warehouse ever had it.
    """
    product_id, places = await asyncio.gather(product_of(visit), places_of(visit))
    product = await visit.stock.product_names(named(product_id))
    if places.chosen is None:
        level = await anext(visit.stock.levels(product_id), None)
        if level is None:
            raise NotFound(visit.texts.say("{name} was never in stock.", name=product.sku))
        places = Places(places.all, level.warehouse_id)
    place = places.chosen or 0
    return _Item(product, places, named(product_id), named(place), places.zone(place))


@routes.get("/stock/{sku:path}/movements")
async def show_movements(visit: Visit) -> Response:
    """An item's movements, the latest first; ``before`` is where the last page ended."""
    item = await _item_of(visit)
    asked = ShowHistory(product=item.product_name, warehouse=item.place_name)
    movements, older = await part_of(visit.stock, SHOW_HISTORY, asked, SHOWN, visit.query("before"))
    return _shown(visit, "item_movements.html", item, movements=movements, older=older)


@routes.get("/stock/{sku:path}/holds")
async def show_holds(visit: Visit) -> Response:
    """Who holds units of an item."""
    item = await _item_of(visit)
    holds, more = await first(visit.stock.item_holds(item.product_name, item.place_name), MOST)
    return _shown(visit, "item_holds.html", item, holds=holds, more=more)


@routes.get("/stock/{sku:path}/incoming")
async def show_incoming(visit: Visit) -> Response:
    """What is on its way to an item, the earliest first."""
    item = await _item_of(visit)
    found = visit.stock.arrivals([item.product.product_id], [item.places.chosen or 0])
    arrivals, more = await first(found, MOST)
    arrivals.sort(key=lambda each: (each.expected_on is None, each.expected_on, each.document))
    return _shown(visit, "item_incoming.html", item, arrivals=arrivals, more=more)


@routes.get("/stock/{sku:path}/unavailable")
async def show_unavailable(visit: Visit) -> Response:
    """What can't be promised of an item: what was set aside, and lots that may not leave."""
    item = await _item_of(visit)
    of = (item.product.product_id, item.places.chosen or 0)
    lines, lots, level = await asyncio.gather(
        first(visit.stock.set_aside(item.product_name, item.place_name), MOST),
        first(visit.stock.lots(item.product_name, item.place_name), MOST),
        anext(visit.stock.levels(*of), None),
    )
    stopped = [each for each in lots[0] if not each.may_leave and each.quantity_free > 0]
    return _shown(visit, "item_unavailable.html", item, lines=lines[0], lots=stopped, level=level)


def _shown(visit: Visit, template: str, item: _Item, **values: Any) -> Response:
    def run_of(row: object) -> str | None:
        """The address of the run behind a row in the Temporal UI."""
        workflow_id, run_id = getattr(row, "workflow_id", ""), getattr(row, "run_id", "")
        return run_url(visit.settings.ui_url, visit.settings.namespace, workflow_id, run_id)

    return visit.show(
        template,
        product=item.product,
        places=item.places,
        zone=item.zone,
        sku=item.product.sku,
        run_of=run_of,
        **values,
    )
