"""How stock is held for an order, for the first time and again; the steps are in `activities.reservation`."""

from collections.abc import Callable, Sequence
from datetime import datetime

from activities.sourcing import asked_for, requested, source_lines
from database import holds
from database.locked_stock import LockedStock
from database.operations import Operation
from database.stock_rows import Reference
from stockkeeper.contracts.lot import lots_shown
from stockkeeper.contracts.messages import StockAnswer
from stockkeeper.contracts.operation import operation_id
from stockkeeper.contracts.reservation import (
    UNDONE,
    HeldLineState,
    HoldAgainStep,
    Holding,
    ReserveStockStep,
)
from stockkeeper.domain.conflicts import already_exists
from stockkeeper.domain.promise import require_held_before
from stockkeeper.domain.reservation import (
    RESERVATION,
    HeldLine,
    ReservationStatus,
    deadline_of,
    require_in_time,
    status_of,
)
from stockkeeper.domain.sourcing import RequestedLine


def reserve(stock: LockedStock, operation: Operation, step: ReserveStockStep, began_at: datetime) -> StockAnswer | None:
    """Hold the lines of a step, unless they are held already, or it began later than its order may be held.

    Those of an attempt that was undone, because the order's lines in another database couldn't be held, are held anew.
    """
    lines, reference = requested(step.lines), Reference(step.reference_type, step.reference_id)
    if held := stock.lines_of(reference):
        # Its operation was deleted, as old ones are, or another workflow has this reference: the contents decide.
        if asked_for(held) != lines:
            raise already_exists("reservation", step.reference_id)
        undone = operation_id(operation.workflow_id, UNDONE, "")
        if not all(stock.closed_by(line).startswith(undone) for line in held):
            return None
        require_in_time(step.reference_id, step.not_after, began_at)
        until = {"expires_at": step.expires_at, "as_of": step.as_of}
        return StockAnswer(fell_below=holds.place_anew(stock, operation, reference, held, **until))
    require_in_time(step.reference_id, step.not_after, began_at)
    parts = source_lines(stock, lines, step.as_of, minimum_days_left=step.minimum_days_left)
    fell_below = holds.place(
        stock,
        operation,
        reference,
        parts,
        expires_at=step.expires_at,
        as_of=step.as_of,
        minimum_days_left=step.minimum_days_left,
    )
    return StockAnswer(fell_below=fell_below)


def has_rest(line: HeldLine) -> bool:
    """Whether units of the line were neither shipped nor given up one by one."""
    return line.quantity > line.quantity_fulfilled + line.quantity_released


def hold_lines_again(stock: LockedStock, operation: Operation, step: HoldAgainStep) -> StockAnswer | None:
    """Hold the rest of a hold again that gave way to a correction."""
    held = stock.lines_of(Reference(step.reference_type, step.reference_id))
    if not held:
        raise RESERVATION.refusal(ReservationStatus.REJECTED, "reserve", of=step.reference_id)
    parts = [RequestedLine(line.item.product_id, line.item.warehouse_id, line.quantity) for line in held]
    if requested(step.lines) not in (asked_for(held), parts):
        raise already_exists("reservation", step.reference_id)
    if status_of(held) is ReservationStatus.ACTIVE or (step.in_part and not any(has_rest(line) for line in held)):
        return None
    ended = [line for line in held if line.status is ReservationStatus.CANCELLED]
    again = [line for line in ended if line.reservation_id in stock.offers]
    require_held_before(
        step.reference_id,
        gave_way=bool(again) and not any(has_rest(line) for line in ended if line.reservation_id not in stock.offers),
        in_time=all(line.expires_at is not None and line.expires_at > step.as_of for line in again),
    )
    fell_below = holds.place_again(stock, operation, again, stock.offers, as_of=step.as_of)
    return StockAnswer(fell_below=fell_below)


def holding(lines: Sequence[HeldLine], names_of: Callable[[HeldLine], tuple[str, str]]) -> Holding:
    """A reservation by its lines, each with the SKU and the name of the warehouse."""
    status = status_of(lines)
    return Holding(
        status=status,
        rest_is_held=status is not ReservationStatus.ACTIVE and any(line.quantity_open for line in lines),
        expires_at=deadline_of(lines),
        lines=[_state(line, *names_of(line)) for line in lines],
    )


def _state(line: HeldLine, sku: str, warehouse: str) -> HeldLineState:
    return HeldLineState(
        reservation_id=line.reservation_id,
        product_id=line.item.product_id,
        warehouse_id=line.item.warehouse_id,
        sourced_line=line.sourced_line,
        quantity=line.quantity,
        quantity_fulfilled=line.quantity_fulfilled,
        quantity_released=line.quantity_released,
        lots=lots_shown(line.lots),
        sku=sku,
        warehouse=warehouse,
    )
