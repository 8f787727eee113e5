"""The stream of what changes, for the page that is open."""

import json

from starlette.responses import Response

from starter.console.items import MOST_FOLLOWED
from starter.console.live import EventStream, Wanted
from starter.console.routes import Routes
from starter.console.visit import Visit
from stockkeeper.contracts.errors import InvalidRequest

routes = Routes()

SHOWN = {
    "stock": ("level.changed", "purchase_order.changed", "reorder_point.changed"),
    "transit": ("transfer.changed",),
}
"""What each kind of page shows: ``of`` in the address."""


@routes.get("/live")
async def follow_changes(visit: Visit) -> Response:
    """Changes of some products' stock, or of transfers, after the last one that the page has seen."""
    types = SHOWN.get(visit.query("of") or "stock")
    products = [each for each in (visit.query("products") or "").split(",") if each]
    if types is None or len(products) > MOST_FOLLOWED or not all(_is_id(each) for each in products):
        raise InvalidRequest(visit.texts.say("There is no such stream."))
    after = visit.request.headers.get("last-event-id") or visit.query("after")
    wanted = Wanted(types, [int(each) for each in products], _places(visit, after))
    return EventStream(visit.stock, visit.session, wanted)


def _is_id(text: str) -> bool:
    return text.isascii() and text.isdecimal() and 0 < len(text) < 19


def _places(visit: Visit, text: str | None) -> dict[str, int]:
    """Numbers of events by database, as a page or the last message has them."""
    if text is None:
        return {}
    try:
        found = json.loads(text)
        return {str(name): int(number) for name, number in found.items()}
    except (ValueError, AttributeError, TypeError):
        raise InvalidRequest(visit.texts.say("There is no such stream.")) from None
