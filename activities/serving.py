"""How an order that is short waits for stock, and is served; the steps are in `activities.reservation`."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import datetime

from activities.holding import holding, reserve
from activities.sourcing import requested, source_lines
from database import holds
from database.homes import require_here
from database.locked_stock import LockedStock
from database.operations import Operation
from database.stock_rows import Reference
from database.waiting import Wait, Wanted
from stockkeeper.contracts.messages import StockAnswer
from stockkeeper.contracts.reservation import (
    HeldLineState,
    Holding,
    QueuePlace,
    ReserveStockStep,
    ServeWaitingStep,
)
from stockkeeper.contracts.stock import ShortageState
from stockkeeper.domain.conflicts import already_exists
from stockkeeper.domain.errors import InsufficientStock
from stockkeeper.domain.reservation import ReservationStatus
from stockkeeper.domain.stock import ItemKey
from stockkeeper.domain.waiting import Place, WaitStatus


def reserve_or_wait(
    stock: LockedStock, operation: Operation, step: ReserveStockStep, began_at: datetime
) -> StockAnswer | None:
    """Hold the lines of a step, or put its order into the queue if it may wait and is short.

    An order that waits already keeps its place; one whose wait was cancelled is over.
    """
    wait = stock.waiting.of(step.reference_id)
    if wait is not None and wait.status is WaitStatus.CANCELLED:
        return None
    if wait is not None and wait.status is WaitStatus.WAITING:
        if requested(step.lines) != [line[:3] for line in wait.lines]:
            raise already_exists("reservation", step.reference_id)
        stock.waiting.keep(wait, operation)
        return None
    try:
        return reserve(stock, operation, step, began_at)
    except InsufficientStock as short:
        # What another database keeps isn't short.
        unstocked = [item.key for item in stock.items.values() if not item.exists]
        places = {each.warehouse_id for each in short.shortages}
        require_here(stock.connection, (key.warehouse_id for key in unstocked if key.warehouse_id in places))
        if step.waiting_until is None:
            raise
    lines = []
    for product_id, warehouse_id, quantity in requested(step.lines):
        is_open = warehouse_id is None
        known = stock.products[product_id] if is_open else stock.items[ItemKey(warehouse_id or 0, product_id)]
        lines.append(Wanted(product_id, warehouse_id, quantity, known.sku or "", known.warehouse))
    new = Wait(stock.new_id(), step.reference_id, WaitStatus.WAITING, step.waiting_until, lines)
    stock.waiting.begin(new, operation, step.as_of)
    return None


def serve(stock: LockedStock, operation: Operation, step: ServeWaitingStep, began_at: datetime) -> StockAnswer | None:
    """Hold the lines of an order that waits, if it is its turn; if its time is over, its wait ends in any case."""
    wait = stock.waiting.of(step.reference_id)
    if stock.lines_of(Reference(step.reference_type, step.reference_id)) or wait is None:
        return None
    if wait.status is WaitStatus.ABANDONED:
        # Its run had ended, and was reset: it lives again, and begins at the end of the queue.
        wait = replace(wait, wait_id=stock.new_id(), status=WaitStatus.WAITING)
        stock.waiting.begin(wait, operation, step.as_of)
    if wait.status is not WaitStatus.WAITING:
        return None
    if step.not_after is not None and began_at > step.not_after:
        stock.waiting.end(wait, operation, WaitStatus.REJECTED, step.as_of, reason="too late")
        return None
    reference, lines = Reference(step.reference_type, step.reference_id), requested(step.lines)
    try:
        days = step.minimum_days_left
        parts = source_lines(stock, lines, step.as_of, waits_as=wait.wait_id, minimum_days_left=days)
        fell_below = holds.place(
            stock,
            operation,
            reference,
            parts,
            expires_at=step.expires_at,
            as_of=step.as_of,
            waits_as=wait.wait_id,
            minimum_days_left=days,
        )
    except InsufficientStock as short:
        if step.is_last:
            stock.waiting.end(wait, operation, WaitStatus.REJECTED, step.as_of, shortages=short.shortages)
        else:
            stock.waiting.keep(wait, operation)
        return None
    stock.waiting.end(wait, operation, WaitStatus.HELD, step.as_of)
    return StockAnswer(fell_below=fell_below)


def leave_queue(stock: LockedStock, operation: Operation, reference_id: str, as_of: datetime, reason: str) -> bool:
    """End the wait of an order by wish; False: it doesn't wait, and hasn't been cancelled while it did."""
    wait = stock.waiting.of(reference_id)
    if wait is None or wait.status not in (WaitStatus.WAITING, WaitStatus.ABANDONED, WaitStatus.CANCELLED):
        return False
    if wait.status is not WaitStatus.CANCELLED:
        stock.waiting.end(wait, operation, WaitStatus.CANCELLED, as_of, reason=reason)
    return True


def answer_of(stock: LockedStock, reference: Reference, as_of: datetime) -> Holding:
    """The reservation of an order as it is: held, waiting, or ended while it waited."""
    held = stock.lines_of(reference)
    wait = stock.waiting.of(reference.reference_id)
    if held or wait is None:
        return holding(held, stock.names_of)
    items = [key for key in stock.items if key.product_id in {line.product_id for line in wait.lines}]
    queue = stock.waiting.queue(as_of)
    return waiting(wait, queue.places(wait.wait_id, stock.levels(items)) if wait.status is WaitStatus.WAITING else ())


def waiting(wait: Wait, places: Sequence[Place]) -> Holding:
    """An order that waits, or has ended while it did. Its places come in the order of its lines."""
    is_waiting = wait.status is WaitStatus.WAITING
    ended = ReservationStatus.CANCELLED if wait.status is WaitStatus.CANCELLED else ReservationStatus.REJECTED
    numbers = {(line.product_id, line.warehouse_id): number for number, line in reversed([*enumerate(wait.lines)])}
    in_turn = sorted(places, key=lambda place: numbers[place.product_id, place.warehouse_id])
    return Holding(
        status=ReservationStatus.WAITING if is_waiting else ended,
        expires_at=None,
        waiting_until=wait.waiting_until if is_waiting else None,
        queue=[QueuePlace(**asdict(place)) for place in in_turn],
        shortages=[ShortageState(**asdict(short)) for short in wait.shortages],
        lines=[
            HeldLineState(
                reservation_id=None,
                product_id=line.product_id,
                warehouse_id=line.warehouse_id,
                quantity=line.quantity,
                sku=line.sku,
                warehouse=line.warehouse or "",
            )
            for line in wait.lines
        ],
    )
