"""The audit on the wire: a run that proves that the books agree, and its steps in the database and in Temporal."""

from typing import Protocol

from pydantic import BaseModel, Field
from temporalio import activity

from stockkeeper.contracts.messages import Id, Notes, Start, State, Step, Timestamp
from stockkeeper.contracts.notice import Notices
from stockkeeper.contracts.process import ProcessSpec
from stockkeeper.domain import permission
from stockkeeper.domain.stock_audit import REPAIRABLE
from stockkeeper.domain.stock_audit import AuditStatus as AuditStatus  # noqa: PLC0414 - part of the contract
from stockkeeper.domain.stock_audit import FindingKind as FindingKind  # noqa: PLC0414 - part of the contract
from stockkeeper.domain.stock_audit import FindingStatus as FindingStatus  # noqa: PLC0414 - part of the contract

WORKFLOW_TYPE = "StockAuditWorkflow"
SCHEDULE = "stock-audit-nightly"
AUDITED_BY = "stock-audit"
ITEMS_A_PAGE = 2_000
DOCUMENTS_A_PAGE = 2_000
HOLDS_A_PAGE = 200
RUNS_A_PAGE = 200
FINDINGS_SHOWN = 500
OPERATIONS_A_PAGE = 20_000


class StockAuditRequest(Start):
    """Start of a `StockAuditWorkflow`: prove that the books agree, and report every difference as a finding."""

    warehouse_id: Id | None = Field(default=None, description="Only this warehouse. Null: all warehouses.")

    @property
    def summary(self) -> str:
        """The line that an operator reads beside its run."""
        return "an audit"


class FindingState(State):
    """A difference in the books: the expected and the actual number, in units."""

    finding_id: int
    product_id: int | None
    warehouse_id: int | None
    kind: FindingKind
    expected: int
    actual: int
    document: str = Field(default="", description="The order, transfer, hold or movement; empty: the item itself.")
    is_new: bool = Field(default=True, description="Whether this audit is the first to find it.")

    @property
    def is_repairable(self) -> bool:
        """Whether it can be repaired without changing the ledger's past."""
        return self.kind in REPAIRABLE


class StockAuditState(State):
    """State of an audit: the answer to the query ``state``, and the workflow's result."""

    status: AuditStatus = AuditStatus.RUNNING
    warehouse_id: int | None = None
    items_checked: int = 0
    documents_checked: int = 0
    holds_checked: int = 0
    runs_checked: int = 0
    findings: list[FindingState] = Field(default_factory=list, description="Findings; the first 500.")
    findings_in_all: int = 0
    findings_new: int = Field(default=0, description="Findings that no audit before has reported.")
    findings_gone: int = Field(default=0, description="Findings of earlier audits that no longer exist.")
    operations_forgotten: int = Field(
        default=0, description="Operations that were deleted because no repeat can be that old."
    )
    notices: Notices = Field(default_factory=list)
    notes: Notes = Field(default_factory=list)


class AuditStep(Step):
    """A part of an audit.

    Attributes:
        warehouse_id: Only there; None: everywhere.
        seen_by: The run of the audit.
        begun_at: When the run began: findings first seen after it are new, and those not seen since are gone.
    """

    warehouse_id: int | None
    seen_by: str
    begun_at: Timestamp


class AuditItemsStep(AuditStep):
    """The items after this one."""

    after: tuple[int, int] | None = None


class AuditDocumentsStep(AuditStep):
    """The documents of one kind after this one."""

    kind: str
    after: int = 0


class AuditHoldsStep(AuditStep):
    """The open holds after this one: warehouse, product and reservation."""

    after: tuple[int, int, int] = (0, 0, 0)


class KeptFindings(BaseModel):
    """Findings of a part of an audit."""

    findings: list[FindingState] = Field(default_factory=list, description="The first 500, new ones first.")
    found: int = Field(default=0, description="Number of findings in all.")
    found_new: int = Field(default=0, description="Findings that no audit before has reported.")


class AuditedPage(KeptFindings):
    """One page: number of rows checked, findings, and the start of the next page (None: there is none)."""

    checked: int
    after_item: tuple[int, int] | None = None
    after_document: int | None = None


class OpenHolds(BaseModel):
    """One page of open holds: their number, their workflows, and the start of the next page, if there is one."""

    checked: int
    workflow_ids: list[str]
    after: tuple[int, int, int] | None


class FindRunning(BaseModel):
    """Find the workflows among these that have no running execution.

    Attributes:
        workflow_ids: Ids of the workflows.
        by_list: Whether Temporal's list is enough. It may still have a run that ended some moments ago; without it
            each workflow is asked.
    """

    workflow_ids: list[str]
    by_list: bool = True


class FoundRunning(BaseModel):
    """Workflow ids without a running execution."""

    not_running: list[str]


class FindHolders(BaseModel):
    """Find the reservations that run and whose status says that they hold stock, page by page."""

    next_page: str | None = None


class FoundHolders(BaseModel):
    """One page of their references.

    Attributes:
        references: Of orders whose lines this database keeps, all of them.
        in_parts: Of orders with lines in several databases, whose run is on this one's task queue.
        elsewhere: The task queues of the other databases, which may hold the lines of those.
        next_page: Where the next page begins; None: this was the last.
    """

    references: list[str]
    in_parts: list[str] = []
    elsewhere: list[str] = []
    next_page: str | None


class CheckHoldsStep(AuditStep):
    """Find the holds of these workflows, which aren't running, and store them as findings if asked to.

    Attributes:
        workflow_ids: Ids of the workflows.
        keep: Whether to store findings.
        after: Of the holds after this one ...
        through: ... up to this one: those of one page.
    """

    workflow_ids: list[str]
    keep: bool
    after: tuple[int, int, int]
    through: tuple[int, int, int]


class StillHolding(KeptFindings):
    """The workflows for which stock is held; as findings if they are stored."""

    workflow_ids: list[str]


class CheckRunsStep(AuditStep):
    """Find the references that hold nothing, and store them as findings if asked to."""

    references: list[str]
    keep: bool


class HoldingNothing(KeptFindings):
    """The references that hold nothing; as findings if they are stored."""

    references: list[str]


class CloseAuditStep(AuditStep):
    """Close the findings that no audit has seen since this run began."""


class ClosedAudit(BaseModel):
    """Number of closed findings."""

    gone: int


class ForgetOperationsStep(Step):
    """Delete operations from before this instant, a part at a time."""

    before: Timestamp


class ForgottenOperations(BaseModel):
    """Number of deleted operations, and whether there are more."""

    forgotten: int
    more: bool


class AskRetention(BaseModel):
    """Ask for how long Temporal keeps a run after its end."""


class Retention(BaseModel):
    """The retention in seconds; None: Temporal doesn't say."""

    seconds: float | None


class RunActivities(Protocol):
    """Activities of an audit in Temporal. Implemented in `activities.runs`."""

    @activity.defn(name="find_running")
    async def find_running(self, question: FindRunning) -> FoundRunning:
        """Find the workflows that aren't running."""
        ...

    @activity.defn(name="find_holders")
    async def find_holders(self, question: FindHolders) -> FoundHolders:
        """Find the reservations whose status says that they hold stock."""
        ...

    @activity.defn(name="ask_retention")
    async def ask_retention(self, question: AskRetention) -> Retention:
        """Ask for the retention of runs."""
        ...


class StockAuditActivities(Protocol):
    """Activities of an audit in the database. Implemented in `activities.stock_audit`."""

    @activity.defn(name="audit_items")
    def audit_items(self, step: AuditItemsStep) -> AuditedPage:
        """Check items against the ledger and the holds."""
        ...

    @activity.defn(name="audit_documents")
    def audit_documents(self, step: AuditDocumentsStep) -> AuditedPage:
        """Check documents against the ledger."""
        ...

    @activity.defn(name="find_open_holds")
    def find_open_holds(self, step: AuditHoldsStep) -> OpenHolds:
        """Find the open holds."""
        ...

    @activity.defn(name="check_holds")
    def check_holds(self, step: CheckHoldsStep) -> StillHolding:
        """Find the holds of workflows that aren't running."""
        ...

    @activity.defn(name="check_runs")
    def check_runs(self, step: CheckRunsStep) -> HoldingNothing:
        """Find the reservations that hold nothing."""
        ...

    @activity.defn(name="close_audit")
    def close_audit(self, step: CloseAuditStep) -> ClosedAudit:
        """Close the findings that no longer exist."""
        ...

    @activity.defn(name="forget_operations")
    def forget_operations(self, step: ForgetOperationsStep) -> ForgottenOperations:
        """Delete operations that are too old to be repeated."""
        ...


PROCESS = ProcessSpec(
    name="stock audit",
    workflow_type=WORKFLOW_TYPE,
    start=StockAuditRequest,
    state=StockAuditState,
    activities=StockAuditActivities,
    needs={
        permission.START: permission.Needs((permission.Role.ADMINISTER,)),
    },
    workflow_id=f"{SCHEDULE} of the schedule, or any",
)
