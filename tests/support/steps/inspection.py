"""Calls an inspection's activities on PostgreSQL, without Temporal around them."""

from collections.abc import Sequence
from typing import Any, Unpack

from activities.inspection import InspectionSteps
from database.sessions import Database
from stockkeeper.contracts.adjustment import DEFAULT_ADJUSTMENT, AdjustmentPolicy
from stockkeeper.contracts.inspection import (
    ApproveInspectionDifferenceStep,
    InspectionRequest,
    OpenInspectionStep,
    ReleaseInspectedStep,
    ScrapInspectedStep,
    SetAsideLine,
    StoredInspection,
)
from stockkeeper.domain.cycle_count import RootCause
from stockkeeper.domain.lot import StockState
from stockkeeper.domain.stock import ItemKey
from tests.support.shop import new_reference
from tests.support.steps.document import DocumentCalls, Papers, When

Wanted = tuple[ItemKey, int] | tuple[ItemKey, int, str]
"""An item, units, and of a tracked product the lot."""


def _lines(wanted: Sequence[Wanted]) -> list[SetAsideLine]:
    return [
        SetAsideLine(product_id=each[0].product_id, quantity=each[1], lot_number=each[2] if len(each) > 2 else None)
        for each in wanted
    ]


class InspectionCalls(DocumentCalls):
    """An inspection's side of the activities."""

    prefix = "inspection-"
    number_field = "inspection_number"

    def __init__(
        self, database: Database, *, policy: AdjustmentPolicy = DEFAULT_ADJUSTMENT, run_id: str = "run"
    ) -> None:
        super().__init__(run_id)
        self._steps = InspectionSteps(database, policy)

    def open(
        self,
        number: str,
        *lines: Wanted,
        state: StockState = StockState.QUARANTINE,
        held_too: bool = False,
        set_aside_already: bool = False,
        reason: str = "a jar was found open",
        requested_by: str = "tom",
        **when: Unpack[When],
    ) -> StoredInspection:
        """All items are in the warehouse of the first."""
        start = {
            "warehouse_id": lines[0][0].warehouse_id,
            "lines": _lines(lines),
            "state": state,
            "held_too": held_too,
            "set_aside_already": set_aside_already,
            "reason": reason,
            "requested_by": requested_by,
        }
        return self._start(self._steps.open_inspection, OpenInspectionStep, number, "open", requested_by, when, **start)

    def adopt(self, request: InspectionRequest, **when: Unpack[When]) -> StoredInspection:
        """The first step of the run that another document's workflow has started."""
        start = request.model_dump(exclude={"inspection_number", "performed_by"}) | {
            "requested_by": request.performed_by
        }
        number, by = request.inspection_number, request.performed_by
        return self._start(self._steps.open_inspection, OpenInspectionStep, number, "open", by, when, **start)

    def opened(self, *lines: Wanted, **other: Any) -> str:
        """The number of a new inspection."""
        number = new_reference("i")
        self.open(number, *lines, **other)
        return number

    def release(
        self,
        number: str,
        *lines: Wanted,
        by: str = "ann",
        decision_id: str | None = None,
        note: str | None = None,
        **when: Unpack[When],
    ) -> StoredInspection:
        """Without lines: everything."""
        decided = decision_id or new_reference("release")
        named: When = {**when, "operation": when.get("operation") or decided}
        fields = {"decision_id": decided, "lines": _lines(lines) or None, "note": note}
        return self._command(
            self._steps.release_inspected, ReleaseInspectedStep, number, "release", by, named, **fields
        )

    def scrap(
        self,
        number: str,
        *lines: Wanted,
        by: str = "ann",
        decision_id: str | None = None,
        root_cause: RootCause = RootCause.DAMAGE,
        reason: str = "spoiled",
        **when: Unpack[When],
    ) -> StoredInspection:
        """Without lines: everything."""
        decided = decision_id or new_reference("scrap")
        named: When = {**when, "operation": when.get("operation") or decided}
        fields = {
            "decision_id": decided,
            "lines": _lines(lines) or None,
            "root_cause": root_cause,
            "reason": reason,
        }
        return self._command(self._steps.scrap_inspected, ScrapInspectedStep, number, "scrap", by, named, **fields)

    def approve_difference(
        self, number: str, value: str, units: int = 0, by: str = "bob", **when: Unpack[When]
    ) -> StoredInspection:
        return self._approve_up_to(
            self._steps.approve_inspection_difference,
            ApproveInspectionDifferenceStep,
            number,
            (value, units),
            by,
            when,
        )


_PAPERS = Papers(
    {
        "inspection": "SELECT * FROM inspections WHERE inspection_number = :number",
        "lines": """
        SELECT inspection_lines.* FROM inspection_lines JOIN inspections USING (inspection_id)
        WHERE inspection_number = :number ORDER BY line_number
    """,
        "decisions": """
        SELECT made.*, line_number, quantity FROM inspection_decisions AS made
        JOIN inspection_decision_lines USING (inspection_id, decision_id) JOIN inspections USING (inspection_id)
        WHERE inspection_number = :number ORDER BY decided_at, decision_id, line_number
    """,
        "ledger": "SELECT * FROM stock_movements WHERE reference_id = :number ORDER BY movement_id",
    }
)

papers = _PAPERS.of
"""Every row that an inspection has: its own, its lines', its decisions', and those of the ledger."""
inspection_stays = _PAPERS.stay
"""Whatever happens inside changes neither the inspection nor the books."""
