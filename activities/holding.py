"""How stock is held for an order, for the first time and again; the steps are in `activities.reservation`."""

from sqlalchemy import Connection

from activities.catalogue import require_items
from database import holds
from database.given_way import units_given_way
from database.locks import lock_reservation, read_reservation
from database.operations import Operation
from database.reservation import read_names
from stockkeeper.contracts.messages import StockAnswer
from stockkeeper.contracts.reservation import (
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
    status_of,
)
from stockkeeper.domain.stock import ItemKey


def reserve(connection: Connection, operation: Operation, step: ReserveStockStep) -> StockAnswer | None:
    """Hold the lines of a step, unless they are held already."""
    lines = [(ItemKey(line.warehouse_id or 0, line.product_id), line.quantity) for line in step.lines]
    if held := read_reservation(connection, step.reference_type, step.reference_id):
        # Its operation was deleted, as old ones are, or another workflow has this reference: the contents decide.
        if [(line.item, line.quantity) for line in held] != lines:
            raise already_exists("reservation", step.reference_id)
        return None
    require_items(connection, [item for item, _ in lines])
    fell_below = holds.place(
        connection,
        operation,
        step.reference_type,
        step.reference_id,
        lines,
        expires_at=step.expires_at,
        as_of=step.as_of,
    )
    return StockAnswer(fell_below=fell_below)


def has_rest(line: HeldLine) -> bool:
    """Whether units of the line were neither shipped nor given up one by one."""
    return line.quantity > line.quantity_fulfilled + line.quantity_released


def hold_lines_again(connection: Connection, operation: Operation, step: HoldAgainStep) -> StockAnswer | None:
    """Hold the rest of a hold again that gave way to a correction."""
    held = lock_reservation(connection, step.reference_type, step.reference_id)
    if not held:
        raise RESERVATION.refusal(ReservationStatus.REJECTED, "reserve", of=step.reference_id)
    lines = [(ItemKey(line.warehouse_id or 0, line.product_id), line.quantity) for line in step.lines]
    if [(line.item, line.quantity) for line in held] != lines:
        raise already_exists("reservation", step.reference_id)
    if status_of(held) is ReservationStatus.ACTIVE:
        return None
    units = units_given_way(connection, held)
    ended = [line for line in held if line.status is ReservationStatus.CANCELLED]
    again = [line for line in ended if line.reservation_id in units]
    require_held_before(
        step.reference_id,
        gave_way=bool(again) and not any(has_rest(line) for line in ended if line.reservation_id not in units),
        in_time=all(line.expires_at is not None and line.expires_at > step.as_of for line in again),
    )
    fell_below = holds.place_again(connection, operation, again, units, as_of=step.as_of)
    return StockAnswer(fell_below=fell_below)


def holding(connection: Connection, reference_type: str, reference_id: str) -> Holding:
    """The reservation as it is in this transaction."""
    held = read_reservation(connection, reference_type, reference_id)
    names = read_names(connection, reference_type, reference_id)
    deadlines = [line.expires_at for line in held if line.expires_at is not None]
    status = status_of(held)
    return Holding(
        status=status,
        rest_is_held=status is not ReservationStatus.ACTIVE and any(line.quantity_open for line in held),
        expires_at=max(deadlines, default=None),
        lines=[
            HeldLineState(
                reservation_id=line.reservation_id,
                product_id=line.item.product_id,
                warehouse_id=line.item.warehouse_id,
                quantity=line.quantity,
                quantity_fulfilled=line.quantity_fulfilled,
                quantity_released=line.quantity_released,
                sku=names[line.reservation_id].sku,
                warehouse=names[line.reservation_id].warehouse,
            )
            for line in held
        ],
    )
