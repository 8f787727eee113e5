"""Transfers that arrive in parts, break, get lost, turn round, come too late, and cross each other."""

import asyncio

from devstack.scenes.scene import Play, Shop, Sight
from stockkeeper import InsufficientStock, Line, Transfer, TransferState

TRANSFERS_AT_ONCE = 30
_HALF_A_SECOND_IN_HOURS = 0.5 / 3600


async def _create(shop: Shop, number: str, *lines: Line, to: str = "Newark", hours: float | None = None) -> Transfer:
    """One of the two warehouses is where it goes, the other one where it comes from."""
    [source] = {"Hamburg", "Newark"} - {to}
    return await shop.stock.create_transfer(
        number,
        lines,
        from_warehouse_id=shop.warehouses[source],
        to_warehouse_id=shop.warehouses[to],
        requested_by="planning",
        expected_transit_hours=hours,
    )


def _where(state: TransferState) -> str:
    """All units of the first line, by where they are now."""
    line = state.line_items[0]
    parts = {
        "received": line.received,
        "damaged": line.damaged,
        "written off": line.written_off,
        "returned": line.returned,
        "in transit": line.in_transit,
    }
    return f"{line.quantity} = {' + '.join(f'{units} {what}' for what, units in parts.items() if units)}"


async def _received(shop: Shop) -> Sight:
    """T-1: 40 tins and 10 mugs to Newark, in two parts, the first reported twice."""
    # Two products go from Hamburg to Newark and arrive in parts, one of them reported twice.
    transfer = await _create(shop, "T-1", shop.moved("TEA-100", 40), shop.moved("MUG-BLUE", 10))
    held = f"{transfer.state.status}: {await shop.level('TEA-100')}"
    sent = f"{(await transfer.dispatch(performed_by='loading')).status}: {await shop.level('TEA-100')}"
    for _ in range(2):
        part = [shop.arrived("TEA-100", 25), shop.arrived("MUG-BLUE", 10)]
        await transfer.receive("R-1", part, performed_by="dock")
    between = await shop.in_transit("TEA-100")
    state = await transfer.receive("R-2", [shop.arrived("TEA-100", 15)], performed_by="dock")
    yield "PENDING: 397 on hand, 40 reserved", held
    yield "IN_TRANSIT: 357 on hand, 0 reserved", sent
    yield "15 in transit", between
    yield "RECEIVED: 290 on hand, 0 reserved", f"{state.status}: {await shop.level('TEA-100', 'Newark')}"


async def _written_off(shop: Shop) -> Sight:
    """T-2: 20 large tins to Newark, two damaged, three lost."""
    # Some arrive, some are damaged, and the rest never comes.
    transfer = await _create(shop, "T-2", shop.moved("TEA-500", 20))
    await transfer.dispatch(performed_by="loading")
    part = _where(await transfer.receive("R-1", [shop.arrived("TEA-500", 15, damaged=2)], performed_by="dock"))
    state = await transfer.write_off(performed_by="dock", reason="lost on the way")
    yield "20 = 15 received + 2 damaged + 3 in transit", part
    yield "RECEIVED: 20 = 15 received + 2 damaged + 3 written off", f"{state.status}: {_where(state)}"
    yield "Hamburg: 60 on hand, 0 reserved", f"Hamburg: {await shop.level('TEA-500')}"
    yield "Newark: 135 on hand, 0 reserved", f"Newark: {await shop.level('TEA-500', 'Newark')}"


async def _turned_round(shop: Shop) -> Sight:
    """T-3: 6 pots to Newark, cancelled when two had arrived."""
    # A transfer is cancelled when a part of it has arrived: the rest comes back.
    transfer = await _create(shop, "T-3", shop.moved("POT-CAST", 6))
    await transfer.dispatch(performed_by="loading")
    await transfer.receive("R-1", [shop.arrived("POT-CAST", 2)], performed_by="dock")
    state = await transfer.cancel(performed_by="planning", reason="Hamburg has run short itself")
    yield "CANCELLED: 6 = 2 received + 4 returned", f"{state.status}: {_where(state)}"
    yield "Hamburg: 10 on hand, 0 reserved", f"Hamburg: {await shop.level('POT-CAST')}"
    yield "Newark: 10 on hand, 0 reserved", f"Newark: {await shop.level('POT-CAST', 'Newark')}"


async def _rejected(shop: Shop) -> Sight:
    """T-4: 3 kettles to Newark, all 10 promised to customers."""
    # All kettles are held for customers, and a transfer takes none of them.
    try:
        seen = str((await _create(shop, "T-4", shop.moved("KETTLE-1", 3))).state.status)
    except InsufficientStock as error:
        short = error.shortages[0]
        seen = f"requested {short.requested}, available {short.available}"
    state = (await shop.stock.transfer("T-4")).state
    yield "requested 3, available 0", seen
    yield "REJECTED: 10 on hand, 10 reserved", f"{state.status}: {await shop.level('KETTLE-1')}"


async def _overdue(shop: Shop) -> Sight:
    """T-5: 12 mugs to Newark, overdue, and there at last."""
    # A lorry should have arrived half a second after it left, and comes later.
    transfer = await _create(shop, "T-5", shop.moved("MUG-RED", 12), hours=_HALF_A_SECOND_IN_HOURS)
    state = await transfer.dispatch(performed_by="loading")
    async with asyncio.timeout(30):
        while not (state.notices and state.notices[0].outcome != "PENDING"):
            await asyncio.sleep(0.1)
            state = await transfer.refresh()
    notified = ", ".join(f"{notice.audience}: {notice.title.partition(':')[0]}" for notice in state.notices)
    late = f"{state.status}: {await shop.in_transit('MUG-RED')}"
    state = await transfer.receive("R-1", [shop.arrived("MUG-RED", 12)], performed_by="dock")
    yield "WAREHOUSE: Overdue", notified
    yield "IN_TRANSIT: 12 in transit", late
    yield "RECEIVED: 12 on hand, 0 reserved", f"{state.status}: {await shop.level('MUG-RED', 'Newark')}"


async def _both_ways(shop: Shop) -> Sight:
    """30 transfers of tins at once, half of them each way."""
    # Thirty transfers of the same product cross each other, all at once.

    async def carry(number: int) -> str:
        to, units = ("Newark", 4) if number % 2 else ("Hamburg", 3)
        transfer = await _create(shop, f"T-6-{number}", shop.moved("TEA-100", units), to=to)
        await transfer.dispatch(performed_by="loading")
        return (await transfer.receive("R-1", [shop.arrived("TEA-100", units)], performed_by="dock")).status

    before = await shop.in_all("TEA-100")
    ended = await asyncio.gather(*(carry(number) for number in range(TRANSFERS_AT_ONCE)))
    yield "647 in all", before
    yield "30 RECEIVED", f"{ended.count('RECEIVED')} RECEIVED"
    yield "Hamburg: 342 on hand, 0 reserved", f"Hamburg: {await shop.level('TEA-100')}"
    yield "Newark: 305 on hand, 0 reserved", f"Newark: {await shop.level('TEA-100', 'Newark')}"
    yield "0 in transit", await shop.in_transit("TEA-100")
    yield "647 in all", await shop.in_all("TEA-100")


SCENES: list[Play] = [_received, _written_off, _turned_round, _rejected, _overdue, _both_ways]
