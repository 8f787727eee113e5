"""Findings of audits in the database, and the decisions that people take about them.

A repair brings to order what can be without touching the ledger's past; it is an operation like any other, and stands
with who decided it and why beside the finding. What can't be repaired can be accepted as it is.
"""

from datetime import datetime

from sqlalchemy import Connection, bindparam, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.types import BigInteger, Text
from temporalio import activity

from activities.document_events import document_changed
from activities.transfer import end_hold, hold_of
from activities.transfer_goods import stored_transfer
from activities.writes import database_errors, effect_once
from database import holds, ledger
from database.audit_findings import lock_finding, tell
from database.document import is_stored
from database.events import insert_events
from database.item_events import tell_levels
from database.locks import lock_items, open_holds
from database.operations import Operation
from database.pipeline import send
from database.sessions import Database
from database.stock_reading import Wants, locked_stock
from database.stock_rows import Moving, Reference
from database.tables import audit_findings
from database.transfer import TRANSFER
from database.transfer_reading import lock_transfer, write_transfer
from stockkeeper.contracts.audit_findings import (
    FINDINGS_A_PAGE,
    AuditFindingActivities,
    DecideFindingStep,
    FindingShown,
    FindingsShown,
    ShowFindings,
)
from stockkeeper.contracts.transfer import PROCESS
from stockkeeper.domain.errors import InvalidRequest, InvalidState
from stockkeeper.domain.reservation import ReservationStatus
from stockkeeper.domain.stock import ItemKey, MovementType
from stockkeeper.domain.stock_audit import Finding, FindingEvent, FindingKind
from stockkeeper.domain.transfer import TransferStatus

_SHOW = text("""
    SELECT finding_id, kind, warehouse_id, warehouses.name AS warehouse, product_id, sku, document, expected, actual,
        status, first_seen_at, last_seen_at, workflow_id, run_id, closed_at, closed_by, closed_reason,
        first_seen_at = last_seen_at AS is_new
    FROM audit_findings LEFT JOIN warehouses USING (warehouse_id) LEFT JOIN products USING (product_id)
    WHERE (:finding_id IS NULL OR finding_id = :finding_id)
        AND (:status IS NULL OR status = :status)
        AND (:before IS NULL OR finding_id < :before)
    ORDER BY finding_id DESC
    LIMIT :most
""").bindparams(
    bindparam("finding_id", type_=BigInteger), bindparam("status", type_=Text), bindparam("before", type_=BigInteger)
)

_CLOSE = text("""
    UPDATE audit_findings
    SET status = :status, closed_at = :as_of, closed_by = :performed_by, closed_reason = :reason,
        operation_id = :operation_id
    WHERE finding_id = :finding_id
""").bindparams(bindparam("as_of", type_=audit_findings.c.closed_at.type))

_BOOKS = text("""
    SELECT quantity_on_hand AS on_hand, quantity_reserved AS reserved, quantity_unavailable AS unavailable,
        coalesce((SELECT balance_after FROM balance_at(item.warehouse_id, item.product_id, 'infinity')), 0) AS balance,
        (SELECT coalesce(sum(quantity), 0)::bigint FROM stock_movements AS moved
        WHERE (moved.warehouse_id, moved.product_id) = (item.warehouse_id, item.product_id)) AS moved
    FROM inventory_items AS item
    WHERE (warehouse_id, product_id) = (:warehouse_id, :product_id)
""")

# The next movement comes after the last one, even if its instant was tampered with.
_SET_ON_HAND = text("""
    UPDATE inventory_items AS item SET quantity_on_hand = :on_hand, quantity_reserved = :reserved,
        last_moved_at = greatest(
            last_moved_at, (SELECT created_at FROM balance_at(item.warehouse_id, item.product_id, 'infinity')))
    WHERE (warehouse_id, product_id) = (:warehouse_id, :product_id)
""")

_TAKE_HOLDS = text("""
    UPDATE inventory_items AS item
    SET quantity_reserved = (
        SELECT coalesce(sum(quantity - quantity_fulfilled - quantity_released), 0) FROM reservations AS held
        WHERE (held.warehouse_id, held.product_id) = (item.warehouse_id, item.product_id) AND status = 'ACTIVE')
    WHERE (warehouse_id, product_id) = (:warehouse_id, :product_id)
""")


# All lots of the item: a change past the ledger seldom concerns one lot alone.
_MEND_LOTS = text("""
    UPDATE lot_items AS lot
    SET quantity_on_hand = coalesce((
            SELECT lot_balance_after FROM stock_movements AS moved
            WHERE (moved.product_id, moved.lot_number, moved.warehouse_id)
                = (lot.product_id, lot.lot_number, lot.warehouse_id)
            ORDER BY created_at DESC, movement_id DESC LIMIT 1), 0),
        quantity_reserved = (
            SELECT coalesce(sum(quantity_held), 0) FROM reservation_lots AS allotted
            WHERE (allotted.product_id, allotted.lot_number, allotted.warehouse_id)
                = (lot.product_id, lot.lot_number, lot.warehouse_id) AND quantity_held > 0)
    WHERE (warehouse_id, product_id) = (:warehouse_id, :product_id)
""")


class AuditFindings(AuditFindingActivities):
    """`AuditFindingActivities` on PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @activity.defn(name="decide_finding", no_thread_cancel_exception=True)
    def decide_finding(self, step: DecideFindingStep) -> FindingShown:
        """Repair the record that a finding is about, or accept the difference; with the person and the reason.

        Locks: the finding, then its transfer if it is a transfer's hold, then its items. Operation: the caller's.

        Raises:
            InvalidRequest: There is no such finding.
            InvalidState: It is closed; or it is about a record that can't be changed; or it can't be repaired: more is
                promised or set aside than is on hand, or no record gives the right number.
        """

        def effect(connection: Connection, operation: Operation) -> FindingShown:
            finding = lock_finding(connection, step.finding_id)
            if finding is None:
                raise InvalidRequest(f"there is no finding {step.finding_id}")
            event = FindingEvent.REPAIR if step.decision == "repair" else FindingEvent.ACCEPT
            status = finding.after(event)
            if event is FindingEvent.REPAIR:
                _repair(connection, operation, finding, step.reason, step.as_of)
            connection.execute(
                _CLOSE,
                {
                    "status": status,
                    "as_of": step.as_of,
                    "performed_by": step.performed_by,
                    "reason": step.reason,
                    "operation_id": operation.operation_id,
                    "finding_id": finding.finding_id,
                },
            )
            shown = _shown(connection, finding_id=finding.finding_id)[0]
            tell(connection, operation, [shown], reason=step.reason)
            return shown

        return effect_once(self._database, step, FindingShown, effect)[0]

    @activity.defn(name="show_findings", no_thread_cancel_exception=True)
    def show_findings(self, question: ShowFindings) -> FindingsShown:
        """One page of findings, the latest first."""
        with database_errors(), self._database.snapshot() as connection:
            found = _shown(connection, status=question.status, before=question.before, most=FINDINGS_A_PAGE + 1)
        return FindingsShown(findings=found[:FINDINGS_A_PAGE], more=len(found) > FINDINGS_A_PAGE)


def _repair(connection: Connection, operation: Operation, finding: Finding, reason: str, as_of: datetime) -> None:
    """Bring the item to what everything else says of it, or end the hold."""
    item = ItemKey(finding.warehouse_id or 0, finding.product_id or 0)
    try:
        match finding.kind:
            case FindingKind.ON_HAND_IS_NOT_THE_LAST_BALANCE:
                lock_items(connection, [item])
                connection.execute(_MEND_LOTS, item._asdict())
                _repair_on_hand(connection, operation, finding, item, reason)
            case FindingKind.RESERVED_IS_NOT_THE_HOLDS:
                lock_items(connection, [item])
                connection.execute(_MEND_LOTS, item._asdict())
                connection.execute(_TAKE_HOLDS, item._asdict())
                tell_levels(connection, operation, [item], reason=reason)
            case FindingKind.LOT_IS_NOT_ITS_MOVEMENTS | FindingKind.LOT_RESERVED_IS_NOT_THE_HOLDS:
                lock_items(connection, [item])
                connection.execute(_MEND_LOTS, item._asdict())
                # What its lots let leave may be another number.
                tell_levels(connection, operation, [item], reason=reason)
            case _:
                _end_hold(connection, operation, item, finding.document, reason=reason, as_of=as_of)
    except IntegrityError:
        why = (
            "less is reserved than is held; repair that finding first"
            if finding.kind is FindingKind.HOLD_WITHOUT_RUN
            else "more is promised or set aside than would be on hand; count the product first"
        )
        message = f"finding {finding.finding_id} can't be repaired: {why}"
        raise InvalidState(message, str(finding.status), str(FindingEvent.REPAIR)) from None


def _repair_on_hand(connection: Connection, operation: Operation, finding: Finding, item: ItemKey, reason: str) -> None:
    """Bring on hand and the last balance together, at what the movements add up to.

    If only the last balance differs from the sum, on hand stays. The next movement has to continue from that balance,
    so an ADJUSTMENT is booked that leads from it to on hand.

    Raises:
        InvalidState: Neither of the two is the sum, so nothing says which one is right.
    """
    books = connection.execute(_BOOKS, item._asdict()).one()
    if books.balance == books.moved:
        connection.execute(_SET_ON_HAND, item._asdict() | {"on_hand": books.balance, "reserved": books.reserved})
        tell_levels(connection, operation, [item], reason=reason)
    elif books.on_hand == books.moved:
        # Reserved may be more than the wrong balance leaves, which on hand has for the moment.
        meanwhile = min(books.reserved, max(books.balance - books.unavailable, 0))
        connection.execute(_SET_ON_HAND, item._asdict() | {"on_hand": books.balance, "reserved": meanwhile})
        ledger.move(
            connection,
            operation,
            MovementType.ADJUSTMENT,
            [Moving(item, books.moved - books.balance)],
            reference_id=f"finding-{finding.finding_id}",
            reason=reason,
        )
        connection.execute(_SET_ON_HAND, item._asdict() | {"on_hand": books.moved, "reserved": books.reserved})
        if meanwhile != books.reserved:
            tell_levels(connection, operation, [item], reason=reason)
    elif books.on_hand != books.balance:
        message = (
            f"finding {finding.finding_id} can't be repaired: neither on hand ({books.on_hand}) nor the last balance "
            f"({books.balance}) is the sum of the movements ({books.moved})"
        )
        raise InvalidState(message, str(finding.status), str(FindingEvent.REPAIR))


def _end_hold(
    connection: Connection, operation: Operation, item: ItemKey, document: str, *, reason: str, as_of: datetime
) -> None:
    """Release an order's hold on the item, or all that a transfer still holds: what it has sent goes on."""
    kind, _, name = document.partition(" ")
    if kind == "transfer" and is_stored(connection, TRANSFER, name):
        locked = lock_transfer(connection, name)
        if locked.transfer.status in (TransferStatus.PENDING, TransferStatus.IN_TRANSIT):
            with locked_stock(connection, Wants(references=[hold_of(locked.transfer)]), operation) as stock:
                end_hold(stock, operation, locked, reason=reason, as_of=as_of)
            write_transfer(connection, locked)
            told = document_changed(operation, stored_transfer(connection, name), process=PROCESS, lines=())
            send(connection, [insert_events([told])])
            return
    with locked_stock(connection, Wants(items=[item]), operation) as stock:
        held = [
            line
            for hold in open_holds(connection, item)
            if document == f"{hold.reference_type.lower()} {hold.reference_id}"
            for line in stock.take_in(Reference(hold.reference_type, hold.reference_id), hold.lines)
        ]
        holds.release(stock, operation, held, ReservationStatus.CANCELLED, reason=reason, as_of=as_of)


def _shown(
    connection: Connection,
    *,
    finding_id: int | None = None,
    status: str | None = None,
    before: int | None = None,
    most: int = 1,
) -> list[FindingShown]:
    rows = connection.execute(
        _SHOW, {"finding_id": finding_id, "status": status, "before": before, "most": most}
    ).mappings()
    return [FindingShown.model_validate(dict(row)) for row in rows]
