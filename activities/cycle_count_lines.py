"""A line of a cycle count: locked, posted, and answered; the steps are in `activities.cycle_count`."""

from sqlalchemy import Connection

from activities.writes import effects_of
from database.corrections import correct
from database.cycle_count import (
    post_count_line,
    read_cycle_count,
)
from database.locks import lock_or_create_items
from database.operations import Operation
from stockkeeper.contracts.cycle_count import (
    ApproveCountStep,
    CountedLine,
    RecordCountStep,
)
from stockkeeper.contracts.messages import StockAnswer
from stockkeeper.domain.cycle_count import (
    CountEntry,
    CountLine,
    CountStatus,
    CycleCount,
    cause_of,
)
from stockkeeper.domain.people import is_same_person
from stockkeeper.domain.stock import ItemKey, Level


def lock_item(connection: Connection, count: CycleCount, line: CountLine) -> tuple[ItemKey, Level]:
    """Lock the item of a line, which is created if it was never stocked."""
    item = ItemKey(count.warehouse_id, line.product_id)
    return item, lock_or_create_items(connection, [item])[item]


def is_approved(connection: Connection, count: CycleCount, line: CountLine, step: ApproveCountStep) -> bool:
    """Whether this person has approved the line before, with the same cause."""
    if line.status is not CountStatus.POSTED:
        return False
    posted = stored_line(connection, count.count_number, line.product_id).line
    is_theirs = posted.approved_by is not None and is_same_person(posted.approved_by, step.performed_by)
    return is_theirs and posted.root_cause in (None, step.root_cause)


def post_line(
    connection: Connection,
    operation: Operation,
    count: CycleCount,
    line: CountLine,
    entry: CountEntry,
    level: Level,
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
        {item: level},
        reference_id=count.count_number,
        reason=count.posting_reason(line, entry, cause, approver),
        as_of=step.as_of,
    )
    post_count_line(connection, operation, count, line, entry, cause, approver, step.as_of)
    return effects_of(correction)


def stored_line(connection: Connection, count_number: str, product_id: int) -> CountedLine:
    """One line of a count, with the status of the whole."""
    count = read_cycle_count(connection, count_number, product_id)
    return CountedLine.model_validate({"status": count["status"], "line": count["lines"][0]})
