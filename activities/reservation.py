"""The steps of a reservation: lock, decide, write, answer.

A step locks the reservation's items, sorted by (warehouse_id, product_id), and decides under that lock. The promise is
in `reservations` and its units are in `inventory_items` (`database.holds`); only goods that leave the shelf are a
movement in the ledger.
"""

from collections.abc import Callable, Sequence
from datetime import datetime

from sqlalchemy import Connection
from temporalio import activity

from activities.holding import hold_lines_again, holding, reserve
from activities.writes import Effect, OnDatabase, document_once
from database import holds
from database.locks import lock_given_way, lock_reservation, read_reservation
from database.operations import Operation
from database.reservation import read_names, require_no_parcel_twin
from stockkeeper.contracts.messages import state_of
from stockkeeper.contracts.reservation import (
    ExtendReservationStep,
    FulfillLine,
    FulfillReservationStep,
    HoldAgainStep,
    Holding,
    LowerReservationStep,
    ReleaseReservationStep,
    ReservationActivities,
    ReservationState,
    ReserveStockStep,
)
from stockkeeper.domain.reservation import (
    RESERVATION,
    HeldLine,
    ReservationEvent,
    ReservationStatus,
    WantedLine,
    plan_fulfilment,
    require_open,
    status_at,
)
from stockkeeper.domain.stock import MovementType

ORDER = "ORDER"
"""Reference type of an order's hold; a transfer's has another."""

ReservationStep = (
    ReserveStockStep
    | HoldAgainStep
    | FulfillReservationStep
    | LowerReservationStep
    | ReleaseReservationStep
    | ExtendReservationStep
)


class ReservationSteps(OnDatabase, ReservationActivities):
    """`ReservationActivities` on PostgreSQL."""

    @activity.defn(name="reserve_stock", no_thread_cancel_exception=True)
    def reserve_stock(self, step: ReserveStockStep) -> Holding:
        """Hold all lines until the deadline, or none.

        If an item is short, holds on it that are overdue by ``as_of`` are released first, in the same transaction.
        A repeat answers with the reservation as it has become, and holds nothing again.

        Locks: the request's items. Operation: ``{workflow}/reserve``.

        Raises:
            UnknownProduct, UnknownWarehouse: The catalogue hasn't got one of those named.
            InvalidRequest: A product isn't sold any more.
            InsufficientStock: With the numbers of every item that is short.
            OperationConflict: The reference has a reservation with other contents.
        """
        return self._once(step, lambda connection, operation: reserve(connection, operation, step))

    @activity.defn(name="hold_again", no_thread_cancel_exception=True)
    def hold_again(self, step: HoldAgainStep) -> Holding:
        """Hold all lines again that gave way to a correction, until the deadline that they had, or none of them.

        What is held is answered with, and nothing is held twice. Overdue holds are released as for any hold.

        Locks: the reservation's items. Operation: ``{workflow}/hold_again/{run}``.

        Raises:
            InvalidState: The reference was never held, its hold ended in another way, or its deadline has come.
            InsufficientStock: With the numbers of every item that is short. Nothing is held.
            OperationConflict: The reference has a reservation with other contents.
        """
        return self._once(step, lambda connection, operation: hold_lines_again(connection, operation, step))

    @activity.defn(name="fulfill_reservation", no_thread_cancel_exception=True)
    def fulfill_reservation(self, step: FulfillReservationStep) -> Holding:
        """Take held units off the shelf, by a SALE movement for each line that gives some.

        Locks: the reservation's items. Operation: ``{workflow}/fulfill/{shipment}``.

        Raises:
            InvalidState: The reservation isn't open any more, or its deadline has come.
            InvalidRequest: More of a product is wanted than is held; or a part of it, which several warehouses hold,
                and none is named.
        """

        def effect(connection: Connection, operation: Operation) -> None:
            lines = _lock_open(connection, step, ReservationEvent.FULFILL)
            require_no_parcel_twin(connection, operation, step.reference_id)
            taken = plan_fulfilment(lines, _wanted(step.lines), place_of=_places(connection, step))
            holds.take(
                connection,
                operation,
                lines,
                taken,
                MovementType.SALE,
                reference_id=step.reference_id,
                reason=f"fulfilled {step.reference_type} {step.reference_id}",
                as_of=step.as_of,
            )

        return self._once(step, effect)

    @activity.defn(name="release_reservation", no_thread_cancel_exception=True)
    def release_reservation(self, step: ReleaseReservationStep) -> Holding:
        """End the reservation, so that the units it still holds become available.

        An expiry changes nothing if the hold has ended already, released for a buyer who was short. If one line has
        given way, because its promised stock is missing, the others are released as well.

        Locks: the reservation's items. Operation: ``{workflow}/cancel/{command}``, ``{workflow}/give_way/{command}`` or
        ``{workflow}/expire``.

        Raises:
            InvalidState: It is to be cancelled, and isn't open or its deadline has come; or it is to give way, and none
                of its lines has.
        """

        def effect(connection: Connection, operation: Operation) -> None:
            if step.gave_way:
                lines = lock_given_way(connection, step.reference_type, step.reference_id)
            elif step.status is ReservationStatus.CANCELLED:
                lines = _lock_open(connection, step, ReservationEvent.CANCEL)
            else:
                lines = lock_reservation(connection, step.reference_type, step.reference_id)
            followed = "" if step.gave_way else None
            holds.release(
                connection,
                operation,
                lines,
                step.status,
                reason=step.reason,
                as_of=step.as_of,
                gave_way_to=followed,
            )

        return self._once(step, effect)

    @activity.defn(name="lower_reservation", no_thread_cancel_exception=True)
    def lower_reservation(self, step: LowerReservationStep) -> Holding:
        """Give up units of some lines, so that they become available; the rest stays held.

        Locks: the reservation's items. Operation: ``{workflow}/release/{release_id or command}``.

        Raises:
            InvalidState: The reservation isn't open any more, or its deadline has come.
            InvalidRequest: More of a product is to be released than is held; or a part of it, which several warehouses
                hold, and none is named.
        """

        def effect(connection: Connection, operation: Operation) -> None:
            lines = _lock_open(connection, step, ReservationEvent.RELEASE)
            given_up = plan_fulfilment(lines, _wanted(step.lines), place_of=_places(connection, step), done="released")
            holds.lower(connection, operation, lines, given_up, reason=step.reason, as_of=step.as_of)

        return self._once(step, effect)

    @activity.defn(name="extend_reservation", no_thread_cancel_exception=True)
    def extend_reservation(self, step: ExtendReservationStep) -> Holding:
        """Set a new deadline on every line that still holds something.

        Locks: the reservation's items. Operation: ``{workflow}/extend/{command}``.

        Raises:
            InvalidState: The reservation isn't open any more, or its deadline has come.
        """

        def effect(connection: Connection, operation: Operation) -> None:
            del operation
            lines = _lock_open(connection, step, ReservationEvent.EXTEND)
            holds.extend(connection, lines, step.expires_at)

        return self._once(step, effect)

    def _once(self, step: ReservationStep, effect: Effect) -> Holding:
        return document_once(
            self._database,
            step,
            Holding,
            effect,
            lambda connection: holding(connection, step.reference_type, step.reference_id),
        )


def _lock_open(
    connection: Connection,
    step: ReservationStep,
    event: ReservationEvent,
) -> list[HeldLine]:
    lines = lock_reservation(connection, step.reference_type, step.reference_id)
    if not lines:
        raise RESERVATION.refusal(ReservationStatus.REJECTED, event, of=step.reference_id)
    require_open(lines, event, step.as_of, step.reference_id)
    return lines


def _places(connection: Connection, step: ReservationStep) -> Callable[[HeldLine], str]:
    """The name of a line's warehouse, for a message."""
    of = step.reference_type, step.reference_id
    return lambda line: str(read_names(connection, *of)[line.reservation_id].warehouse)


def _wanted(lines: Sequence[FulfillLine] | None) -> list[WantedLine] | None:
    if lines is None:
        return None
    return [WantedLine(line.quantity, line.product_id, line.warehouse_id, line.reservation_id) for line in lines]


def show(connection: Connection, reference_id: str, as_of: datetime) -> ReservationState | None:
    """The state of an order's reservation, for `activities.documents`; None: nothing is held by that number."""
    held = read_reservation(connection, ORDER, reference_id)
    if not held:
        return None
    found = holding(connection, ORDER, reference_id)
    at = {"reference_type": ORDER, "reference_id": reference_id, "status": status_at(held, as_of)}
    return state_of(ReservationState, found, **at)
