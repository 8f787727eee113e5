"""The audit on the wire: a run that proves that the books agree, and what it asks of the database and of Temporal."""

from typing import Literal, Protocol

from pydantic import BaseModel, Field
from temporalio import activity

from stockkeeper.contracts.messages import Id, Message, State, Step, Timestamp
from stockkeeper.contracts.notice import NoticeState
from stockkeeper.contracts.process import ProcessSpec
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


class StockAuditRequest(Message):
    """Start of a `StockAuditWorkflow`: prove that the books agree, and name what doesn't."""

    warehouse_id: Id | None = Field(default=None, description="Only there. Null: everywhere.")


class FindingState(State):
    """What doesn't agree: what it ought to be by everything else, and what it is; units."""

    finding_id: int
    product_id: int | None
    warehouse_id: int | None
    kind: FindingKind
    expected: int
    actual: int
    document: str = Field(default="", description="The order, transfer, hold or movement; empty: the item itself.")
    is_new: bool = Field(default=True, description="No audit before has seen it.")


class StockAuditState(State):
    """What an audit has found: the answer to the query ``state``, and the workflow's result."""

    status: AuditStatus = AuditStatus.RUNNING
    warehouse_id: int | None = None
    items_checked: int = 0
    documents_checked: int = 0
    holds_checked: int = 0
    runs_checked: int = 0
    findings: list[FindingState] = Field(default_factory=list, description="What doesn't agree; the first 500.")
    findings_in_all: int = 0
    findings_new: int = Field(default=0, description="How many of them no audit before has seen.")
    findings_gone: int = Field(default=0, description="Findings of earlier audits that are so no longer.")
    operations_forgotten: int = Field(default=0, description="Operations that were older than any repeat can be.")
    notices: list[NoticeState] = Field(default_factory=list, description="What was sent to people; the latest hundred.")
    notes: list[str] = Field(
        default_factory=list, description="What was refused, or worth knowing; the latest hundred."
    )


class AuditStep(Step):
    """A part of an audit.

    Attributes:
        warehouse_id: Only there; None: everywhere.
        seen_by: The run that looks.
        begun_at: When it began: what nobody had seen by then is new, and what nobody has seen since is gone.
    """

    warehouse_id: int | None
    seen_by: str
    begun_at: Timestamp


class AuditItemsStep(AuditStep):
    """The items after this one."""

    after: tuple[int, int] | None = None


class AuditDocumentsStep(AuditStep):
    """The documents of one kind after this one."""

    kind: Literal["purchase_order", "transfer", "cycle_count", "customer_return", "adjustment"]
    after: int = 0


class AuditHoldsStep(AuditStep):
    """The open holds after this one: warehouse, product and reservation."""

    after: tuple[int, int, int] = (0, 0, 0)


class KeptFindings(BaseModel):
    """What was kept of a part of an audit."""

    findings: list[FindingState] = Field(default_factory=list, description="The first 500, new ones first.")
    found: int = Field(default=0, description="How many there are in all.")
    found_new: int = Field(default=0, description="How many of them no audit before has seen.")


class AuditedPage(KeptFindings):
    """What a page has: how much was looked at, what was found, and where the next one begins (None: there is none)."""

    checked: int
    after_item: tuple[int, int] | None = None
    after_document: int | None = None


class OpenHolds(BaseModel):
    """One page of them: how many, the workflows that they are held for, and whether and where the next one begins."""

    checked: int
    workflow_ids: list[str]
    after: tuple[int, int, int] | None


class FindRunning(BaseModel):
    """Which of these workflows are running?

    Attributes:
        workflow_ids: Which.
        by_list: Whether to believe a list that one is. It may still have one that ended some moments ago; without it
            each is asked.
    """

    workflow_ids: list[str]
    by_list: bool = True


class FoundRunning(BaseModel):
    """Those that aren't."""

    not_running: list[str]


class FindHolders(BaseModel):
    """Reservations that run and say that they hold stock, page by page."""

    next_page: str | None = None


class FoundHolders(BaseModel):
    """One page of their references."""

    references: list[str]
    next_page: str | None


class CheckHoldsStep(AuditStep):
    """These workflows aren't running: do they still hold stock, and is that to be kept as findings?

    Attributes:
        workflow_ids: Which.
        keep: Whether it is.
        after: Of the holds after this one ...
        through: ... up to this one: those of one page.
    """

    workflow_ids: list[str]
    keep: bool
    after: tuple[int, int, int]
    through: tuple[int, int, int]


class StillHolding(KeptFindings):
    """Of these workflows, those for which stock is held; as findings if they are kept."""

    workflow_ids: list[str]


class CheckRunsStep(AuditStep):
    """Which of these references hold nothing, and if they are to be kept as findings."""

    references: list[str]
    keep: bool


class HoldingNothing(KeptFindings):
    """Of these references, those that hold nothing; as findings if they are kept."""

    references: list[str]


class CloseAuditStep(AuditStep):
    """Findings that nobody has seen since this run began are so no longer."""


class ClosedAudit(BaseModel):
    """How many."""

    gone: int


class ForgetOperationsStep(Step):
    """Forget operations from before this instant, some at a time."""

    before: Timestamp


class ForgottenOperations(BaseModel):
    """How many, and whether there are more."""

    forgotten: int
    more: bool


class AskRetention(BaseModel):
    """For how long does Temporal keep a run after its end?"""


class Retention(BaseModel):
    """Its answer, in seconds; None: it doesn't say."""

    seconds: float | None


class StockAuditActivities(Protocol):
    """What an audit asks of the database. Implemented in `activities.stock_audit`."""

    @activity.defn(name="audit_items")
    def audit_items(self, step: AuditItemsStep) -> AuditedPage:
        """Do items agree with the ledger and the holds?"""
        ...

    @activity.defn(name="audit_documents")
    def audit_documents(self, step: AuditDocumentsStep) -> AuditedPage:
        """Do documents agree with the ledger?"""
        ...

    @activity.defn(name="find_open_holds")
    def find_open_holds(self, step: AuditHoldsStep) -> OpenHolds:
        """Who holds stock?"""
        ...

    @activity.defn(name="check_holds")
    def check_holds(self, step: CheckHoldsStep) -> StillHolding:
        """Do these still hold stock?"""
        ...

    @activity.defn(name="check_runs")
    def check_runs(self, step: CheckRunsStep) -> HoldingNothing:
        """Which of these hold nothing?"""
        ...

    @activity.defn(name="close_audit")
    def close_audit(self, step: CloseAuditStep) -> ClosedAudit:
        """What isn't so any more."""
        ...

    @activity.defn(name="forget_operations")
    def forget_operations(self, step: ForgetOperationsStep) -> ForgottenOperations:
        """Forget what nobody can repeat any more."""
        ...


class RunActivities(Protocol):
    """What an audit asks of Temporal. Implemented in `activities.runs`."""

    @activity.defn(name="find_running")
    async def find_running(self, question: FindRunning) -> FoundRunning:
        """Which of these aren't running?"""
        ...

    @activity.defn(name="find_holders")
    async def find_holders(self, question: FindHolders) -> FoundHolders:
        """Which reservations say that they hold stock?"""
        ...

    @activity.defn(name="ask_retention")
    async def ask_retention(self, question: AskRetention) -> Retention:
        """How long are runs kept?"""
        ...


PROCESS = ProcessSpec(
    kind="stock_audit",
    name="stock audit",
    workflow_type=WORKFLOW_TYPE,
    workflow_id=f"{SCHEDULE} of the schedule, or any",
    start=StockAuditRequest,
    state=StockAuditState,
    activities=StockAuditActivities,
)
