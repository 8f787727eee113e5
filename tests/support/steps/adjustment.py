"""Calls an adjustment's activities on PostgreSQL, without Temporal around them."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Unpack

from activities.adjustment import AdjustmentSteps
from database.sessions import Database
from stockkeeper.contracts.adjustment import (
    DEFAULT_ADJUSTMENT,
    AdjustmentLine,
    AdjustmentPolicy,
    EndAdjustmentStep,
    EndEvent,
    PostAdjustmentStep,
    ReviewAdjustmentStep,
    StoredAdjustment,
    SubmitAdjustmentStep,
)
from stockkeeper.domain.adjustment import AdjustmentEvent
from stockkeeper.domain.lot import LotFacts
from stockkeeper.domain.stock import ItemKey
from tests.support.adjustment import priced
from tests.support.shop import Shop, new_reference
from tests.support.steps.document import DocumentCalls, Papers, When

WHY: dict[AdjustmentEvent, str] = {
    AdjustmentEvent.REJECT: "count again",
    AdjustmentEvent.CANCEL: "found them",
    AdjustmentEvent.LAPSE: "not approved in time",
}
"""Why it ends without being posted."""


class AdjustmentCalls(DocumentCalls):
    """An adjustment's side of the activities."""

    prefix = "adjustment-"
    number_field = "adjustment_number"

    def __init__(
        self, database: Database, *, policy: AdjustmentPolicy = DEFAULT_ADJUSTMENT, run_id: str = "run"
    ) -> None:
        super().__init__(run_id)
        self._steps = AdjustmentSteps(database, policy=policy)

    def submit(
        self,
        number: str,
        *lines: tuple[ItemKey, int],
        warehouse_id: int | None = None,
        reason: str = "broken in the rain",
        requested_by: str = "tom",
        lots: Sequence[LotFacts] = (),
        **when: Unpack[When],
    ) -> StoredAdjustment:
        """All items are in the warehouse of the first; ``lots``: that of each line."""
        named: list[dict[str, Any]] = [asdict(lot) for lot in lots] or [{}] * len(lines)
        start = {
            "warehouse_id": warehouse_id or lines[0][0].warehouse_id,
            "lines": [
                AdjustmentLine(product_id=item.product_id, quantity=units, **lot)
                for (item, units), lot in zip(lines, named, strict=True)
            ],
            "reason": reason,
            "requested_by": requested_by,
        }
        return self._start(
            self._steps.submit_adjustment, SubmitAdjustmentStep, number, "submit", requested_by, when, **start
        )

    def submitted(self, *lines: tuple[ItemKey, int], **other: Any) -> str:
        """The number of a new adjustment, POSTED or PENDING by what it is worth."""
        number = new_reference("a")
        self.submit(number, *lines, **other)
        return number

    def approve(
        self, number: str, approver: str = "ann", note: str | None = "fine", **when: Unpack[When]
    ) -> StoredAdjustment:
        step = PostAdjustmentStep
        return self._command(self._steps.post_adjustment, step, number, "approve", approver, when, note=note)

    def review(self, number: str, by: str = "ann", **when: Unpack[When]) -> StoredAdjustment:
        return self._command(self._steps.review_adjustment, ReviewAdjustmentStep, number, "review", by, when)

    def end(self, number: str, event: EndEvent, **when: Unpack[When]) -> StoredAdjustment:
        outcome = {"event": event, "reason": WHY[event]}
        return self._command(self._steps.end_adjustment, EndAdjustmentStep, number, event, "ann", when, **outcome)


def dear_item(shop: Shop, units: int = 12, *, warehouse: int | None = None) -> ItemKey:
    """An item of which one unit is worth the whole limit, so that two of them need an approval."""
    return shop.item(units, product=priced(shop, "500.00"), warehouse=warehouse)


_PAPERS = Papers(
    {
        "adjustment": "SELECT * FROM adjustments WHERE adjustment_number = :number",
        "lines": """
        SELECT adjustment_lines.* FROM adjustment_lines JOIN adjustments USING (adjustment_id)
        WHERE adjustment_number = :number ORDER BY line_number
    """,
        "ledger": "SELECT * FROM stock_movements WHERE reference_id = :number ORDER BY movement_id",
    }
)


papers = _PAPERS.of
"""Every row that an adjustment has: its own, its lines', and those of the ledger."""
adjustment_stays = _PAPERS.stay
"""Whatever happens inside changes neither the adjustment nor the books."""
