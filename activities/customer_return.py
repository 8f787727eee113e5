"""The steps of a customer return: lock, decide, write, answer.

A step locks the return's row first, then the items that goods go back to. `stockkeeper.domain.customer_return` decides,
`database.customer_return` reads and writes.
"""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Connection
from temporalio import activity

from activities.catalogue import require_items
from activities.differences import WithLimit, require_difference_approved, store_difference_approval
from activities.writes import Effect, columns_of, document_once, require_same
from database.customer_return import (
    INSPECTIONS,
    RETURN,
    OrderBalance,
    lock_return,
    lock_returns_of_order,
    order_balance,
    read_return,
)
from database.differences import read_difference_approvals
from database.document import close_document, insert_document, is_stored
from database.goods import arriving_items, put_into_stock
from database.operations import Operation
from database.receipts import booked, insert_receipt
from database.stock_reading import Wants, locked_stock
from database.worth import worth_of_products
from stockkeeper.contracts.customer_return import (
    ApproveReturnDifferenceStep,
    CloseReturnStep,
    InspectReturnStep,
    RegisterReturnStep,
    ReturnActivities,
    ReturnLine,
    ReturnRequest,
    ReturnState,
    ReturnStep,
    StoredReturn,
)
from stockkeeper.contracts.difference import APPROVE_DIFFERENCE
from stockkeeper.contracts.messages import counted, state_of
from stockkeeper.contracts.receipt import RECEIPTS_SHOWN
from stockkeeper.domain.conflicts import already_exists, done_differently
from stockkeeper.domain.customer_return import CustomerReturn, ReturnEvent, ReturnStatus
from stockkeeper.domain.difference import made_by_returns
from stockkeeper.domain.receipt import Delivered, Taken, delivered_by_product
from stockkeeper.domain.stock import ItemKey, MovementType


class ReturnSteps(WithLimit, ReturnActivities):
    """`ReturnActivities` on PostgreSQL; above the limit, restocking unshipped units takes two people."""

    @activity.defn(name="register_return", no_thread_cancel_exception=True)
    def register_return(self, step: RegisterReturnStep) -> StoredReturn:
        """Store the goods that are expected back. No stock changes; products that aren't sold any more are accepted.

        Locks: nothing; the return's number is unique. Operation: ``{workflow}/register``.

        Raises:
            UnknownWarehouse, UnknownProduct: The catalogue hasn't got one of those named.
            OperationConflict: A return with this number and other contents exists.
        """
        return self._once(step, lambda connection, operation: _register(connection, operation, step))

    @activity.defn(name="inspect_return", no_thread_cancel_exception=True)
    def inspect_return(self, step: InspectReturnStep) -> StoredReturn:
        """Book fit goods into stock by a RETURN movement for each line, and record scrapped ones.

        Items that the warehouse never stocked are created. With the last expected unit the return is INSPECTED.

        What the returns of an order put into stock is compared with what the order has shipped. An order that isn't
        known has shipped nothing.

        Locks: the returns of the same order, then the items. Operation: ``{workflow}/inspect/{inspection_id}``.

        Raises:
            InvalidState: Nothing is expected any more.
            InvalidRequest: A product isn't on the return, or more was found than is expected. Nothing is booked.
            OperationConflict: An inspection with this id and other quantities was booked.
            NotPermitted: More is restocked than was shipped, above the limit, and no other person has approved that.
        """

        def effect(connection: Connection, operation: Operation) -> None:
            lock_returns_of_order(connection, step.return_number)
            returned = lock_return(connection, step.return_number)
            found = delivered_by_product(
                Delivered(line.product_id, line.restock_quantity, line.scrap_quantity) for line in step.lines
            )
            if earlier := booked(connection, INSPECTIONS, returned.return_id, step.inspection_id):
                another = done_differently("inspect", step.inspection_id, "return", step.return_number)
                require_same(earlier, found, otherwise=another)
                return
            taken = returned.plan_inspection(found)
            status = returned.after_inspection(taken)
            self._require_approved(connection, operation, returned, found, step.as_of)
            key, number = returned.return_id, returned.return_number
            insert_receipt(connection, operation, INSPECTIONS, key, step.inspection_id, taken, step.took_place_at)
            units = {line_number: share.accepted for line_number, share in taken.items()}
            arriving = arriving_items(returned.warehouse_id, returned.lines, units)
            with locked_stock(connection, Wants(arriving=arriving, moves=bool(arriving))) as stock:
                put_into_stock(
                    stock,
                    operation,
                    MovementType.RETURN,
                    returned.warehouse_id,
                    returned.lines,
                    units,
                    reference_id=number,
                    reason=f"inspection {step.inspection_id} of return {number}, order {returned.reference_id}",
                )
            if status is ReturnStatus.INSPECTED:
                close_document(connection, operation, RETURN, key, status, step.as_of)

        return self._once(step, effect)

    @activity.defn(name="approve_return_difference", no_thread_cancel_exception=True)
    def approve_return_difference(self, step: ApproveReturnDifferenceStep) -> StoredReturn:
        """Store an approval of units restocked that the order never shipped. Another person may book them then.

        Locks: the return. Operation: ``{workflow}/approve_difference/{command}``.

        Raises:
            InvalidState: Nothing is expected any more.
        """

        def effect(connection: Connection, operation: Operation) -> None:
            returned = lock_return(connection, step.return_number)
            returned.after(ReturnEvent.INSPECT, APPROVE_DIFFERENCE.name)
            store_difference_approval(connection, operation, RETURN, returned.return_number, step, step.as_of)

        return self._once(step, effect)

    @activity.defn(name="close_return", no_thread_cancel_exception=True)
    def close_return(self, step: CloseReturnStep) -> StoredReturn:
        """Close a return of which not everything came. No stock changes: the missing units stay sold.

        Locks: the return. Operation: ``{workflow}/close_short/{command}``.

        Raises:
            InvalidState: Nothing is expected any more.
        """

        def effect(connection: Connection, operation: Operation) -> None:
            returned = lock_return(connection, step.return_number)
            status = returned.after_close_short()
            close_document(connection, operation, RETURN, returned.return_id, status, step.as_of, reason=step.reason)

        return self._once(step, effect)

    def _require_approved(
        self,
        connection: Connection,
        operation: Operation,
        returned: CustomerReturn,
        found: Mapping[int, Taken],
        as_of: datetime,
    ) -> None:
        """Refuse to restock more than the order has shipped, above the limit and without another's approval."""
        balance = order_balance(connection, returned.reference_id)
        made, grows = {}, False
        for product_id in {line.product_id for line in returned.lines}:
            before = balance.get(product_id, OrderBalance())
            new = found.get(product_id, Taken(0, 0))
            was = made_by_returns(before.restocked, before.came_back, before.shipped)
            by_now = made_by_returns(before.restocked + new.accepted, before.came_back + new.units, before.shipped)
            made[product_id] = by_now
            grows = grows or by_now > was
        if not grows:
            return
        what = f"{counted(sum(made.values()), 'unit')} restocked that order {returned.reference_id} hasn't shipped"
        worth = worth_of_products(connection, {product_id: units for product_id, units in made.items() if units})
        require_difference_approved(
            connection, operation, RETURN, returned.return_number, what, worth, self._limit, as_of
        )

    def _once(self, step: ReturnStep, effect: Effect) -> StoredReturn:
        return document_once(
            self._database, step, StoredReturn, effect, lambda connection: _stored(connection, step.return_number)
        )


def _register(connection: Connection, operation: Operation, step: RegisterReturnStep) -> None:
    if is_stored(connection, RETURN, step.return_number):
        stored = _stored(connection, step.return_number)
        another = already_exists("return", step.return_number)
        require_same(_contents(stored), _contents(step), otherwise=another)
        return
    require_items(connection, {ItemKey(step.warehouse_id, line.product_id) for line in step.lines}, sold=False)
    lines = [{"product_id": line.product_id, "quantity": line.quantity} for line in step.lines]
    header = {**columns_of(step, RETURN), "requested_by": step.performed_by}
    insert_document(connection, operation, RETURN, lines, status=ReturnStatus.EXPECTED, **header)


def _contents(returned: StoredReturn | RegisterReturnStep) -> object:
    """What two starts under one number must have in common to be the same return; not who sends it."""
    lines = [(line.product_id, line.quantity) for line in returned.lines]
    return returned.warehouse_id, returned.reference_id, lines


def show(connection: Connection, return_number: str, _as_of: datetime) -> ReturnState | None:
    """The state of a return, for `activities.documents`; None: nothing is stored by that number."""
    if not is_stored(connection, RETURN, return_number):
        return None
    return state_of(ReturnState, _stored(connection, return_number))


def _stored(connection: Connection, return_number: str) -> StoredReturn:
    """The return as it is in this transaction."""
    returned = read_return(connection, return_number, inspections=RECEIPTS_SHOWN)
    approvals = read_difference_approvals(connection, RETURN, return_number)
    return StoredReturn.model_validate(returned | {"difference_approvals": approvals})


def start_again(connection: Connection, number: str, _as_of: datetime, _person: str) -> ReturnRequest:
    """The start of another run for a stored return: `devstack.restore`."""
    stored = _stored(connection, number)
    return ReturnRequest(
        return_number=number,
        warehouse_id=stored.warehouse_id,
        reference_id=stored.reference_id,
        lines=[ReturnLine(product_id=line.product_id, quantity=line.quantity) for line in stored.lines],
        performed_by=stored.requested_by,
    )
