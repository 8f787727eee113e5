"""Counts that are blind, that are counted again, that find less than was promised, and that are planned.

A warehouse of its own opens for them, where nothing else is sold: its last list has the products not counted yet.
"""

import asyncio

from devstack.scenes.scene import Play, Shop, Sight
from stockkeeper import CycleCountState, Hold, Line, RootCause

_WHERE = "Antwerp"
_SPOON, _BOWL = "SPOON-1", "BOWL-1"
_PLATES = [f"PLATE-{number:02}" for number in range(1, 31)]
_WITHIN_SECONDS = 30

_FILES = {
    "warehouses": ["name,timezone", f"{_WHERE},Europe/Brussels"],
    "products": ["sku,name", f"{_SPOON},Spoon", f"{_BOWL},Bowl", *(f"{sku},Plate {sku[-2:]}" for sku in _PLATES)],
    "stock": [
        "sku,warehouse,quantity",
        f"{_SPOON},{_WHERE},200",
        f"{_BOWL},{_WHERE},60",
        *(f"{sku},{_WHERE},12" for sku in _PLATES),
    ],
}


async def _blind(shop: Shop) -> Sight:
    """C-1: 200 spoons and 60 bowls are counted, and 30 spoons sold meanwhile."""
    # Two products are counted while customers buy, one of them twice, because the first count is far off.
    for kind, lines in _FILES.items():
        await shop.imports(kind, lines)
    ids = await _ids(shop)
    count = await shop.stock.open_count(
        "C-1", [ids[_SPOON], ids[_BOWL]], warehouse_id=ids[_WHERE], requested_by="warehouse"
    )
    # There is one bowl too few on the shelf, and five spoons, however many of them have been sold.
    await asyncio.gather(_sell(shop, "morning", 10), count.record(ids[_BOWL], 59, performed_by="ann"))
    ann = _told(await count.record(ids[_SPOON], 185, performed_by="ann"))
    await _sell(shop, "noon", 20)
    state = await count.record(ids[_SPOON], 165, performed_by="bob")
    yield "ann: 185 spoons REVIEW, 59 bowls POSTED -1", f"ann: {ann}"
    yield "bob: 165 spoons POSTED -5, 59 bowls POSTED -1", f"bob: {_told(state)}"
    yield "POSTED: 165 on hand, 0 reserved", f"{state.status}: {await shop.level(_SPOON, _WHERE)}"


async def _gave_way(shop: Shop) -> Sight:
    """C-2: 59 bowls, 40 promised to order 3001 and then 15 to 3002; two people count 45, and a third one approves."""
    # Two people find fewer bowls than are promised: it is a third one's decision that the latest order loses its hold.
    ids = await _ids(shop)
    earlier, later = [await _hold(shop, order, _BOWL, units) for order, units in (("3001", 40), ("3002", 15))]
    count = await shop.stock.open_count("C-2", [ids[_BOWL]], warehouse_id=ids[_WHERE], requested_by="warehouse")
    for person in ("ann", "bob"):
        await count.record(ids[_BOWL], 45, performed_by=person)
    state = await count.approve_variance(ids[_BOWL], approver="olga", root_cause=RootCause.UNEXPLAINED)
    gave_way = ", ".join(f"{hold.reference_id} with {hold.quantity}" for hold in state.gave_way)
    async with asyncio.timeout(_WITHIN_SECONDS):
        while later.state.status == "ACTIVE":
            await asyncio.sleep(0.05)
            await later.refresh()
    await earlier.refresh()
    yield "3002 with 15 gave way", f"{gave_way} gave way"
    yield "3001 ACTIVE, 3002 CANCELLED", f"3001 {earlier.state.status}, 3002 {later.state.status}"
    yield "POSTED: 45 on hand, 40 reserved", f"{state.status}: {await shop.level(_BOWL, _WHERE)}"


async def _planned(shop: Shop) -> Sight:
    """Count plan, twice: 30 plates that were never counted; spoons and bowls were, and were off."""
    # The list of the day is asked for by hand, twice.
    place = (await _ids(shop))[_WHERE]
    runs = [await shop.stock.plan_counts(warehouse_id=place) for _ in range(2)]
    state = await _opened(shop, runs[0].counts[0].count_number)
    found = await shop.stock.ids(_PLATES, [])
    plates, listed = set(found.products.values()), {line.product_id for line in state.lines}
    for expected, run in zip(("1 started, 10 items", "0 started, 0 items"), runs, strict=True):
        yield expected, f"{run.counts_started} started, {run.items} items"
    listed_now = f"{state.status}: {len(listed & plates)} plates, and {len(listed - plates)} that were off"
    yield "COUNTING: 8 plates, and 2 that were off", listed_now


async def _ids(shop: Shop) -> dict[str, int]:
    """Ids of the counted products and of the warehouse, by SKU and name."""
    found = await shop.stock.ids([_SPOON, _BOWL], [_WHERE])
    return found.products | found.warehouses


async def _hold(shop: Shop, order: str, sku: str, units: int) -> Hold:
    ids = await _ids(shop)
    line = Line(product_id=ids[sku], warehouse_id=ids[_WHERE], quantity=units)
    return await shop.stock.reserve(order, [line], performed_by="checkout")


async def _sell(shop: Shop, when: str, orders: int) -> None:
    """Sell one spoon to each of ``orders`` orders, all at once."""

    async def sell(number: int) -> None:
        await (await _hold(shop, f"{when}-{number}", _SPOON, 1)).fulfill(performed_by="packing")

    await asyncio.gather(*(sell(number) for number in range(orders)))


async def _opened(shop: Shop, count_number: str) -> CycleCountState:
    """A count, once its own workflow has it."""
    count = await shop.stock.cycle_count(count_number)
    async with asyncio.timeout(_WITHIN_SECONDS):
        while count.state.count_id is None:
            await asyncio.sleep(0.05)
            await count.refresh()
    return count.state


def _told(state: CycleCountState) -> str:
    """A count's lines for spoons and bowls; the difference only of posted lines."""
    return ", ".join(
        f"{line.counted_quantity} {what} {line.status}" + ("" if line.delta is None else f" {line.delta:+}")
        for what, line in zip(("spoons", "bowls"), state.lines, strict=True)
    )


SCENES: list[Play] = [_blind, _gave_way, _planned]
