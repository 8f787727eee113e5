"""Lots that expire, on the wire: a run that gives their holders other lots and tells of them, and its step."""

from datetime import date
from typing import Protocol

from pydantic import BaseModel, Field
from temporalio import activity

from stockkeeper.contracts.lot_questions import EXPIRING_WITHIN_DAYS, DaysAhead
from stockkeeper.contracts.messages import GaveWay, Id, Notes, Start, State, Step, StockAnswer
from stockkeeper.contracts.notice import Notices
from stockkeeper.contracts.process import ProcessSpec
from stockkeeper.domain import permission
from stockkeeper.domain.lot_expiry import Expiry as Expiry  # noqa: PLC0414 - part of the contract
from stockkeeper.domain.lot_expiry import LotExpiryStatus as LotExpiryStatus  # noqa: PLC0414 - part of the contract

WORKFLOW_TYPE = "LotExpiryWorkflow"
PERFORMED_BY = "lot-expiry"
SCHEDULE = "lot-expiry-hourly"
NOTICE_DAYS = EXPIRING_WITHIN_DAYS
"""Days left at which a lot is told ahead, unless the settings say otherwise."""
ITEMS_A_PAGE = 50
"""Items that one transaction locks, all in one warehouse."""
LOTS_TOLD = 200
"""Lots that have expired, and lots that soon will, that an answer and a notice name; all are counted."""
LOTS_SHOWN = 500


class LotExpiryRequest(Start):
    """Start of a `LotExpiryWorkflow`: holds on lots that have expired get others, and lots that will are told."""

    warehouse_id: Id | None = Field(default=None, description="Only this warehouse. Null: all warehouses.")
    within_days: DaysAhead | None = Field(
        default=None, description="Tell lots that have so many days left, or fewer. Null: as the settings say."
    )

    @property
    def summary(self) -> str:
        """The line that an operator reads beside its run."""
        return "lots that expire"


class ExpiringLotState(State):
    """A lot in one warehouse of which is told that it has expired, or soon will."""

    product_id: int
    sku: str
    warehouse_id: int
    warehouse: str
    lot_number: str
    expiry: Expiry
    expires_on: date | None
    best_before: date | None
    days_left: int = Field(description="Days until its last day; below zero: it is over.")
    quantity_on_hand: int


class LotExpiryState(State):
    """State of a run: the answer to the query ``state``, and the workflow's result."""

    status: LotExpiryStatus = LotExpiryStatus.RUNNING
    warehouse_id: int | None = None
    lots_expired: int = Field(default=0, description="Lots of which was told that they have expired.")
    lots_expiring: int = Field(default=0, description="Lots of which was told that they soon will.")
    units_given_up: int = Field(default=0, description="Units of expired lots that holds had to give up.")
    gave_way: list[GaveWay] = Field(
        default_factory=list, description="Holds for which no other lot was free; the latest hundred."
    )
    lots: list[ExpiringLotState] = Field(
        default_factory=list, description="These lots; the latest 500, of a step at most 200 of each kind."
    )
    notices: Notices = Field(default_factory=list)
    notes: Notes = Field(default_factory=list)


class ItemPlace(BaseModel):
    """An item's place in the order in which a run goes through them."""

    warehouse_id: int = 0
    product_id: int = 0


class PassLotsStep(Step):
    """Take the next items with lots that expire: exchange what is held of them, and tell of them."""

    warehouse_id: int | None
    within_days: int | None
    after: ItemPlace = ItemPlace()


class LotsPassed(StockAnswer):
    """The answer for one page of items, which are in one warehouse.

    However many lots an item has, the answer stays far below the 2 MiB that Temporal takes.

    Attributes:
        lots_expired: Lots of which is told for the first time that they have expired.
        lots_expiring: Lots of which is told for the first time that they soon will.
        lots: The first 200 of each of the two.
        units_given_up: Units of expired lots that were held, and aren't any more.
        after: The last item of the page; None: there are no more.
    """

    lots_expired: int = 0
    lots_expiring: int = 0
    lots: list[ExpiringLotState] = Field(default_factory=list)
    units_given_up: int = 0
    after: ItemPlace | None = None


class LotExpiryActivities(Protocol):
    """Activities of the workflow for lots that expire. Implemented in `activities.lot_expiry`."""

    @activity.defn(name="pass_lots")
    def pass_lots(self, step: PassLotsStep) -> LotsPassed:
        """Exchange what is held of expired lots, and tell of lots that have expired or soon will."""
        ...


PROCESS = ProcessSpec(
    name="lot expiry",
    workflow_type=WORKFLOW_TYPE,
    start=LotExpiryRequest,
    state=LotExpiryState,
    activities=LotExpiryActivities,
    needs={
        permission.START: permission.COUNT,
    },
    workflow_id=f"{SCHEDULE} of the schedule, or any",
)
