"""Questions about cycle counts: open variances and accuracy."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import TextClause, bindparam, text
from sqlalchemy.types import BigInteger, Date, Text
from temporalio import activity

from activities.stock import StockQuestions
from activities.writes import OnDatabase, Result, database_errors, page_of
from database.clock import clock_of_all_years, clocked
from database.document import read_rows
from stockkeeper.contracts.count_questions import (
    ACCURACIES_AT_ONCE,
    VARIANCES_AT_ONCE,
    Accuracies,
    Accuracy,
    CountQuestionActivities,
    ShowAccuracy,
    ShowVariances,
    Variance,
    Variances,
)
from stockkeeper.contracts.stock import FindItems

_VARIANCES = text("""
    SELECT count_number, warehouse_id, warehouses.name AS warehouse, product_id, sku, products.name,
        nullif(line.lot_number, '') AS lot_number, coalesce(line.expires_on, lots.expires_on) AS expires_on,
        counted_by, counted_at, line.counted_quantity, line.system_quantity, delta, line.root_cause,
        jsonb_path_query_array(would_end, '$[0 to 99]') AS would_end,
        jsonb_array_length(would_end) AS would_end_total
    FROM cycle_counts
    JOIN cycle_count_lines AS line USING (count_id)
    JOIN warehouses USING (warehouse_id)
    JOIN products USING (product_id)
    LEFT JOIN lots USING (product_id, lot_number)
    CROSS JOIN LATERAL (
        SELECT counted_at FROM cycle_count_entries AS entry
        WHERE (entry.count_id, entry.product_id, entry.lot_number)
            = (line.count_id, line.product_id, line.lot_number)
        ORDER BY entry_number DESC LIMIT 1) AS latest
    WHERE cycle_counts.status IN ('COUNTING', 'REVIEW') AND line.status = 'REVIEW'
        AND (:warehouse_id IS NULL OR warehouse_id = :warehouse_id)
        AND (CAST(:count_number AS text) IS NULL OR count_number = :count_number)
        AND (count_number, sku, line.lot_number) > (:after_count, :after_sku, :after_lot)
    ORDER BY count_number, sku, line.lot_number
    LIMIT :most
""").bindparams(bindparam("warehouse_id", type_=BigInteger), bindparam("after_lot", type_=Text))

_ACCURACY = clocked("""
    WITH posted AS (
        SELECT warehouse_id, warehouses.name AS warehouse, coalesce(count_class, '-') AS count_class,
            to_char(posted_at AT TIME ZONE 'UTC' + utc_offset, 'YYYY-MM') AS month,
            first.within_tolerance, line.counted_quantity, line.system_quantity, delta
        FROM cycle_count_lines AS line
        JOIN cycle_counts USING (count_id)
        JOIN warehouses USING (warehouse_id)
        JOIN clock ON clock.timezone = warehouses.timezone AND posted_at >= begins AND posted_at < ends
        JOIN cycle_count_entries AS first
            ON (first.count_id, first.product_id, first.lot_number, entry_number)
                = (line.count_id, line.product_id, line.lot_number, 1)
        WHERE line.status = 'POSTED'
            AND (:warehouse_id IS NULL OR warehouse_id = :warehouse_id)
            AND (:since IS NULL OR (
                -- The first bound only narrows the search: no time zone is a whole day off.
                posted_at >= CAST(:since AS timestamp) AT TIME ZONE 'UTC' - interval '1 day'
                AND (posted_at AT TIME ZONE 'UTC' + utc_offset)::date >= :since))
    )
    SELECT warehouse_id, warehouse, month, count_class, count(*) AS counted,
        count(*) FILTER (WHERE within_tolerance) AS accurate, sum(counted_quantity) AS units_counted,
        sum(system_quantity) AS units_system, sum(abs(delta)) AS units_off
    FROM posted
    WHERE (warehouse, month, count_class) > (:after_warehouse, :after_month, :after_class)
    GROUP BY warehouse_id, warehouse, month, count_class
    ORDER BY warehouse, month, count_class
    LIMIT :most
""").bindparams(bindparam("warehouse_id", type_=BigInteger), bindparam("since", type_=Date))


class CountQuestions(OnDatabase, CountQuestionActivities):
    """`CountQuestionActivities` on PostgreSQL."""

    @activity.defn(name="show_variances", no_thread_cancel_exception=True)
    def show_variances(self, question: ShowVariances) -> Variances:
        """One page of the variances that wait for a recount or an approval.

        Raises:
            UnknownWarehouse: The catalogue hasn't got the one in the question.
        """
        # A lot that isn't known is greater than no lot of its product: they have all been seen.
        seen = question.after_line or (None if question.after is None else (*question.after, None))
        count_number, sku, lot_number = seen or ("", "", "")
        asked = {
            "warehouse_id": self._warehouse_id(question.warehouse),
            "count_number": question.count_number,
            "after_count": count_number,
            "after_sku": sku,
            "after_lot": lot_number,
        }
        variances, more = self._page(Variance, _VARIANCES, asked, VARIANCES_AT_ONCE)
        return Variances(variances=variances, more=more)

    @activity.defn(name="show_accuracy", no_thread_cancel_exception=True)
    def show_accuracy(self, question: ShowAccuracy) -> Accuracies:
        """One page of count accuracy, by warehouse, month and class.

        Raises:
            UnknownWarehouse: The catalogue hasn't got the one in the question.
        """
        warehouse, month, count_class = question.after or ("", "", "")
        asked: dict[str, Any] = {
            "warehouse_id": self._warehouse_id(question.warehouse),
            "since": question.since,
            "after_warehouse": warehouse,
            "after_month": month,
            "after_class": count_class,
        }
        with database_errors(), self._database.snapshot() as connection:
            asked |= clock_of_all_years(connection)
        accuracies, more = self._page(Accuracy, _ACCURACY, asked, ACCURACIES_AT_ONCE)
        return Accuracies(accuracies=accuracies, more=more)

    def _page(
        self, model: type[Result], statement: TextClause, asked: Mapping[str, Any], most: int
    ) -> tuple[list[Result], bool]:
        with database_errors(), self._database.snapshot() as connection:
            return page_of(model, read_rows(connection, statement, {**asked, "most": most + 1}), most)

    def _warehouse_id(self, name: str | None) -> int | None:
        if name is None:
            return None
        return StockQuestions(self._database).find_items(FindItems(warehouses=[name])).warehouses[name]
