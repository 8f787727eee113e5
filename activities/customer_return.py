"""The steps of a customer return: lock, decide, write, answer.

A step locks the return's row first, then the items that goods go back to. `stockkeeper.domain.customer_return` decides,
`database.customer_return` reads and writes.
"""

from datetime import datetime

from sqlalchemy import Connection
from temporalio import activity

from activities.catalogue import require_items
from activities.writes import Effect, OnDatabase, columns_of, document_once, require_same
from database.customer_return import INSPECTIONS, RETURN, lock_return, read_return
from database.document import close_document, insert_document, is_stored
from database.operations import Operation
from database.receipts import booked, insert_receipt, put_into_stock
from stockkeeper.contracts.customer_return import (
    CloseReturnStep,
    InspectReturnStep,
    RegisterReturnStep,
    ReturnActivities,
    ReturnState,
    ReturnStep,
    StoredReturn,
)
from stockkeeper.contracts.messages import state_of
from stockkeeper.contracts.receipt import RECEIPTS_SHOWN
from stockkeeper.domain.conflicts import already_exists, done_differently
from stockkeeper.domain.customer_return import ReturnStatus
from stockkeeper.domain.receipt import Delivered, delivered_by_product
from stockkeeper.domain.stock import ItemKey, MovementType


class ReturnSteps(OnDatabase, ReturnActivities):
    """`ReturnActivities` on PostgreSQL."""

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

        Locks: the return, then the items. Operation: ``{workflow}/inspect/{inspection_id}``.

        Raises:
            InvalidState: Nothing is expected any more.
            InvalidRequest: A product isn't on the return, or more was found than is expected. Nothing is booked.
            OperationConflict: An inspection with this id and other quantities was booked.
        """

        def effect(connection: Connection, operation: Operation) -> None:
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
            key, number = returned.return_id, returned.return_number
            insert_receipt(connection, operation, INSPECTIONS, key, step.inspection_id, taken, step.as_of)
            put_into_stock(
                connection,
                operation,
                MovementType.RETURN,
                returned.warehouse_id,
                returned.lines,
                {line_number: share.accepted for line_number, share in taken.items()},
                reference_id=number,
                reason=f"inspection {step.inspection_id} of return {number}, order {returned.reference_id}",
            )
            if status is ReturnStatus.INSPECTED:
                close_document(connection, operation, RETURN, key, status, step.as_of)

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
    return StoredReturn.model_validate(read_return(connection, return_number, inspections=RECEIPTS_SHOWN))
