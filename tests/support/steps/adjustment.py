"""Calls an adjustment's activities on PostgreSQL, without Temporal around them."""

from datetime import datetime
from typing import Any

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
from tests.support.shop import Shop, new_reference
from tests.support.steps.activity import NOON
from tests.support.steps.document import DocumentCalls, Papers

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
        as_of: datetime = NOON,
        operation: str | None = None,
    ) -> StoredAdjustment:
        """All items are in the warehouse of the first."""
        return self._do(
            self._steps.submit_adjustment,
            SubmitAdjustmentStep,
            number,
            operation_id=operation or f"adjustment-{number}/submit",
            performed_by=requested_by,
            as_of=as_of,
            warehouse_id=warehouse_id or lines[0][0].warehouse_id,
            lines=[AdjustmentLine(product_id=item.product_id, quantity=units) for item, units in lines],
            reason=reason,
            requested_by=requested_by,
        )

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
        return self._do(
            self._steps.post_adjustment,
            PostAdjustmentStep,
            number,
            operation_id=self._operation(number, "approve", operation),
            performed_by=approver,
            as_of=as_of,
            note=note,
        )

    def end(
        self, number: str, event: EndEvent, *, as_of: datetime = NOON, operation: str | None = None
    ) -> StoredAdjustment:
        return self._do(
            self._steps.end_adjustment,
            EndAdjustmentStep,
            number,
            operation_id=self._operation(number, event, operation),
            performed_by="ann",
            as_of=as_of,
            event=event,
            reason=WHY[event],
        )


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
