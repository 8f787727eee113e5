"""The question where a lot came from and where it went. It locks nothing, because movements never change."""

from temporalio import activity

from activities.stock import StockQuestions
from activities.writes import OnDatabase, database_errors, page_of
from database.lot_trace import trace_of
from stockkeeper.contracts.lot_trace import (
    TRACED_AT_ONCE,
    Direction,
    LotTraceActivities,
    TracedMovement,
    TraceLot,
    TracePage,
)
from stockkeeper.contracts.stock import FindItems


class LotTraces(OnDatabase, LotTraceActivities):
    """`LotTraceActivities` on PostgreSQL."""

    @activity.defn(name="trace_lot", no_thread_cancel_exception=True)
    def trace_lot(self, question: TraceLot) -> TracePage:
        """One page of a lot's movements, by warehouse and as they were booked, each with what its document says.

        Raises:
            UnknownProduct: The catalogue hasn't got the one in the question.
        """
        found = StockQuestions(self._database).find_items(FindItems(products=[question.product]))
        [product_id] = found.products.values()
        with database_errors(), self._database.snapshot() as connection:
            rows = trace_of(connection, product_id, question.lot_number, question.after, TRACED_AT_ONCE + 1)
        ways = [Direction.BACKWARDS if row["quantity"] > 0 else Direction.FORWARDS for row in rows]
        traced = [{**row, "direction": way} for row, way in zip(rows, ways, strict=True)]
        movements, more = page_of(TracedMovement, traced, TRACED_AT_ONCE)
        return TracePage(movements=movements, more=more)
