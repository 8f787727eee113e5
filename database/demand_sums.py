"""The demand of items, added up for planning: days, units and their squares, for thousands of items at once."""

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from string import Template
from typing import Any, NamedTuple

from sqlalchemy import Connection, TextClause, bindparam
from sqlalchemy.types import Integer

from database.clock import clock, clocked
from database.pipeline import numbers
from stockkeeper.domain.replenishment import BULK_DAYS_NEEDED, Usage, usage_from_sums
from stockkeeper.domain.stock import ItemKey

# Where the ledger has no demand of a day, the file's counts. The files are looked at only for items that they know.
DEMAND_OF_ITEM = """
    SELECT day, quantity FROM daily_demand AS known
    WHERE (known.warehouse_id, known.product_id) = (spanned.warehouse_id, spanned.product_id)
        AND known.day BETWEEN first_day AND last_day
        AND (NOT in_a_file OR NOT EXISTS (
            SELECT 1 FROM imported_demand AS left_out
            WHERE exclude AND (left_out.warehouse_id, left_out.product_id, left_out.day)
                = (known.warehouse_id, known.product_id, known.day)))
    UNION ALL
    SELECT day, quantity FROM imported_demand AS imported
    WHERE in_a_file AND (imported.warehouse_id, imported.product_id) = (spanned.warehouse_id, spanned.product_id)
        AND imported.day BETWEEN first_day AND last_day AND NOT exclude AND NOT EXISTS (
            SELECT 1 FROM daily_demand AS known
            WHERE (known.warehouse_id, known.product_id, known.day)
                = (imported.warehouse_id, imported.product_id, imported.day) AND known.quantity > 0)
"""

# Of an item that no file knows: the same without looking at files day by day.
_LEDGER_OF_ITEM = """
    SELECT day, quantity FROM daily_demand AS known
    WHERE (known.warehouse_id, known.product_id) = (spanned.warehouse_id, spanned.product_id)
        AND known.day BETWEEN first_day AND last_day
"""

# The product of two large numbers is no bigint, and such days are rare.
_ADDED_UP = """
    count(*) FILTER (WHERE $counts AND quantity > 0) AS days_with_demand,
    coalesce(sum(quantity) FILTER (WHERE $counts), 0) AS total,
    coalesce(sum(quantity * quantity) FILTER (WHERE $counts AND quantity < 3000000000), 0)
        + coalesce(sum(quantity::numeric * quantity) FILTER (WHERE $counts AND quantity >= 3000000000), 0)
        AS total_of_squares
"""

_ALL_DAYS = Template("SELECT 0 AS bulk_days, $added_up FROM ($$demand) AS demand").substitute(
    added_up=Template(_ADDED_UP).substitute(counts="true")
)

_WITHOUT_BULK = Template("""
    WITH demand AS ($$demand),
    typical AS (
        SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY quantity) AS units, count(*) AS days
        FROM demand WHERE quantity > 0
    )
    SELECT count(*) FILTER (WHERE is_bulk) AS bulk_days, $added_up
    FROM demand CROSS JOIN typical CROSS JOIN LATERAL (
        SELECT typical.days >= :days_needed AND quantity > CAST(:bulk_factor AS double precision) * typical.units
            AS is_bulk
    ) AS rule
""").substitute(added_up=Template(_ADDED_UP).substitute(counts="NOT is_bulk"))

# The days of an item begin with its first movement or the first day that a file has of it.
SPANNED = """
    WITH page AS (
        SELECT warehouse_id, product_id, today - 1 AS last_day, timezone
        FROM unnest(CAST(:warehouse_ids AS bigint[]), CAST(:product_ids AS bigint[]))
            AS wanted (warehouse_id, product_id)
        JOIN today USING (warehouse_id)
    ),
    spanned AS MATERIALIZED (
        SELECT page.warehouse_id, page.product_id, last_day, first_imported.day IS NOT NULL AS in_a_file,
            greatest(last_day - :history_days + 1, least(first_moved.day, first_imported.day)) AS first_day
        FROM page
        LEFT JOIN LATERAL (
            SELECT created_at FROM stock_movements AS moved
            WHERE (moved.warehouse_id, moved.product_id) = (page.warehouse_id, page.product_id)
            ORDER BY created_at LIMIT 1) AS first ON true
        LEFT JOIN LATERAL (
            SELECT occurred_at FROM stock_movements AS moved
            WHERE (moved.warehouse_id, moved.product_id) = (page.warehouse_id, page.product_id)
                AND occurred_at IS NOT NULL
            ORDER BY occurred_at LIMIT 1) AS booked_later ON true
        CROSS JOIN LATERAL (SELECT least(first.created_at, booked_later.occurred_at) AS moved_at) AS earliest
        LEFT JOIN LATERAL (
            SELECT (moved_at AT TIME ZONE 'UTC' + utc_offset)::date AS day FROM clock
            WHERE clock.timezone = page.timezone AND moved_at >= begins AND moved_at < ends LIMIT 1) AS first_moved
            ON true
        LEFT JOIN LATERAL (
            SELECT day FROM imported_demand AS imported
            WHERE (imported.warehouse_id, imported.product_id) = (page.warehouse_id, page.product_id)
            ORDER BY day LIMIT 1) AS first_imported ON true
        WHERE least(first_moved.day, first_imported.day) IS NOT NULL
    )
"""

_SOURCES = {"of_ledger": _LEDGER_OF_ITEM, "of_both": DEMAND_OF_ITEM}

# Each item is added up by itself, from one stretch of an index that has the quantities as well.
_OF_ITEMS = """
    $spanned,
    counted AS (
        SELECT warehouse_id, product_id, days_with_demand, total, total_of_squares,
            last_day - first_day + 1 - bulk_days AS days
        FROM spanned CROSS JOIN LATERAL ($of_ledger) AS added
        WHERE first_day <= last_day AND NOT in_a_file
        UNION ALL
        SELECT warehouse_id, product_id, days_with_demand, total, total_of_squares,
            last_day - first_day + 1 - bulk_days - (
                SELECT count(*) FROM imported_demand AS left_out
                WHERE (left_out.warehouse_id, left_out.product_id) = (spanned.warehouse_id, spanned.product_id)
                    AND exclude AND day BETWEEN first_day AND last_day
            ) AS days
        FROM spanned CROSS JOIN LATERAL ($of_both) AS added
        WHERE first_day <= last_day AND in_a_file
    )
    SELECT warehouse_id, product_id, days, days_with_demand, total, total_of_squares FROM counted WHERE days > 0
"""


def _of_items(added_up: str) -> TextClause:
    """The statement for a page of items, by the sub-query that adds up the days of one."""
    of = {name: Template(added_up).substitute(demand=demand) for name, demand in _SOURCES.items()}
    statement = clocked(Template(_OF_ITEMS).substitute(spanned=SPANNED, **of), today=True)
    return statement.bindparams(bindparam("history_days", type_=Integer))


_OF_ALL_DAYS = _of_items(_ALL_DAYS)
_OF_DAYS_WITHOUT_BULK = _of_items(_WITHOUT_BULK)


class DemandSums(NamedTuple):
    """Demand of an item over its days, added up; whole numbers are exact.

    Attributes:
        days: Days that count, those without demand among them.
        days_with_demand: Of these, days with any demand.
        total: Units of all days.
        total_of_squares: Squares of the units of each day, added up.
    """

    days: int
    days_with_demand: int
    total: int
    total_of_squares: int

    @property
    def usage(self) -> Usage:
        """The daily usage: mean and deviation."""
        return usage_from_sums(self.days, self.total, self.total_of_squares)


def demand_of_items(
    connection: Connection,
    items: Sequence[ItemKey],
    history_days: int,
    as_of: datetime,
    bulk_factor: float | None = None,
) -> dict[ItemKey, DemandSums]:
    """Demand of these items over the last days up to and with yesterday, by the warehouse's calendar.

    Days without demand count as zero, from the item's first day on. Days that a file excludes don't count at all, nor
    do days of one-off bulk orders (`replenishment.without_bulk`). An item without a day that counts, such as one whose
    first day is today, is left out. The caller has brought the roll-up up to date.

    Args:
        connection: The transaction.
        items: The items.
        history_days: The number of days at most.
        as_of: The workflow's time.
        bulk_factor: Days with more than this many times the median of the days with demand are left out; None: none.
    """
    asked = asked_of(connection, items, history_days, as_of)
    if bulk_factor is None:
        rows = connection.execute(_OF_ALL_DAYS, asked).all()
    else:
        rule = {"bulk_factor": bulk_factor, "days_needed": BULK_DAYS_NEEDED}
        rows = connection.execute(_OF_DAYS_WITHOUT_BULK, asked | rule).all()
    return {
        ItemKey(warehouse_id, product_id): DemandSums(days, days_with_demand, int(total), int(total_of_squares))
        for warehouse_id, product_id, days, days_with_demand, total, total_of_squares in rows
    }


def asked_of(connection: Connection, items: Sequence[ItemKey], history_days: int, as_of: datetime) -> dict[str, Any]:
    """The values of `SPANNED`: the items, the days, and the clocks of their warehouses."""
    noon = datetime.combine(as_of.date(), time(12), tzinfo=UTC)
    return {
        "warehouse_ids": numbers(item.warehouse_id for item in items),
        "product_ids": numbers(item.product_id for item in items),
        "history_days": history_days,
        "as_of": as_of,
    } | clock(connection, noon - timedelta(days=history_days), as_of)
