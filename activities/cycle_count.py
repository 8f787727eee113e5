"""The steps of a cycle count: lock, decide, write, answer.

A step locks the count's row first, then the counted item. The system's quantity is read under that lock, in the
transaction that stores the count: goods that move during the count are in both numbers. Counting is blind: answers
leave out the system's quantity until the line is posted, because counters can read them.
`stockkeeper.domain.cycle_count` decides, `database.cycle_count` reads and writes.
"""

from datetime import datetime

from sqlalchemy import Connection
from temporalio import activity

from activities.catalogue import require_items
from activities.cycle_count_lines import find_line, is_approved, lock_item, post_line, stored_line
from activities.writes import UNCHANGED, Effect, OnDatabase, columns_of, document_once, require_same
from database.corrections import is_reviewed, would_end
from database.cycle_count import (
    CYCLE_COUNT,
    cancel_count_lines,
    insert_count_lines,
    insert_entry,
    last_correction,
    last_posted_at,
    lock_cycle_count,
    read_cycle_count,
    review_count_line,
)
from database.document import insert_document, is_stored
from database.operations import Operation
from database.sessions import Database
from database.worth import worth_of_products
from stockkeeper.contracts.adjustment import DEFAULT_ADJUSTMENT, AdjustmentPolicy
from stockkeeper.contracts.cycle_count import (
    ApproveCountStep,
    CancelCountStep,
    CountedLine,
    CountPolicy,
    CountStep,
    CycleCountActivities,
    CycleCountRequest,
    CycleCountState,
    OpenCountStep,
    RecordCountStep,
    ReviewCountStep,
    StoredCount,
    products_of,
)
from stockkeeper.contracts.messages import StockAnswer, state_of
from stockkeeper.domain.conflicts import already_exists
from stockkeeper.domain.cycle_count import (
    MOST_LINES,
    CountEntry,
    CountStatus,
)
from stockkeeper.domain.errors import InvalidRequest
from stockkeeper.domain.stock import ItemKey


class CycleCountSteps(OnDatabase, CycleCountActivities):
    """`CycleCountActivities` on PostgreSQL.

    Args:
        database: The database.
        policy: The tolerance for counts that are opened from now on.
        limits: The worth up to which one person's count is posted.
    """

    def __init__(self, database: Database, policy: CountPolicy, limits: AdjustmentPolicy = DEFAULT_ADJUSTMENT) -> None:
        super().__init__(database)
        self._policy = policy
        self._limit = limits.as_limit

    @activity.defn(name="open_count", no_thread_cancel_exception=True)
    def open_count(self, step: OpenCountStep) -> StoredCount:
        """Store the count with the tolerance in force.

        Locks: nothing; the count's number is unique. Operation: ``{workflow}/open``.

        Raises:
            UnknownWarehouse, UnknownProduct: The catalogue hasn't got one of those named.
            OperationConflict: A count with this number and other contents exists.
        """
        return self._document(step, lambda connection, operation: self._open(connection, operation, step))

    @activity.defn(name="record_count", no_thread_cancel_exception=True)
    def record_count(self, step: RecordCountStep) -> CountedLine:
        """Record a counted quantity: it is posted within tolerance or on a recount; otherwise the line is in REVIEW.

        One count beyond the limit of value isn't enough, and none by which a hold would end: that waits for an
        approval. A lot that isn't on the list is added to it.

        Locks: the count, the lot, then the item, which is created if it was never stocked. Operation:
        ``{workflow}/record/{command}``.

        Raises:
            InvalidRequest: The product isn't on the count; a lot isn't named of a product that is tracked, or is named
                of another one; or it is known with other days.
            InvalidState: The line is posted already, or was cancelled; or the lot isn't on a count that has ended.
            NotPermitted: The same person has counted it before.
            InsufficientStock: It would be posted, and fewer units were counted than are set aside.
        """

        def effect(connection: Connection, operation: Operation) -> StockAnswer | None:
            count = lock_cycle_count(connection, step.count_number, step.product_id, step.lot_number)
            known = count.line_of_lot(step.product_id, step.lot_number)
            if known is not None and known.was_recorded(step.performed_by, step.counted_quantity):
                return UNCHANGED  # A repeat: this quantity is posted already.
            locked = lock_item(connection, count, step.product_id, step.lot)
            count, line = find_line(connection, count, locked, step)
            entry = CountEntry(
                step.performed_by,
                step.counted_quantity,
                locked.counted.on_hand,
                step.root_cause,
                counted_at=step.as_of,
                last_correction=last_correction(connection, locked.item, step.lot_number or ""),
            )
            worth = worth_of_products(connection, {line.product_id: entry.delta})
            change = locked.change(entry.delta, line.lot)
            ending = would_end(connection, [change], {locked.item: locked.of_item}, step.as_of)
            recorded = count.record(line, entry, above_limit=self._limit.is_exceeded_by(worth), ends_holds=bool(ending))
            insert_entry(connection, operation, count, line, recorded)
            if recorded.status is CountStatus.REVIEW:
                review_count_line(connection, operation, count, line, recorded.entry, ending, step.as_of)
                return None
            return post_line(connection, operation, count, line, recorded.entry, locked, step)

        return self._line(step, effect)

    @activity.defn(name="approve_count", no_thread_cancel_exception=True)
    def approve_count(self, step: ApproveCountStep) -> CountedLine:
        """Post a variance beyond tolerance: the difference when it was recorded, whatever has moved since.

        Locks: the count, the lot, then the item. Operation: ``{workflow}/approve_variance/{command}``.

        Raises:
            InvalidRequest: The product or the lot isn't on the count; or the lot that was found is known with other
                days by now.
            InvalidState: The line isn't in REVIEW; or another count or adjustment may have corrected it since.
            NotPermitted: It is the approver's own count; or it would end holds that weren't shown, which are in the
                details.
            InsufficientStock: Less is on hand and not set aside by now than is to be taken off: the item has to be
                counted again.
        """

        def effect(connection: Connection, operation: Operation) -> StockAnswer | None:
            count = lock_cycle_count(connection, step.count_number, step.product_id, step.lot_number)
            line = count.line(step.product_id, step.lot_number)
            if is_approved(connection, count, line, step):
                return UNCHANGED  # A repeat: this approval is posted already.
            locked = lock_item(connection, count, step.product_id, line.lot)
            key = locked.item, step.lot_number or ""
            entry = count.approve(
                line, step.performed_by, last_posted_at(connection, *key), last_correction(connection, *key)
            )
            if -entry.delta <= locked.counted.not_set_aside:
                change = locked.change(entry.delta, line.lot)
                ending = would_end(connection, [change], {locked.item: locked.of_item}, step.as_of)
                count.require_seen(line, ending, none=is_reviewed(connection, operation, "approve_variance"))
            return post_line(connection, operation, count, line, entry, locked, step, approver=step.performed_by)

        return self._line(step, effect)

    @activity.defn(name="review_count", no_thread_cancel_exception=True)
    def review_count(self, step: ReviewCountStep) -> CountedLine:
        """Keep the holds that an approval would end now, for the approver's next look. No stock changes.

        Locks: the count, the lot, then the item. Operation: ``{workflow}/review/{command}``.

        Raises:
            InvalidRequest: The product isn't on the count.
        """

        def effect(connection: Connection, operation: Operation) -> StockAnswer | None:
            count = lock_cycle_count(connection, step.count_number, step.product_id, step.lot_number)
            line = count.line(step.product_id, step.lot_number)
            if line.status is not CountStatus.REVIEW:
                return UNCHANGED
            locked = lock_item(connection, count, step.product_id, line.lot)
            entry = line.entries[-1]
            change = locked.change(entry.delta, line.lot)
            ending = would_end(connection, [change], {locked.item: locked.of_item}, step.as_of)
            review_count_line(connection, operation, count, line, entry, ending, step.as_of)
            return None

        return self._line(step, effect)

    @activity.defn(name="cancel_count", no_thread_cancel_exception=True)
    def cancel_count(self, step: CancelCountStep) -> StoredCount:
        """Cancel the lines that aren't posted yet; posted ones stay.

        Locks: the count. Operation: ``{workflow}/cancel/{command}``.

        Raises:
            InvalidState: The count has ended.
        """

        def effect(connection: Connection, operation: Operation) -> None:
            count = lock_cycle_count(connection, step.count_number)
            count.require_open()
            cancel_count_lines(connection, operation, count, step.reason, step.as_of)

        return self._document(step, effect)

    def _open(self, connection: Connection, operation: Operation, step: OpenCountStep) -> StockAnswer | None:
        if is_stored(connection, CYCLE_COUNT, step.count_number):
            stored = _stored(connection, step.count_number)
            another = already_exists("count", step.count_number)
            contents = (stored.warehouse_id, stored.requested_by, products_of(stored.lines))
            require_same(contents, (step.warehouse_id, step.requested_by, step.product_ids), otherwise=another)
            return UNCHANGED
        require_items(connection, [ItemKey(step.warehouse_id, each) for each in step.product_ids], sold=False)
        count_id = insert_document(
            connection,
            operation,
            CYCLE_COUNT,
            status=CountStatus.COUNTING,
            **columns_of(step, CYCLE_COUNT),
            tolerance_units=self._policy.tolerance_units,
            tolerance_percent=self._policy.tolerance_percent,
        )
        lines = insert_count_lines(connection, count_id, step.warehouse_id, step.product_ids)
        if lines > MOST_LINES:
            text = f"count {step.count_number} would have {lines} lines, one for each lot; {MOST_LINES} at most"
            raise InvalidRequest(f"{text}: count fewer products by it")
        return None

    def _document(self, step: CountStep, effect: Effect) -> StoredCount:
        return document_once(
            self._database, step, StoredCount, effect, lambda connection: _stored(connection, step.count_number)
        )

    def _line(self, step: RecordCountStep | ApproveCountStep | ReviewCountStep, effect: Effect) -> CountedLine:
        key = step.count_number, step.product_id, step.lot_number
        return document_once(
            self._database, step, CountedLine, effect, lambda connection: stored_line(connection, *key)
        )


def show(connection: Connection, count_number: str, _as_of: datetime) -> CycleCountState | None:
    """The state of a count, for `activities.documents`; None: nothing is stored by that number."""
    if not is_stored(connection, CYCLE_COUNT, count_number):
        return None
    return state_of(CycleCountState, _stored(connection, count_number))


def _stored(connection: Connection, count_number: str) -> StoredCount:
    """The count as it is in this transaction."""
    return StoredCount.model_validate(read_cycle_count(connection, count_number))


def start_again(connection: Connection, number: str, _as_of: datetime, _person: str) -> CycleCountRequest:
    """The start of another run for a stored count: `devstack.restore`."""
    stored = _stored(connection, number)
    return CycleCountRequest(
        count_number=number,
        warehouse_id=stored.warehouse_id,
        product_ids=products_of(stored.lines),
        requested_by=stored.requested_by,
    )
