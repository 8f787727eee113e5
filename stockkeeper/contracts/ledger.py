"""Questions to the ledger: levels at an instant, movements of an item, their course over time, and the export."""

from datetime import date
from typing import Annotated, Protocol

from pydantic import AwareDatetime, BaseModel, Field
from temporalio import activity

from stockkeeper.contracts.messages import MAX_ID, Id, Message, Page, Timestamp
from stockkeeper.contracts.stock import ItemLevel, ItemsQuestion, Name

LEVELS_A_PAGE = 2_000
MOVEMENTS_AT_ONCE = 500
MOVEMENTS_A_PAGE = 5_000
BYTES_A_PAGE = 1_000_000
"""A payload may have two million, and quotes count twice in it: reasons can be long."""
POINTS_OF_A_COURSE = 2_000


def _is_left_out(value: object) -> bool:
    return value is None


class ShowStockAt(ItemsQuestion):
    """On hand at an instant: of one product, in one warehouse, or everywhere; page by page."""

    as_of: Timestamp


class ShowLotsAt(Message):
    """The same by lot: of tracked products a line for each lot, of others one for each item.

    Lots and items of which nothing was there are left out.
    """

    product: Name | None = None
    warehouse: Name | None = None
    as_of: Timestamp
    after: tuple[str, str, str] | None = Field(
        default=None, description="SKU, warehouse and lot number of the last line seen; ``''`` where it has no lot."
    )


class LevelThen(ItemLevel):
    """Level of one item at an instant, in units."""

    moved_at: Timestamp = Field(description="Instant of the movement that left this balance.")


class LevelsThen(Page):
    """Levels of one page; an item that had no movement yet is left out."""

    levels: list[LevelThen]


class LotThen(LevelThen):
    """Units of one lot at an instant; of an item that isn't tracked all of them."""

    lot_number: str | None
    expires_on: date | None = Field(description="The last day of that lot.")


class LotsThen(Page):
    """Lots of one page."""

    lots: list[LotThen]


class ShowHistory(Message):
    """An item's movements, the latest first; page by page."""

    product: Name
    warehouse: Name
    since: Timestamp | None = None
    until: Timestamp | None = None
    before: tuple[AwareDatetime, int] | None = Field(
        default=None, description="Instant and movement_id of the last line seen."
    )
    limit: Annotated[int, Field(gt=0, le=MOVEMENTS_AT_ONCE, description="Movements on this page at most.")] = (
        MOVEMENTS_AT_ONCE
    )


class Movement(BaseModel):
    """One movement of the ledger: units, person, reason and workflow run."""

    movement_id: int
    created_at: Timestamp
    movement_type: str
    quantity: int
    balance_after: int
    reference_id: str
    performed_by: str
    reason: str
    workflow_id: str
    run_id: str
    occurred_at: Timestamp | None = Field(
        default=None,
        exclude_if=_is_left_out,
        description="When the goods moved, if that was before it was booked; without it: at ``created_at``.",
    )
    lot_number: str | None = Field(
        default=None,
        exclude_if=_is_left_out,
        description="The lot of these units; left out: it isn't tracked.",
    )
    lot_balance_after: int | None = Field(
        default=None, exclude_if=_is_left_out, description="On hand of that lot after it, in this warehouse."
    )


class History(Page):
    """One page."""

    movements: list[Movement]


class ShowCourse(Message):
    """Course of an item between two instants, in a number of steps of equal length."""

    product: Name
    warehouse: Name
    since: Timestamp
    until: Timestamp
    steps: Annotated[int, Field(ge=1, le=POINTS_OF_A_COURSE)] = 90


class CoursePoint(BaseModel):
    """One step of the course, in units.

    Attributes:
        at: End of the step.
        on_hand: On hand at the end of the step.
        lowest: The least that was on hand within the step; None: nothing had ever moved by its end.
        reserved: Reserved at the end of the step.
        reorder_point: Reorder point at the end of the step; None: there was none.
        received: Units that came in within the step: purchases, transfers and returns.
        left: Units that went out within the step: sales and transfers.
    """

    at: Timestamp
    on_hand: int
    lowest: int | None
    reserved: int
    reorder_point: int | None
    received: int
    left: int


class Course(BaseModel):
    """The whole course."""

    sku: str
    name: str
    warehouse: str
    points: list[CoursePoint]


class ExportMovements(Message):
    """Export of the ledger, in the order in which it was written; page by page."""

    product: Name | None = None
    warehouse: Name | None = None
    since: Timestamp | None = None
    until: Timestamp | None = None
    effective_time: bool = Field(
        default=False, description="With a column occurred_at: when the goods moved, and not when it was booked."
    )
    after_movement_id: Annotated[int, Field(ge=0, le=MAX_ID)] = 0
    through_movement_id: Id | None = Field(
        default=None, description="Last movement of the export; null: the latest one now."
    )


class MovementsPage(BaseModel):
    """One page of a file.

    Attributes:
        rows: Lines of CSV, without the line break.
        after_movement_id: Last movement of this page, from which the next page goes on; None: there is none.
        through_movement_id: Last movement of the file, whatever is written meanwhile.
        expected: Estimated number of rows in all, for a progress bar.
    """

    rows: list[str]
    after_movement_id: int | None
    through_movement_id: int
    expected: int


MOVEMENT_COLUMNS = (
    *("movement_id", "created_at", "sku", "warehouse", "movement_type", "quantity", "balance_after"),
    *("reference_id", "performed_by", "reason", "operation_id", "workflow_id", "run_id"),
)
"""The first columns of the file."""
EFFECTIVE_COLUMN = "occurred_at"
"""The next column of the file, if it is asked for."""
LOT_COLUMN = "lot_number"
"""Its last column; empty where the product isn't tracked."""


class LedgerActivities(Protocol):
    """Questions to the ledger. Implemented in `activities.ledger`."""

    @activity.defn(name="show_stock_at")
    def show_stock_at(self, question: ShowStockAt) -> LevelsThen:
        """Levels at an instant."""
        ...

    @activity.defn(name="show_lots_at")
    def show_lots_at(self, question: ShowLotsAt) -> LotsThen:
        """Lots at an instant."""
        ...

    @activity.defn(name="show_history")
    def show_history(self, question: ShowHistory) -> History:
        """Movements of an item."""
        ...

    @activity.defn(name="show_course")
    def show_course(self, question: ShowCourse) -> Course:
        """Course of an item."""
        ...

    @activity.defn(name="export_movements")
    def export_movements(self, question: ExportMovements) -> MovementsPage:
        """One page of the export."""
        ...
