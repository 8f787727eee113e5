"""Inspections that a step of another document opens: in its transaction, for the units that it sets aside.

The inspection's row is committed with the units that it answers for. The step's workflow starts its run: the step's
answer names the inspection to it (`workflows.opened_inspections`).
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import count

from activities.document_events import document_changed
from activities.inspection import stored_inspection
from database import ledger
from database.document import insert_document, is_stored, number_alike
from database.inspection import INSPECTION, columns_of_lines
from database.locked_stock import LockedStock
from database.operations import Operation
from database.set_aside import set_coming_aside
from database.stock_rows import Moving
from database.worth import unit_costs
from stockkeeper.contracts import inspection
from stockkeeper.contracts.adjustment import AdjustmentPolicy
from stockkeeper.contracts.messages import MAX_REASON
from stockkeeper.contracts.opened_inspection import OpenedInspection, OpenedLine
from stockkeeper.domain.inspection import InspectionStatus
from stockkeeper.domain.lot import LotFacts, StockState
from stockkeeper.domain.stock import MovementType

_LONGEST = 180
"""Characters of a number that two numbers of up to 200 make."""


def open_inspection(
    stock: LockedStock,
    operation: Operation,
    policy: AdjustmentPolicy,
    units: Sequence[Moving],
    *,
    number: str,
    warehouse_id: int,
    state: StockState,
    reason: str,
    as_of: datetime,
    brings: bool = False,
) -> OpenedInspection:
    """Set units aside that have just come, and store the inspection that answers for them.

    To be called last, by a step that can't be refused any more: the inspection is written past the stock in memory.

    Args:
        stock: The stock, with the items, to which the units have come.
        operation: The step: its person has set them aside, and decides nothing about them.
        policy: The hours of its reminder and its deadline.
        units: Items of one warehouse, with units and, of tracked products, their lots; nobody holds them.
        number: The inspection's number; one that is taken gets the next free ending.
        warehouse_id: The warehouse.
        state: What they are meanwhile.
        reason: Why, in one sentence.
        as_of: The workflow's time.
        brings: Whether they come onto the books with it, by an ADJUSTMENT movement for each line, because the step
            itself books them out. The step has seen that they can (`require_can_come`) and has taken in their lots.

    Returns:
        The start of its run.
    """
    reason = reason[:MAX_REASON].rstrip()
    connection, free = stock.connection, _free_number(stock, number)
    # Its run isn't known yet: the first one that finds it takes it over.
    own = replace(operation, workflow_id=inspection.PROCESS.id_of(free), run_id="")
    if brings:
        ledger.move_units(stock, own, MovementType.ADJUSTMENT, units, reference_id=free, reason=reason)
    set_coming_aside(stock, state, units)
    costs = unit_costs(connection, {each.item.product_id for each in units})
    insert_document(
        connection,
        own,
        INSPECTION,
        columns_of_lines(units, costs, brought=brings),
        inspection_number=free,
        warehouse_id=warehouse_id,
        status=InspectionStatus.OPEN,
        state=state,
        reason=reason,
        requested_by=operation.performed_by,
        created_at=as_of,
        remind_after_hours=policy.remind_after_hours,
        due_after_hours=policy.cancel_after_hours,
    )
    lines = [
        OpenedLine(product_id=each.item.product_id, lot_number=each.lot_number, quantity=each.quantity)
        for each in units
    ]
    told = document_changed(
        operation,
        stored_inspection(connection, free),
        process=inspection.PROCESS,
        lines=[line.model_dump() for line in lines],
    )
    stock.add_event(told._replace(reason=reason))
    return OpenedInspection(
        inspection_number=free,
        warehouse_id=warehouse_id,
        lines=lines,
        state=state,
        reason=reason,
        performed_by=operation.performed_by,
    )


def require_can_come(stock: LockedStock, units: Iterable[Moving], facts: Iterable[tuple[int, LotFacts]] = ()) -> None:
    """Refuse units that an inspection can't bring onto the books; changes nothing.

    Args:
        stock: The stock, with the items and the lots that come.
        units: The units.
        facts: What the packages say of their lots, by product.

    Raises:
        InvalidRequest: An item's on hand isn't what its movements have left; or a lot is known with other days.
    """
    coming = list(units)
    ledger.require_on_the_ledger(stock, sorted({each.item for each in coming}))
    said = {(product_id, each.lot_number): each for product_id, each in facts}
    stock.agreed_lots(
        (each.item, said.get((each.item.product_id, each.lot_number)) or LotFacts(each.lot_number))
        for each in coming
        if each.lot_number is not None
    )


def number_of(document_number: str, receipt_id: str, *more: str) -> str:
    """The number of the inspection that a receipt of a document opens: ``PO-7.truck-1``; a very long one is cut."""
    number = ".".join([document_number, receipt_id, *more])
    if len(number) <= _LONGEST:
        return number
    return f"{number[:_LONGEST].rstrip()}.{hashlib.sha256(number.encode()).hexdigest()[:12]}"


def _free_number(stock: LockedStock, wanted: str) -> str:
    """The number, or with the first ending that makes it free: people name inspections as well."""
    for ending in count(1):
        number = wanted if ending == 1 else f"{wanted}-{ending}"
        taken = is_stored(stock.connection, INSPECTION, number)
        if not taken and number_alike(stock.connection, INSPECTION, number) is None:
            return number
    raise AssertionError("there is always another number")
