"""The customer return in the database.

Every step locks the return's row first, then the items that something goes back to, decides under that lock, and
answers with the return as it is then. What may follow what says `stockkeeper.domain.customer_return`.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, insert, text, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import BigInteger, Integer
from temporalio import activity

from activities.catalogue import require_items
from activities.writes import document_once
from database import ledger
from database.locks import lock_or_create_items, lock_return
from database.operations import Operation
from database.sessions import Database
from database.tables import return_inspection_lines, return_inspections, return_lines, returns
from stockkeeper.contracts.customer_return import (
    CloseReturnStep,
    InspectReturnStep,
    RegisterReturnStep,
    ReturnActivities,
    ReturnStep,
    StoredReturn,
    StoredReturnLine,
)
from stockkeeper.contracts.receipt import RECEIPTS_SHOWN, ReceiptState
from stockkeeper.domain.customer_return import CustomerReturn, ReturnStatus
from stockkeeper.domain.errors import InvalidRequest, OperationConflict
from stockkeeper.domain.receipt import Delivered, Taken, delivered_by_product
from stockkeeper.domain.stock import ItemKey, MovementType

_BOOKED = text("""
    SELECT product_id, sum(found.restocked) AS restocked, sum(found.scrapped) AS scrapped
    FROM return_inspection_lines AS found JOIN return_lines USING (return_id, line_number)
    WHERE return_id = :return_id AND inspection_id = :inspection_id
    GROUP BY product_id
""")

_INSPECT_LINES = text("""
    UPDATE return_lines AS line
    SET restocked = line.restocked + found.restocked,
        scrapped = line.scrapped + found.scrapped
    FROM unnest(:line_numbers, :restocked, :scrapped) AS found (line_number, restocked, scrapped)
    WHERE return_id = :return_id AND line.line_number = found.line_number
""").bindparams(
    bindparam("line_numbers", type_=ARRAY(Integer)),
    bindparam("restocked", type_=ARRAY(BigInteger)),
    bindparam("scrapped", type_=ARRAY(BigInteger)),
)

_READ = text("""
    SELECT returns.*, warehouses.name AS warehouse
    FROM returns JOIN warehouses USING (warehouse_id)
    WHERE return_number = :return_number
""")

_READ_LINES = text("""
    SELECT product_id, sku, quantity, restocked, scrapped
    FROM return_lines JOIN products USING (product_id)
    WHERE return_id = :return_id
    ORDER BY line_number
""")

_READ_INSPECTIONS = text("""
    SELECT inspection_id AS receipt_id, inspected_at AS at, inspected_by AS performed_by,
        sum(restocked) AS accepted, sum(scrapped) AS unfit
    FROM return_inspections JOIN return_inspection_lines USING (return_id, inspection_id)
    WHERE return_id = :return_id
    GROUP BY return_id, inspection_id
    ORDER BY inspected_at DESC, inspection_id DESC
    LIMIT :most
""")


class ReturnSteps(ReturnActivities):
    """`ReturnActivities` on PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @activity.defn(name="register_return", no_thread_cancel_exception=True)
    def register_return(self, step: RegisterReturnStep) -> StoredReturn:
        """Store what is expected back. No stock changes, and what isn't sold any more may come back, too.

        Locks: nothing; the return's number is unique. Operation: ``{workflow}/register``.

        Raises:
            UnknownWarehouse, UnknownProduct: It names what isn't there.
            OperationConflict: The number is another return's.
        """
        return self._once(step, lambda connection, operation: _register(connection, operation, step))

    @activity.defn(name="inspect_return", no_thread_cancel_exception=True)
    def inspect_return(self, step: InspectReturnStep) -> StoredReturn:
        """Put what is fit back into stock, a RETURN movement for each line; keep what is scrapped.

        An item that the warehouse never held is made. With the last unit that is expected the return is INSPECTED.

        Locks: the return, then the items. Operation: ``{workflow}/inspect/{inspection_id}``.

        Raises:
            InvalidState: Nothing is expected any more.
            InvalidRequest: A product isn't on the return, or more was found than is expected. Nothing is booked.
            OperationConflict: That inspection was another one.
        """

        def effect(connection: Connection, operation: Operation) -> None:
            returned = _lock(connection, step)
            found = delivered_by_product(
                Delivered(line.product_id, line.restock_quantity, line.scrap_quantity) for line in step.lines
            )
            if booked := _booked(connection, returned.return_id, step.inspection_id):
                # The operation was forgotten since, as old ones are; the inspection itself never is.
                if booked != found:
                    raise OperationConflict(
                        f"inspection {step.inspection_id} of return {step.return_number} was another one"
                    )
                return
            taken = returned.plan_inspection(found)
            _book_inspection(connection, operation, step, returned, taken)
            status = returned.after_inspection(taken)
            if status is ReturnStatus.INSPECTED:
                _close(connection, operation, returned, status, step.as_of, reason=None)

        return self._once(step, effect)

    @activity.defn(name="close_return", no_thread_cancel_exception=True)
    def close_return(self, step: CloseReturnStep) -> StoredReturn:
        """Give up what hasn't come. No stock changes: it was sold, and stays so.

        Locks: the return. Operation: ``{workflow}/close_short/{command}``.

        Raises:
            InvalidState: Nothing is expected any more.
        """

        def effect(connection: Connection, operation: Operation) -> None:
            returned = _lock(connection, step)
            status = returned.after_close_short()
            _close(connection, operation, returned, status, step.as_of, reason=step.reason)

        return self._once(step, effect)

    def _once(self, step: ReturnStep, effect: Callable[[Connection, Operation], None]) -> StoredReturn:
        return document_once(
            self._database, step, StoredReturn, effect, lambda connection: _stored(connection, step.return_number)
        )


def _register(connection: Connection, operation: Operation, step: RegisterReturnStep) -> None:
    if connection.execute(_READ, {"return_number": step.return_number}).one_or_none() is not None:
        # The operation was forgotten since, as old ones are; the return itself never is.
        if not _is_that_return(_stored(connection, step.return_number), step):
            raise OperationConflict(f"return {step.return_number} is another one")
        return
    require_items(connection, {ItemKey(step.warehouse_id, line.product_id) for line in step.lines}, sold=False)
    return_id = connection.execute(
        insert(returns)
        .values(
            return_number=step.return_number,
            warehouse_id=step.warehouse_id,
            reference_id=step.reference_id,
            status=ReturnStatus.EXPECTED,
            requested_by=step.performed_by,
            created_at=step.as_of,
            operation_id=operation.operation_id,
            workflow_id=operation.workflow_id,
            run_id=operation.run_id,
        )
        .returning(returns.c.return_id)
    ).scalar_one()
    connection.execute(
        insert(return_lines),
        [
            {
                "return_id": return_id,
                "line_number": number,
                "product_id": line.product_id,
                "quantity": line.quantity,
            }
            for number, line in enumerate(step.lines, 1)
        ],
    )


def _is_that_return(stored: StoredReturn, step: RegisterReturnStep) -> bool:
    """Whether this return was made by such a step, whoever asked for it."""
    return (
        stored.warehouse_id,
        stored.reference_id,
        [(line.product_id, line.quantity) for line in stored.lines],
    ) == (step.warehouse_id, step.reference_id, [(line.product_id, line.quantity) for line in step.lines])


def _lock(connection: Connection, step: ReturnStep) -> CustomerReturn:
    returned = lock_return(connection, step.return_number)
    if returned is None:
        raise InvalidRequest(f"there is no return {step.return_number}")
    return returned


def _booked(connection: Connection, return_id: int, inspection_id: str) -> dict[int, Taken]:
    """What an inspection found of each product; empty if there is no such inspection."""
    rows = connection.execute(_BOOKED, {"return_id": return_id, "inspection_id": inspection_id})
    return {row.product_id: Taken(int(row.restocked), int(row.scrapped)) for row in rows}


def _book_inspection(
    connection: Connection,
    operation: Operation,
    step: InspectReturnStep,
    returned: CustomerReturn,
    taken: Mapping[int, Taken],
) -> None:
    """The inspection, its movements and what the lines have become. The return is locked; the items are locked here."""
    connection.execute(
        insert(return_inspections).values(
            return_id=returned.return_id,
            inspection_id=step.inspection_id,
            inspected_at=step.as_of,
            inspected_by=step.performed_by,
            operation_id=operation.operation_id,
        )
    )
    connection.execute(
        insert(return_inspection_lines),
        [
            {
                "return_id": returned.return_id,
                "line_number": number,
                "inspection_id": step.inspection_id,
                "restocked": share.accepted,
                "scrapped": share.unfit,
            }
            for number, share in taken.items()
        ],
    )
    connection.execute(
        _INSPECT_LINES,
        {
            "return_id": returned.return_id,
            "line_numbers": list(taken),
            "restocked": [share.accepted for share in taken.values()],
            "scrapped": [share.unfit for share in taken.values()],
        },
    )
    restocked = [
        (ItemKey(returned.warehouse_id, line.product_id), taken[line.line_number].accepted)
        for line in returned.lines
        if line.line_number in taken and taken[line.line_number].accepted
    ]
    if not restocked:
        return
    lock_or_create_items(connection, (item for item, _ in restocked))
    ledger.move(
        connection,
        operation,
        MovementType.RETURN,
        restocked,
        reference_id=returned.return_number,
        reason=f"inspection {step.inspection_id} of return {returned.return_number}, order {returned.reference_id}",
    )


def _close(
    connection: Connection,
    operation: Operation,
    returned: CustomerReturn,
    status: ReturnStatus,
    as_of: datetime,
    *,
    reason: str | None,
) -> None:
    connection.execute(
        update(returns)
        .where(returns.c.return_id == returned.return_id)
        .values(status=status, closed_at=as_of, closed_by=operation.operation_id, closed_reason=reason)
    )


def _stored(connection: Connection, return_number: str) -> StoredReturn:
    """The return as it is in this transaction."""
    returned = connection.execute(_READ, {"return_number": return_number}).mappings().one()
    of: dict[str, Any] = {"return_id": returned["return_id"]}
    inspections = connection.execute(_READ_INSPECTIONS, of | {"most": RECEIPTS_SHOWN}).mappings().all()
    return StoredReturn(
        **{name: returned[name] for name in _AS_STORED},
        requested_at=returned["created_at"],
        lines=[StoredReturnLine.model_validate(dict(row)) for row in connection.execute(_READ_LINES, of).mappings()],
        inspections=[ReceiptState.model_validate(dict(row)) for row in reversed(inspections)],
    )


_AS_STORED = (
    *("return_id", "return_number", "warehouse_id", "warehouse", "reference_id"),
    *("status", "requested_by", "closed_reason"),
)
