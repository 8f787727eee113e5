"""The adjustment in the database.

Every step locks the adjustment's row first, then its items, decides under these locks, and answers with the adjustment
as it is then. Who may do what is decided by `stockkeeper.domain.adjustment`; what happens to holds on missing stock, by
`database.corrections`.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert, text, update
from temporalio import activity

from activities.catalogue import require_items
from activities.writes import document_once, told_of
from database.corrections import correct
from database.locks import lock_adjustment, lock_items, lock_or_create_items
from database.operations import Operation
from database.sessions import Database
from database.tables import adjustment_lines, adjustments
from stockkeeper.contracts.adjustment import (
    AdjustmentActivities,
    AdjustmentPolicy,
    AdjustmentStep,
    EndAdjustmentStep,
    PostAdjustmentStep,
    StoredAdjustment,
    StoredAdjustmentLine,
    SubmitAdjustmentStep,
)
from stockkeeper.contracts.messages import StockAnswer
from stockkeeper.domain.adjustment import AdjustedLine, Adjustment, AdjustmentEvent, AdjustmentStatus, worth_of
from stockkeeper.domain.errors import InsufficientStock, InvalidRequest, OperationConflict
from stockkeeper.domain.stock import ItemKey, Level, shortages

# The catalogue's own, or what the preferred supplier has agreed to, or else the cheapest. What costs nothing is worth
# something all the same: nobody knows how much.
_UNIT_COSTS = text("""
    SELECT product_id, coalesce(nullif(products.unit_cost, 0), (
        SELECT agreed.unit_cost FROM product_suppliers AS agreed
        WHERE agreed.product_id = products.product_id AND agreed.unit_cost > 0
        ORDER BY is_preferred DESC, agreed.unit_cost LIMIT 1)) AS unit_cost
    FROM products WHERE product_id = ANY (:product_ids)
""")

_READ = text("""
    SELECT adjustments.*, warehouses.name AS warehouse
    FROM adjustments JOIN warehouses USING (warehouse_id)
    WHERE adjustment_number = :adjustment_number
""")

_READ_LINES = text("""
    SELECT product_id, sku, quantity, line.unit_cost
    FROM adjustment_lines AS line JOIN products USING (product_id)
    WHERE adjustment_id = :adjustment_id
    ORDER BY line_number
""")


class AdjustmentSteps(AdjustmentActivities):
    """`AdjustmentActivities` on PostgreSQL.

    Args:
        database: Where.
        policy: From where on somebody else has to approve.
    """

    def __init__(self, database: Database, *, policy: AdjustmentPolicy) -> None:
        self._database = database
        self._policy = policy

    @activity.defn(name="submit_adjustment", no_thread_cancel_exception=True)
    def submit_adjustment(self, step: SubmitAdjustmentStep) -> StoredAdjustment:
        """Store it with what is in force now; unless it needs an approval, post it: an ADJUSTMENT movement an item.

        Nobody is asked to approve what takes off more than is there. An item that goods are put into and that the
        warehouse never held is made when it is posted.

        Locks: the items; the adjustment's number is unique. Operation: ``{workflow}/submit``.

        Raises:
            UnknownWarehouse, UnknownProduct: It names what isn't there.
            InsufficientStock: Less is on hand than is to be taken off, with the numbers. Nothing is stored.
            OperationConflict: The number is another adjustment's.
        """
        return self._once(step, lambda connection, operation: self._submit(connection, operation, step))

    @activity.defn(name="post_adjustment", no_thread_cancel_exception=True)
    def post_adjustment(self, step: PostAdjustmentStep) -> StoredAdjustment:
        """Keep who approved it, and post it. A second approval by the same person is none.

        Locks: the adjustment, then the items. Operation: ``{workflow}/approve/{command}``.

        Raises:
            InvalidState: It doesn't wait for approval.
            NotPermitted: The approver asked for it.
            InsufficientStock: Less is on hand by now than is to be taken off. It goes on waiting.
        """

        def effect(connection: Connection, operation: Operation) -> StockAnswer | None:
            adjustment = _lock(connection, step)
            if adjustment.is_approved_by(step.performed_by):
                return None
            status = adjustment.after_approval(step.performed_by)
            asked_and_approved = f"asked for by {adjustment.requested_by}, approved by {step.performed_by}"
            return _post(
                connection,
                operation,
                adjustment,
                status,
                step.as_of,
                reason=f"{adjustment.reason} ({asked_and_approved})",
                approved_by=step.performed_by,
                approval_note=step.note,
            )

        return self._once(step, effect)

    @activity.defn(name="end_adjustment", no_thread_cancel_exception=True)
    def end_adjustment(self, step: EndAdjustmentStep) -> StoredAdjustment:
        """End it without posting it: rejected, cancelled, or lapsed. No stock changes.

        Locks: the adjustment. Operation: ``{workflow}/{event}`` and the command's key.

        Raises:
            InvalidState: It has ended otherwise.
        """

        def effect(connection: Connection, operation: Operation) -> None:
            adjustment = _lock(connection, step)
            status = adjustment.after(step.event)
            _close(connection, operation, adjustment, status, step.as_of, closed_reason=step.reason)

        return self._once(step, effect)

    def _submit(self, connection: Connection, operation: Operation, step: SubmitAdjustmentStep) -> StockAnswer | None:
        if connection.execute(_READ, {"adjustment_number": step.adjustment_number}).one_or_none() is not None:
            # The operation was forgotten since, as old ones are; the adjustment itself never is.
            if not _is_that_adjustment(_stored(connection, step.adjustment_number), step):
                raise OperationConflict(f"adjustment {step.adjustment_number} is another one")
            return None
        require_items(connection, {ItemKey(step.warehouse_id, line.product_id) for line in step.lines}, sold=False)
        needs_approval = self._store(connection, operation, step)
        adjustment = _lock(connection, step)
        if needs_approval:
            _require_on_hand(connection, adjustment)
            return None
        status = adjustment.after(AdjustmentEvent.POST)
        return _post(connection, operation, adjustment, status, step.as_of, reason=adjustment.reason)

    def _store(self, connection: Connection, operation: Operation, step: SubmitAdjustmentStep) -> bool:
        """The adjustment and its lines, PENDING; whether it needs an approval."""
        products = sorted({line.product_id for line in step.lines})
        unit_costs = {
            row.product_id: row.unit_cost for row in connection.execute(_UNIT_COSTS, {"product_ids": products})
        }
        lines = [AdjustedLine(line.product_id, line.quantity, unit_costs[line.product_id]) for line in step.lines]
        worth = worth_of(lines)
        needs_approval = worth.needs_approval(self._policy.limit, self._policy.limit_units)
        adjustment_id = connection.execute(
            insert(adjustments)
            .values(
                adjustment_number=step.adjustment_number,
                warehouse_id=step.warehouse_id,
                status=AdjustmentStatus.PENDING,
                reason=step.reason,
                requested_by=step.requested_by,
                created_at=step.as_of,
                value=worth.value,
                unvalued_units=worth.unvalued_units,
                needs_approval=needs_approval,
                remind_after_hours=self._policy.remind_after_hours,
                cancel_after_hours=self._policy.cancel_after_hours,
                operation_id=operation.operation_id,
                workflow_id=operation.workflow_id,
                run_id=operation.run_id,
            )
            .returning(adjustments.c.adjustment_id)
        ).scalar_one()
        connection.execute(
            insert(adjustment_lines),
            [
                {
                    "adjustment_id": adjustment_id,
                    "line_number": number,
                    "product_id": line.product_id,
                    "quantity": line.quantity,
                    "unit_cost": line.unit_cost,
                }
                for number, line in enumerate(lines, 1)
            ],
        )
        return needs_approval

    def _once(
        self, step: AdjustmentStep, effect: Callable[[Connection, Operation], StockAnswer | None]
    ) -> StoredAdjustment:
        return document_once(
            self._database,
            step,
            StoredAdjustment,
            effect,
            lambda connection: _stored(connection, step.adjustment_number),
        )


def _lock(connection: Connection, step: AdjustmentStep) -> Adjustment:
    adjustment = lock_adjustment(connection, step.adjustment_number)
    if adjustment is None:
        raise InvalidRequest(f"there is no adjustment {step.adjustment_number}")
    return adjustment


def _is_that_adjustment(stored: StoredAdjustment, step: SubmitAdjustmentStep) -> bool:
    """Whether this adjustment was made by such a step."""
    return (stored.warehouse_id, stored.reason, stored.requested_by) == (
        step.warehouse_id,
        step.reason,
        step.requested_by,
    ) and [(line.product_id, line.quantity) for line in stored.lines] == [
        (line.product_id, line.quantity) for line in step.lines
    ]


def _require_on_hand(connection: Connection, adjustment: Adjustment) -> None:
    """As much is there as is to be taken off, whoever it is promised to.

    Raises:
        InsufficientStock: It isn't.
    """
    taken_off = {item: -units for item, units in adjustment.changes.items() if units < 0}
    there = {item: Level(level.on_hand) for item, level in lock_items(connection, taken_off).items()}
    if missing := shortages(taken_off, there):
        raise InsufficientStock.of(missing)


def _post(
    connection: Connection,
    operation: Operation,
    adjustment: Adjustment,
    status: AdjustmentStatus,
    as_of: datetime,
    *,
    reason: str,
    **approval: Any,
) -> StockAnswer:
    """Change on hand, and end the adjustment. Its row is locked; the items are locked here."""
    changes = adjustment.changes
    correction = correct(
        connection,
        operation,
        changes,
        lock_or_create_items(connection, changes),
        reference_id=adjustment.adjustment_number,
        reason=reason,
        as_of=as_of,
    )
    _close(connection, operation, adjustment, status, as_of, **approval)
    return told_of(correction)


def _close(
    connection: Connection,
    operation: Operation,
    adjustment: Adjustment,
    status: AdjustmentStatus,
    as_of: datetime,
    **more: Any,
) -> None:
    closed = {"status": status, "closed_at": as_of, "closed_by": operation.operation_id}
    connection.execute(
        update(adjustments).where(adjustments.c.adjustment_id == adjustment.adjustment_id).values(**closed | more)
    )


def _stored(connection: Connection, adjustment_number: str) -> StoredAdjustment:
    """The adjustment as it is in this transaction."""
    adjustment = connection.execute(_READ, {"adjustment_number": adjustment_number}).mappings().one()
    lines = connection.execute(_READ_LINES, {"adjustment_id": adjustment["adjustment_id"]}).mappings()
    return StoredAdjustment(
        **{name: adjustment[name] for name in _AS_STORED},
        requested_at=adjustment["created_at"],
        lines=[StoredAdjustmentLine.model_validate(dict(row)) for row in lines],
        submitted_by_another_run=adjustment["run_id"] != activity.info().workflow_run_id,
    )


_AS_STORED = (
    *("adjustment_id", "adjustment_number", "warehouse_id", "warehouse", "status", "reason", "requested_by", "value"),
    *("unvalued_units", "needs_approval", "remind_after_hours", "cancel_after_hours", "approved_by", "approval_note"),
    "closed_reason",
)
