"""The steps of an adjustment: lock, decide, write, answer.

A step locks the adjustment's row first, then its items. `stockkeeper.domain.adjustment` decides, `database.adjustment`
reads and writes, and `database.corrections` ends holds whose stock turns out to be missing.
"""

from dataclasses import asdict
from datetime import datetime

from sqlalchemy import Connection
from temporalio import activity

from activities.adjustment_posting import keep_would_end, post
from activities.catalogue import require_items
from activities.writes import UNCHANGED, Effect, OnDatabase, columns_of, document_once, require_same
from database.adjustment import ADJUSTMENT, lock_adjustment, read_effective_time
from database.arriving_lots import require_named
from database.corrections import is_reviewed, lock_changed, require_on_hand, would_end
from database.document import close_document, insert_document, is_stored, read_document
from database.operations import Operation
from database.sessions import Database
from database.worth import unit_costs
from stockkeeper.contracts.adjustment import (
    AdjustmentActivities,
    AdjustmentLine,
    AdjustmentPolicy,
    AdjustmentRequest,
    AdjustmentState,
    AdjustmentStep,
    EndAdjustmentStep,
    PostAdjustmentStep,
    ReviewAdjustmentStep,
    StoredAdjustment,
    SubmitAdjustmentStep,
)
from stockkeeper.contracts.giving_way import PROMISES_SHOWN
from stockkeeper.contracts.messages import StockAnswer, state_of
from stockkeeper.domain.adjustment import AdjustedLine, AdjustmentEvent, AdjustmentStatus, worth_of
from stockkeeper.domain.conflicts import already_exists
from stockkeeper.domain.stock import ItemKey


class AdjustmentSteps(OnDatabase, AdjustmentActivities):
    """`AdjustmentActivities` on PostgreSQL.

    Args:
        database: The database.
        policy: The limit above which a second person has to approve.
    """

    def __init__(self, database: Database, *, policy: AdjustmentPolicy) -> None:
        super().__init__(database)
        self._policy = policy

    @activity.defn(name="submit_adjustment", no_thread_cancel_exception=True)
    def submit_adjustment(self, step: SubmitAdjustmentStep) -> StoredAdjustment:
        """Store the adjustment with the policy in force; unless it needs an approval, post it as ADJUSTMENT movements.

        It needs one above the limit, and if it would end a hold, whatever it is worth. One that takes off more than is
        on hand is refused before an approval is asked for. Items that the warehouse never stocked are created when it
        is posted.

        Locks: the items; the adjustment's number is unique. Operation: ``{workflow}/submit``.

        Raises:
            UnknownWarehouse, UnknownProduct: The catalogue hasn't got one of those named.
            InvalidRequest: A line of a tracked product names no lot, one of another product does, or a lot can't be
                as it says.
            InsufficientStock: Less is on hand than is to be taken off, with the numbers. Nothing is stored.
            OperationConflict: An adjustment with this number and other contents exists.
        """
        return self._once(step, lambda connection, operation: self._submit(connection, operation, step))

    @activity.defn(name="post_adjustment", no_thread_cancel_exception=True)
    def post_adjustment(self, step: PostAdjustmentStep) -> StoredAdjustment:
        """Record the approval, and post the adjustment. A repeat by the same person changes nothing.

        It ends no other holds than those that were shown for its approval.

        Locks: the adjustment, then the items. Operation: ``{workflow}/approve/{command}``.

        Raises:
            InvalidState: It doesn't wait for approval.
            NotPermitted: The approver asked for it; or it would end holds that weren't shown, which are in the details.
            InsufficientStock: Less is on hand by now than is to be taken off. The adjustment goes on waiting.
        """

        def effect(connection: Connection, operation: Operation) -> StockAnswer | None:
            adjustment = lock_adjustment(connection, step.adjustment_number)
            if adjustment.approval.is_given_by(step.performed_by):
                return UNCHANGED
            status = adjustment.after_approval(step.performed_by)
            changes = adjustment.changes
            levels = lock_changed(connection, changes, arriving=True)
            require_on_hand(connection, changes, levels)
            ending = would_end(connection, changes, levels, step.as_of)
            adjustment.require_seen(ending, none=is_reviewed(connection, operation, "approve"))
            asked_and_approved = f"asked for by {adjustment.requested_by}, approved by {step.performed_by}"
            return post(
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

    @activity.defn(name="review_adjustment", no_thread_cancel_exception=True)
    def review_adjustment(self, step: ReviewAdjustmentStep) -> StoredAdjustment:
        """Keep the holds that its posting would end now, for the approver's next look. No stock changes.

        Locks: the adjustment, then its items. Operation: ``{workflow}/review/{command}``.
        """

        def effect(connection: Connection, operation: Operation) -> StockAnswer | None:
            del operation
            adjustment = lock_adjustment(connection, step.adjustment_number)
            if adjustment.status is not AdjustmentStatus.PENDING:
                return UNCHANGED
            changes = adjustment.changes
            ending = would_end(connection, changes, lock_changed(connection, changes), step.as_of)
            keep_would_end(connection, adjustment, ending)
            return None

        return self._once(step, effect)

    @activity.defn(name="end_adjustment", no_thread_cancel_exception=True)
    def end_adjustment(self, step: EndAdjustmentStep) -> StoredAdjustment:
        """End an adjustment without posting it: rejected, cancelled, or lapsed. No stock changes.

        Locks: the adjustment. Operation: ``{workflow}/{event}`` and the command's key.

        Raises:
            InvalidState: It has ended in another way.
        """

        def effect(connection: Connection, operation: Operation) -> None:
            adjustment = lock_adjustment(connection, step.adjustment_number)
            status = adjustment.after(step.event)
            key = adjustment.adjustment_id
            close_document(connection, operation, ADJUSTMENT, key, status, step.as_of, reason=step.reason)

        return self._once(step, effect)

    def _submit(self, connection: Connection, operation: Operation, step: SubmitAdjustmentStep) -> StockAnswer | None:
        if is_stored(connection, ADJUSTMENT, step.adjustment_number):
            stored = _stored(connection, step.adjustment_number)
            another = already_exists("adjustment", step.adjustment_number)
            require_same(_contents(stored), _contents(step), otherwise=another)
            return UNCHANGED
        require_items(connection, {ItemKey(step.warehouse_id, line.product_id) for line in step.lines}, sold=False)
        named = [(ItemKey(step.warehouse_id, line.product_id), line.lot, line.quantity) for line in step.lines]
        require_named(connection, named, what="adjusted")
        needs_approval = self._store(connection, operation, step)
        adjustment = lock_adjustment(connection, step.adjustment_number)
        changes = adjustment.changes
        levels = lock_changed(connection, changes)
        require_on_hand(connection, changes, levels)
        if ending := would_end(connection, changes, levels, step.as_of):
            keep_would_end(connection, adjustment, ending)
        if needs_approval or ending:
            return None
        status = adjustment.after(AdjustmentEvent.POST)
        return post(connection, operation, adjustment, status, step.as_of, reason=adjustment.reason)

    def _store(self, connection: Connection, operation: Operation, step: SubmitAdjustmentStep) -> bool:
        """Insert the adjustment as PENDING, and return whether it needs an approval."""
        costs = unit_costs(connection, {line.product_id for line in step.lines})
        lines = [
            AdjustedLine(
                line.product_id,
                line.quantity,
                costs[line.product_id],
                line.lot_number,
                line.expires_on,
                line.best_before,
                line.made_on,
            )
            for line in step.lines
        ]
        worth = worth_of(lines)
        needs_approval = worth.needs_approval(self._policy.limit, self._policy.limit_units)
        insert_document(
            connection,
            operation,
            ADJUSTMENT,
            [asdict(line) for line in lines],
            status=AdjustmentStatus.PENDING,
            **columns_of(step, ADJUSTMENT),
            occurred_at=step.occurred_at,
            value=worth.value,
            unvalued_units=worth.unvalued_units,
            needs_approval=needs_approval,
            remind_after_hours=self._policy.remind_after_hours,
            cancel_after_hours=self._policy.cancel_after_hours,
        )
        return needs_approval

    def _once(self, step: AdjustmentStep, effect: Effect) -> StoredAdjustment:
        number = step.adjustment_number
        return document_once(
            self._database, step, StoredAdjustment, effect, lambda connection: _stored(connection, number)
        )


def _contents(adjustment: StoredAdjustment | SubmitAdjustmentStep) -> object:
    """What two starts under one number must have in common to be the same adjustment."""
    lines = [
        (line.product_id, line.quantity, line.lot_number, line.expires_on, line.best_before, line.made_on)
        for line in adjustment.lines
    ]
    return adjustment.warehouse_id, adjustment.reason, adjustment.requested_by, lines


def show(connection: Connection, adjustment_number: str, _as_of: datetime) -> AdjustmentState | None:
    """The state of an adjustment, for `activities.documents`; None: nothing is stored by that number."""
    if not is_stored(connection, ADJUSTMENT, adjustment_number):
        return None
    stored = _stored(connection, adjustment_number)
    return state_of(AdjustmentState, stored, approve_by=stored.approve_by)


def _stored(connection: Connection, adjustment_number: str) -> StoredAdjustment:
    """The adjustment as it is in this transaction."""
    adjustment = read_document(connection, ADJUSTMENT, adjustment_number)
    ending = adjustment.pop("would_end")
    adjustment |= {"would_end": ending[:PROMISES_SHOWN], "would_end_total": len(ending)}
    by_another_run = adjustment.pop("run_id") != activity.info().workflow_run_id
    return StoredAdjustment.model_validate(adjustment | {"submitted_by_another_run": by_another_run})


def start_again(connection: Connection, number: str, _as_of: datetime, _person: str) -> AdjustmentRequest:
    """The start of another run for a stored adjustment: `devstack.restore`."""
    stored = _stored(connection, number)
    return AdjustmentRequest(
        adjustment_number=number,
        warehouse_id=stored.warehouse_id,
        lines=[
            AdjustmentLine(
                product_id=line.product_id,
                quantity=line.quantity,
                lot_number=line.lot_number,
                expires_on=line.expires_on,
                best_before=line.best_before,
                made_on=line.made_on,
            )
            for line in stored.lines
        ],
        reason=stored.reason,
        performed_by=stored.requested_by,
        occurred_at=read_effective_time(connection, number),
    )
