"""The recall on the wire: start, commands, state, and the steps of its workflow in the database."""

from datetime import date
from typing import ClassVar, Protocol, TypedDict

from pydantic import AwareDatetime, Field
from temporalio import activity

from stockkeeper.contracts.messages import (
    Actor,
    GaveWay,
    Id,
    LotNumber,
    Message,
    Notes,
    Reason,
    ReasonedCommand,
    Reference,
    Start,
    State,
    Step,
    StockAnswer,
    Timestamp,
)
from stockkeeper.contracts.notice import Notices
from stockkeeper.contracts.process import Command, ProcessSpec
from stockkeeper.domain.lot import LotFacts
from stockkeeper.domain.permission import START, Needs, Role
from stockkeeper.domain.recall import RECALL, LotFigures
from stockkeeper.domain.recall import RecallStatus as RecallStatus  # noqa: PLC0414 - part of the contract
from stockkeeper.domain.stock_audit import FindingKind

WORKFLOW_TYPE = "RecallWorkflow"
ORDERS_TOLD_AT_ONCE = 1_000
"""Movements out of the lot that one step looks through for orders to tell."""


class RecallRequest(Start):
    """Start of a `RecallWorkflow`: stop this lot in every warehouse, and find out where its units are."""

    recall_number: Reference = Field(description="Number of the recall, also part of the workflow id.")
    product_id: Id
    lot_number: LotNumber
    reason: Reason
    performed_by: Actor

    @property
    def summary(self) -> str:
        """The line that an operator reads beside its run."""
        return f"recall {self.recall_number}: lot {self.lot_number}, {self.reason}"


class ReleaseRecall(ReasonedCommand):
    """Command ``release``: another person says that the lot may leave again."""


class CloseRecall(ReasonedCommand):
    """Command ``close``: nothing more is expected back, and the report is final. The lot stays blocked."""


RELEASE = Command("release", ReleaseRecall)
CLOSE = Command("close", CloseRecall)


class StoppedState(State):
    """Units of the lot in one warehouse when it was blocked."""

    warehouse_id: int
    warehouse: str
    quantity_on_hand: int
    quantity_held: int = Field(description="Of these, units that orders and transfers had to give up.")


class RecalledTransit(State):
    """Units of the lot that were on their way when it was blocked: they arrive, and stay blocked."""

    transfer_number: str
    from_warehouse_id: int
    to_warehouse_id: int
    quantity: int


class RecalledOrder(State):
    """An order that has got units of the lot."""

    reference_id: str
    quantity: int


class LotFiguresState(State):
    """What has become of the units of a lot, over all warehouses.

    received - sent_back + found - lost - sold + returned = on_hand + in_transit + damaged + written_off
    """

    received: int = Field(default=0, description="Units that came from suppliers.")
    sent_back: int = Field(default=0, description="Units that went back to them, or whose receipt was taken back.")
    found: int = Field(default=0, description="Units put in by adjustments and counts; opening stock among them.")
    lost: int = Field(default=0, description="Units taken off by adjustments and counts; scrapped ones among them.")
    sold: int = Field(default=0, description="Units that orders have got.")
    returned: int = Field(default=0, description="Units that customers have brought back into stock.")
    on_hand: int = 0
    in_transit: int = 0
    damaged: int = Field(default=0, description="Units that arrived damaged, and entered no stock.")
    written_off: int = Field(default=0, description="Units that were lost between two warehouses.")
    returned_unfit: int = Field(
        default=0, description="Units that customers have brought back and that were scrapped: they entered no stock."
    )
    difference: int = Field(default=0, description="Units that are nowhere; 0: it adds up.")
    orders: int = Field(default=0, description="Orders that have got units.")

    @property
    def as_figures(self) -> LotFigures:
        """The figures as the domain has them."""
        return LotFigures.of(self.model_dump())

    @classmethod
    def of(cls, figures: LotFigures, orders: int) -> "LotFiguresState":
        """The domain's figures, as a state shows them."""
        own = {name: getattr(figures, name) for name in LotFigures.__dataclass_fields__}
        return cls(**own, difference=figures.difference, orders=orders)


class RecallLineState(State):
    """The lot."""

    product_id: int
    lot_number: str
    expires_on: date | None = None


class RecallState(State):
    """State of a recall: the answer to every command, to the query ``state``, and the workflow's result."""

    recall_id: int | None = Field(default=None, description="Null until the recall is stored.")
    recall_number: str = ""
    product_id: int | None = None
    lot_number: str = ""
    status: RecallStatus = RecallStatus.BLOCKED
    reason: str = ""
    requested_by: str = ""
    lines: list[RecallLineState] = Field(default_factory=list, description="The lot, as the only line.")
    databases: list[str] = Field(
        default_factory=list, description="Other databases where it is blocked, by their task queues."
    )
    warehouse_ids: list[int] = Field(default_factory=list, description="Warehouses that had units of it.")
    stopped: list[StoppedState] = Field(default_factory=list, description="What was stopped in each warehouse.")
    in_transit: list[RecalledTransit] = Field(default_factory=list)
    gave_way: list[GaveWay] = Field(
        default_factory=list, description="Holds that ended, because no other lot was free; the latest hundred."
    )
    orders: list[RecalledOrder] = Field(
        default_factory=list, description="Orders that have got units of it; the first hundred of orders_total."
    )
    orders_total: int = 0
    figures: LotFiguresState | None = Field(
        default=None, description="What has become of its units, at the latest look. Null: not looked yet."
    )
    looked_at: Timestamp | None = Field(default=None, description="When that was.")
    released_by: str | None = None
    closed_reason: str | None = Field(default=None, description="Why it was released, or closed.")
    notices: Notices = Field(default_factory=list)
    notes: Notes = Field(default_factory=list)


class Facts(State):
    """What is known of a lot."""

    expires_on: date | None = None
    best_before: date | None = None
    made_on: date | None = None

    def of(self, lot_number: str) -> LotFacts:
        """The facts as the domain has them."""
        return LotFacts(lot_number, self.expires_on, self.best_before, self.made_on)


class FindLot(Message):
    """What a database knows of a lot."""

    product_id: int
    lot_number: str


class LotKnown(State):
    """What a database knows of a lot.

    Attributes:
        facts: Its dates; None: nothing is known.
        others: The task queues of the other databases, which may know it as well.
    """

    facts: Facts | None
    others: list[str]


class RecallStep(Step):
    """A step of one recall."""

    recall_number: str


class StepOnLot(RecallStep):
    """A step of one recall on its lot."""

    product_id: int
    lot_number: str
    reason: str


class BlockLotStep(StepOnLot):
    """Store the recall, and block its lot.

    Attributes:
        facts: What another database knows of the lot, if this one knows nothing of it.
    """

    not_compared: ClassVar[frozenset[str]] = Step.not_compared | {"facts"}

    facts: Facts | None = None


class BlockElsewhereStep(BlockLotStep):
    """Block the lot in a database that hasn't got the recall."""


class ReleaseElsewhereStep(StepOnLot):
    """Release the lot in a database that hasn't got the recall."""


class TellOrdersStep(StepOnLot):
    """Tell a page of orders that they have got units of the lot.

    Attributes:
        after: The place of the last movement of the page before: warehouse, instant, movement; None: the first page.
    """

    after: tuple[int, AwareDatetime, int] | None = None


class TrackRecallStep(RecallStep):
    """Look what has become of the lot's units.

    Attributes:
        elsewhere: The figures of the other databases.
        stopped: What was stopped there.
        in_transit: What was on its way from there.
        orders: The first orders that have got units, if they have been looked up.
    """

    not_compared: ClassVar[frozenset[str]] = Step.not_compared | {"elsewhere", "stopped", "in_transit", "orders"}

    elsewhere: LotFiguresState
    stopped: list[StoppedState] = Field(default_factory=list)
    in_transit: list[RecalledTransit] = Field(default_factory=list)
    orders: list[RecalledOrder] | None = None


class ReleaseRecallStep(TrackRecallStep):
    """Release the lot, and end the recall."""

    reason: str


class CloseRecallStep(TrackRecallStep):
    """End the recall with its report."""

    reason: str


class StoredRecallLine(RecallLineState):
    """The lot with its SKU."""

    sku: str


class StoredRecall(StockAnswer):
    """A recall as stored: the answer to every step."""

    recall_id: int
    recall_number: str
    status: RecallStatus
    reason: str
    requested_by: str
    requested_at: AwareDatetime
    warehouse_ids: list[int]
    stopped: list[StoppedState]
    in_transit: list[RecalledTransit]
    orders: list[RecalledOrder]
    orders_total: int
    figures: LotFiguresState | None
    looked_at: AwareDatetime | None
    released_by: str | None
    closed_reason: str | None
    lines: list[StoredRecallLine]
    started_by_another_run: bool = False

    @property
    def lot(self) -> StoredRecallLine:
        """Its lot."""
        return self.lines[0]


class LotStopped(StockAnswer):
    """What was stopped in a database that hasn't got the recall."""

    stopped: list[StoppedState] = Field(default_factory=list)
    in_transit: list[RecalledTransit] = Field(default_factory=list)


class OrdersTold(State):
    """The orders of a page, each with the units of its movements there.

    Attributes:
        after: The place of the last movement; None: there are no more.
    """

    orders: list[RecalledOrder]
    after: tuple[int, AwareDatetime, int] | None = None


class RecallMemo(TypedDict):
    """Memo of a recall's run: the fields that a list of runs shows beside the search attributes.

    ``orders`` is the number of orders that have got units.
    """

    lot_number: str
    reason: str
    requested_by: str
    orders: int


def memo(recall: StoredRecall) -> RecallMemo:
    """The run's memo."""
    return RecallMemo(
        lot_number=recall.lot.lot_number,
        reason=recall.reason,
        requested_by=recall.requested_by,
        orders=recall.orders_total,
    )


class RecallActivities(Protocol):
    """Activities of a recall's workflow. Implemented in `activities.recall`."""

    @activity.defn(name="find_lot")
    def find_lot(self, question: FindLot) -> LotKnown:
        """What this database knows of a lot, and which others there are."""
        ...

    @activity.defn(name="block_lot")
    def block_lot(self, step: BlockLotStep) -> StoredRecall:
        """Store the recall, and block its lot."""
        ...

    @activity.defn(name="block_lot_elsewhere")
    def block_lot_elsewhere(self, step: BlockElsewhereStep) -> LotStopped:
        """Block the lot in another database."""
        ...

    @activity.defn(name="tell_orders")
    def tell_orders(self, step: TellOrdersStep) -> OrdersTold:
        """Tell a page of orders that they have got units of the lot."""
        ...

    @activity.defn(name="show_lot_figures")
    def show_lot_figures(self, question: FindLot) -> LotFiguresState:
        """What has become of the lot's units in this database."""
        ...

    @activity.defn(name="track_recall")
    def track_recall(self, step: TrackRecallStep) -> StoredRecall:
        """Look what has become of the lot's units in all of them."""
        ...

    @activity.defn(name="release_recall")
    def release_recall(self, step: ReleaseRecallStep) -> StoredRecall:
        """Release the lot, and end the recall."""
        ...

    @activity.defn(name="release_lot_elsewhere")
    def release_lot_elsewhere(self, step: ReleaseElsewhereStep) -> LotStopped:
        """Release the lot in another database."""
        ...

    @activity.defn(name="close_recall")
    def close_recall(self, step: CloseRecallStep) -> StoredRecall:
        """End the recall with its report."""
        ...


# Whoever handles goods may stop them: it is better to stop too much than too late.
_STOPS = Needs((Role.RECEIVE, Role.COUNT, Role.ADMINISTER), at="")

PROCESS = ProcessSpec(
    name="recall",
    workflow_type=WORKFLOW_TYPE,
    start=RecallRequest,
    state=RecallState,
    activities=RecallActivities,
    commands=(RELEASE, CLOSE),
    needs={START: _STOPS, RELEASE.name: Needs((Role.APPROVE,), at=""), CLOSE.name: _STOPS},
    workflow_id="recall-{recall_number}",
    answer="blocked",
    memo=RecallMemo,
    stored=True,
    table=RECALL,
    finding=FindingKind.RECALL_DOES_NOT_ADD_UP,
    audited_since="audit-recall",
)
