"""The audit's activities: compare in snapshots, page by page, and keep the differences as findings.

Comparing locks and writes nothing; the findings are kept in a transaction of their own. The queries stand in
`database.stock_audit_queries`, the rules of each kind of document in `database.audit_rules`.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import NamedTuple

from sqlalchemy import Connection
from temporalio import activity

from activities.catalogue import require_warehouse
from activities.writes import database_errors, operation_of
from database import stock_audit_lots, stock_audit_queries
from database.audit_findings import close_unseen, keep
from database.operations import forget
from database.sessions import Database
from database.stock_audit import Difference, DocumentRule, ask
from database.stock_audit_queries import of_document, of_item, without_document
from stockkeeper.contracts.processes import AUDITED
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

_BROKEN_OF_AN_ITEM = 10
"""Movements of one item that are reported at once: of a history that is wrong throughout, the first ones."""


def _rules(kind: str) -> Sequence[DocumentRule]:
    rules: Sequence[DocumentRule] = import_module(f"database.audit_rules.{kind}").RULES
    return rules


def _booked() -> dict[str, list[str]]:
    """Which movements belong to which documents, by type; where documents share a type, by the workflow's id too."""
    of = [(process, movement_type) for process in AUDITED.values() for movement_type in sorted(process.movement_types)]
    types = [movement_type for _, movement_type in of]
    return {
        "kinds": [process.kind for process, _ in of],
        "names": [process.name for process, _ in of],
        "types": [str(each) for each in types],
        "prefixes": [
            process.workflow_id.partition("{")[0] if types.count(movement_type) > 1 else ""
            for process, movement_type in of
        ],
    }


class _Kept(NamedTuple):
    """The part of an answer about findings: some of them, and how many there are."""

    findings: list[FindingState]
    found: int
    found_new: int


class StockAuditSteps(StockAuditActivities):
    """`StockAuditActivities` on PostgreSQL; decisions about findings stand in `activities.audit_findings`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @activity.defn(name="audit_items", no_thread_cancel_exception=True)
    def audit_items(self, step: AuditItemsStep) -> AuditedPage:
        """Compare a page of items with their movements, documents and holds, all in one snapshot.

        The first page of an audit of everything also looks for operations without a result. Locks nothing of the
        stock. Operation: none; a difference that is seen twice is one finding.

        Raises:
            UnknownWarehouse: The warehouse doesn't exist.
        """
        after = step.after or (0, 0)
        place = {"after_warehouse_id": after[0], "after_product_id": after[1]}
        page = place | {"warehouse_id": step.warehouse_id, "most": ITEMS_A_PAGE}
        with self._snapshot() as connection:
            if step.warehouse_id is not None:
                require_warehouse(connection, step.warehouse_id)
            rows = ask(connection, stock_audit_queries.ITEMS, page | {"most_broken": _BROKEN_OF_AN_ITEM})
            through = {f"last_{name}": rows[-1][name] for name in ("warehouse_id", "product_id")} if rows else {}
            of_page = page | through
            lots = ask(connection, stock_audit_lots.LOTS, of_page) if rows else []
            lines = ask(connection, stock_audit_lots.LINES, of_page) if rows else []
            undocumented = ask(connection, stock_audit_queries.UNDOCUMENTED, of_page | _booked()) if rows else []
            is_first = step.warehouse_id is None and step.after is None
            unfinished = ask(connection, stock_audit_queries.UNFINISHED, {"most": FINDINGS_SHOWN}) if is_first else []
        last = rows[-1] if len(rows) == ITEMS_A_PAGE else None
        differences = [
            *(each for row in rows for each in of_item(row)),
            *stock_audit_lots.of_lots(lots, lines),
            *(without_document(row, several=len(AUDITED[row["kind"]].movement_types) > 1) for row in undocumented),
            *(
                Difference(FindingKind.OPERATION_WITHOUT_RESULT, None, None, 1, 0, f"operation {row['operation_id']}")
                for row in unfinished
            ),
        ]
        return AuditedPage(
            checked=len(rows),
            **self._keep(step, differences)._asdict(),
            after_item=(last["warehouse_id"], last["product_id"]) if last else None,
        )

    @activity.defn(name="audit_documents", no_thread_cancel_exception=True)
    def audit_documents(self, step: AuditDocumentsStep) -> AuditedPage:
        """Compare a page of documents with their movements, and with the rules for their kind, in one snapshot.

        Locks nothing of the stock. Operation: none.
        """
        process = AUDITED[step.kind]
        asked = {
            "kind": step.kind,
            "after": step.after,
            "warehouse_id": step.warehouse_id,
            "types": sorted(process.movement_types),
            "most": DOCUMENTS_A_PAGE,
        }
        with self._snapshot() as connection:
            rows = ask(connection, stock_audit_queries.DOCUMENTS, asked)
            documents = list(dict.fromkeys(row["id"] for row in rows))
            several = len(process.movement_types) > 1
            differences = [
                of_document(process.finding, process.name, row, several=several)
                for row in rows
                if row["product_id"] is not None and process.finding is not None
            ]
            if documents:
                for rule in _rules(step.kind):
                    differences += rule.broken(connection, process.name, step.after, documents[-1], step.warehouse_id)
        return AuditedPage(
            checked=len(documents),
            **self._keep(step, differences)._asdict(),
            after_document=documents[-1] if len(documents) == DOCUMENTS_A_PAGE else None,
        )

    @activity.defn(name="find_open_holds", no_thread_cancel_exception=True)
    def find_open_holds(self, step: AuditHoldsStep) -> OpenHolds:
        """A page of open holds, and the workflows that they are held for."""
        warehouse, product, reservation = step.after
        place = {"warehouse": warehouse, "product": product, "reservation": reservation}
        with self._snapshot() as connection:
            rows = ask(
                connection, stock_audit_queries.HOLDS, place | {"warehouse_id": step.warehouse_id, "most": HOLDS_A_PAGE}
            )
        last = rows[-1] if len(rows) == HOLDS_A_PAGE else None
        return OpenHolds(
            checked=len(rows),
            workflow_ids=list(dict.fromkeys(row["workflow_id"] for row in rows)),
            after=(last["warehouse_id"], last["product_id"], last["reservation_id"]) if last else None,
        )

    @activity.defn(name="check_holds", no_thread_cancel_exception=True)
    def check_holds(self, step: CheckHoldsStep) -> StillHolding:
        """A page's holds for these workflows, which aren't running; kept as findings if the step asks for it."""
        asked = {
            "workflow_ids": step.workflow_ids,
            "warehouse_id": step.warehouse_id,
            **dict(zip(("after_warehouse", "after_product", "after_reservation"), step.after, strict=True)),
            **dict(zip(("last_warehouse", "last_product", "last_reservation"), step.through, strict=True)),
        }
        with self._snapshot() as connection:
            rows = ask(connection, stock_audit_queries.STILL_HELD, asked)
        held = FindingKind.HOLD_WITHOUT_RUN
        differences = [
            Difference(held, row["warehouse_id"], row["product_id"], 0, int(row["units"]), row["document"])
            for row in rows
        ]
        return StillHolding(
            workflow_ids=list(dict.fromkeys(row["workflow_id"] for row in rows)),
            **self._keep(step, differences if step.keep else [])._asdict(),
        )

    @activity.defn(name="check_runs", no_thread_cancel_exception=True)
    def check_runs(self, step: CheckRunsStep) -> HoldingNothing:
        """The orders among these that hold nothing; kept as findings if the step asks for it."""
        with self._snapshot() as connection:
            rows = ask(connection, stock_audit_queries.HOLDING, {"references": step.references})
        holding = {row["reference_id"] for row in rows}
        without = [reference for reference in step.references if reference not in holding]
        differences = [
            Difference(FindingKind.RUN_WITHOUT_HOLD, None, None, 1, 0, f"order {reference}") for reference in without
        ]
        return HoldingNothing(references=without, **self._keep(step, differences if step.keep else [])._asdict())

    @activity.defn(name="close_audit", no_thread_cancel_exception=True)
    def close_audit(self, step: CloseAuditStep) -> ClosedAudit:
        """Close the findings that no audit has seen since this one began."""
        with database_errors(), self._database.transaction() as connection:
            gone = close_unseen(
                connection,
                operation_of(step),
                begun_at=step.begun_at,
                warehouse_id=step.warehouse_id,
                as_of=step.as_of,
            )
        return ClosedAudit(gone=gone)

    @activity.defn(name="forget_operations", no_thread_cancel_exception=True)
    def forget_operations(self, step: ForgetOperationsStep) -> ForgottenOperations:
        """Delete some operations that are older than any repeat can be."""
        with database_errors(), self._database.transaction() as connection:
            forgotten = forget(connection, before=step.before, most=OPERATIONS_A_PAGE)
        return ForgottenOperations(forgotten=forgotten, more=forgotten == OPERATIONS_A_PAGE)

    @contextmanager
    def _snapshot(self) -> Iterator[Connection]:
        """One instant of everything that is compared."""
        with database_errors(), self._database.snapshot() as connection:
            yield connection

    def _keep(self, step: AuditStep, differences: Sequence[Difference]) -> _Kept:
        """Keep the differences as findings, and answer the open ones, new ones first."""
        seen = list({each.key: each for each in differences}.values())
        if not seen:
            return _Kept([], 0, 0)
        with database_errors(), self._database.transaction() as connection:
            kept = keep(
                connection,
                operation_of(step),
                seen,
                as_of=step.as_of,
                begun_at=step.begun_at,
                run_id=step.seen_by,
            )
        found = [FindingState(finding_id=number, is_new=is_new, **each._asdict()) for number, is_new, each in kept]
        found.sort(key=lambda finding: not finding.is_new)
        return _Kept(found[:FINDINGS_SHOWN], len(found), sum(finding.is_new for finding in found))
