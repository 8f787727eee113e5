"""In transit: what is on its way between warehouses, overdue first."""

import asyncio
from datetime import UTC, datetime

from starlette.responses import Response

from starter.console.items import chosen_warehouse, last_events, live, named, places_of, there_is_none
from starter.console.paging import address
from starter.console.routes import Routes
from starter.console.visit import Visit
from stockkeeper.client.runs import Listed
from stockkeeper.contracts.errors import InvalidRequest
from stockkeeper.contracts.transfer_state import TransferStatus

routes = Routes()

SHOWN = 50
_NEVER = datetime.max.replace(tzinfo=UTC)


@routes.get("/transit")
async def show_transit(visit: Visit) -> Response:
    """Transfers that have left and haven't arrived, overdue first; ``warehouse`` is one of their ends."""
    typed = visit.query("page") or "1"
    if not (typed.isascii() and typed.isdecimal() and 0 < int(typed[:6]) < 10_000):
        raise InvalidRequest(visit.texts.say("There is no such page."))
    page, place = int(typed), chosen_warehouse(visit)
    with there_is_none():
        transfers, places, after = await asyncio.gather(
            visit.stock.transfers(
                status=TransferStatus.IN_TRANSIT, warehouse=None if place is None else named(place), limit=None
            ),
            places_of(visit),
            last_events(visit),
        )
    now = datetime.now(UTC)
    transfers.sort(key=_urgency)
    begins = (page - 1) * SHOWN
    onward = address("/transit", warehouse=places.chosen, page=page + 1)
    zones = {each.warehouse: places.zone(each.warehouse_id) for each in places.all}
    return visit.show(
        "transit.html",
        transfers=transfers[begins : begins + SHOWN],
        count=len(transfers),
        overdue=sum(each.deadline is not None and each.deadline < now for each in transfers),
        places=places,
        live=live(after, of="transit"),
        zones=zones,
        now=now,
        more=onward if len(transfers) > begins + SHOWN else None,
    )


def _urgency(transfer: Listed) -> tuple[datetime, datetime]:
    """What is due first comes first; without a due time, what has been on its way for longest."""
    return transfer.deadline or _NEVER, transfer.created_at
