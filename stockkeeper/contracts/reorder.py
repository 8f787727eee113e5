"""Reordering on the wire: a run that orders what is below its point, and what it asks of the database."""

from decimal import Decimal
from typing import Protocol

from pydantic import BaseModel, Field
from temporalio import activity

from stockkeeper.contracts.messages import Id, Message, Money, State, Step
from stockkeeper.contracts.notice import NoticeState
from stockkeeper.contracts.process import ProcessSpec
from stockkeeper.contracts.purchase_order import PurchaseOrderRequest
from stockkeeper.domain.reorder import ReorderStatus as ReorderStatus  # noqa: PLC0414 - part of the contract

WORKFLOW_TYPE = "ReorderWorkflow"
REQUESTED_BY = "reorder"
"""Who asks for what a reorder run drafts; whoever approves it is somebody else."""
AT_ONCE = "reorder-at-once"
"""The workflow id of the run that begins when an item falls below its point."""
LOOK = "look"
"""The signal that tells it to look (again)."""
SCHEDULE = "reorder-hourly"
LINES_AN_ORDER = 1_000
GROUPS_A_LOOK = 1_000
SKIPPED_SHOWN = 1_000
ORDERS_SHOWN = 200
LINES_SHOWN = 2_000
"""Of all orders together: Temporal refuses a result of more than 2 MiB, and a line may have half a kilobyte."""


class ReorderRequest(Message):
    """Start of a `ReorderWorkflow`: order what is below its point."""

    warehouse_id: Id | None = Field(default=None, description="Only there. Null: everywhere.")
    dry_run: bool = Field(default=False, description="Only say what would be ordered, and why.")


class ReorderLine(State):
    """One line of what is ordered, or would be."""

    product_id: int
    qty: int
    unit_cost: Money
    note: str = Field(description="Why, in numbers.")


class ReorderedState(State):
    """One purchase order that was drafted; in a dry run, one that would be, without a number."""

    po_number: str | None
    supplier_id: int
    warehouse_id: int
    line_items: list[ReorderLine] = Field(
        description=f"What is on it. Of all orders together the first {LINES_SHOWN} lines are here."
    )
    items: int = Field(default=0, description="How many lines it has altogether.")
    total: Money = Decimal(0)


class SkippedState(State):
    """One item that is below its point, isn't covered, and can't be ordered."""

    product_id: int
    warehouse_id: int
    reason: str


class ReorderState(State):
    """What a reorder run has done: the answer to the query ``state``, and the workflow's result."""

    status: ReorderStatus = ReorderStatus.RUNNING
    warehouse_id: int | None = None
    dry_run: bool = False
    items_below: int = Field(default=0, description="Items whose available units are below their point.")
    items_covered: int = Field(default=0, description="Of these, what is on order or on its way already.")
    purchase_orders: list[ReorderedState] = Field(
        default_factory=list, description=f"What was drafted; the latest {ORDERS_SHOWN}."
    )
    orders_drafted: int = Field(default=0, description="How many there are altogether.")
    skipped: list[SkippedState] = Field(
        default_factory=list, description=f"What needs a person; the first {SKIPPED_SHOWN}."
    )
    items_skipped: int = Field(default=0, description="How many there are altogether.")
    notices: list[NoticeState] = Field(default_factory=list, description="What was sent to people; the latest hundred.")
    notes: list[str] = Field(
        default_factory=list, description="What was refused, or worth knowing; the latest hundred."
    )


class FindBelow(BaseModel):
    """What is below its point?"""

    warehouse_id: int | None


class Group(BaseModel):
    """Items that one supplier delivers to one warehouse."""

    supplier_id: int
    supplier: str
    warehouse_id: int
    warehouse: str
    items: int


class Below(BaseModel):
    """The answer: how much is below, whom to order it from, and what can't be ordered."""

    items_below: int
    items_covered: int
    groups: list[Group]
    more_groups: bool = Field(default=False, description="There are more groups than these.")
    skipped: list[SkippedState]
    items_skipped: int


class DraftReorderStep(Step):
    """Draft one order for what one supplier delivers to one warehouse; ``dry_run``: only say what it would be."""

    supplier_id: int
    warehouse_id: int
    dry_run: bool
    after_product_id: int = Field(default=0, description="In a dry run, where the last one ended.")


class DraftedReorder(BaseModel):
    """What was drafted.

    Attributes:
        order: The start of its workflow; None: nothing needed ordering any more.
        more: Whether there is more to order of this supplier for this warehouse.
    """

    order: PurchaseOrderRequest | None
    more: bool


class FindUnstarted(BaseModel):
    """Which draft of a reorder run, after this one, has no workflow taken over yet?"""

    after_po_id: int = 0


class Unstarted(BaseModel):
    """The answer: the start of its workflow; None: there is none. One at a time, because an order may be large."""

    po_id: int = 0
    order: PurchaseOrderRequest | None = None


class AskForReorder(BaseModel):
    """An item fell below its point: let somebody look."""


class ReorderActivities(Protocol):
    """What a reorder run asks of the database. Implemented in `activities.reorder`."""

    @activity.defn(name="find_below")
    def find_below(self, question: FindBelow) -> Below:
        """What is below its point, by supplier and warehouse."""
        ...

    @activity.defn(name="draft_reorder")
    def draft_reorder(self, step: DraftReorderStep) -> DraftedReorder:
        """Draft one order, or say what it would be."""
        ...

    @activity.defn(name="find_unstarted")
    def find_unstarted(self, question: FindUnstarted) -> Unstarted:
        """A draft whose workflow was never started."""
        ...

    @activity.defn(name="ask_for_reorder")
    async def ask_for_reorder(self, question: AskForReorder) -> None:
        """Let the run look that serves everybody who asks at once."""
        ...


PROCESS = ProcessSpec(
    kind="reorder",
    name="reorder",
    workflow_type=WORKFLOW_TYPE,
    workflow_id=f"{SCHEDULE} of the schedule, {AT_ONCE}, or any",
    start=ReorderRequest,
    state=ReorderState,
    activities=ReorderActivities,
)
