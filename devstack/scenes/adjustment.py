"""Adjustments: posted at once, posted after a second person's approval, and below the units promised."""

import asyncio

from devstack.scenes.scene import Play, Shop, Sight
from stockkeeper import Adjustment, AdjustmentState, Hold, InsufficientStock, NotPermitted, Transfer
from stockkeeper.contracts.messages import amount

_WHERE = "Newark"
_WITHIN_SECONDS = 30


async def _adjust(shop: Shop, number: str, reason: str, **units: int) -> Adjustment:
    """Units by SKU, whose dash is an underscore here."""
    return await shop.stock.adjust(
        number,
        [shop.adjusted(sku.replace("_", "-"), quantity) for sku, quantity in units.items()],
        warehouse_id=shop.warehouses[_WHERE],
        reason=reason,
        performed_by="night shift",
    )


def _worth(state: AdjustmentState) -> str:
    return f"{state.status}, worth {amount(state.value)}"


async def _at_once(shop: Shop) -> Sight:
    """A-1: 2 mugs of 12 broke, a pot was found; A-2 takes off 11 mugs."""
    # Two mugs broke and one pot was found; and an adjustment takes off more mugs than there are.
    state = (await _adjust(shop, "A-1", "a shelf gave in", MUG_RED=-2, POT_CAST=1)).state
    try:
        short = str((await _adjust(shop, "A-2", "all of them gone", MUG_RED=-11)).state.status)
    except InsufficientStock as error:
        short = f"{error.shortages[0].requested} of {error.shortages[0].available}"
    refused = (await shop.stock.adjustment("A-2")).state
    yield "POSTED, worth 20.95", f"{_worth(state)}"
    yield "11 of 10: REJECTED", f"{short}: {refused.status}"
    yield "10 on hand, 0 reserved", await shop.level("MUG-RED", _WHERE)
    yield "11 on hand, 0 reserved", await shop.level("POT-CAST", _WHERE)


async def _approved(shop: Shop) -> Sight:
    """A-3: 60 large tins in the water, asked for by the night shift."""
    # A burst pipe costs more than one person may write off alone.
    adjustment = await _adjust(shop, "A-3", "a pipe burst", TEA_500=-60)
    asked = f"{_worth(adjustment.state)}: {await shop.level('TEA-500', _WHERE)}"
    try:
        own = str((await adjustment.approve(approver="Night Shift")).status)
    except NotPermitted as refused:
        own = refused.code
    state = await adjustment.approve(approver="ann", note="I saw the pictures")
    yield "PENDING, worth 588.00: 135 on hand, 0 reserved", asked
    yield "own: NotPermitted", f"own: {own}"
    yield (
        "POSTED by ann: 75 on hand, 0 reserved",
        f"{state.status} by {state.approved_by}: {await shop.level('TEA-500', _WHERE)}",
    )


async def _gave_way(shop: Shop) -> Sight:
    """A-4: 5 kettles promised to order 4001, transfer T-7 and order 4002; 3 of them break."""
    # Three of five promised kettles are broken: who was promised last gives way, with all that it held.
    earlier = await _reserve(shop, "4001", kettles=2)
    transfer = await shop.stock.create_transfer(
        "T-7",
        [shop.moved("KETTLE-1", 2), shop.moved("POT-CAST", 4)],
        from_warehouse_id=shop.warehouses[_WHERE],
        to_warehouse_id=shop.warehouses["Hamburg"],
        requested_by="planning",
    )
    later = await _reserve(shop, "4002", kettles=1)
    adjustment = await _adjust(shop, "A-4", "dropped by the fork lift", KETTLE_1=-3)
    # A second person sees whose promises it would break.
    state = await adjustment.approve(approver="ann", note="I saw them")
    gave_way = ", ".join(f"{hold.reference_id} with {hold.quantity}" for hold in state.gave_way)
    for loser in (transfer, later):
        await _cancelled(loser)
    await earlier.refresh()
    yield (
        "4002 with 1, T-7 with 2 gave way: CANCELLED, CANCELLED",
        f"{gave_way} gave way: {later.state.status}, {transfer.state.status}",
    )
    yield "4001 ACTIVE", f"4001 {earlier.state.status}"
    yield "kettles: 2 on hand, 2 reserved", f"kettles: {await shop.level('KETTLE-1', _WHERE)}"
    yield "pots: 11 on hand, 0 reserved", f"pots: {await shop.level('POT-CAST', _WHERE)}"


async def _reserve(shop: Shop, order: str, *, kettles: int) -> Hold:
    return await shop.stock.reserve(order, [shop.line("KETTLE-1", kettles, _WHERE)], performed_by="checkout")


async def _cancelled(held: Transfer | Hold) -> None:
    """Return once its own workflow has heard of it."""
    async with asyncio.timeout(_WITHIN_SECONDS):
        while held.state.status != "CANCELLED":
            await asyncio.sleep(0.05)
            await held.refresh()


SCENES: list[Play] = [_at_once, _approved, _gave_way]
