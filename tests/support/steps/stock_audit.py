"""Calls an audit's activities on PostgreSQL, without Temporal around them."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Literal, NamedTuple

from sqlalchemy import Engine, text

from activities.audit_findings import AuditFindings
from activities.stock_audit import StockAuditSteps
from database.sessions import Database
from stockkeeper.contracts.audit_findings import DecideFindingStep, FindingShown, ShowFindings
from stockkeeper.contracts.messages import MAX_ID
from stockkeeper.contracts.processes import AUDITED
from stockkeeper.contracts.stock_audit import (
    AuditDocumentsStep,
    AuditedPage,
    AuditHoldsStep,
    AuditItemsStep,
    CheckHoldsStep,
    CheckRunsStep,
    CloseAuditStep,
    FindingState,
    FindingStatus,
    ForgetOperationsStep,
    ForgottenOperations,
    HoldingNothing,
    OpenHolds,
    StillHolding,
)
from stockkeeper.domain.stock import ItemKey
from tests.support.audit_tampering import Tampered
from tests.support.shop import new_reference
from tests.support.steps.activity import MINUTE, NOON, run_activity

DOCUMENTS = tuple(AUDITED)


class Off(NamedTuple):
    """What a finding says."""

    kind: str
    item: ItemKey | None
    expected: int
    actual: int
    document: str = ""


def off(finding: FindingState) -> Off:
    """The same of an answer."""
    item = ItemKey(finding.warehouse_id, finding.product_id) if finding.warehouse_id and finding.product_id else None
    return Off(finding.kind, item, finding.expected, finding.actual, finding.document)


class Auditing:
    """An audit's side of the activities; each step comes a minute after the one before.

    Args:
        database: Where.
        warehouse_id: Only there, because everything else belongs to other tests.
        run: Which run it is.
        since: When it begins.
    """

    def __init__(
        self, database: Database, warehouse_id: int | None, *, run: str | None = None, since: datetime = NOON
    ) -> None:
        self._steps = StockAuditSteps(database)
        self._warehouse_id = warehouse_id
        self.run = run or new_reference("run")
        self.begun_at = self.as_of = since

    def items(self, after: tuple[int, int] | None = None, *, as_of: datetime | None = None) -> AuditedPage:
        answer: AuditedPage = self._page("audit_items", self._steps.audit_items, AuditItemsStep, as_of, after=after)
        return answer

    def all_items(self) -> list[AuditedPage]:
        """Page by page."""
        pages = [self.items()]
        while pages[-1].after_item is not None:
            pages.append(self.items(pages[-1].after_item))
        return pages

    def documents(self, kind: str, after: int = 0) -> AuditedPage:
        answer: AuditedPage = self._page(
            "audit_documents", self._steps.audit_documents, AuditDocumentsStep, None, kind=kind, after=after
        )
        return answer

    def all_documents(self, kind: str, after: int = 0) -> list[AuditedPage]:
        """Page by page."""
        pages = [self.documents(kind, after)]
        while pages[-1].after_document is not None:
            pages.append(self.documents(kind, pages[-1].after_document))
        return pages

    def found(self) -> list[FindingState]:
        """What doesn't agree, of items and of documents."""
        pages = [*self.all_items(), *(page for kind in DOCUMENTS for page in self.all_documents(kind))]
        return [finding for page in pages for finding in page.findings]

    def holds(self, after: tuple[int, int, int] = (0, 0, 0)) -> OpenHolds:
        answer: OpenHolds = self._page(
            "find_open_holds", self._steps.find_open_holds, AuditHoldsStep, None, after=after
        )
        return answer

    def check_holds(
        self,
        *workflow_ids: str,
        keep: bool = True,
        after: tuple[int, int, int] = (0, 0, 0),
        through: tuple[int, int, int] | None = None,
    ) -> StillHolding:
        answer: StillHolding = self._page(
            "check_holds",
            self._steps.check_holds,
            CheckHoldsStep,
            None,
            workflow_ids=list(workflow_ids),
            keep=keep,
            after=after,
            through=through or (MAX_ID, MAX_ID, MAX_ID),
        )
        return answer

    def check_runs(self, *references: str, keep: bool = True) -> HoldingNothing:
        answer: HoldingNothing = self._page(
            "check_runs", self._steps.check_runs, CheckRunsStep, None, references=list(references), keep=keep
        )
        return answer

    def close(self) -> int:
        """How many are gone."""
        return int(self._page("close_audit", self._steps.close_audit, CloseAuditStep, None).gone)

    def forget(self, before: datetime) -> ForgottenOperations:
        step = ForgetOperationsStep(
            operation_id=f"stock-audit-{self.run}/forget", performed_by="stock-audit", as_of=self.as_of, before=before
        )
        return run_activity("forget_operations", self._steps.forget_operations, step)

    def _page(
        self, name: str, activity: Callable[[Any], Any], model: type[Any], as_of: datetime | None, **fields: Any
    ) -> Any:
        self.as_of += MINUTE
        step = model(
            operation_id=f"stock-audit-{self.run}/{name}",
            performed_by="stock-audit",
            as_of=as_of or self.as_of,
            warehouse_id=self._warehouse_id,
            seen_by=self.run,
            begun_at=self.begun_at,
            **fields,
        )
        return run_activity(name, activity, step, run_id=self.run)


class Deciding:
    """A person who looks at findings."""

    def __init__(self, database: Database) -> None:
        self._findings = AuditFindings(database)

    def decide(
        self,
        finding: FindingState | int,
        decision: Literal["repair", "accept"],
        *,
        performed_by: str = "ann",
        reason: str = "I looked",
        operation: str | None = None,
    ) -> FindingShown:
        step = DecideFindingStep(
            operation_id=operation or f"audit/{new_reference('decision')}",
            performed_by=performed_by,
            as_of=NOON,
            finding_id=finding if isinstance(finding, int) else finding.finding_id,
            decision=decision,
            reason=reason,
        )
        return run_activity("decide_finding", self._findings.decide_finding, step)

    def repair(self, finding: FindingState | int, **other: Any) -> FindingShown:
        return self.decide(finding, "repair", **other)

    def accept(self, finding: FindingState | int, **other: Any) -> FindingShown:
        return self.decide(finding, "accept", **other)

    def shown(self, status: FindingStatus | None = None) -> list[list[FindingShown]]:
        """What was found, page by page."""
        pages, question = [], ShowFindings(status=status)
        while True:
            page = self._findings.show_findings(question)
            pages.append(page.findings)
            if not page.more:
                return pages
            question = question.model_copy(update={"before": page.findings[-1].finding_id})

    def show(self, finding: FindingState) -> FindingShown:
        """One of them, as it is now."""
        [shown] = [each for page in self.shown() for each in page if each.finding_id == finding.finding_id]
        return shown


OF_ITEM = "WHERE (warehouse_id, product_id) = (:warehouse_id, :product_id)"


def set_item(tampered: Tampered, item: ItemKey, **values: int) -> None:
    """Give the item's row other units, past all rules."""
    changes = ", ".join(f"quantity_{name} = {units}" for name, units in values.items())
    tampered.tamper(f"UPDATE inventory_items SET {changes} {OF_ITEM}", **item._asdict())


def level(tampered: Tampered, item: ItemKey) -> tuple[int, int]:
    """Units on hand, and of these the units reserved."""
    query = text(f"SELECT quantity_on_hand, quantity_reserved FROM inventory_items {OF_ITEM}")
    row = tampered.connection.execute(query, item._asdict()).one()
    return int(row[0]), int(row[1])


def one(findings: Sequence[FindingState]) -> FindingState:
    """The only one."""
    [only] = findings
    return only


def findings_of(engine: Engine, warehouse_id: int) -> list[tuple[Any, ...]]:
    """Every row of what was found there."""
    with engine.connect() as connection:
        query = text("SELECT * FROM audit_findings WHERE warehouse_id = :warehouse_id ORDER BY finding_id")
        return [tuple(row) for row in connection.execute(query, {"warehouse_id": warehouse_id})]


@contextmanager
def nothing_is_found(engine: Engine, warehouse_id: int) -> Iterator[None]:
    """Whatever happens inside leaves the findings of this warehouse as they were."""
    before = findings_of(engine, warehouse_id)
    yield
    assert findings_of(engine, warehouse_id) == before
