"""The cycle count in the database.

Every step locks the count's row first, then the item that is counted. What the system has is read under that lock, in
the transaction that keeps the count: goods that moved while somebody counted are in it on both sides. Answers leave out
what the system has until a line is in the books, because they stand where those who count can read them.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, func, insert, select, text, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import BigInteger
from temporalio import activity

from activities.catalogue import require_items
from activities.writes import document_once, told_of
from database.corrections import correct
from database.locks import lock_cycle_count, lock_or_create_items
from database.operations import Operation
from database.sessions import Database
from database.tables import cycle_count_entries, cycle_count_lines, cycle_counts, inventory_items
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
    StoredCountLine,
)
from stockkeeper.contracts.messages import StockAnswer
from stockkeeper.domain.cycle_count import (
    COUNT_LINE,
    CountEntry,
    CountEvent,
    CountLine,
    CountStatus,
    CycleCount,
    Recorded,
    RootCause,
    cause_of,
    status_of,
)
from stockkeeper.domain.errors import InsufficientStock, InvalidRequest, OperationConflict
from stockkeeper.domain.people import is_same_person
from stockkeeper.domain.stock import ItemKey, Level

_READ = text("""
    SELECT count_id, count_number, warehouse_id, warehouses.name AS warehouse, status, requested_by,
        created_at AS requested_at, closed_reason
    FROM cycle_counts JOIN warehouses USING (warehouse_id)
    WHERE count_number = :count_number
""")

# Blind: what the system has stays here until it is in the books.
_READ_LINES = text("""
    SELECT product_id, sku, status, counted_quantity, counted_by, root_cause, approved_by,
        CASE WHEN status = 'POSTED' THEN system_quantity END AS system_quantity,
        CASE WHEN status = 'POSTED' THEN delta END AS delta
    FROM cycle_count_lines JOIN products USING (product_id)
    WHERE count_id = :count_id AND (:product_id IS NULL OR product_id = :product_id)
    ORDER BY line_number
""").bindparams(bindparam("product_id", type_=BigInteger))

_LAST_CORRECTION = text("""
    SELECT movement_id FROM stock_movements
    WHERE (warehouse_id, product_id) = (:warehouse_id, :product_id) AND movement_type = 'ADJUSTMENT'
    ORDER BY created_at DESC, movement_id DESC
    LIMIT 1
""")

_OPEN_LINES = text("""
    INSERT INTO cycle_count_lines (count_id, product_id, line_number, count_class)
    SELECT :count_id, product_id, line_number, count_class
    FROM unnest(:product_ids) WITH ORDINALITY AS line (product_id, line_number)
    LEFT JOIN (SELECT product_id, count_class FROM item_classes WHERE warehouse_id = :warehouse_id) AS class
        USING (product_id)
""").bindparams(bindparam("product_ids", type_=ARRAY(BigInteger)))


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
        """Store what is to be counted, with the tolerance that is in force. Nothing of the stock is locked by it.

        Operation: ``{workflow}/open``.

        Raises:
            UnknownWarehouse, UnknownProduct: It names what isn't there.
            OperationConflict: The number is another count's.
        """
        return self._document(step, lambda connection, operation: self._open(connection, operation, step))

    @activity.defn(name="record_count", no_thread_cancel_exception=True)
    def record_count(self, step: RecordCountStep) -> CountedLine:
        """Take a count: post it within tolerance, or if it is the second one; otherwise the line waits in REVIEW.

        Locks: the count, then the item, which is made if there is none yet. Operation: ``{workflow}/record/{command}``.

        Raises:
            InvalidRequest: The product isn't on the count.
            InvalidState: It is in the books already, or was given up.
            NotPermitted: The same person has counted it before.
        """

        def effect(connection: Connection, operation: Operation) -> StockAnswer | None:
            count = _lock(connection, step, step.product_id)
            line = count.line(step.product_id)
            if line.was_recorded(step.performed_by, step.counted_quantity):
                return None  # Sent twice: that is what is in the books.
            item, levels = _lock_item(connection, count, line)
            entry = CountEntry(
                step.performed_by,
                step.counted_quantity,
                levels[item].on_hand,
                step.root_cause,
                counted_at=step.as_of,
                last_correction=_last_correction(connection, item),
            )
            recorded = count.record(line, entry)
            _keep(connection, operation, count, line, recorded, step)
            if recorded.status is CountStatus.REVIEW:
                _set_line(connection, count, line, recorded.entry, status=CountStatus.REVIEW)
                _set_status(connection, operation, count, {line.product_id: CountStatus.REVIEW}, step)
                return None
            return _post(connection, operation, count, line, recorded.entry, levels, step)

        return self._line(step, step.product_id, effect)

    @activity.defn(name="approve_count", no_thread_cancel_exception=True)
    def approve_count(self, step: ApproveCountStep) -> CountedLine:
        """Post a count that is beyond tolerance: by what it was off when it was recorded, whatever has moved since.

        Locks: the count, then the item. Operation: ``{workflow}/approve_variance/{command}``.

        Raises:
            InvalidRequest: The product isn't on the count.
            InvalidState: It isn't waiting for that; or what was off may be in the books by now, from another list.
            NotPermitted: The approver has counted it.
            InsufficientStock: What was missing then isn't there to be taken off any more: it has to be counted again.
        """

        def effect(connection: Connection, operation: Operation) -> StockAnswer | None:
            count = _lock(connection, step, step.product_id)
            line = count.line(step.product_id)
            if _is_approved(connection, count, line, step):
                return None  # Sent twice: that is what was wanted.
            item, levels = _lock_item(connection, count, line)
            entry = count.approve(
                line, step.performed_by, _last_posted_at(connection, item), _last_correction(connection, item)
            )
            try:
                return _post(connection, operation, count, line, entry, levels, step, approver=step.performed_by)
            except InsufficientStock:
                # Without the numbers: they would tell whoever counts again what ought to be there.
                raise InsufficientStock(
                    f"{count.count_number}, product {line.product_id}: what was missing isn't there any more: "
                    "it has to be counted again"
                ) from None

        return self._line(step, step.product_id, effect)

    @activity.defn(name="cancel_count", no_thread_cancel_exception=True)
    def cancel_count(self, step: CancelCountStep) -> StoredCount:
        """Give up what isn't in the books yet; what is, stays.

        Locks: the count. Operation: ``{workflow}/cancel/{command}``.

        Raises:
            InvalidState: It has ended.
        """

        def effect(connection: Connection, operation: Operation) -> None:
            count = _lock(connection, step)
            count.require_open()
            given_up = {
                line.product_id: COUNT_LINE.next(line.status, CountEvent.CANCEL)
                for line in count.lines
                if not COUNT_LINE.is_final(line.status)
            }
            connection.execute(
                update(cycle_count_lines)
                .where(
                    cycle_count_lines.c.count_id == count.count_id, cycle_count_lines.c.product_id.in_(list(given_up))
                )
                .values(status=CountStatus.CANCELLED)
            )
            _set_status(connection, operation, count, given_up, step, reason=step.reason)

        return self._document(step, effect)

    def _open(self, connection: Connection, operation: Operation, step: OpenCountStep) -> None:
        if connection.execute(_READ, {"count_number": step.count_number}).one_or_none() is not None:
            # The operation was forgotten since, as old ones are; the count itself never is.
            stored = _stored(connection, step.count_number)
            if (stored.warehouse_id, stored.requested_by, [line.product_id for line in stored.lines]) != (
                step.warehouse_id,
                step.requested_by,
                step.product_ids,
            ):
                raise OperationConflict(f"count {step.count_number} is another one")
            return
        require_items(
            connection, [ItemKey(step.warehouse_id, product_id) for product_id in step.product_ids], sold=False
        )
        count_id = connection.execute(
            insert(cycle_counts)
            .values(
                count_number=step.count_number,
                warehouse_id=step.warehouse_id,
                status=CountStatus.COUNTING,
                requested_by=step.requested_by,
                created_at=step.as_of,
                tolerance_units=self._policy.tolerance_units,
                tolerance_percent=self._policy.tolerance_percent,
                operation_id=operation.operation_id,
                workflow_id=operation.workflow_id,
                run_id=operation.run_id,
            )
            .returning(cycle_counts.c.count_id)
        ).scalar_one()
        connection.execute(
            _OPEN_LINES,
            {"count_id": count_id, "product_ids": step.product_ids, "warehouse_id": step.warehouse_id},
        )

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


def _lock(connection: Connection, step: CountStep, product_id: int | None = None) -> CycleCount:
    count = lock_cycle_count(connection, step.count_number, product_id)
    if count is None:
        raise InvalidRequest(f"there is no count {step.count_number}")
    return count


def _lock_item(connection: Connection, count: CycleCount, line: CountLine) -> tuple[ItemKey, dict[ItemKey, Level]]:
    item = ItemKey(count.warehouse_id, line.product_id)
    return item, lock_or_create_items(connection, [item])


def _last_posted_at(connection: Connection, item: ItemKey) -> datetime | None:
    """When a count of the item was last put into the books. The item is locked, and so none comes between."""
    found: datetime | None = connection.execute(
        select(func.max(cycle_count_lines.c.posted_at))
        .join_from(cycle_count_lines, cycle_counts)
        .where(cycle_counts.c.warehouse_id == item.warehouse_id, cycle_count_lines.c.product_id == item.product_id)
    ).scalar_one()
    return found


def _last_correction(connection: Connection, item: ItemKey) -> int:
    """The item's latest ADJUSTMENT. By its place in the ledger and not by its time: clocks differ, and steps wait."""
    found: int | None = connection.execute(_LAST_CORRECTION, item._asdict()).scalar_one_or_none()
    return found or 0


def _is_approved(connection: Connection, count: CycleCount, line: CountLine, step: ApproveCountStep) -> bool:
    """Whether this person has approved it before, with the same cause."""
    if line.status is not CountStatus.POSTED:
        return False
    posted = _stored_line(connection, count.count_number, line.product_id).line
    return (
        posted.approved_by is not None
        and is_same_person(posted.approved_by, step.performed_by)
        and posted.root_cause in (None, step.root_cause)
    )


def _keep(
    connection: Connection,
    operation: Operation,
    count: CycleCount,
    line: CountLine,
    recorded: Recorded,
    step: RecordCountStep,
) -> None:
    """A count is a fact, whatever becomes of it."""
    entry = recorded.entry
    connection.execute(
        insert(cycle_count_entries).values(
            count_id=count.count_id,
            product_id=line.product_id,
            entry_number=len(line.entries) + 1,
            counted_by=entry.counted_by,
            counted_quantity=entry.counted_quantity,
            system_quantity=entry.system_quantity,
            within_tolerance=recorded.within_tolerance,
            root_cause=entry.root_cause,
            counted_at=entry.counted_at,
            last_correction=entry.last_correction,
            operation_id=operation.operation_id,
        )
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
    """Bring the books to what was counted. The count and the item are locked."""
    item = ItemKey(count.warehouse_id, line.product_id)
    cause = cause_of(entry, step.root_cause)
    # The line says that it is posted in the statement that follows; the database compares both at the end.
    correction = correct(
        connection,
        operation,
        {item: entry.delta},
        levels,
        reference_id=count.count_number,
        reason=_reason(count, line, entry, cause, approver),
        as_of=step.as_of,
    )
    _set_line(
        connection,
        count,
        line,
        entry,
        status=CountStatus.POSTED,
        root_cause=cause,
        approved_by=approver,
        posted_at=step.as_of,
        posted_by=operation.operation_id,
    )
    connection.execute(
        update(inventory_items)
        .where(inventory_items.c.warehouse_id == item.warehouse_id, inventory_items.c.product_id == item.product_id)
        .values(
            last_counted_at=entry.counted_at,
            last_count_was_off=not count.tolerance.allows(entry.counted_quantity, entry.system_quantity),
        )
    )
    _set_status(connection, operation, count, {line.product_id: CountStatus.POSTED}, step)
    return told_of(correction)


def _reason(
    count: CycleCount, line: CountLine, entry: CountEntry, cause: RootCause | None, approver: str | None
) -> str:
    """One sentence for whoever reads the ledger: what was found, why, who counted and who approved."""
    counts = [f"{each.counted_quantity} by {each.counted_by}" for each in line.entries]
    if entry not in line.entries:
        counts.append(f"{entry.counted_quantity} by {entry.counted_by}")
    approved = f", approved by {approver}" if approver else ""
    return f"{cause}: count {count.count_number}: counted {', '.join(counts)}; system {entry.system_quantity}{approved}"


def _set_line(connection: Connection, count: CycleCount, line: CountLine, entry: CountEntry, **values: Any) -> None:
    connection.execute(
        update(cycle_count_lines)
        .where(cycle_count_lines.c.count_id == count.count_id, cycle_count_lines.c.product_id == line.product_id)
        .values(
            {
                "counted_by": entry.counted_by,
                "counted_quantity": entry.counted_quantity,
                "system_quantity": entry.system_quantity,
                "root_cause": entry.root_cause,
            }
            | values
        )
    )


def _set_status(
    connection: Connection,
    operation: Operation,
    count: CycleCount,
    changed: Mapping[int, CountStatus],
    step: CountStep,
    *,
    reason: str | None = None,
) -> None:
    """The count is where its lines are."""
    status = status_of(changed.get(line.product_id, line.status) for line in count.lines)
    if status is count.status:
        return
    ended: dict[str, Any] = {}
    if COUNT_LINE.is_final(status):
        ended = {"closed_at": step.as_of, "closed_by": operation.operation_id, "closed_reason": reason}
    connection.execute(
        update(cycle_counts).where(cycle_counts.c.count_id == count.count_id).values(status=status, **ended)
    )


def _stored(connection: Connection, count_number: str) -> StoredCount:
    """The count as it is in this transaction."""
    count = connection.execute(_READ, {"count_number": count_number}).mappings().one()
    lines = connection.execute(_READ_LINES, {"count_id": count["count_id"], "product_id": None}).mappings()
    return StoredCount(**count, lines=[StoredCountLine.model_validate(dict(row)) for row in lines])


def _stored_line(connection: Connection, count_number: str, product_id: int) -> CountedLine:
    """One of its lines, and where the count stands."""
    count = connection.execute(_READ, {"count_number": count_number}).mappings().one()
    line = connection.execute(_READ_LINES, {"count_id": count["count_id"], "product_id": product_id}).mappings().one()
    return CountedLine(status=count["status"], line=StoredCountLine.model_validate(dict(line)))
