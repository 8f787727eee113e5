"""What a shop hears that follows the events: of a hold, a shipment and a receipt."""

import asyncio

from devstack.scenes.scene import Play, Shop, Sight
from stockkeeper import Event

_SKU, _ORDER, _PURCHASE = "TEA-100", "1010", "PO-10"
_WITHIN_SECONDS = 20.0


async def _heard(shop: Shop) -> Sight:
    """A shop that follows the events hears of a hold, a shipment and a receipt."""
    # Whoever follows one item, one order and one purchase order hears of each change, in its order, and asks nothing.
    line = shop.line(_SKU, 2)
    begun = await anext(shop.stock.levels(product=_SKU, warehouse="Hamburg"))
    cursor = await shop.stock.events_cursor()
    hold = await shop.stock.reserve(_ORDER, [line], performed_by="checkout")
    await hold.fulfill(performed_by="packing")
    order = await shop.stock.draft_purchase_order(
        _PURCHASE,
        [shop.wanted(_SKU, 5, "2.00")],
        supplier_id=shop.suppliers["Brahmaputra Estates"],
        warehouse_id=shop.warehouses["Hamburg"],
        requested_by="planning",
        reason="it sells",
    )
    await order.receive("R-1", [shop.came(_SKU, 5)], performed_by="dock")
    item = f"item/{line.warehouse_id}/{line.product_id}"
    heard: list[str] = []
    async with asyncio.timeout(_WITHIN_SECONDS):
        keys = [item, f"order/{_ORDER}", f"purchase_order/{_PURCHASE}"]
        async for event in shop.stock.events(after=cursor, keys=keys):
            heard.append(_in_words(event, begun.quantity_on_hand))
            if event.data.get("status") == "RECEIVED":
                break
    yield "level +0 on hand, 2 reserved · hold.made 2", " · ".join(heard[:2])
    yield "SALE -2 · level -2 on hand, 0 reserved · hold.fulfilled 2", " · ".join(heard[2:5])
    yield (
        f"{_PURCHASE} SUBMITTED · PURCHASE +5 · level +3 on hand, 0 reserved · {_PURCHASE} RECEIVED",
        " · ".join(heard[5:]),
    )


def _in_words(event: Event, on_hand: int) -> str:
    """An event in words; levels against what was there before."""
    data, what = event.data, event.type.removeprefix("stockkeeper.")
    match what:
        case "level.changed":
            return f"level {data['quantity_on_hand'] - on_hand:+} on hand, {data['quantity_reserved']} reserved"
        case "stock.moved":
            return f"{data['movement_type']} {data['quantity']:+}"
        case "purchase_order.changed":
            return f"{data['number']} {data['status']}"
        case _:
            return f"{what} {data['lines'][0]['quantity']}"


SCENES: list[Play] = [_heard]
