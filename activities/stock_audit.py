"""The audit in the database: what has to agree is compared in snapshots, page by page; nobody who writes waits.

Within one snapshot an item, its movements and its holds are of the same instant, so stock that moves while it is
audited is no finding. What doesn't agree is kept as a finding, in a transaction of its own; nothing else is written.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, RowMapping, TextClause, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import BigInteger, Text
from temporalio import activity

from activities.catalogue import require_warehouse
from activities.heartbeats import heartbeats
from activities.writes import database_errors
from database.sessions import BULK_STATEMENT_TIMEOUT, Database
from database.tables import audit_findings, operations
from stockkeeper.contracts.stock_audit import (
    DOCUMENTS_A_PAGE,
    FINDINGS_SHOWN,
    HOLDS_A_PAGE,
    ITEMS_A_PAGE,
    OPERATIONS_A_PAGE,
    AuditDocumentsStep,
    AuditedPage,
    AuditHoldsStep,
    AuditItemsStep,
    AuditStep,
    CheckHoldsStep,
    CheckRunsStep,
    CloseAuditStep,
    ClosedAudit,
    FindingState,
    ForgetOperationsStep,
    ForgottenOperations,
    HoldingNothing,
    OpenHolds,
    StillHolding,
    StockAuditActivities,
)
from stockkeeper.domain.stock_audit import FindingKind

_PLACE = bindparam("warehouse_id", type_=BigInteger)

# Once over the movements of a page's items, in the order of their index.
_ITEMS = text("""
    WITH page AS (
        SELECT warehouse_id, product_id, quantity_on_hand, quantity_reserved FROM inventory_items
        WHERE (warehouse_id, product_id) > (:after_warehouse_id, :after_product_id)
            AND (:warehouse_id IS NULL OR warehouse_id = :warehouse_id)
        ORDER BY warehouse_id, product_id
        LIMIT :most
    ),
    chain AS (
        SELECT warehouse_id, product_id, movement_id, quantity, balance_after,
            coalesce(lag(balance_after) OVER history, 0) + quantity AS expected,
            coalesce(lag(movement_id) OVER history, 0) AS earlier,
            lead(movement_id) OVER history IS NULL AS is_last
        FROM page JOIN stock_movements USING (warehouse_id, product_id)
        WINDOW history AS (PARTITION BY warehouse_id, product_id ORDER BY created_at, movement_id)
    ),
    ledger AS (
        SELECT warehouse_id, product_id, sum(quantity) AS moved,
            max(balance_after) FILTER (WHERE is_last) AS last_balance
        FROM chain GROUP BY warehouse_id, product_id
    ),
    off AS (
        SELECT warehouse_id, product_id, movement_id, expected, balance_after,
            row_number() OVER (PARTITION BY warehouse_id, product_id ORDER BY movement_id) AS place
        FROM chain WHERE balance_after <> expected OR movement_id < earlier
    ),
    broken AS (
        SELECT warehouse_id, product_id, array_agg(movement_id ORDER BY movement_id) AS broken,
            array_agg(expected ORDER BY movement_id) AS broken_expected,
            array_agg(balance_after ORDER BY movement_id) AS broken_actual
        FROM off WHERE place <= :most_broken GROUP BY warehouse_id, product_id
    ),
    promised AS (
        SELECT warehouse_id, product_id, sum(quantity - quantity_fulfilled) AS units
        FROM page JOIN reservations USING (warehouse_id, product_id)
        WHERE status = 'ACTIVE' GROUP BY warehouse_id, product_id
    )
    SELECT page.*, coalesce(moved, 0) AS moved, coalesce(last_balance, 0) AS last_balance,
        coalesce(units, 0) AS promised, broken, broken_expected, broken_actual
    FROM page
    LEFT JOIN ledger USING (warehouse_id, product_id)
    LEFT JOIN promised USING (warehouse_id, product_id)
    LEFT JOIN broken USING (warehouse_id, product_id)
    ORDER BY warehouse_id, product_id
""").bindparams(_PLACE)

# What the documents say is asked for by a range of ids, which the view can look up; a join would go over all of them.
_DOCUMENTS = text("""
    WITH page AS (
        SELECT * FROM audited_documents WHERE kind = :kind AND id > :after ORDER BY id LIMIT :most
    ),
    said AS (
        SELECT id, warehouse_id, product_id, movement_type, sum(units) AS units FROM documents_say
        WHERE kind = :kind AND id > :after AND id <= (SELECT max(id) FROM page)
        GROUP BY id, warehouse_id, product_id, movement_type
    ),
    booked AS (
        SELECT id, moved.warehouse_id, product_id, movement_type, sum(quantity) AS units
        FROM page JOIN stock_movements AS moved
            ON (moved.reference_id, moved.workflow_id) = (page.number, page.workflow_id)
        WHERE movement_type = ANY (:types)
        GROUP BY id, moved.warehouse_id, product_id, movement_type
    ),
    off AS (
        SELECT id, warehouse_id, product_id, movement_type,
            coalesce(said.units, 0) AS expected, coalesce(booked.units, 0) AS actual
        FROM said FULL JOIN booked USING (id, warehouse_id, product_id, movement_type)
        WHERE coalesce(said.units, 0) <> coalesce(booked.units, 0)
            AND (:warehouse_id IS NULL OR warehouse_id = :warehouse_id)
    )
    SELECT page.id, number, warehouse_id, product_id, movement_type, expected, actual
    FROM page LEFT JOIN off USING (id)
    ORDER BY page.id, warehouse_id, product_id, movement_type
""").bindparams(_PLACE, bindparam("types", type_=ARRAY(Text)))

_HOLDS = text("""
    SELECT warehouse_id, product_id, reservation_id, workflow_id FROM reservations
    WHERE status = 'ACTIVE' AND (warehouse_id, product_id, reservation_id) > (:warehouse, :product, :reservation)
        AND (:warehouse_id IS NULL OR warehouse_id = :warehouse_id)
    ORDER BY warehouse_id, product_id, reservation_id
    LIMIT :most
""").bindparams(_PLACE)

# What an order holds of an item may be on several pages; it belongs to the one that has the last of it.
_STILL_HELD = text("""
    SELECT workflow_id, warehouse_id, product_id, lower(reference_type) || ' ' || reference_id AS document,
        sum(quantity - quantity_fulfilled) AS units
    FROM reservations
    WHERE status = 'ACTIVE' AND workflow_id = ANY (:workflow_ids)
        AND (:warehouse_id IS NULL OR warehouse_id = :warehouse_id)
        AND (warehouse_id, product_id) >= (:after_warehouse, :after_product)
        AND (warehouse_id, product_id) <= (:last_warehouse, :last_product)
    GROUP BY workflow_id, warehouse_id, product_id, reference_type, reference_id
    HAVING (warehouse_id, product_id, max(reservation_id)) > (:after_warehouse, :after_product, :after_reservation)
        AND (warehouse_id, product_id, max(reservation_id)) <= (:last_warehouse, :last_product, :last_reservation)
    ORDER BY warehouse_id, product_id, document
""").bindparams(_PLACE, bindparam("workflow_ids", type_=ARRAY(Text)))

_HOLDING = text("""
    SELECT DISTINCT reference_id FROM reservations
    WHERE reference_type = 'ORDER' AND reference_id = ANY (:references) AND status = 'ACTIVE'
""").bindparams(bindparam("references", type_=ARRAY(Text)))

# The same thing seen again is the same finding. One that was accepted stays so as long as it is off by as much: an item
# that moves has other numbers every night.
_KEEP = text("""
    INSERT INTO audit_findings AS known (
        kind, warehouse_id, product_id, document, expected, actual, first_seen_at, last_seen_at, workflow_id, run_id)
    SELECT kind, warehouse_id, product_id, document, expected, actual, :as_of, :as_of, :workflow_id, :run_id
    FROM unnest(:kinds, :warehouse_ids, :product_ids, :documents, :expected, :actual) WITH ORDINALITY
        AS seen (kind, warehouse_id, product_id, document, expected, actual, position)
    ORDER BY position
    ON CONFLICT (kind, coalesce(warehouse_id, 0), coalesce(product_id, 0), document)
        WHERE status IN ('OPEN', 'ACCEPTED')
    DO UPDATE SET last_seen_at = greatest(known.last_seen_at, excluded.last_seen_at),
        workflow_id = excluded.workflow_id, run_id = excluded.run_id,
        expected = excluded.expected, actual = excluded.actual,
        status = CASE WHEN known.actual - known.expected = excluded.actual - excluded.expected
            THEN known.status ELSE 'OPEN' END,
        closed_at = CASE WHEN known.actual - known.expected = excluded.actual - excluded.expected
            THEN known.closed_at END,
        closed_by = CASE WHEN known.actual - known.expected = excluded.actual - excluded.expected
            THEN known.closed_by END,
        closed_reason = CASE WHEN known.actual - known.expected = excluded.actual - excluded.expected
            THEN known.closed_reason END
    RETURNING kind, warehouse_id, product_id, document, finding_id, status, first_seen_at >= :begun_at AS is_new
""").bindparams(
    *(bindparam(name, type_=ARRAY(Text)) for name in ("kinds", "documents")),
    *(bindparam(name, type_=ARRAY(BigInteger)) for name in ("warehouse_ids", "product_ids", "expected", "actual")),
    *(bindparam(name, type_=Text) for name in ("workflow_id", "run_id")),
    *(bindparam(name, type_=audit_findings.c.first_seen_at.type) for name in ("as_of", "begun_at")),
)

# Another audit may be under way, too: what that one has seen meanwhile isn't gone.
_GONE = text("""
    UPDATE audit_findings SET status = 'GONE', closed_at = :as_of, closed_by = :performed_by,
        closed_reason = 'not so any more'
    WHERE status IN ('OPEN', 'ACCEPTED') AND last_seen_at < :begun_at
        AND (:warehouse_id IS NULL OR warehouse_id = :warehouse_id)
""").bindparams(
    _PLACE,
    bindparam("as_of", type_=audit_findings.c.closed_at.type),
    bindparam("begun_at", type_=audit_findings.c.last_seen_at.type),
)

# What could be repeated is kept: a hold that is still open may be asked to ship the same parcel again, and a file may
# be sent again after years.
_FORGET = text("""
    DELETE FROM operations WHERE operation_id IN (
        SELECT operation_id FROM operations
        WHERE created_at < :before AND kind <> 'apply_import'
            AND NOT EXISTS (
                SELECT FROM reservations AS held
                WHERE held.workflow_id = operations.workflow_id AND held.status = 'ACTIVE')
        ORDER BY created_at
        LIMIT :most)
""").bindparams(bindparam("before", type_=operations.c.created_at.type))

_BROKEN_OF_AN_ITEM = 10
"""Movements of one item that are told at once; a history that is wrong throughout has as many as it is long."""

_KEPT_AT_ONCE = 1_000
"""Findings that one statement keeps."""

_OF_DOCUMENTS: Mapping[str, tuple[FindingKind, str, Sequence[str]]] = {
    "purchase_order": (FindingKind.RECEIVED_IS_NOT_PURCHASED, "purchase order", ["PURCHASE"]),
    "transfer": (FindingKind.MOVED_IS_NOT_TRANSFERRED, "transfer", ["TRANSFER_OUT", "TRANSFER_IN"]),
    "cycle_count": (FindingKind.COUNTED_IS_NOT_BOOKED, "count", ["ADJUSTMENT"]),
    "customer_return": (FindingKind.RETURNED_IS_NOT_BOOKED, "return", ["RETURN"]),
    "adjustment": (FindingKind.ADJUSTED_IS_NOT_BOOKED, "adjustment", ["ADJUSTMENT"]),
}


class _Off(NamedTuple):
    """Something that doesn't agree."""

    kind: FindingKind
    warehouse_id: int | None
    product_id: int | None
    expected: int
    actual: int
    document: str = ""

    @property
    def key(self) -> tuple[str, int | None, int | None, str]:
        """What makes it the same finding when it is seen again."""
        return self.kind, self.warehouse_id, self.product_id, self.document


class _Kept(NamedTuple):
    """What an answer says of findings: some of them, and how many there are."""

    findings: list[FindingState]
    found: int
    found_new: int


class StockAuditSteps(StockAuditActivities):
    """`StockAuditActivities` on PostgreSQL; what people decide about findings is in `activities.audit_findings`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @activity.defn(name="audit_items", no_thread_cancel_exception=True)
    def audit_items(self, step: AuditItemsStep) -> AuditedPage:
        """Compare a page of items with their movements and their holds, all in one snapshot.

        Locks nothing of the stock. Operation: none; a finding that is seen twice is one finding.

        Raises:
            UnknownWarehouse: There is no such place.
        """
        if step.warehouse_id is not None:
            with database_errors(), self._database.snapshot() as connection:
                require_warehouse(connection, step.warehouse_id)
        after = step.after or (0, 0)
        asked = {
            "after_warehouse_id": after[0],
            "after_product_id": after[1],
            "warehouse_id": step.warehouse_id,
            "most": ITEMS_A_PAGE,
            "most_broken": _BROKEN_OF_AN_ITEM,
        }
        rows = self._look(_ITEMS, asked)
        last = rows[-1] if len(rows) == ITEMS_A_PAGE else None
        return AuditedPage(
            checked=len(rows),
            **self._keep(step, [off for row in rows for off in _item_off(row)])._asdict(),
            after_item=(last["warehouse_id"], last["product_id"]) if last else None,
        )

    @activity.defn(name="audit_documents", no_thread_cancel_exception=True)
    def audit_documents(self, step: AuditDocumentsStep) -> AuditedPage:
        """Compare what a page of documents say they moved with their movements, in one snapshot.

        Locks nothing of the stock. Operation: none.
        """
        kind, called, types = _OF_DOCUMENTS[step.kind]
        asked = {
            "kind": step.kind,
            "after": step.after,
            "warehouse_id": step.warehouse_id,
            "types": types,
            "most": DOCUMENTS_A_PAGE,
        }
        rows = self._look(_DOCUMENTS, asked)
        documents = list(dict.fromkeys(row["id"] for row in rows))
        off = [
            _Off(
                kind,
                row["warehouse_id"],
                row["product_id"],
                int(row["expected"]),
                int(row["actual"]),
                f"{called} {row['number']}" + (f", {row['movement_type']}" if len(types) > 1 else ""),
            )
            for row in rows
            if row["product_id"] is not None
        ]
        return AuditedPage(
            checked=len(documents),
            **self._keep(step, off)._asdict(),
            after_document=documents[-1] if len(documents) == DOCUMENTS_A_PAGE else None,
        )

    @activity.defn(name="find_open_holds", no_thread_cancel_exception=True)
    def find_open_holds(self, step: AuditHoldsStep) -> OpenHolds:
        """A page of open holds, and the workflows that they are held for."""
        warehouse, product, reservation = step.after
        rows = self._look(
            _HOLDS,
            {
                "warehouse": warehouse,
                "product": product,
                "reservation": reservation,
                "warehouse_id": step.warehouse_id,
                "most": HOLDS_A_PAGE,
            },
        )
        last = rows[-1] if len(rows) == HOLDS_A_PAGE else None
        return OpenHolds(
            checked=len(rows),
            workflow_ids=list(dict.fromkeys(row["workflow_id"] for row in rows)),
            after=(last["warehouse_id"], last["product_id"], last["reservation_id"]) if last else None,
        )

    @activity.defn(name="check_holds", no_thread_cancel_exception=True)
    def check_holds(self, step: CheckHoldsStep) -> StillHolding:
        """What a page holds for these workflows, which aren't running; kept as findings if that is asked for."""
        rows = self._look(
            _STILL_HELD,
            {
                "workflow_ids": step.workflow_ids,
                "warehouse_id": step.warehouse_id,
                **dict(zip(("after_warehouse", "after_product", "after_reservation"), step.after, strict=True)),
                **dict(zip(("last_warehouse", "last_product", "last_reservation"), step.through, strict=True)),
            },
        )
        off = [
            _Off(
                FindingKind.HOLD_WITHOUT_RUN,
                row["warehouse_id"],
                row["product_id"],
                0,
                int(row["units"]),
                row["document"],
            )
            for row in rows
        ]
        return StillHolding(
            workflow_ids=list(dict.fromkeys(row["workflow_id"] for row in rows)),
            **self._keep(step, off if step.keep else [])._asdict(),
        )

    @activity.defn(name="check_runs", no_thread_cancel_exception=True)
    def check_runs(self, step: CheckRunsStep) -> HoldingNothing:
        """Which of these orders hold nothing; kept as findings if that is asked for."""
        holding = {row["reference_id"] for row in self._look(_HOLDING, {"references": step.references})}
        without = [reference for reference in step.references if reference not in holding]
        off = [_Off(FindingKind.RUN_WITHOUT_HOLD, None, None, 1, 0, f"order {reference}") for reference in without]
        return HoldingNothing(references=without, **self._keep(step, off if step.keep else [])._asdict())

    @activity.defn(name="close_audit", no_thread_cancel_exception=True)
    def close_audit(self, step: CloseAuditStep) -> ClosedAudit:
        """Findings that nobody has seen since this audit began are gone."""
        with database_errors(), self._database.transaction() as connection:
            gone = connection.execute(
                _GONE,
                {
                    "as_of": step.as_of,
                    "performed_by": step.performed_by,
                    "begun_at": step.begun_at,
                    "warehouse_id": step.warehouse_id,
                },
            ).rowcount
        return ClosedAudit(gone=gone)

    @activity.defn(name="forget_operations", no_thread_cancel_exception=True)
    def forget_operations(self, step: ForgetOperationsStep) -> ForgottenOperations:
        """Forget some operations that are older than any repeat can be."""
        with heartbeats(), database_errors(), self._database.transaction() as connection:
            connection.execute(text(f"SET LOCAL statement_timeout = '{BULK_STATEMENT_TIMEOUT}'"))
            forgotten = connection.execute(_FORGET, {"before": step.before, "most": OPERATIONS_A_PAGE}).rowcount
        return ForgottenOperations(forgotten=forgotten, more=forgotten == OPERATIONS_A_PAGE)

    def _look(self, question: TextClause, asked: Mapping[str, Any]) -> Sequence[RowMapping]:
        """One instant of everything that is asked for."""
        with heartbeats(), database_errors(), self._database.snapshot() as connection:
            connection.execute(text(f"SET LOCAL statement_timeout = '{BULK_STATEMENT_TIMEOUT}'"))
            return connection.execute(question, asked).mappings().all()

    def _keep(self, step: AuditStep, off: Sequence[_Off]) -> _Kept:
        """Keep what doesn't agree; what a person has accepted as it is isn't told again."""
        seen = list({each.key: each for each in off}.values())
        told: list[FindingState] = []
        if not seen:
            return _Kept(told, 0, 0)
        with heartbeats(), database_errors(), self._database.transaction() as connection:
            for start in range(0, len(seen), _KEPT_AT_ONCE):
                told += _told(connection, step, seen[start : start + _KEPT_AT_ONCE])
        told.sort(key=lambda finding: not finding.is_new)
        return _Kept(told[:FINDINGS_SHOWN], len(told), sum(finding.is_new for finding in told))


def _item_off(row: RowMapping) -> list[_Off]:
    """What doesn't agree about one item."""
    place = (row["warehouse_id"], row["product_id"])
    on_hand, reserved = row["quantity_on_hand"], row["quantity_reserved"]
    off = [
        _Off(FindingKind.ON_HAND_IS_NOT_THE_SUM, *place, int(row["moved"]), on_hand),
        _Off(FindingKind.ON_HAND_IS_NOT_THE_LAST_BALANCE, *place, row["last_balance"], on_hand),
        _Off(FindingKind.RESERVED_IS_NOT_THE_HOLDS, *place, int(row["promised"]), reserved),
    ]
    broken = zip(row["broken"] or (), row["broken_expected"] or (), row["broken_actual"] or (), strict=True)
    return [each for each in off if each.expected != each.actual] + [
        _Off(FindingKind.BALANCES_DO_NOT_FOLLOW, *place, expected, actual, f"movement {movement}")
        for movement, expected, actual in broken
    ]


def _told(connection: Connection, step: AuditStep, seen: Sequence[_Off]) -> list[FindingState]:
    """Keep these, no two of them the same, and answer what is open of them, in their order."""
    rows = connection.execute(
        _KEEP,
        {
            "kinds": [each.kind for each in seen],
            "warehouse_ids": [each.warehouse_id for each in seen],
            "product_ids": [each.product_id for each in seen],
            "documents": [each.document for each in seen],
            "expected": [each.expected for each in seen],
            "actual": [each.actual for each in seen],
            "as_of": step.as_of,
            "begun_at": step.begun_at,
            "workflow_id": activity.info().workflow_id or "",
            "run_id": step.seen_by,
        },
    )
    kept = {(row.kind, row.warehouse_id, row.product_id, row.document): row for row in rows}
    return [
        FindingState(finding_id=row.finding_id, is_new=row.is_new, **each._asdict())
        for each in seen
        if (row := kept[each.key]).status == "OPEN"
    ]
