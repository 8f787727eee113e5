"""Calls a recall's activities on PostgreSQL, without Temporal around them."""

from typing import Any, Unpack

from sqlalchemy import Engine, text

from activities.recall import RecallSteps
from database.sessions import Database
from stockkeeper.contracts.recall import (
    BlockElsewhereStep,
    BlockLotStep,
    CloseRecallStep,
    Facts,
    LotFiguresState,
    LotStopped,
    OrdersTold,
    ReleaseElsewhereStep,
    ReleaseRecallStep,
    StoredRecall,
    TellOrdersStep,
    TrackRecallStep,
)
from stockkeeper.domain.stock import ItemKey
from tests.support.shop import new_reference
from tests.support.steps.document import DocumentCalls, Papers, When

WHY = "glass in a jar"


class RecallCalls(DocumentCalls):
    """A recall's side of the activities."""

    prefix = "recall-"
    number_field = "recall_number"

    def __init__(self, database: Database, *, run_id: str = "run") -> None:
        super().__init__(run_id)
        self._steps = RecallSteps(database)

    def block(
        self, number: str, item: ItemKey, lot_number: str, by: str = "quinn", reason: str = WHY, **when: Unpack[When]
    ) -> StoredRecall:
        lot = _lot(item, lot_number, reason)
        return self._start(self._steps.block_lot, BlockLotStep, number, "block", by, when, **lot)

    def blocked(self, item: ItemKey, lot_number: str, **other: Any) -> str:
        """The number of a new recall, whose lot is blocked."""
        number = new_reference("rc")
        self.block(number, item, lot_number, **other)
        return number

    def block_elsewhere(
        self, number: str, item: ItemKey, lot_number: str, facts: Facts | None = None, **when: Unpack[When]
    ) -> LotStopped:
        """As in a database that hasn't got the recall."""
        lot = _lot(item, lot_number, WHY) | {"facts": facts}
        activity, step = self._steps.block_lot_elsewhere, BlockElsewhereStep
        return self._start(activity, step, number, "block_elsewhere", "quinn", when, **lot)

    def release_elsewhere(self, number: str, item: ItemKey, lot_number: str, **when: Unpack[When]) -> LotStopped:
        """The same of its release."""
        lot = _lot(item, lot_number, "it was ours")
        activity, step = self._steps.release_lot_elsewhere, ReleaseElsewhereStep
        return self._start(activity, step, number, "release_elsewhere", "ann", when, **lot)

    def tell(self, number: str, item: ItemKey, lot_number: str, after: Any = None, **when: Unpack[When]) -> OrdersTold:
        lot = _lot(item, lot_number, WHY) | {"after": after}
        return self._command(self._steps.tell_orders, TellOrdersStep, number, "tell_orders", "quinn", when, **lot)

    def track(self, number: str, elsewhere: LotFiguresState | None = None, **other: Any) -> StoredRecall:
        when: When = {name: other.pop(name) for name in ("as_of", "operation") if name in other}  # type: ignore[assignment]
        looked = {"elsewhere": elsewhere or LotFiguresState(), **other}
        return self._command(self._steps.track_recall, TrackRecallStep, number, "track", "quinn", when, **looked)

    def release(self, number: str, by: str = "ann", **when: Unpack[When]) -> StoredRecall:
        looked = {"elsewhere": LotFiguresState(), "reason": "it was ours"}
        return self._command(self._steps.release_recall, ReleaseRecallStep, number, "release", by, when, **looked)

    def close(self, number: str, elsewhere: LotFiguresState | None = None, **when: Unpack[When]) -> StoredRecall:
        looked = {"elsewhere": elsewhere or LotFiguresState(), "reason": "all is back"}
        return self._command(self._steps.close_recall, CloseRecallStep, number, "close", "quinn", when, **looked)


def _lot(item: ItemKey, lot_number: str, reason: str) -> dict[str, Any]:
    return {"product_id": item.product_id, "lot_number": lot_number, "reason": reason}


def lot_row(engine: Engine, item: ItemKey, lot_number: str) -> tuple[Any, ...]:
    """A lot's status, why, by whom, and by which recall."""
    statement = text("""
        SELECT status, status_reason, status_by, recall_number FROM lots
        WHERE (product_id, lot_number) = (:product_id, :lot_number)
    """)
    with engine.connect() as connection:
        row = connection.execute(statement, {"product_id": item.product_id, "lot_number": lot_number}).one()
        return tuple(row)


_PAPERS = Papers({"recall": "SELECT * FROM recalls WHERE recall_number = :number"})
papers = _PAPERS.of
"""The recall's row."""
recall_stays = _PAPERS.stay
"""Whatever happens inside changes neither the recall nor the books."""
