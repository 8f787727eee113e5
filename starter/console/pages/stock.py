"""Stock: products by SKU, name or barcode, and what is there of each in every warehouse."""

import asyncio
from collections.abc import Mapping, Sequence

from starlette.responses import RedirectResponse, Response

from starter.console.addresses import segment
from starter.console.items import ItemRow, Live, Places, last_events, levels_by_product, live, places_of
from starter.console.routes import Routes
from starter.console.visit import Visit
from stockkeeper.contracts.barcode import MAX_TEXT_LENGTH
from stockkeeper.contracts.product import ProductsFound

routes = Routes()

SHOWN = 20
"""Products on a page: who wants others types more of a name."""
PLACES_SHOWN = 8
"""Warehouses of one product in the list; its own page has all."""


@routes.get("/stock")
async def search_stock(visit: Visit) -> Response:
    """Products by what was typed or scanned; ``warehouse`` shows their stock in one warehouse only.

    A scan that means one product leads to it.
    """
    typed = (visit.query("q") or "")[:MAX_TEXT_LENGTH]
    if not typed:
        return _shown(visit, await places_of(visit), None)
    scanned, found, places, after = await asyncio.gather(
        _scanned(visit, typed), _found(visit, typed), places_of(visit), last_events(visit)
    )
    if scanned is not None and not visit.is_partial:
        return RedirectResponse(f"/stock/{segment(scanned)}", status_code=303)
    products = [each.product_id for each in found.products]
    by_product = await levels_by_product(visit.stock, products, places.chosen)
    return _shown(visit, places, found, by_product, live(after, products) if products else None)


async def _found(visit: Visit, typed: str) -> ProductsFound:
    return await visit.stock.search_products(typed[:200], limit=SHOWN)


async def _scanned(visit: Visit, typed: str) -> str | None:
    """The SKU of what was scanned; None: the text isn't a barcode, or it may mean several things.

    Words aren't asked about. An own code that has a space in it is found by the search.
    """
    if visit.is_partial or " " in typed:
        return None
    answer = await visit.stock.scan(typed)
    return answer.readings[0].sku if answer.certain else None


def _shown(
    visit: Visit,
    places: Places,
    found: ProductsFound | None,
    by_product: Mapping[int, Sequence[ItemRow]] | None = None,
    follows: Live | None = None,
) -> Response:
    return visit.show(
        "stock_found.html" if visit.is_partial else "stock.html",
        places=places,
        found=found,
        by_product=by_product or {},
        live=follows,
        typed=visit.query("q") or "",
        most=PLACES_SHOWN,
    )
