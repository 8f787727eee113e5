"""Goods with a lot and an expiry day: what is promised, what is picked, what a scan says, and what a label prints.

A warehouse of its own opens for them. Days are told from today, as those of real goods are.
"""

import asyncio
from datetime import date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from devstack.scenes.scene import Play, Shop, Sight
from starter.cli.label_fonts import Fonts
from starter.cli.label_layout import Size, lay_out
from starter.cli.label_zpl import printed_width, zpl_of
from stockkeeper import DeliveryLine, Hold, InsufficientStock, Line, LotLine, LotShown, OrderLine
from stockkeeper.contracts.barcode import ScanReading
from stockkeeper.contracts.label import Label, element_string, elements_of
from stockkeeper.contracts.reservation import ReservationState

_WHERE, _TIMEZONE = "Bremen", "Europe/Berlin"
_MATCHA, _GTIN = "MATCHA-30", "04012345000054"
_OVER, _SOON, _LATE = "M-12", "M-31", "M-40"
_ARRIVED = {_OVER: 8, _SOON: 24, _LATE: 60}
_MILLIMETRES, _DOTS_PER_INCH = (100, 50), 203
_WITHIN_SECONDS = 30
_DAYS_LEFT = {_OVER: -3, _SOON: 20, _LATE: 200}


async def _received(shop: Shop) -> Sight:
    """PO-20: 92 tins of matcha; 24 expire in 20 days, 60 in 200, and 8 have expired."""
    # The dock books each lot with the day on its tins, and what has expired waits in quarantine.
    await shop.imports("warehouses", ["name,timezone", f"{_WHERE},{_TIMEZONE}"])
    ids = await _ids(shop)
    order = await shop.stock.draft_purchase_order(
        "PO-20",
        [OrderLine(ids[_MATCHA], qty=sum(_ARRIVED.values()), unit_cost=Decimal("7.40"))],
        supplier_id=shop.suppliers["Brahmaputra Estates"],
        warehouse_id=ids[_WHERE],
        requested_by="planning",
        reason="a new shop",
    )
    came = [
        DeliveryLine(ids[_MATCHA], quantity=units, lot_number=lot, expires_on=_expiry(lot))
        for lot, units in _ARRIVED.items()
    ]
    state = await order.receive("R-1", came, performed_by="dock")
    lots = [lot async for lot in shop.stock.lots(_MATCHA, _WHERE)]
    yield "RECEIVED: 92 on hand, 0 reserved", f"{state.status}: {await shop.level(_MATCHA, _WHERE)}"
    yield (
        f"in quarantine: 8 of {_OVER}; free: 24 of {_SOON}, 60 of {_LATE}",
        (
            f"in quarantine: {lots[0].quantity_unavailable} of {lots[0].lot_number}; "
            f"free: {', '.join(f'{lot.quantity_free} of {lot.lot_number}' for lot in lots[1:])}"
        ),
    )


async def _first_expired(shop: Shop) -> Sight:
    """Order 5001 over 30 of these tins, and order 5002 over 60."""
    # An order gets the lot that expires first, and then the next; nobody is promised what has expired.
    hold = await _hold(shop, "5001", 30)
    try:
        more = str((await _hold(shop, "5002", 60)).state.status)
    except InsufficientStock as error:
        more = f"requested {error.shortages[0].requested}, available {error.shortages[0].available}"
    yield f"held: 24 of {_SOON}, 6 of {_LATE}", f"held: {_of_lots(hold.state)}"
    yield "92 on hand, 30 reserved", await shop.level(_MATCHA, _WHERE)
    yield "order 5002: requested 60, available 54", f"order 5002: {more}"


async def _another_lot(shop: Shop) -> Sight:
    """Order 5001: the picker takes another lot than the one held, and what is left of that goes to order 5003."""
    # The picker took 20 tins from the shelf behind: what is free of the other lot is for the next order.
    ids = await _ids(shop)
    hold = await shop.stock.hold("5001")
    picked = [LotLine(_SOON, quantity=10), LotLine(_LATE, quantity=20)]
    state = await hold.fulfill([Line(ids[_MATCHA], quantity=30, lots=picked)], performed_by="packing")
    following = await _hold(shop, "5003", 20)
    yield f"FULFILLED: 10 of {_SOON}, 20 of {_LATE}", f"{state.status}: {_of_lots(state)}"
    yield f"order 5003: 14 of {_SOON}, 6 of {_LATE}", f"order 5003: {_of_lots(following.state)}"
    yield "62 on hand, 20 reserved", await shop.level(_MATCHA, _WHERE)


async def _scanned(shop: Shop) -> Sight:
    """Two scans of the same label, one by a scanner that leaves out the separators."""
    # With its separators a label means one thing; without them it may mean two, and the person is asked which.
    day = _expiry(_LATE)
    sure = await shop.stock.scan(f"]d201{_GTIN}10{_LATE}\x1d17{day:%y%m%d}")
    unsure = await shop.stock.scan(f"01{_GTIN}10{_LATE}17{day:%y%m%d}")
    may_be = sorted((_in_words(reading) for reading in unsure.readings), key=len)
    yield f"1 x {_MATCHA}, lot {_LATE}, expires {day}", "; or ".join(map(_in_words, sure.readings))
    yield (
        f"without: lot {_LATE}, expires {day}, or lot {_LATE}17{day:%y%m%d}",
        f"without: {', or '.join(reading.partition(', ')[2] for reading in reversed(may_be))}",
    )


async def _labelled(shop: Shop) -> Sight:
    """A label of that lot, as ZPL; and the lots on the shelf, as `stockkeeper lot list` has them."""
    # A printer gets a label whose code a scan reads as that lot; the list has the lot first that expires first.
    day = _expiry(_LATE)
    label = Label(sku=_MATCHA, name="Ceremonial matcha 30 g", gtin=_GTIN, lot_number=_LATE, expires_on=day)
    elements, fonts = elements_of(label, day.year), Fonts()
    layout = lay_out(label, elements, Size(*_MILLIMETRES, _DOTS_PER_INCH), printed_width(fonts))
    zpl = zpl_of(label, elements, layout, fonts, 1).split()
    read = await shop.stock.scan(f"]d2{element_string(elements)}")
    lots = [lot async for lot in shop.stock.lots(_MATCHA, _WHERE)]
    yield "^XA … ^XZ", f"{zpl[0]} … {zpl[-1]}"
    yield f"its code: 1 x {_MATCHA}, lot {_LATE}, expires {day}", f"its code: {_in_words(*read.readings)}"
    yield (
        f"{_OVER}: 8, may not leave; {_SOON}: 14, 20 days left; {_LATE}: 40, 200 days left",
        "; ".join(_on_the_shelf(lot) for lot in lots),
    )


async def _recalled(shop: Shop) -> Sight:
    """`stockkeeper lot block` of the lot that order 5001 got 10 tins of, and order 5003 holds 14 of."""
    # A lot is stopped: who holds it gets another one, and the report has where each of its units went.
    hold = await shop.stock.hold("5003")
    recall = await shop.stock.block_lot(_MATCHA, _SOON, reason="a tin leaks", performed_by="quality")
    async with asyncio.timeout(_WITHIN_SECONDS):
        while recall.state.figures is None:
            await asyncio.sleep(0.05)
            await recall.refresh()
    figures = recall.state.figures
    yield f"BLOCKED; order 5003: 20 of {_LATE}", f"{recall.state.status}; order 5003: {_of_lots(await hold.refresh())}"
    yield (
        "24 came = 10 sold + 14 on hand, 0 missing",
        (f"{figures.received} came = {figures.sold} sold + {figures.on_hand} on hand, {figures.difference} missing"),
    )


async def _ids(shop: Shop) -> dict[str, int]:
    """Ids of the product and of the warehouse, by SKU and name."""
    found = await shop.stock.ids([_MATCHA], [_WHERE])
    return found.products | found.warehouses


def _expiry(lot: str) -> date:
    return datetime.now(ZoneInfo(_TIMEZONE)).date() + timedelta(days=_DAYS_LEFT[lot])


async def _hold(shop: Shop, order: str, units: int) -> Hold:
    ids = await _ids(shop)
    line = Line(ids[_MATCHA], ids[_WHERE], quantity=units)
    return await shop.stock.reserve(order, [line], performed_by="checkout")


def _of_lots(state: ReservationState) -> str:
    """The lots of an order's only line."""
    return ", ".join(f"{lot.quantity} of {lot.lot_number}" for lot in state.lines[0].lots)


def _in_words(reading: ScanReading) -> str:
    expires = f", expires {reading.expires_on}" if reading.expires_on else ""
    return f"{reading.quantity} x {reading.sku}, lot {reading.lot_number}{expires}"


def _on_the_shelf(lot: LotShown) -> str:
    until = f"{lot.days_left} days left" if lot.may_leave else "may not leave"
    return f"{lot.lot_number}: {lot.quantity_on_hand}, {until}"


SCENES: list[Play] = [_received, _first_expired, _another_lot, _scanned, _labelled, _recalled]
