"""What is behind an item's numbers: its movements, who holds it, what is on its way, and what can't be promised."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import tzinfo
from functools import partial
from typing import Any, TypeVar

from starlette.responses import Response

from starter.cli.links import run_url
from starter.console.document_pages import page_behind
from starter.console.items import Places, chosen_warehouse, named, product_named, there_is_none, warehouses_of
from starter.console.paging import first, part_of
from starter.console.routes import Routes
from starter.console.visit import Visit
from stockkeeper.contracts.errors import NotFound
from stockkeeper.contracts.item_reasons import SetAsideShown
from stockkeeper.contracts.ledger import Movement, ShowHistory
from stockkeeper.contracts.lot_questions import LotShown
from stockkeeper.contracts.product import ProductNames
from stockkeeper.contracts.question import SHOW_HISTORY
from stockkeeper.contracts.stock import StockLevel

routes = Routes()

T = TypeVar("T")

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
        zone: The warehouse's timezone.
    """

    product: ProductNames
    places: Places
    zone: tzinfo


async def _item_and(visit: Visit, ask: Callable[[str, str], Awaitable[T]]) -> tuple[_Item, T]:
    """The item in the address and the answer to a question about it, asked for at once.

    Without a warehouse it is that of the first one that has the product.

    Raises:
        NotFound: There is no such product or warehouse, or no warehouse ever had it.
    """
    with there_is_none():
        product_name, place = await product_named(visit), chosen_warehouse(visit)
        if place is None:
            level = await anext(visit.stock.levels(product_name), None)
            if level is None:
                raise NotFound(visit.texts.say("{name} was never in stock.", name=visit.path("sku")))
            place = level.warehouse_id
        product, places, answer = await asyncio.gather(
            visit.stock.product_names(product_name),
            warehouses_of(visit.stock, [place]),
            ask(product_name, named(place)),
        )
    return _Item(product, Places(places, place), Places(places, place).zone(place)), answer


@routes.get("/stock/{sku:path}/movements")
async def show_movements(visit: Visit) -> Response:
    """An item's movements, the latest first; ``before`` is where the last page ended."""

    async def ask(product: str, warehouse: str) -> tuple[list[Movement], str | None]:
        asked = ShowHistory(product=product, warehouse=warehouse)
        return await part_of(visit.stock, SHOW_HISTORY, asked, SHOWN, visit.query("before"))

    item, (movements, older) = await _item_and(visit, ask)
    return _shown(visit, "item_movements.html", item, movements=movements, older=older)


@routes.get("/stock/{sku:path}/holds")
async def show_holds(visit: Visit) -> Response:
    """Who holds units of an item."""
    item, (holds, more) = await _item_and(visit, lambda *of: first(visit.stock.item_holds(*of), MOST))
    return _shown(visit, "item_holds.html", item, holds=holds, more=more)


@routes.get("/stock/{sku:path}/incoming")
async def show_incoming(visit: Visit) -> Response:
    """What is on its way to an item, the earliest first."""
    item, _ = await _item_and(visit, _nothing)
    found = visit.stock.arrivals([item.product.product_id], [item.places.chosen or 0])
    arrivals, more = await first(found, MOST)
    arrivals.sort(key=lambda each: (each.expected_on is None, each.expected_on, each.document))
    return _shown(visit, "item_incoming.html", item, arrivals=arrivals, more=more)


async def _nothing(product: str, warehouse: str) -> None:
    del product, warehouse


@routes.get("/stock/{sku:path}/unavailable")
async def show_unavailable(visit: Visit) -> Response:
    """What can't be promised of an item: what was set aside, and lots that may not leave."""

    async def ask(
        product: str, warehouse: str
    ) -> tuple[tuple[list[SetAsideShown], bool], tuple[list[LotShown], bool], StockLevel | None]:
        return await asyncio.gather(
            first(visit.stock.set_aside(product, warehouse), MOST),
            first(visit.stock.lots(product, warehouse), MOST),
            anext(visit.stock.levels(product, warehouse), None),
        )

    item, (lines, lots, level) = await _item_and(visit, ask)
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
        page_behind=partial(page_behind, visit),
        **values,
    )
