"""Questions about counts: variances that wait for a decision, and the accuracy of the books."""

from datetime import date
from typing import Protocol

from pydantic import BaseModel, Field
from temporalio import activity

from stockkeeper.contracts.giving_way import PromiseState
from stockkeeper.contracts.messages import Day, Message, Page, Timestamp
from stockkeeper.contracts.stock import Name
from stockkeeper.domain.cycle_count import RootCause

VARIANCES_AT_ONCE = 100
ACCURACIES_AT_ONCE = 500


class ShowVariances(Message):
    """Variances that wait for a second count or an approval, ordered by count, SKU and lot.

    It is for approvers: it has the system quantities, which a counter must not see.
    """

    warehouse: Name | None = None
    count_number: Name | None = None
    after: tuple[str, str] | None = Field(
        default=None, description="Count and SKU of the last line seen: with all lots of that product. See after_line."
    )
    after_line: tuple[str, str, str] | None = Field(
        default=None,
        description="Count, SKU and lot of the last line seen; the lot is empty where there is none.",
        exclude_if=lambda line: line is None,
    )


class Variance(BaseModel):
    """A count beyond tolerance, in units."""

    count_number: str
    warehouse_id: int
    warehouse: str
    product_id: int
    sku: str
    name: str
    lot_number: str | None = Field(
        default=None,
        description="The lot, or the serial number. Left out: the product isn't tracked.",
        exclude_if=lambda number: number is None,
    )
    expires_on: date | None = Field(
        default=None, description="The lot's last day, if it is known.", exclude_if=lambda day: day is None
    )
    counted_by: str
    counted_at: Timestamp
    counted_quantity: int
    system_quantity: int
    delta: int
    root_cause: RootCause | None
    would_end: list[PromiseState] = Field(
        default_factory=list, description="Holds that an approval would end, at most a hundred of would_end_total."
    )
    would_end_total: int = 0


class Variances(Page):
    """One page."""

    variances: list[Variance]


class ShowAccuracy(Message):
    """How accurate counts were, by warehouse, month and class; a month is the warehouse's own."""

    warehouse: Name | None = None
    since: Day | None = Field(default=None, description="First day of posting that counts.")
    after: tuple[str, str, str] | None = Field(default=None, description="Warehouse, month and class last seen.")


class Accuracy(BaseModel):
    """How accurate the books were in one warehouse, month and class.

    Attributes:
        warehouse_id: Id of the warehouse.
        warehouse: Its name.
        month: Such as ``2026-11``.
        count_class: A, B or C; ``-`` for what was counted without a class.
        counted: Lines that were counted and posted.
        accurate: Of these, those whose first count was within tolerance.
        units_counted: Units on the shelf.
        units_system: Units in the books.
        units_off: Units by which the books differed, in both directions.
    """

    warehouse_id: int
    warehouse: str
    month: str
    count_class: str
    counted: int
    accurate: int
    units_counted: int
    units_system: int
    units_off: int


class Accuracies(Page):
    """One page."""

    accuracies: list[Accuracy]


class CountQuestionActivities(Protocol):
    """Questions about counts. Implemented in `activities.count_questions`."""

    @activity.defn(name="show_variances")
    def show_variances(self, question: ShowVariances) -> Variances:
        """Variances that wait for a decision, with their numbers."""
        ...

    @activity.defn(name="show_accuracy")
    def show_accuracy(self, question: ShowAccuracy) -> Accuracies:
        """Accuracy of the books."""
        ...
