"""Receive: what suppliers and transfers bring, scanned and booked once."""

from collections.abc import Callable
from datetime import UTC, datetime
from urllib.parse import quote

from starlette.responses import RedirectResponse, Response

from starter.console.bodies import body_of
from starter.console.dock import Booking, DockLine, DockLot, booked, reason_of, show_dock, wanted_lines
from starter.console.expected import SHOWN, expected_at
from starter.console.named import names_of
from starter.console.routes import Routes
from starter.console.visit import Visit
from stockkeeper.client.lines import ArrivalLine, DeliveryLine
from stockkeeper.contracts import purchase_order, transfer
from stockkeeper.contracts.errors import NotFound
from stockkeeper.contracts.permission import Role
from stockkeeper.contracts.purchase_order_state import PurchaseOrderState, PurchaseOrderStatus
from stockkeeper.contracts.stock import FoundItems
from stockkeeper.contracts.transfer_state import TransferLineState, TransferLotState, TransferState, TransferStatus

routes = Routes()

OPEN = (PurchaseOrderStatus.SUBMITTED, PurchaseOrderStatus.CONFIRMED)
"""Statuses in which a supplier's goods may come."""


@routes.get("/receive", Role.RECEIVE)
async def show_expected(visit: Visit) -> Response:
    """Orders and transfers that are expected; ``find`` leads to the one of that number."""
    if number := visit.query("find"):
        return await _found(visit, number)
    orders = [
        ("po", "/receive/po/{number}", None, visit.stock.purchase_orders(status=status, limit=SHOWN)) for status in OPEN
    ]
    transfers = visit.stock.transfers(status=TransferStatus.IN_TRANSIT, limit=SHOWN)
    expected = await expected_at(visit, *orders, ("transfer", "/receive/transfer/{number}", -1, transfers))
    return visit.show(
        "expected.html",
        title=visit.texts.say("Receive"),
        heading=visit.texts.say("Expected"),
        path="/receive",
        expected=expected,
        now=datetime.now(UTC),
        nothing=visit.texts.say("Nothing is expected."),
    )


async def _found(visit: Visit, number: str) -> Response:
    """The page of the order or transfer of a number that was scanned or typed."""
    try:
        await visit.stock.purchase_order(number)
        return RedirectResponse(f"/receive/po/{quote(number, safe='')}", status_code=303)
    except NotFound:
        pass
    try:
        await visit.stock.transfer(number)
    except NotFound:
        raise NotFound(visit.texts.say("No order and no transfer has the number {number}.", number=number)) from None
    return RedirectResponse(f"/receive/transfer/{quote(number, safe='')}", status_code=303)


@routes.get("/receive/po/{number}", Role.RECEIVE)
async def show_order(visit: Visit) -> Response:
    """What of an order is still to come."""
    state = (await visit.stock.purchase_order(visit.path("number"))).state
    visit.require(purchase_order.PROCESS, "receive", state)
    found = await _names_of_order(visit, state)
    supplier = found.supplier_names.get(state.supplier_id or 0, "")
    place = found.warehouse_names.get(state.warehouse_id or 0, "")
    about = f"{supplier} → {place}"
    if state.expected_delivery_date:
        about += f" · {visit.texts.say('expected on {day}', day=visit.texts.day(state.expected_delivery_date))}"
    return show_dock(
        visit,
        title=visit.texts.say("Receive {name}", name=state.po_number),
        about=about,
        back="/receive",
        path=f"/receive/po/{quote(state.po_number, safe='')}/book",
        lines=_of_order(visit, state, found),
        button=visit.texts.say("Book {count} units"),
        over_advice=visit.texts.say("Count again. What is beyond the order may need another person's approval."),
        bad=visit.texts.say("Rejected"),
        why_bad=visit.texts.say("Why rejected?"),
        names_lots=True,
    )


@routes.post("/receive/po/{number}/book", Role.RECEIVE)
async def book_delivery(visit: Visit) -> Response:
    """Book a delivery, by the number of its draft."""
    order = await visit.stock.purchase_order(visit.path("number"))
    visit.require(purchase_order.PROCESS, "receive", order.state)
    booking = await body_of(visit, Booking)
    lines = [
        DeliveryLine(
            each.product_id,
            quantity=each.units,
            rejected_quantity=each.bad,
            lot_number=each.lot,
            expires_on=each.expires_on,
        )
        for each in booking.lines
    ]
    reason = reason_of(visit, booking)
    state = await order.receive(booking.number, lines, performed_by=visit.person, unfit_reason=reason)
    return booked(_said(visit, booking), _of_order(visit, state, await _names_of_order(visit, state)))


@routes.get("/receive/transfer/{number}", Role.RECEIVE)
async def show_arrival(visit: Visit) -> Response:
    """What of a transfer is on its way."""
    state = (await visit.stock.transfer(visit.path("number"))).state
    visit.require(transfer.PROCESS, "receive", state)
    found = await names_of_transfer(visit, state)
    return show_dock(
        visit,
        title=visit.texts.say("Receive {name}", name=state.transfer_number),
        about=way_of(state, found),
        back="/receive",
        path=f"/receive/transfer/{quote(state.transfer_number, safe='')}/book",
        lines=_in_transit(visit, state, found),
        button=visit.texts.say("Book {count} units"),
        bad=visit.texts.say("Damaged"),
        why_bad=visit.texts.say("Why damaged?"),
        lots_fixed=True,
        refuses_more=True,
        names_lots=True,
    )


@routes.post("/receive/transfer/{number}/book", Role.RECEIVE)
async def book_arrival(visit: Visit) -> Response:
    """Book an arrival, by the number of its draft."""
    arriving = await visit.stock.transfer(visit.path("number"))
    visit.require(transfer.PROCESS, "receive", arriving.state)
    booking = await body_of(visit, Booking)
    lines = [
        ArrivalLine(
            each.product_id,
            quantity=each.units,
            damaged_quantity=each.bad,
            lot_number=each.lot,
            expires_on=each.expires_on,
        )
        for each in booking.lines
    ]
    reason = reason_of(visit, booking)
    state = await arriving.receive(booking.number, lines, performed_by=visit.person, unfit_reason=reason)
    return booked(_said(visit, booking), _in_transit(visit, state, await names_of_transfer(visit, state)))


def _said(visit: Visit, booking: Booking) -> str:
    return visit.texts.counted("{number} unit is booked.", "{number} units are booked.", booking.units)


def way_of(state: TransferState, found: FoundItems) -> str:
    """Whence and where to a transfer goes."""
    names = found.warehouse_names
    return f"{names.get(state.from_warehouse_id or 0, '')} → {names.get(state.to_warehouse_id or 0, '')}"


async def _names_of_order(visit: Visit, state: PurchaseOrderState) -> FoundItems:
    products = [line.product_id for line in state.line_items]
    return await names_of(
        visit.stock, products=products, warehouses=[state.warehouse_id], suppliers=[state.supplier_id]
    )


async def names_of_transfer(visit: Visit, state: TransferState) -> FoundItems:
    """The names of a transfer's products and warehouses."""
    return await names_of(
        visit.stock,
        products=[line.product_id for line in state.line_items],
        warehouses=[state.from_warehouse_id, state.to_warehouse_id],
    )


def _of_order(visit: Visit, state: PurchaseOrderState, found: FoundItems) -> list[DockLine]:
    """What is owed: units that were rejected still are."""
    owed = state.status in OPEN
    return wanted_lines(
        visit.texts,
        found,
        [(line.product_id, line.qty - line.quantity_received if owed else 0, []) for line in state.line_items],
        state.supplier_id,
    )


def lines_of_transfer(
    visit: Visit,
    state: TransferState,
    found: FoundItems,
    units_of: Callable[[TransferLineState | TransferLotState], int],
) -> list[DockLine]:
    """The lines of a transfer with their lots: the units that are held, or those that are in transit."""
    return wanted_lines(
        visit.texts,
        found,
        [
            (
                line.product_id,
                units_of(line),
                [
                    DockLot(lot=lot.lot_number, expires_on=lot.expires_on, quantity=units_of(lot))
                    for lot in line.lots
                    if units_of(lot)
                ],
            )
            for line in state.line_items
        ],
    )


def _in_transit(visit: Visit, state: TransferState, found: FoundItems) -> list[DockLine]:
    return lines_of_transfer(visit, state, found, lambda each: each.in_transit)
