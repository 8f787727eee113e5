"""Calls an adjustment's activities on PostgreSQL, without Temporal around them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from sqlalchemy import Engine, text

from activities.adjustment import AdjustmentSteps
from database.sessions import Database
from stockkeeper.contracts.adjustment import (
    DEFAULT_ADJUSTMENT,
    AdjustmentLine,
    AdjustmentPolicy,
    EndAdjustmentStep,
    EndEvent,
    PostAdjustmentStep,
    StoredAdjustment,
    SubmitAdjustmentStep,
)
from stockkeeper.domain.adjustment import AdjustmentEvent
from stockkeeper.domain.stock import ItemKey
from tests.support.adjustment import priced
from tests.support.books import nothing_changes
from tests.support.shop import Shop, new_reference
from tests.support.steps.activity import NOON, run_activity

WHY: dict[AdjustmentEvent, str] = {
    AdjustmentEvent.REJECT: "count again",
    AdjustmentEvent.CANCEL: "found them",
    AdjustmentEvent.LAPSE: "not approved in time",
}
"""Why it ends without being posted."""


class AdjustmentCalls:
    """An adjustment's side of the activities.

    Each command has an operation of its own, unless a test repeats one on purpose.
    """

    def __init__(
        self, database: Database, *, policy: AdjustmentPolicy = DEFAULT_ADJUSTMENT, run_id: str = "run"
    ) -> None:
        self._run_id = run_id
        self._steps = AdjustmentSteps(database, policy=policy)

    def submit(
        self,
        number: str,
        *lines: tuple[ItemKey, int],
        warehouse_id: int | None = None,
        reason: str = "broken in the rain",
        requested_by: str = "tom",
        as_of: datetime = NOON,
        operation: str | None = None,
    ) -> StoredAdjustment:
        """All items are in the warehouse of the first."""
        step = SubmitAdjustmentStep(
            operation_id=operation or f"adjustment-{number}/submit",
            performed_by=requested_by,
            as_of=as_of,
            adjustment_number=number,
            warehouse_id=warehouse_id or lines[0][0].warehouse_id,
            lines=[AdjustmentLine(product_id=item.product_id, quantity=units) for item, units in lines],
            reason=reason,
            requested_by=requested_by,
        )
        return self._run("submit_adjustment", self._steps.submit_adjustment, step)

    def submitted(self, *lines: tuple[ItemKey, int], **other: Any) -> str:
        """The number of a new adjustment, POSTED or PENDING by what it is worth."""
        number = new_reference("a")
        self.submit(number, *lines, **other)
        return number

    def approve(
        self,
        number: str,
        approver: str = "ann",
        note: str | None = "fine",
        *,
        as_of: datetime = NOON,
        operation: str | None = None,
    ) -> StoredAdjustment:
        step = PostAdjustmentStep(
            operation_id=_operation(number, "approve", operation),
            performed_by=approver,
            as_of=as_of,
            adjustment_number=number,
            note=note,
        )
        return self._run("post_adjustment", self._steps.post_adjustment, step)

    def end(
        self, number: str, event: EndEvent, *, as_of: datetime = NOON, operation: str | None = None
    ) -> StoredAdjustment:
        step = EndAdjustmentStep(
            operation_id=_operation(number, event, operation),
            performed_by="ann",
            as_of=as_of,
            adjustment_number=number,
            event=event,
            reason=WHY[event],
        )
        return self._run("end_adjustment", self._steps.end_adjustment, step)

    def _run(self, name: str, activity: Callable[[Any], StoredAdjustment], step: Any) -> StoredAdjustment:
        return run_activity(name, activity, step, run_id=self._run_id)


def _operation(number: str, command: str, key: str | None) -> str:
    return f"adjustment-{number}/{command}/{key or new_reference(command)}"


def dear_item(shop: Shop, units: int = 12, *, warehouse: int | None = None) -> ItemKey:
    """An item of which one unit is worth the whole limit, so that two of them need an approval."""
    return shop.item(units, product=priced(shop, "500.00"), warehouse=warehouse)


_PAPERS = {
    "adjustment": "SELECT * FROM adjustments WHERE adjustment_number = :number",
    "lines": """
        SELECT adjustment_lines.* FROM adjustment_lines JOIN adjustments USING (adjustment_id)
        WHERE adjustment_number = :number ORDER BY line_number
    """,
    "ledger": "SELECT * FROM stock_movements WHERE reference_id = :number ORDER BY movement_id",
}


def papers(engine: Engine, number: str) -> dict[str, list[tuple[Any, ...]]]:
    """Every row that an adjustment has: its own, its lines', and those of the ledger."""
    with engine.connect() as connection:
        return {
            name: [tuple(row) for row in connection.execute(text(query), {"number": number})]
            for name, query in _PAPERS.items()
        }


@contextmanager
def adjustment_stays(engine: Engine, number: str, *items: ItemKey) -> Iterator[None]:
    """Whatever happens inside changes neither the adjustment nor the books."""
    before = papers(engine, number)
    with nothing_changes(engine, *items):
        yield
    assert papers(engine, number) == before
