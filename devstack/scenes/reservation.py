"""Orders that are reserved, shipped, given back, forgotten, and fought over."""

import asyncio

from devstack.scenes.scene import Play, Shop, Sight
from stockkeeper import InsufficientStock, InvalidState

ORDERS_AT_ONCE = 200


async def _fulfilled(shop: Shop) -> Sight:
    """Order 1001: reserve, then fulfil."""
    # An order is reserved and shipped.
    hold = await shop.stock.reserve("1001", [shop.line("TEA-100", 3), shop.line("MUG-RED", 2)], performed_by="checkout")
    held = await shop.level("TEA-100")
    state = await hold.fulfill(performed_by="packing")
    yield "held: 400 on hand, 3 reserved", f"held: {held}"
    yield "FULFILLED: 397 on hand, 0 reserved", f"{state.status}: {await shop.level('TEA-100')}"


async def _shipped_in_parts(shop: Shop) -> Sight:
    """Order 1002: two parcels, the first sent twice."""
    # An order leaves in two shipments, one of them sent twice.
    hold = await shop.stock.reserve("1002", [shop.line("MUG-BLUE", 10)], performed_by="checkout")
    for _ in range(2):
        await hold.fulfill([shop.part("MUG-BLUE", 4)], performed_by="packing", fulfillment_id="parcel-1")
    between = await shop.level("MUG-BLUE")
    state = await hold.fulfill(performed_by="packing", fulfillment_id="parcel-2")
    yield "56 on hand, 6 reserved", between
    yield "FULFILLED: 50 on hand, 0 reserved", f"{state.status}: {await shop.level('MUG-BLUE')}"


async def _cancelled(shop: Shop) -> Sight:
    """Order 1003: reserve, extend, cancel."""
    # A customer changes their mind.
    hold = await shop.stock.reserve("1003", [shop.line("POT-CAST", 5)], performed_by="checkout")
    await hold.extend(performed_by="checkout", ttl_minutes=45)
    state = await hold.cancel(performed_by="customer", reason="changed my mind")
    yield "CANCELLED: 12 on hand, 0 reserved", f"{state.status}: {await shop.level('POT-CAST')}"


async def _expired(shop: Shop) -> Sight:
    """Order 1004: never fetched; then a late fulfil."""
    # A cart is left alone, and its hold expires after two seconds.
    hold = await shop.stock.reserve("1004", [shop.line("TEA-500", 80)], performed_by="checkout", ttl_minutes=2 / 60)
    held = await shop.level("TEA-500")
    ended = await shop.stock.client.get_workflow_handle("reservation-1004").result()
    try:
        refused = str((await hold.fulfill(performed_by="packing")).status)
    except InvalidState as error:
        refused = error.code
    yield "80 on hand, 80 reserved", held
    yield "EXPIRED: 80 on hand, 0 reserved", f"{ended['status']}: {await shop.level('TEA-500')}"
    yield "InvalidState", refused


async def _rejected(shop: Shop) -> Sight:
    """Order 1005: 16 pots on two lines, 12 in stock."""
    # An order wants more than there is, and gets none of it.
    lines = [shop.line("TEA-100", 1), shop.line("POT-CAST", 8), shop.line("POT-CAST", 8)]
    try:
        seen = str((await shop.stock.reserve("1005", lines, performed_by="checkout")).state.status)
    except InsufficientStock as error:
        short = error.shortages[0]
        seen = f"requested {short.requested}, available {short.available}"
    yield "requested 16, available 12", seen
    yield "397 on hand, 0 reserved", await shop.level("TEA-100")


async def _asked_twice(shop: Shop) -> Sight:
    """Order 1006: the same request twice."""
    # A checkout loses the answer and asks again.
    lines = [shop.line("MUG-RED", 8)]
    first, second = [await shop.stock.reserve("1006", lines, performed_by="checkout") for _ in range(2)]
    same = first.state.lines == second.state.lines
    yield "one hold", f"{('one hold' if same else 'two holds')}"
    yield "118 on hand, 8 reserved", await shop.level("MUG-RED")


async def _rush(shop: Shop) -> Sight:
    """200 orders at once for 10 kettles."""
    # Two hundred orders want one of ten kettles, all at once.

    async def order(number: int) -> bool:
        try:
            await shop.stock.reserve(f"rush-{number}", [shop.line("KETTLE-1", 1)], performed_by="checkout")
        except InsufficientStock:
            return False
        return True

    won = await asyncio.gather(*(order(number) for number in range(ORDERS_AT_ONCE)))
    yield "10 held, 190 out of stock", f"{sum(won)} held, {won.count(False)} out of stock"
    yield "10 on hand, 10 reserved", await shop.level("KETTLE-1")


SCENES: list[Play] = [_fulfilled, _shipped_in_parts, _cancelled, _expired, _rejected, _asked_twice, _rush]
