"""The steps of an inspection: lock, decide, write, answer.

A step locks the inspection's row first, then its items. `stockkeeper.domain.inspection` decides, `database.inspection`
reads and writes, and `database.set_aside` changes the stock.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection
from temporalio import activity

from activities.catalogue import require_items
from activities.differences import require_difference_approved, store_difference_approval
from activities.writes import UNCHANGED, Effect, OnDatabase, columns_of, document_once, effects_of, require_same
from database.differences import read_difference_approvals
from database.document import close_document, insert_document, is_stored
from database.inspection import (
    INSPECTION,
    adopt_inspection,
    columns_of_lines,
    insert_decision,
    lock_inspection,
    read_decision,
    read_inspection,
    read_unanswered,
)
from database.operations import Operation
from database.sessions import Database
from database.set_aside import release, scrap, set_aside
from database.stock_reading import Wants, locked_stock
from database.stock_rows import Moving
from database.worth import unit_costs
from stockkeeper.contracts.adjustment import DEFAULT_ADJUSTMENT, AdjustmentPolicy
from stockkeeper.contracts.difference import APPROVE_DIFFERENCE
from stockkeeper.contracts.inspection import (
    DECISIONS_SHOWN,
    ApproveInspectionDifferenceStep,
    InspectionActivities,
    InspectionRequest,
    InspectionState,
    InspectionStep,
    OpenInspectionStep,
    ReleaseInspectedStep,
    ScrapInspectedStep,
    SetAsideLine,
    StoredInspection,
)
from stockkeeper.contracts.messages import StockAnswer, counted, state_of
from stockkeeper.domain.conflicts import already_exists, done_differently
from stockkeeper.domain.errors import InsufficientStock, Shortage
from stockkeeper.domain.inspection import Inspection, InspectionEvent, InspectionStatus, OfProduct, Outcome
from stockkeeper.domain.stock import ItemKey


class InspectionSteps(OnDatabase, InspectionActivities):
    """`InspectionActivities` on PostgreSQL.

    Args:
        database: The database.
        policy: The limit above which somebody has to approve what is scrapped, and when people are reminded.
    """

    def __init__(self, database: Database, policy: AdjustmentPolicy = DEFAULT_ADJUSTMENT) -> None:
        super().__init__(database)
        self._policy = policy

    @activity.defn(name="open_inspection", no_thread_cancel_exception=True)
    def open_inspection(self, step: OpenInspectionStep) -> StoredInspection:
        """Set the units aside, all of them or none, and store the inspection with the deadlines in force.

        Locks: the items; the inspection's number is unique. Operation: ``{workflow}/open``.

        Raises:
            UnknownWarehouse, UnknownProduct: The catalogue hasn't got one of those named.
            InvalidRequest: A tracked product's lot isn't named or isn't there; or another one's is named.
            InsufficientStock: Fewer are there, or, unless held ones may be set aside, fewer are free; of units that are
                set aside already, fewer are without an inspection. Nothing is stored.
            OperationConflict: An inspection with this number and other contents exists.
        """
        return self._once(step, lambda connection, operation: self._open(connection, operation, step))

    @activity.defn(name="release_inspected", no_thread_cancel_exception=True)
    def release_inspected(self, step: ReleaseInspectedStep) -> StoredInspection:
        """Make units available again that are set aside. With the last one the inspection is DONE.

        Locks: the inspection, then its items. Operation: ``{workflow}/release/{decision_id}``.

        Raises:
            InvalidState: Nothing is set aside any more.
            InvalidRequest: A product or lot isn't in the inspection, or fewer of its units are still set aside.
            NotPermitted: The same person has set them aside.
            OperationConflict: A decision with this id and other units was carried out.
        """

        def effect(connection: Connection, operation: Operation) -> StockAnswer | None:
            inspection = lock_inspection(connection, step.inspection_number)
            planned = _plan(connection, inspection, Outcome.RELEASED, step)
            if planned is None:
                return UNCHANGED
            with locked_stock(connection, _wants(inspection, planned, step.as_of), operation) as stock:
                release(stock, inspection.state, _moving(inspection, planned))
            _decide(connection, operation, inspection, Outcome.RELEASED, planned, step, reason=step.note)
            return None

        return self._once(step, effect)

    @activity.defn(name="scrap_inspected", no_thread_cancel_exception=True)
    def scrap_inspected(self, step: ScrapInspectedStep) -> StoredInspection:
        """Take units off the books that are set aside. With the last one the inspection is DONE.

        Above the limit, counted with what the inspection has scrapped before, another person than the one who scraps
        them has approved it.

        Locks: the inspection, then its items. Operation: ``{workflow}/scrap/{decision_id}``.

        Raises:
            InvalidState: Nothing is set aside any more.
            InvalidRequest: A product or lot isn't in the inspection, or fewer of its units are still set aside.
            NotPermitted: The same person has set them aside; or it is above the limit, and nobody else has approved it.
            OperationConflict: A decision with this id and other units was carried out.
        """

        def effect(connection: Connection, operation: Operation) -> StockAnswer | None:
            inspection = lock_inspection(connection, step.inspection_number)
            planned = _plan(connection, inspection, Outcome.SCRAPPED, step)
            if planned is None:
                return UNCHANGED
            number, units = inspection.inspection_number, counted(sum(planned.values()), "unit")
            require_difference_approved(
                connection,
                operation,
                INSPECTION,
                number,
                f"{units} scrapped",
                inspection.scrapped_worth(planned),
                self._policy.as_limit,
                step.as_of,
            )
            with locked_stock(connection, _wants(inspection, planned, step.as_of, moves=True), operation) as stock:
                scrap(
                    stock,
                    operation,
                    inspection.state,
                    _moving(inspection, planned),
                    reference_id=number,
                    reason=f"{step.reason} ({step.root_cause.lower()}, set aside by {inspection.requested_by})",
                )
            _decide(
                connection,
                operation,
                inspection,
                Outcome.SCRAPPED,
                planned,
                step,
                root_cause=step.root_cause,
                reason=step.reason,
            )
            return None

        return self._once(step, effect)

    @activity.defn(name="approve_inspection_difference", no_thread_cancel_exception=True)
    def approve_inspection_difference(self, step: ApproveInspectionDifferenceStep) -> StoredInspection:
        """Store an approval of units to be scrapped. Another person may scrap them then.

        Locks: the inspection. Operation: ``{workflow}/approve_difference/{command}``.

        Raises:
            InvalidState: Nothing is set aside any more.
        """

        def effect(connection: Connection, operation: Operation) -> None:
            inspection = lock_inspection(connection, step.inspection_number)
            inspection.after(InspectionEvent.SCRAP, APPROVE_DIFFERENCE.name)
            store_difference_approval(connection, operation, INSPECTION, inspection.inspection_number, step, step.as_of)

        return self._once(step, effect)

    def _open(self, connection: Connection, operation: Operation, step: OpenInspectionStep) -> StockAnswer | None:
        if is_stored(connection, INSPECTION, step.inspection_number):
            stored = stored_inspection(connection, step.inspection_number)
            another = already_exists("inspection", step.inspection_number)
            require_same(_contents(stored), _contents(step), otherwise=another)
            adopt_inspection(connection, operation, step.inspection_number)
            return UNCHANGED
        items = {ItemKey(step.warehouse_id, line.product_id) for line in step.lines}
        require_items(connection, items, sold=False)
        costs = unit_costs(connection, {line.product_id for line in step.lines})
        units = [
            Moving(ItemKey(step.warehouse_id, each.product_id), each.quantity, each.lot_number) for each in step.lines
        ]
        if step.set_aside_already:
            with locked_stock(connection, Wants(items=sorted(items), as_of=step.as_of), operation):
                _require_unanswered(connection, step)
        insert_document(
            connection,
            operation,
            INSPECTION,
            columns_of_lines(units, costs),
            status=InspectionStatus.OPEN,
            **columns_of(step, INSPECTION),
            remind_after_hours=self._policy.remind_after_hours,
            due_after_hours=self._policy.cancel_after_hours,
        )
        if step.set_aside_already:
            return None
        with locked_stock(connection, Wants(items=sorted(items), as_of=step.as_of), operation) as stock:
            correction = set_aside(
                stock,
                operation,
                step.state,
                units,
                held_too=step.held_too,
                reason=step.reason,
                as_of=step.as_of,
                document=step.inspection_number,
            )
        return effects_of(correction)

    def _once(self, step: InspectionStep, effect: Effect) -> StoredInspection:
        number = step.inspection_number
        return document_once(
            self._database, step, StoredInspection, effect, lambda connection: stored_inspection(connection, number)
        )


def _require_unanswered(connection: Connection, step: OpenInspectionStep) -> None:
    """Refuse to answer for more units than are set aside without an inspection. The caller has locked the items.

    Raises:
        InsufficientStock: With the numbers of every product and lot that is short.
    """
    wanted = _by_lot(step.lines) or {}
    there = read_unanswered(connection, step.warehouse_id, step.state, wanted)
    if short := [
        Shortage(product_id, step.warehouse_id, units, there.get((product_id, lot), 0), lot_number=lot)
        for (product_id, lot), units in sorted(wanted.items(), key=lambda each: (each[0][0], each[0][1] or ""))
        if units > there.get((product_id, lot), 0)
    ]:
        raise InsufficientStock.of(short)


def _plan(
    connection: Connection, inspection: Inspection, outcome: Outcome, step: ReleaseInspectedStep | ScrapInspectedStep
) -> dict[int, int] | None:
    """Units of each line that the decision is about; None: it was carried out before.

    Raises:
        DomainError: It is refused.
    """
    wanted = _by_lot(step.lines)
    if (earlier := read_decision(connection, inspection.inspection_id, step.decision_id)) is not None:
        another = done_differently(str(outcome.event), step.decision_id, "inspection", inspection.inspection_number)
        require_same(earlier[0], outcome, otherwise=another)
        if wanted is not None:
            of = {line.line_number: (line.product_id, line.lot_number) for line in inspection.lines}
            done: Counter[OfProduct] = Counter()
            for number, units in earlier[1].items():
                done[of[number]] += units
            require_same(dict(done), dict(wanted), otherwise=another)
        return None
    planned = inspection.plan(outcome, wanted)
    inspection.require_may_decide(step.performed_by)
    return planned


def _by_lot(lines: Sequence[SetAsideLine] | None) -> Mapping[OfProduct, int] | None:
    """Units by product and lot; None: everything."""
    if lines is None:
        return None
    units: Counter[OfProduct] = Counter()
    for line in lines:
        units[line.product_id, line.lot_number] += line.quantity
    return units


def _moving(inspection: Inspection, planned: Mapping[int, int]) -> list[Moving]:
    return [
        Moving(ItemKey(inspection.warehouse_id, line.product_id), planned[line.line_number], line.lot_number)
        for line in inspection.lines
        if line.line_number in planned
    ]


def _wants(inspection: Inspection, planned: Mapping[int, int], as_of: datetime, *, moves: bool = False) -> Wants:
    items = sorted({each.item for each in _moving(inspection, planned)})
    return Wants(items=items, moves=moves, as_of=as_of)


def _decide(
    connection: Connection,
    operation: Operation,
    inspection: Inspection,
    outcome: Outcome,
    planned: Mapping[int, int],
    step: ReleaseInspectedStep | ScrapInspectedStep,
    **why: object,
) -> None:
    """Insert the decision, and end the inspection with its last unit."""
    insert_decision(connection, operation, inspection, step.decision_id, outcome, planned, step.as_of, **why)  # type: ignore[arg-type]
    status = inspection.after_decision(outcome, planned)
    if status is InspectionStatus.DONE:
        close_document(connection, operation, INSPECTION, inspection.inspection_id, status, step.as_of)


def _contents(inspection: StoredInspection | OpenInspectionStep) -> object:
    """What two starts under one number must have in common to be the same inspection."""
    lines = [(line.product_id, line.lot_number, line.quantity) for line in inspection.lines]
    return inspection.warehouse_id, inspection.state, inspection.reason, inspection.requested_by, lines


def show(connection: Connection, inspection_number: str, _as_of: datetime) -> InspectionState | None:
    """The state of an inspection, for `activities.documents`; None: nothing is stored by that number."""
    if not is_stored(connection, INSPECTION, inspection_number):
        return None
    stored = stored_inspection(connection, inspection_number)
    return state_of(InspectionState, stored, due_at=due_at(stored))


def due_at(stored: StoredInspection) -> datetime | None:
    """When an inspection is overdue; None: it is over."""
    return stored.due_at if stored.status is InspectionStatus.OPEN else None


def stored_inspection(connection: Connection, inspection_number: str) -> StoredInspection:
    """The inspection as it is in this transaction."""
    inspection = read_inspection(connection, inspection_number, decisions=DECISIONS_SHOWN)
    approvals = read_difference_approvals(connection, INSPECTION, inspection_number)
    by_another_run = inspection.pop("run_id") != activity.info().workflow_run_id
    del inspection["inspection_id"]
    return StoredInspection.model_validate(
        inspection | {"difference_approvals": approvals, "opened_by_another_run": by_another_run}
    )


def start_again(connection: Connection, number: str, _as_of: datetime, _person: str) -> InspectionRequest:
    """The start of another run for a stored inspection: `devstack.restore`."""
    stored = stored_inspection(connection, number)
    return InspectionRequest(
        inspection_number=number,
        warehouse_id=stored.warehouse_id,
        lines=[
            SetAsideLine(product_id=line.product_id, lot_number=line.lot_number, quantity=line.quantity)
            for line in stored.lines
        ],
        state=stored.state,
        reason=stored.reason,
        performed_by=stored.requested_by,
    )
