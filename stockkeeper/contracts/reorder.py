"""Reordering on the wire: a run that orders items below their reorder point, and its steps in the database."""

from decimal import Decimal
from typing import Protocol

from pydantic import BaseModel, Field
from temporalio import activity

from stockkeeper.contracts.messages import Day, Id, Money, Notes, Start, State, Step, Timestamp
from stockkeeper.contracts.notice import Notices
from stockkeeper.contracts.process import ProcessSpec
from stockkeeper.contracts.purchase_order_state import PurchaseOrderRequest
from stockkeeper.domain import permission
from stockkeeper.domain.reorder import ReorderStatus as ReorderStatus  # noqa: PLC0414 - part of the contract

WORKFLOW_TYPE = "ReorderWorkflow"
REQUESTED_BY = "reorder"
"""Requester of the orders that a reorder run drafts, and so never their approver."""
AT_ONCE = "reorder-at-once"
"""Workflow id of the run that begins when an item falls below its reorder point."""
LOOK = "look"
"""Signal that makes this run look for items below their reorder point (again)."""
SCHEDULE = "reorder-hourly"
LINES_AN_ORDER = 1_000
GROUPS_A_LOOK = 1_000
GROUPS_WAITING_SHOWN = 200
SKIPPED_SHOWN = 1_000
COVERED_SHOWN = 500
ORDERS_SHOWN_AN_ITEM = 5
ORDERS_SHOWN = 200
LINES_SHOWN = 2_000
"""Lines of all orders together: Temporal refuses a result of more than 2 MiB, and a line may have half a kilobyte."""


class ReorderRequest(Start):
    """Start of a `ReorderWorkflow`: order items below their reorder point."""

    warehouse_id: Id | None = Field(default=None, description="Only this warehouse. Null: all warehouses.")
    dry_run: bool = Field(default=False, description="Only show what would be ordered, and why.")

    @property
    def summary(self) -> str:
        """The line that an operator reads beside its run."""
        return "dry run of a reorder" if self.dry_run else "reorder of items below their reorder point"


class ReorderLine(State):
    """One line of an order, or of a dry run."""

    product_id: int
    qty: int
    unit_cost: Money
    note: str = Field(description="Reason in numbers.")


class ReorderedState(State):
    """One purchase order that was drafted; in a dry run one that would be, without a number."""

    po_number: str | None
    supplier_id: int
    warehouse_id: int
    line_items: list[ReorderLine] = Field(description=f"Its lines; of all orders together the first {LINES_SHOWN}.")
    items: int = Field(default=0, description="Number of its lines.")
    total: Money = Decimal(0)


class SkippedState(State):
    """One item that a run can't order, or can't plan, with the reason."""

    product_id: int
    warehouse_id: int
    reason: str


class WaitingState(State):
    """Items below their reorder point whose supplier takes orders on other weekdays: they are ordered then."""

    supplier_id: int
    supplier: str
    warehouse_id: int
    warehouse: str
    items: int
    review_days: str = Field(description="Weekdays on which orders go out to this supplier, such as `tue,fri`.")
    order_on: Day = Field(description="The next of them, in the warehouse's timezone.")


class CoveringOrder(State):
    """One open purchase order that covers an item."""

    po_number: str
    quantity: int = Field(description="Units of the item that it still owes.")
    expected_delivery_date: Day | None = Field(default=None, description="A day in the warehouse's timezone.")


class CoveringTransfer(State):
    """One transfer that brings units of an item."""

    transfer_number: str
    quantity: int = Field(description="Units of the item in transit.")
    due_at: Timestamp | None = Field(default=None, description="The instant from which it is overdue.")


class CoveredState(State):
    """One item below its reorder point that is covered: by which orders and transfers, how many units, and when."""

    product_id: int
    warehouse_id: int
    quantity_available: int
    reorder_point: int
    quantity_to_expire: int = Field(
        default=0,
        exclude_if=lambda units: not units,
        description="Of the available units, those that are expected to expire before they can be sold; absent: none.",
    )
    purchase_orders: list[CoveringOrder] = Field(
        default_factory=list, description=f"The earliest first; at most {ORDERS_SHOWN_AN_ITEM}."
    )
    transfers: list[CoveringTransfer] = Field(
        default_factory=list, description=f"The earliest first; at most {ORDERS_SHOWN_AN_ITEM}."
    )


def covered_by(item: CoveredState) -> str:
    """The orders and transfers that cover an item, in words."""
    orders = [
        f"{each.quantity} on {each.po_number}"
        + ("" if each.expected_delivery_date is None else f", expected {each.expected_delivery_date}")
        for each in item.purchase_orders
    ]
    transfers = [
        f"{each.quantity} on transfer {each.transfer_number}"
        + ("" if each.due_at is None else f", due {each.due_at:%Y-%m-%d %H:%M} UTC")
        for each in item.transfers
    ]
    return "; ".join([*orders, *transfers])


class ReorderState(State):
    """State of a reorder run: the answer to the query ``state``, and the workflow's result."""

    status: ReorderStatus = ReorderStatus.RUNNING
    warehouse_id: int | None = None
    dry_run: bool = False
    items_below: int = Field(default=0, description="Items whose available units are below their reorder point.")
    items_covered: int = Field(
        default=0,
        description="Of these, items that open orders cover in time and in sufficient number, or transfers in transit.",
    )
    covered: list[CoveredState] = Field(
        default_factory=list, description=f"By which orders and transfers; the first {COVERED_SHOWN} items."
    )
    purchase_orders: list[ReorderedState] = Field(
        default_factory=list, description=f"Orders that were drafted; the latest {ORDERS_SHOWN}."
    )
    orders_drafted: int = Field(default=0, description="Their number.")
    skipped: list[SkippedState] = Field(
        default_factory=list, description=f"Items that a person has to order; the first {SKIPPED_SHOWN}."
    )
    items_skipped: int = Field(default=0, description="Their number.")
    waiting: list[WaitingState] = Field(
        default_factory=list,
        description="Items that wait for their supplier's next review day, by supplier and warehouse; the first "
        f"{GROUPS_WAITING_SHOWN}.",
    )
    items_waiting: int = Field(default=0, description="Number of these items.")
    notices: Notices = Field(default_factory=list)
    notes: Notes = Field(default_factory=list)


class FindBelow(BaseModel):
    """Find the items below their reorder point, and whether open orders cover them on the day of ``as_of``."""

    warehouse_id: int | None
    as_of: Timestamp | None = Field(default=None, description="Null, of runs of an earlier version: no order is late.")


class Group(BaseModel):
    """The items that one supplier delivers to one warehouse."""

    supplier_id: int
    supplier: str
    warehouse_id: int
    warehouse: str
    items: int


class Below(BaseModel):
    """The items below their reorder point: number, suppliers to order from, and items that can't be ordered."""

    items_below: int
    items_covered: int
    groups: list[Group]
    more_groups: bool = Field(default=False, description="Whether there are more groups.")
    skipped: list[SkippedState]
    items_skipped: int
    covered: list[CoveredState] = Field(default_factory=list)
    waiting: list[WaitingState] = Field(default_factory=list)
    items_waiting: int = 0


class DraftReorderStep(Step):
    """Draft one order for the items that one supplier delivers to one warehouse; ``dry_run``: only compute it."""

    supplier_id: int
    warehouse_id: int
    dry_run: bool
    after_product_id: int = Field(default=0, description="In a dry run, the last product of the order before.")


class DraftedReorder(BaseModel):
    """The drafted order.

    Attributes:
        order: The start of its workflow; None: nothing needed ordering any more.
        more: Whether more has to be ordered from this supplier for this warehouse.
    """

    order: PurchaseOrderRequest | None
    more: bool


class FindUnstarted(BaseModel):
    """Find the next draft of a reorder run, after this one, without a workflow."""

    after_po_id: int = 0


class Unstarted(BaseModel):
    """The start of its workflow; None: there is none. One at a time, because an order may be large."""

    po_id: int = 0
    order: PurchaseOrderRequest | None = None


class AskForReorder(BaseModel):
    """Request a reorder run, because an item fell below its reorder point."""


class ReorderActivities(Protocol):
    """Activities of a reorder run. Implemented in `activities.reorder`."""

    @activity.defn(name="ask_for_reorder")
    async def ask_for_reorder(self, question: AskForReorder) -> None:
        """Request an immediate reorder run; requests at the same time share one."""
        ...

    @activity.defn(name="find_below")
    def find_below(self, question: FindBelow) -> Below:
        """Items below their reorder point, by supplier and warehouse."""
        ...

    @activity.defn(name="draft_reorder")
    def draft_reorder(self, step: DraftReorderStep) -> DraftedReorder:
        """Draft one order, or compute it only."""
        ...

    @activity.defn(name="find_unstarted")
    def find_unstarted(self, question: FindUnstarted) -> Unstarted:
        """A draft without a workflow."""
        ...


PROCESS = ProcessSpec(
    name="reorder",
    workflow_type=WORKFLOW_TYPE,
    start=ReorderRequest,
    state=ReorderState,
    activities=ReorderActivities,
    needs={
        permission.START: permission.BUY,
    },
    workflow_id=f"{SCHEDULE} of the schedule, {AT_ONCE}, or any",
)
