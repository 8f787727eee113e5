"""The steps of a reservation: lock, decide, write, answer.

A step locks the reservation's items, sorted by (warehouse_id, product_id), and decides under that lock. The promise is
in `reservations` and its units are in `inventory_items` (`database.holds`); only goods that leave the shelf are a
movement in the ledger.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from pydantic import BaseModel
from sqlalchemy import Connection
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.following import ALONE, require_not_joined
from activities.holding import hold_lines_again, holding
from activities.order_promising import with_day
from activities.serving import answer_of, leave_queue, reserve_or_wait, serve, waiting
from activities.sourcing import wants_of
from activities.stock_steps import Decision, stock_once
from activities.writes import OnDatabase, database_errors, effect_once, scheduled_at
from database import holds
from database.ledger import require_on_the_ledger
from database.locked_stock import LockedStock
from database.locks import read_reservation
from database.operations import Operation, claim
from database.pipeline import send
from database.reservation import read_asked_for, read_names
from database.stock_reading import Wants
from database.stock_rows import Reference
from database.waiting_looks import read_latest_wait, read_wait
from stockkeeper.contracts.converter import as_domain_error
from stockkeeper.contracts.messages import StockAnswer, state_of
from stockkeeper.contracts.order_in_parts import WORKFLOW_TYPE as ORDER_IN_PARTS
from stockkeeper.contracts.reservation import (
    ExtendReservationStep,
    FulfillReservationStep,
    HoldAgainStep,
    Holding,
    LowerReservationStep,
    ReleaseReservationStep,
    ReservationActivities,
    ReservationRequest,
    ReservationState,
    ReserveStockStep,
    SecureReservationStep,
    ServeWaitingStep,
    requested_lines,
    wanted_lines,
)
from stockkeeper.domain.conflicts import twin_of
from stockkeeper.domain.errors import InvalidState
from stockkeeper.domain.reservation import (
    RESERVATION,
    HeldLine,
    ReservationEvent,
    ReservationStatus,
    WantedLine,
    plan_fulfilment,
    plan_lots,
    require_given_way,
    require_open,
    status_at,
)
from stockkeeper.domain.stock import MovementType
from stockkeeper.domain.waiting import WaitStatus


class Withdrawn(BaseModel):
    """The result of a withdrawal."""


ORDER = "ORDER"
"""Reference type of an order's hold; a transfer's has another."""

ReservationStep = (
    ReserveStockStep
    | ServeWaitingStep
    | HoldAgainStep
    | FulfillReservationStep
    | LowerReservationStep
    | ReleaseReservationStep
    | ExtendReservationStep
    | SecureReservationStep
)


class ReservationSteps(OnDatabase, ReservationActivities):
    """`ReservationActivities` on PostgreSQL."""

    @activity.defn(name="reserve_stock", no_thread_cancel_exception=True)
    def reserve_stock(self, step: ReserveStockStep) -> Holding:
        """Hold all lines until the deadline, or none.

        If an item is short, holds on it that are overdue by ``as_of`` are released first, in the same transaction; and
        units that others wait for are left for them. If it is short nevertheless, and may wait, it gets a place in the
        queue in the same transaction. A line that leaves the warehouse open is sourced (`stockkeeper.domain.sourcing`).
        A repeat answers with the reservation as it has become, and holds nothing again.

        Locks: its wait, if it has one; the request's items, and of a product that may come from any warehouse the items
        in all of them. Operation: ``{workflow}/reserve``, or ``{workflow}/reserve/{run}`` if it may wait.

        Raises:
            UnknownProduct, UnknownWarehouse: The catalogue hasn't got one of those named.
            InvalidRequest: A product isn't sold any more.
            InsufficientStock: With the numbers of every item that is short.
            WarehouseMoving: It takes stock of several warehouses, and one is about to move to another database.
            InvalidState: It begins later than ``not_after``, or its run was cancelled before it. Nothing is held.
            OperationConflict: The reference has a reservation with other contents.
        """
        began_at, withdrawal = scheduled_at(step), _withdrawal()
        alone, is_part = ALONE.get(), activity.info().workflow_type == ORDER_IN_PARTS

        def hold(stock: LockedStock, operation: Operation) -> StockAnswer | None:
            if withdrawal in stock.stored:
                raise RESERVATION.refusal(ReservationStatus.CANCELLED, "reserve", of=step.reference_id)
            if not stock.lines_of(_reference(step)):
                places = [line.warehouse_id for line in step.lines if line.warehouse_id is not None]
                require_not_joined(places, alone, is_part=is_part)
            return reserve_or_wait(stock, operation, step, began_at)

        return self._with_day(step, self._once(step, hold, replace(_wants(step), unless=withdrawal)))

    @activity.defn(name="serve_waiting", no_thread_cancel_exception=True)
    def serve_waiting(self, step: ServeWaitingStep) -> Holding:
        """Hold all lines of an order that waits, if it is its turn and all of it is there.

        Otherwise it waits on; or, at the end of its wait or later than ``not_after``, is rejected with the numbers of
        that moment.

        Locks: its wait, then its items. Operation: ``{workflow}/serve/{run}/{look}``.

        Raises:
            InvalidRequest: An item's on hand isn't what its movements have left. It waits on.
        """
        began_at = scheduled_at(step)
        return self._with_day(
            step, self._once(step, lambda stock, operation: serve(stock, operation, step, began_at), _wants(step))
        )

    def _with_day(self, step: ReserveStockStep | ServeWaitingStep, answer: Holding) -> Holding:
        """The answer with the day by which an order has its turn that waits; read when its locks are free again."""
        if answer.status is not ReservationStatus.WAITING:
            return answer
        with database_errors(), self._database.snapshot() as connection:
            wait = read_latest_wait(connection, step.reference_id)
            return answer if wait is None else with_day(connection, answer, wait, step.as_of)

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
        wants = replace(wants_of(step.lines, step.as_of), gave_way=True)
        return self._once(step, lambda stock, operation: hold_lines_again(stock, operation, step), wants)

    @activity.defn(name="fulfill_reservation", no_thread_cancel_exception=True)
    def fulfill_reservation(self, step: FulfillReservationStep) -> Holding:
        """Take held units off the shelf, by a SALE movement for each line that gives some.

        Locks: the reservation's items. Operation: ``{workflow}/fulfill/{shipment}``.

        Raises:
            InvalidState: The reservation isn't open any more, or its deadline has come.
            InvalidRequest: More of a product is wanted than is held; or a part of it, which several warehouses hold,
                and none is named.
        """

        def ship(stock: LockedStock, operation: Operation) -> None:
            lines = _open_lines(stock, step, ReservationEvent.FULFILL)
            if (twin := stock.twin_of(operation, step.reference_id)) is not None:
                raise twin_of("shipment", _last(operation.operation_id), _last(twin))
            taken = plan_fulfilment(lines, _wanted(step), place_of=_places(stock))
            picked = plan_lots(lines, _wanted(step), taken)
            lines = _put_back(lines, step.put_back)
            holds.take(
                stock,
                operation,
                lines,
                taken,
                MovementType.SALE,
                reference_id=step.reference_id,
                reason=f"fulfilled {step.reference_type} {step.reference_id}",
                as_of=step.as_of,
                lots=picked,
            )
            _put_others_back(stock, lines, taken, step.put_back)

        return self._once(
            step, ship, Wants(moves=True, twins_of=(step.operation_id, step.reference_id), as_of=step.as_of)
        )

    @activity.defn(name="release_reservation", no_thread_cancel_exception=True)
    def release_reservation(self, step: ReleaseReservationStep) -> Holding:
        """End the reservation, so that the units it still holds become available.

        An expiry changes nothing if the hold has ended already, released for a buyer who was short. If one line has
        given way, because its promised stock is missing, the others are released as well. An order that waits for stock
        only leaves the queue. If nothing is held to be cancelled, nothing will be by this run: an attempt of an earlier
        task may still be under way, where a worker or its connection was given up.

        Locks: its wait, if it has one; the reservation's items. Operation: ``{workflow}/cancel/{command}``,
        ``{workflow}/give_way/{command}`` or ``{workflow}/expire``; and ``{workflow}/withdrawn/{run}``.

        Raises:
            InvalidState: It is to be cancelled, and isn't open or its deadline has come; or it is to give way, and none
                of its lines has.
        """

        def end(stock: LockedStock, operation: Operation) -> None:
            if step.status is ReservationStatus.CANCELLED and not step.gave_way:
                if leave_queue(stock, operation, step.reference_id, step.as_of, step.reason):
                    return
                is_open = _any_lines if step.is_decided else _open_lines
                lines = is_open(stock, step, ReservationEvent.CANCEL)
            else:
                lines = stock.lines_of(_reference(step))
            if step.gave_way and not step.is_decided:
                require_given_way(lines, *_reference(step))
            followed = "" if step.gave_way else None
            holds.release(
                stock,
                operation,
                _put_back(lines, step.put_back),
                step.status,
                reason=step.reason,
                as_of=step.as_of,
                gave_way_to=followed,
            )

        wants = Wants(waits_of=[step.reference_id])
        is_cancelled = step.status is ReservationStatus.CANCELLED and not step.gave_way
        try:
            return self._once(step, end, wants, keeps_refusal=not is_cancelled)
        except ApplicationError as error:
            refusal = as_domain_error(error)
            if not is_cancelled or refusal is None:
                raise
            if isinstance(refusal, InvalidState) and refusal.status == ReservationStatus.REJECTED:
                self._withdraw(step)
        return self._once(step, end, wants)

    def _withdraw(self, step: ReleaseReservationStep) -> None:
        """Let no attempt of this run to hold the order succeed from here on; one that is under way is waited for."""
        info = activity.info()

        def effect(connection: Connection, operation: Operation) -> Withdrawn:
            del operation
            reserve = f"{info.workflow_id}/reserve"
            send(connection, [claim([reserve, f"{reserve}/{info.workflow_run_id}"])])
            return Withdrawn()

        effect_once(
            self._database, step.model_copy(update={"operation_id": _withdrawal(), "reason": ""}), Withdrawn, effect
        )

    @activity.defn(name="lower_reservation", no_thread_cancel_exception=True)
    def lower_reservation(self, step: LowerReservationStep) -> Holding:
        """Give up units of some lines, so that they become available; the rest stays held.

        Locks: the reservation's items. Operation: ``{workflow}/release/{release_id or command}``.

        Raises:
            InvalidState: The reservation isn't open any more, or its deadline has come.
            InvalidRequest: More of a product is to be released than is held; or a part of it, which several warehouses
                hold, and none is named.
        """

        def give_up(stock: LockedStock, operation: Operation) -> None:
            lines = _open_lines(stock, step, ReservationEvent.RELEASE)
            given_up = plan_fulfilment(lines, _wanted(step), place_of=_places(stock), done="released")
            lines = _put_back(lines, step.put_back)
            holds.lower(stock, operation, lines, given_up, reason=step.reason, as_of=step.as_of)
            _put_others_back(stock, lines, given_up, step.put_back)

        return self._once(step, give_up)

    @activity.defn(name="extend_reservation", no_thread_cancel_exception=True)
    def extend_reservation(self, step: ExtendReservationStep) -> Holding:
        """Set a new deadline on every line that still holds something.

        Locks: the reservation's items. Operation: ``{workflow}/extend/{command}``.

        Raises:
            InvalidState: The reservation isn't open any more, or its deadline has come.
        """

        def extend(stock: LockedStock, operation: Operation) -> None:
            del operation
            holds.extend(stock, _open_lines(stock, step, ReservationEvent.EXTEND), step.expires_at)

        return self._once(step, extend)

    @activity.defn(name="secure_reservation", no_thread_cancel_exception=True)
    def secure_reservation(self, step: SecureReservationStep) -> Holding:
        """Give the part of an order a deadline that no buyer reaches, unless its deadline has come.

        What would refuse the command's effect later refuses this: once all parts of the order are secured, the effect
        is owed to each. Where lots were picked, a second step has the part hold these in the place of others. If the
        effect has been carried out before, nothing changes, and the answer says so.

        Locks: the reservation's items. Operation: ``{workflow}/secure/{run}/{request}``.

        Raises:
            InvalidState: The part isn't open any more, or its deadline has come.
            InvalidRequest: An item's on hand isn't what its movements have left; or a lot that was picked isn't free.
            OperationConflict: A shipment's number differs from another one's by upper and lower case alone.
        """

        def secure(stock: LockedStock, operation: Operation) -> None:
            del operation
            if step.effect in stock.stored:
                return
            lines = _open_lines(stock, step, ReservationEvent(step.command))
            if (twin := stock.twins.get(step.effect)) is not None:
                raise twin_of("shipment", _last(step.effect), _last(twin))
            require_on_the_ledger(stock, {line.item for line in lines})
            if step.picked is not None:
                wanted = wanted_lines(step.picked)
                taken = plan_fulfilment(lines, wanted, place_of=_places(stock))
                holds.hold_picked(stock, lines, taken, plan_lots(lines, wanted, taken))
                return
            holds.extend(stock, lines, step.expires_at)

        wants = Wants(twins_of=(step.effect, step.reference_id), unless=step.effect, as_of=step.as_of)
        return self._once(step, secure, wants, is_done=lambda stock: step.effect in stock.stored)

    def _once(
        self,
        step: ReservationStep,
        decide: Decision,
        wants: Wants | None = None,
        *,
        keeps_refusal: bool = True,
        is_done: Callable[[LockedStock], bool] = lambda _: False,
    ) -> Holding:
        reference = _reference(step)
        return stock_once(
            self._database,
            step,
            replace(wants or Wants(), references=[reference]),
            Holding,
            decide,
            lambda stock: answer_of(stock, reference, step.as_of).model_copy(update={"is_done": is_done(stock)}),
            keeps_refusal=keeps_refusal,
        )


def _withdrawal() -> str:
    """The operation by which a run is cancelled before it has held anything."""
    info = activity.info()
    return f"{info.workflow_id}/withdrawn/{info.workflow_run_id}"


def _wants(step: ReserveStockStep | ServeWaitingStep) -> Wants:
    """What a step needs that holds an order for the first time."""
    return replace(wants_of(step.lines, step.as_of), waits_of=[step.reference_id], new_lines=len(step.lines) + 1)


def _reference(step: ReservationStep) -> Reference:
    return Reference(step.reference_type, step.reference_id)


def _any_lines(stock: LockedStock, step: ReservationStep, event: ReservationEvent) -> list[HeldLine]:
    lines = stock.lines_of(_reference(step))
    if not lines:
        raise RESERVATION.refusal(ReservationStatus.REJECTED, event, of=step.reference_id)
    return lines


def _open_lines(stock: LockedStock, step: ReservationStep, event: ReservationEvent) -> list[HeldLine]:
    lines = _any_lines(stock, step, event)
    require_open(lines, event, step.as_of, step.reference_id)
    return lines


def _put_back(lines: list[HeldLine], deadline: datetime | None) -> list[HeldLine]:
    """The lines as they are to be written, with the deadline that they had before they were secured."""
    if deadline is None:
        return lines
    return [replace(line, expires_at=deadline) if line.quantity_open else line for line in lines]


def _put_others_back(
    stock: LockedStock, lines: Sequence[HeldLine], taken: Mapping[int, int], deadline: datetime | None
) -> None:
    """The deadline of the lines that a command has taken nothing of."""
    if deadline is not None:
        holds.extend(stock, [line for line in lines if line.reservation_id not in taken], deadline)


def _places(stock: LockedStock) -> Callable[[HeldLine], str]:
    """The name of a line's warehouse, for a message."""
    return lambda line: stock.names_of(line)[1]


def _last(operation_id: str) -> str:
    """The caller's own part of an operation id."""
    return operation_id.rpartition("/")[2]


def _wanted(step: FulfillReservationStep | LowerReservationStep) -> list[WantedLine] | None:
    lines = step.lines if step.part is None else step.part
    if lines is None:
        return None
    return wanted_lines(lines)


def show(connection: Connection, reference_id: str, as_of: datetime) -> ReservationState | None:
    """The state of an order's reservation, for `activities.documents`; None: nothing is held by that number."""
    held = read_reservation(connection, ORDER, reference_id)
    if not held:
        return _show_waiting(connection, reference_id, as_of)
    names = read_names(connection, ORDER, reference_id)
    found = holding(held, lambda line: (names[line.reservation_id].sku, names[line.reservation_id].warehouse))
    at = {"reference_type": ORDER, "reference_id": reference_id, "status": status_at(held, as_of)}
    return state_of(ReservationState, found, **at)


def _show_waiting(connection: Connection, reference_id: str, as_of: datetime) -> ReservationState | None:
    """The state of an order that waits for stock, or was cancelled while it did; None: nothing else is stored."""
    seen = read_wait(connection, reference_id, as_of)
    is_over = seen is None or (seen.wait.status is WaitStatus.WAITING and seen.wait.waiting_until <= as_of)
    if seen is None or is_over or seen.wait.status not in (WaitStatus.WAITING, WaitStatus.CANCELLED):
        return None
    found = with_day(connection, waiting(seen.wait, seen.places), seen.wait, as_of)
    return state_of(ReservationState, found, reference_type=ORDER, reference_id=reference_id)


def start_again(connection: Connection, number: str, as_of: datetime, _person: str) -> ReservationRequest:
    """The start of another run for an order that is held or waits: `devstack.restore`.

    A wait goes on until its end, and at least for a second; the hold that is there has its own deadline.
    """
    state = show(connection, number, as_of)
    performed_by, waiting_until = read_asked_for(connection, number)
    wait = timedelta() if waiting_until is None else max(waiting_until - as_of, timedelta(seconds=1))
    return ReservationRequest(
        reference_id=number,
        lines=[] if state is None else requested_lines(state.lines),
        wait_minutes=wait / timedelta(minutes=1),
        performed_by=performed_by,
    )
