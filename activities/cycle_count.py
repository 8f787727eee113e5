"""The steps of a cycle count: lock, decide, write, answer.

A step locks the count's row first, then the counted item. The system's quantity is read under that lock, in the
transaction that stores the count: goods that move during the count are in both numbers. Counting is blind: answers
leave out the system's quantity until the line is posted, because counters can read them.
`stockkeeper.domain.cycle_count` decides, `database.cycle_count` reads and writes.
"""

from collections.abc import Callable, Mapping

from sqlalchemy import Connection
from temporalio import activity

from activities.catalogue import require_items
from activities.writes import document_once, require_same, told_of
from database.corrections import correct
from database.cycle_count import (
    CYCLE_COUNT,
    cancel_count_lines,
    insert_count_lines,
    insert_entry,
    last_correction,
    last_posted_at,
    lock_cycle_count,
    read_cycle_count,
    set_item_counted,
    update_count_line,
)
from database.document import close_document, insert_document, is_stored, update_document
from database.locks import lock_or_create_items
from database.operations import Operation
from database.sessions import Database
from stockkeeper.contracts.cycle_count import (
    ApproveCountStep,
    CancelCountStep,
    CountedLine,
    CountPolicy,
    CountStep,
    CycleCountActivities,
    OpenCountStep,
    RecordCountStep,
    StoredCount,
)
from stockkeeper.contracts.messages import StockAnswer
from stockkeeper.domain.cycle_count import (
    COUNT_LINE,
    CountEntry,
    CountEvent,
    CountLine,
    CountStatus,
    CycleCount,
    RootCause,
    cause_of,
    status_of,
)
from stockkeeper.domain.errors import InsufficientStock
from stockkeeper.domain.people import is_same_person
from stockkeeper.domain.stock import ItemKey, Level


class CycleCountSteps(CycleCountActivities):
    """`CycleCountActivities` on PostgreSQL.

    Args:
        database: Where.
        policy: The tolerance for counts that are opened from now on.
    """

    def __init__(self, database: Database, policy: CountPolicy) -> None:
        self._database = database
        self._policy = policy

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

        Locks: the count, then the item, which is created if it was never stocked. Operation:
        ``{workflow}/record/{command}``.

        Raises:
            InvalidRequest: The product isn't on the count.
            InvalidState: The line is posted already, or was cancelled.
            NotPermitted: The same person has counted it before.
        """

        def effect(connection: Connection, operation: Operation) -> StockAnswer | None:
            count = lock_cycle_count(connection, step.count_number, step.product_id)
            line = count.line(step.product_id)
            if line.was_recorded(step.performed_by, step.counted_quantity):
                return None  # A repeat: this count is posted already.
            item, levels = _lock_item(connection, count, line)
            entry = CountEntry(
                step.performed_by,
                step.counted_quantity,
                levels[item].on_hand,
                step.root_cause,
                counted_at=step.as_of,
                last_correction=last_correction(connection, item),
            )
            recorded = count.record(line, entry)
            insert_entry(connection, operation, count, line, recorded)
            if recorded.status is CountStatus.REVIEW:
                update_count_line(connection, count, line, recorded.entry, status=CountStatus.REVIEW)
                _set_status(connection, operation, count, {line.product_id: CountStatus.REVIEW}, step)
                return None
            return _post(connection, operation, count, line, recorded.entry, levels, step)

        return self._line(step, step.product_id, effect)

    @activity.defn(name="approve_count", no_thread_cancel_exception=True)
    def approve_count(self, step: ApproveCountStep) -> CountedLine:
        """Post a variance beyond tolerance: the difference when it was recorded, whatever has moved since.

        Locks: the count, then the item. Operation: ``{workflow}/approve_variance/{command}``.

        Raises:
            InvalidRequest: The product isn't on the count.
            InvalidState: The line isn't in REVIEW; or another count or adjustment may have corrected the item since.
            NotPermitted: The approver has counted it.
            InsufficientStock: Less is on hand by now than is to be taken off: the item has to be counted again.
        """

        def effect(connection: Connection, operation: Operation) -> StockAnswer | None:
            count = lock_cycle_count(connection, step.count_number, step.product_id)
            line = count.line(step.product_id)
            if _is_approved(connection, count, line, step):
                return None  # A repeat: this approval is posted already.
            item, levels = _lock_item(connection, count, line)
            entry = count.approve(
                line, step.performed_by, last_posted_at(connection, item), last_correction(connection, item)
            )
            try:
                return _post(connection, operation, count, line, entry, levels, step, approver=step.performed_by)
            except InsufficientStock:
                # Without the numbers: they would show the system's quantity to the person who recounts.
                raise InsufficientStock(
                    f"{count.count_number}, product {line.product_id}: what was missing isn't there any more: "
                    "it has to be counted again"
                ) from None

        return self._line(step, step.product_id, effect)

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
            given_up = {
                line.product_id: COUNT_LINE.next(line.status, CountEvent.CANCEL)
                for line in count.lines
                if not COUNT_LINE.is_final(line.status)
            }
            cancel_count_lines(connection, count, given_up)
            _set_status(connection, operation, count, given_up, step, reason=step.reason)

        return self._document(step, effect)

    def _open(self, connection: Connection, operation: Operation, step: OpenCountStep) -> None:
        if is_stored(connection, CYCLE_COUNT, step.count_number):
            stored = _stored(connection, step.count_number)
            another = f"count {step.count_number} is another one"
            contents = (stored.warehouse_id, stored.requested_by, [line.product_id for line in stored.lines])
            require_same(contents, (step.warehouse_id, step.requested_by, step.product_ids), otherwise=another)
            return
        require_items(connection, [ItemKey(step.warehouse_id, each) for each in step.product_ids], sold=False)
        count_id = insert_document(
            connection,
            operation,
            CYCLE_COUNT,
            count_number=step.count_number,
            warehouse_id=step.warehouse_id,
            status=CountStatus.COUNTING,
            requested_by=step.requested_by,
            created_at=step.as_of,
            tolerance_units=self._policy.tolerance_units,
            tolerance_percent=self._policy.tolerance_percent,
        )
        insert_count_lines(connection, count_id, step.warehouse_id, step.product_ids)

    def _document(self, step: CountStep, effect: Callable[[Connection, Operation], StockAnswer | None]) -> StoredCount:
        return document_once(
            self._database, step, StoredCount, effect, lambda connection: _stored(connection, step.count_number)
        )

    def _line(
        self, step: CountStep, product_id: int, effect: Callable[[Connection, Operation], StockAnswer | None]
    ) -> CountedLine:
        return document_once(
            self._database,
            step,
            CountedLine,
            effect,
            lambda connection: _stored_line(connection, step.count_number, product_id),
        )


def _lock_item(connection: Connection, count: CycleCount, line: CountLine) -> tuple[ItemKey, dict[ItemKey, Level]]:
    item = ItemKey(count.warehouse_id, line.product_id)
    return item, lock_or_create_items(connection, [item])


def _is_approved(connection: Connection, count: CycleCount, line: CountLine, step: ApproveCountStep) -> bool:
    """Whether this person has approved the line before, with the same cause."""
    if line.status is not CountStatus.POSTED:
        return False
    posted = _stored_line(connection, count.count_number, line.product_id).line
    return (
        posted.approved_by is not None
        and is_same_person(posted.approved_by, step.performed_by)
        and posted.root_cause in (None, step.root_cause)
    )


def _post(
    connection: Connection,
    operation: Operation,
    count: CycleCount,
    line: CountLine,
    entry: CountEntry,
    levels: Mapping[ItemKey, Level],
    step: RecordCountStep | ApproveCountStep,
    *,
    approver: str | None = None,
) -> StockAnswer:
    """Correct on hand by the entry's difference, and close the line. The caller has locked the count and the item."""
    item = ItemKey(count.warehouse_id, line.product_id)
    cause = cause_of(entry, step.root_cause)
    # A deferred trigger compares the movement with the posted line.
    correction = correct(
        connection,
        operation,
        {item: entry.delta},
        levels,
        reference_id=count.count_number,
        reason=_reason(count, line, entry, cause, approver),
        as_of=step.as_of,
    )
    posted = {"approved_by": approver, "posted_at": step.as_of, "posted_by": operation.operation_id}
    update_count_line(connection, count, line, entry, status=CountStatus.POSTED, root_cause=cause, **posted)
    was_off = not count.tolerance.allows(entry.counted_quantity, entry.system_quantity)
    set_item_counted(connection, item, entry.counted_at, was_off=was_off)
    _set_status(connection, operation, count, {line.product_id: CountStatus.POSTED}, step)
    return told_of(correction)


def _reason(
    count: CycleCount, line: CountLine, entry: CountEntry, cause: RootCause | None, approver: str | None
) -> str:
    """The movement's reason: the cause, every count with its counter, the system's quantity and the approver."""
    counts = [f"{each.counted_quantity} by {each.counted_by}" for each in line.entries]
    if entry not in line.entries:
        counts.append(f"{entry.counted_quantity} by {entry.counted_by}")
    approved = f", approved by {approver}" if approver else ""
    return f"{cause}: count {count.count_number}: counted {', '.join(counts)}; system {entry.system_quantity}{approved}"


def _set_status(
    connection: Connection,
    operation: Operation,
    count: CycleCount,
    changed: Mapping[int, CountStatus],
    step: CountStep,
    *,
    reason: str | None = None,
) -> None:
    """Derive the count's status from its lines, and close the count with the last of them."""
    status = status_of(changed.get(line.product_id, line.status) for line in count.lines)
    if status is count.status:
        return
    if COUNT_LINE.is_final(status):
        close_document(connection, operation, CYCLE_COUNT, count.count_id, status, step.as_of, reason=reason)
    else:
        update_document(connection, CYCLE_COUNT, count.count_id, status=status)


def _stored(connection: Connection, count_number: str) -> StoredCount:
    """The count as it is in this transaction."""
    return StoredCount.model_validate(read_cycle_count(connection, count_number))


def _stored_line(connection: Connection, count_number: str, product_id: int) -> CountedLine:
    """One line of a count, with the status of the whole."""
    count = read_cycle_count(connection, count_number, product_id)
    return CountedLine.model_validate({"status": count["status"], "line": count["lines"][0]})
