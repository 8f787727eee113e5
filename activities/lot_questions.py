"""Questions about lots on PostgreSQL. They lock nothing and change nothing."""

from datetime import UTC, datetime

from temporalio import activity

from activities.stock import StockQuestions
from activities.writes import OnDatabase, database_errors, page_of
from database.lot_reading import read_expiring_lots, read_holds_of_lot, read_lots_shown
from stockkeeper.contracts.lot_questions import (
    LOTS_AT_ONCE,
    LotHold,
    LotHolds,
    LotQuestionActivities,
    LotShown,
    LotsShown,
    ShowExpiringLots,
    ShowLotHolds,
    ShowLots,
)
from stockkeeper.contracts.stock import FindItems


class LotQuestions(OnDatabase, LotQuestionActivities):
    """`LotQuestionActivities` on PostgreSQL."""

    @activity.defn(name="show_lots", no_thread_cancel_exception=True)
    def show_lots(self, question: ShowLots) -> LotsShown:
        """One page of lots with their units in each warehouse, by SKU, the first expired first.

        Raises:
            UnknownProduct, UnknownWarehouse: The catalogue hasn't got the one in the question.
        """
        product_id, warehouse_id = StockQuestions(self._database).ids_of(question.product, question.warehouse)
        most = min(question.limit, LOTS_AT_ONCE)
        with database_errors(), self._database.snapshot() as connection:
            rows = read_lots_shown(
                connection,
                as_of=question.as_of or datetime.now(UTC),
                most=most + 1,
                after=question.after,
                with_those_gone=question.with_those_gone,
                product_id=product_id,
                warehouse_id=warehouse_id,
                lot_number=question.lot_number,
                status=question.status,
                expiring_before=question.expiring_before,
            )
        lots, more = page_of(LotShown, rows, most)
        return LotsShown(lots=lots, more=more)

    @activity.defn(name="show_expiring_lots", no_thread_cancel_exception=True)
    def show_expiring_lots(self, question: ShowExpiringLots) -> LotsShown:
        """One page of lots on hand whose last day is over or near, by warehouse, the first expired first.

        Raises:
            UnknownWarehouse: The catalogue hasn't got the one in the question.
        """
        _, warehouse_id = StockQuestions(self._database).ids_of(None, question.warehouse)
        most = min(question.limit, LOTS_AT_ONCE)
        with database_errors(), self._database.snapshot() as connection:
            rows = read_expiring_lots(
                connection,
                as_of=question.as_of or datetime.now(UTC),
                within_days=question.within_days,
                warehouse_id=warehouse_id,
                after=question.after,
                most=most + 1,
            )
        lots, more = page_of(LotShown, rows, most)
        return LotsShown(lots=lots, more=more)

    @activity.defn(name="show_lot_holds", no_thread_cancel_exception=True)
    def show_lot_holds(self, question: ShowLotHolds) -> LotHolds:
        """One page of the lines of orders and transfers that hold units of a lot, by warehouse.

        Raises:
            UnknownProduct, UnknownWarehouse: The catalogue hasn't got the one in the question.
        """
        found = StockQuestions(self._database).find_items(FindItems(products=[question.product]))
        _, warehouse_id = StockQuestions(self._database).ids_of(None, question.warehouse)
        with database_errors(), self._database.snapshot() as connection:
            rows = read_holds_of_lot(
                connection,
                product_id=found.products[question.product],
                lot_number=question.lot_number,
                warehouse_id=warehouse_id,
                after=question.after,
                most=LOTS_AT_ONCE + 1,
            )
        holds, more = page_of(LotHold, rows, LOTS_AT_ONCE)
        return LotHolds(holds=holds, more=more)
