"""A line of a cycle count: found, locked, posted, and answered; the steps are in `activities.cycle_count`."""

from dataclasses import replace
from typing import NamedTuple

from sqlalchemy import Connection

from activities.writes import effects_of
from database.arriving_lots import require_named
from database.corrections import correct, lock_changed
from database.cycle_count import (
    give_line_to_lot,
    post_count_line,
    read_cycle_count,
    read_lot,
)
from database.operations import Operation
from stockkeeper.contracts.cycle_count import (
    ApproveCountStep,
    CountedLine,
    RecordCountStep,
)
from stockkeeper.contracts.messages import StockAnswer
from stockkeeper.domain.correction import Change
from stockkeeper.domain.cycle_count import (
    CountEntry,
    CountLine,
    CountStatus,
    CycleCount,
    cause_of,
)
from stockkeeper.domain.errors import InsufficientStock
from stockkeeper.domain.lot import LotFacts, Tracking
from stockkeeper.domain.people import is_same_person
from stockkeeper.domain.stock import ItemKey, Level


class Locked(NamedTuple):
    """What a line is about, under lock.

    Attributes:
        item: The item.
        of_item: Its level.
        counted: The level of what the line counts: of the item, or of one lot of it.
        known: What the books know of that lot; None: the line is of none, or the books have never had it.
    """

    item: ItemKey
    of_item: Level
    counted: Level
    known: LotFacts | None

    def change(self, units: int, lot: LotFacts | None) -> Change:
        """The correction by a variance."""
        return Change(self.item, units, lot)


def lock_item(connection: Connection, count: CycleCount, product_id: int, lot: LotFacts | None) -> Locked:
    """Lock the lot of a line if it has one, then its item, which is created if it was never stocked."""
    item = ItemKey(count.warehouse_id, product_id)
    # Units of the lot may be put in: for that, its row is locked before the item.
    level = lock_changed(connection, [Change(item, 1, lot)], arriving=True)[item]
    if lot is None:
        return Locked(item, level, level, None)
    known, of_lot = read_lot(connection, item, lot.lot_number)
    return Locked(item, level, of_lot, known)


def find_line(
    connection: Connection, count: CycleCount, locked: Locked, step: RecordCountStep
) -> tuple[CycleCount, CountLine]:
    """The line that a person has counted, which a lot that was found gets by this. Everything is locked.

    Returns:
        The count with the line, and the line with what is read on its lot.

    Raises:
        InvalidRequest: The product isn't on the count; a lot isn't named of a product that is tracked, or is named of
            another one; or other days were read on it than are known of it. Nothing has changed.
        InvalidState: The lot isn't on the count, and the count has ended.
    """
    lot, product_id = step.lot, step.product_id
    line = count.line_of_lot(product_id, step.lot_number)
    # None of a serial number is none of one unit.
    units = step.counted_quantity if lot is None else max(step.counted_quantity, 1)
    tracking = require_named(connection, [(locked.item, lot, units)], what="counted")[locked.item]
    if lot is None:
        if tracking is not Tracking.NONE:
            count.require_none_there(product_id, locked.of_item.on_hand)
        return count, count.line(product_id)
    named = f"product {product_id}"
    lot.require_in_order(named)
    if line is not None and line.lot is not None:
        lot = lot.agreed(line.lot, named)
    if locked.known is not None:
        lot.agreed(locked.known, named)
    if line is None:
        count, line, instead_of = count.find_lot(product_id, lot)
        give_line_to_lot(connection, count, line, instead_of)
    return count, replace(line, lot=lot)


def is_approved(connection: Connection, count: CycleCount, line: CountLine, step: ApproveCountStep) -> bool:
    """Whether this person has approved the line before, with the same cause."""
    if line.status is not CountStatus.POSTED:
        return False
    posted = stored_line(connection, count.count_number, line.product_id, step.lot_number).line
    is_theirs = posted.approved_by is not None and is_same_person(posted.approved_by, step.performed_by)
    return is_theirs and posted.root_cause in (None, step.root_cause)


def post_line(
    connection: Connection,
    operation: Operation,
    count: CycleCount,
    line: CountLine,
    entry: CountEntry,
    locked: Locked,
    step: RecordCountStep | ApproveCountStep,
    *,
    approver: str | None = None,
) -> StockAnswer:
    """Correct on hand by the entry's difference, and close the line. The caller has locked the count and the item.

    Raises:
        InsufficientStock: Less is on hand and not set aside than is to be taken off.
        InvalidRequest: The lot is known with other days by now, or the serial number is on a unit elsewhere.
    """
    cause = cause_of(entry, step.root_cause)
    # A deferred trigger compares the movement with the posted line.
    try:
        correction = correct(
            connection,
            operation,
            [locked.change(entry.delta, line.lot)],
            {locked.item: locked.of_item},
            reference_id=count.count_number,
            reason=count.posting_reason(line, entry, cause, approver),
            as_of=step.as_of,
        )
    except InsufficientStock:
        # Without the numbers: they would show the system's quantity to the person who recounts.
        there = "less is on hand" if entry.delta < -locked.counted.on_hand else "less is on hand and not set aside"
        raise InsufficientStock(
            f"{line.named} of count {count.count_number}: {there} than the count takes off; it has to be counted again"
        ) from None
    post_count_line(connection, operation, count, line, entry, cause, approver, step.as_of)
    return effects_of(correction)


def stored_line(
    connection: Connection, count_number: str, product_id: int, lot_number: str | None = None
) -> CountedLine:
    """One line of a count, with the status of the whole."""
    count = read_cycle_count(connection, count_number, product_id, lot_number)
    shared = {name: count[name] for name in ("status", "warehouse_id")}
    return CountedLine.model_validate(shared | {"line": count["lines"][0]})
