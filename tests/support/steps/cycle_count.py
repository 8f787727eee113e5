"""Calls a count's activities on PostgreSQL, without Temporal around them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import date, datetime
from typing import Any, TypeVar, Unpack

from sqlalchemy import Engine

from activities.cycle_count import CycleCountSteps
from activities.cycle_count_plan import CycleCountPlanSteps
from database.sessions import Database
from stockkeeper.contracts.cycle_count import (
    DEFAULT_COUNTING,
    ApproveCountStep,
    CancelCountStep,
    CountedLine,
    CountPolicy,
    OpenCountStep,
    RecordCountStep,
    ReviewCountStep,
    StoredCount,
    StoredCountLine,
)
from stockkeeper.contracts.cycle_count_plan import CountDays, FindCountDaysStep, PlanCountStep, PlannedCount
from stockkeeper.domain.cycle_count import RootCause
from stockkeeper.domain.lot import LotFacts
from stockkeeper.domain.stock import ItemKey
from tests.support.cycle_count import Line
from tests.support.cycle_count_rows import last_count
from tests.support.shop import new_reference
from tests.support.steps.activity import NOON, run_activity
from tests.support.steps.document import DocumentCalls, Papers, When

R = TypeVar("R")


class CountCalls(DocumentCalls):
    """A count's side of the activities."""

    prefix = "cycle-count-"
    number_field = "count_number"

    def __init__(self, database: Database, policy: CountPolicy = DEFAULT_COUNTING, *, run_id: str = "run") -> None:
        super().__init__(run_id)
        self._steps = CycleCountSteps(database, policy)

    def open(
        self,
        number: str,
        warehouse_id: int,
        *product_ids: int,
        requested_by: str = "rita",
        **when: Unpack[When],
    ) -> StoredCount:
        start = {
            "warehouse_id": warehouse_id,
            "product_ids": list(product_ids),
            "requested_by": requested_by,
        }
        return self._start(self._steps.open_count, OpenCountStep, number, "open", requested_by, when, **start)

    def opened(self, *items: ItemKey, as_of: datetime = NOON) -> str:
        """The number of a new count of these items, all of which are in the warehouse of the first."""
        number = new_reference("cc")
        self.open(number, items[0].warehouse_id, *(item.product_id for item in items), as_of=as_of)
        return number

    def record(
        self,
        number: str,
        item: ItemKey,
        counted: int,
        by: str = "ann",
        root_cause: RootCause | None = None,
        lot: LotFacts | None = None,
        **when: Unpack[When],
    ) -> CountedLine:
        activity, step = self._steps.record_count, RecordCountStep
        found = {"product_id": item.product_id, "counted_quantity": counted, "root_cause": root_cause}
        found |= {} if lot is None else asdict(lot)
        return self._command(activity, step, number, "record", by, when, **found)

    def approve(
        self,
        number: str,
        item: ItemKey,
        by: str = "cid",
        root_cause: RootCause = RootCause.DAMAGE,
        lot_number: str | None = None,
        **when: Unpack[When],
    ) -> CountedLine:
        activity, step = self._steps.approve_count, ApproveCountStep
        line = {"product_id": item.product_id, "root_cause": root_cause, "lot_number": lot_number}
        return self._command(activity, step, number, "approve_variance", by, when, **line)

    def review(
        self, number: str, item: ItemKey, by: str = "cid", lot_number: str | None = None, **when: Unpack[When]
    ) -> CountedLine:
        activity, step = self._steps.review_count, ReviewCountStep
        line = {"product_id": item.product_id, "lot_number": lot_number}
        return self._command(activity, step, number, "review", by, when, **line)

    def cancel(self, number: str, reason: str = "the day is over", **when: Unpack[When]) -> StoredCount:
        return self._command(self._steps.cancel_count, CancelCountStep, number, "cancel", "rita", when, reason=reason)


def _planning(step: str, as_of: datetime) -> dict[str, Any]:
    """The fields of every step of a planning run."""
    return {"operation_id": f"{new_reference('plan')}/{step}", "performed_by": "cycle-count-plan", "as_of": as_of}


class CountPlanning:
    """A planning run's side of the activities."""

    def __init__(self, database: Database, policy: CountPolicy = DEFAULT_COUNTING) -> None:
        self._steps = CycleCountPlanSteps(database, policy)

    def days(
        self, as_of: datetime, warehouse_id: int | None = None, *, from_hour: int | None = None, after: int = 0
    ) -> CountDays:
        """Where it is time to count."""
        step = FindCountDaysStep(
            **_planning("days", as_of), warehouse_id=warehouse_id, from_hour=from_hour, after_warehouse_id=after
        )
        return run_activity("find_count_days", self._steps.find_count_days, step)

    def plan(self, warehouse_id: int, day: date, *, as_of: datetime = NOON) -> PlannedCount:
        """What is due there on this day."""
        step = PlanCountStep(**_planning("plan", as_of), warehouse_id=warehouse_id, day=day)
        return run_activity("plan_count", self._steps.plan_count, step)


def line_of(line: StoredCountLine) -> Line:
    """A line of an answer, as states have it."""
    return Line(*(getattr(line, name) for name in Line._fields))


def lines_of(count: StoredCount) -> list[Line]:
    """The lines of an answer."""
    return [line_of(line) for line in count.lines]


_PAPERS = Papers(
    {
        "count": "SELECT * FROM cycle_counts WHERE count_number = :number",
        **{
            table: f"""
            SELECT {table}.* FROM {table} JOIN cycle_counts USING (count_id)
            WHERE count_number = :number ORDER BY 1, 2, 3
        """
            for table in ("cycle_count_lines", "cycle_count_entries")
        },
        "ledger": "SELECT * FROM stock_movements WHERE reference_id = :number ORDER BY movement_id",
    }
)


papers = _PAPERS.of
"""Every row that a count has: its own, its lines', each time that somebody counted, and the ledger's."""


@contextmanager
def count_stays(engine: Engine, number: str, *items: ItemKey) -> Iterator[None]:
    """Whatever happens inside changes neither the count, nor the books, nor when the items were counted."""
    counted = [last_count(engine, item) for item in items]
    with _PAPERS.stay(engine, number, *items):
        yield
    assert [last_count(engine, item) for item in items] == counted
