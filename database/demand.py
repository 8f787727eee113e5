"""Daily demand: units that left an item by sale or by transfer, by the calendar of its warehouse.

It is a roll-up of the ledger. An update reads the movements of the new days and of the last day before them, and no
earlier ones.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from sqlalchemy import Connection, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import BigInteger, Date, Integer

from database.clock import clock, clocked
from database.locks import lock_demand
from stockkeeper.domain.replenishment import BULK_DAYS_NEEDED, Usage, usage_from_sums
from stockkeeper.domain.stock import ItemKey

# A movement may have been written before midnight and committed after it, so the last rolled-up day is done again. A
# movement's day follows from its own instant; the instant of a day's beginning isn't unique, because some midnights
# come twice. The bounds on created_at only narrow the search: no time zone is a whole day off.
#
# Departures that were undone come off the day on which they left. Earlier days are summed up again where an entry has
# undone a departure of theirs, or where one was booked later.
_ROLL_UP = clocked(
    """
    WITH zone AS (
        SELECT warehouse_id, timezone, through, today FROM today JOIN demand_days USING (warehouse_id)
    ),
    departed AS (
        SELECT warehouse_id, product_id, day, through, -sum(quantity) AS units
        FROM stock_movements
        JOIN zone USING (warehouse_id)
        CROSS JOIN LATERAL (SELECT coalesce(occurred_at, created_at) AS left_at) AS effective
        CROSS JOIN LATERAL (
            SELECT (left_at AT TIME ZONE 'UTC' + utc_offset)::date AS day FROM clock
            WHERE clock.timezone = zone.timezone AND left_at >= begins AND left_at < ends LIMIT 1) AS there
        WHERE movement_type IN ('SALE', 'TRANSFER_OUT')
            AND created_at >= (SELECT min(through)::timestamp AT TIME ZONE 'UTC' - interval '1 day' FROM zone)
            AND created_at < :as_of
            AND day < today AND (day >= through OR occurred_at IS NOT NULL)
        GROUP BY warehouse_id, product_id, day, through
    ),
    undone AS (
        SELECT warehouse_id, product_id, day, through, sum(share.units) AS units
        FROM (
            SELECT DISTINCT movement_type, reference_id, product_id FROM undone_departures()
            WHERE undone_at >= (SELECT min(through)::timestamp AT TIME ZONE 'UTC' - interval '1 day' FROM zone)
        ) AS fact
        CROSS JOIN LATERAL undone_units(movement_type, reference_id, product_id) AS share
        JOIN zone USING (warehouse_id)
        CROSS JOIN LATERAL (
            SELECT (share.left_at AT TIME ZONE 'UTC' + utc_offset)::date AS day FROM clock
            WHERE clock.timezone = zone.timezone AND share.left_at >= begins AND share.left_at < ends LIMIT 1) AS there
        WHERE share.left_at < :as_of AND day < today
        GROUP BY warehouse_id, product_id, day, through
    ),
    earlier AS (
        SELECT touched.warehouse_id, touched.product_id, touched.day,
            sum(-moved.quantity - coalesce(share.units, 0)) AS units
        FROM (
            SELECT warehouse_id, product_id, day FROM undone WHERE day < through
            UNION SELECT warehouse_id, product_id, day FROM departed WHERE day < through
        ) AS touched
        JOIN zone ON zone.warehouse_id = touched.warehouse_id
        CROSS JOIN LATERAL (
            SELECT *, created_at AS left_at FROM stock_movements AS moved
            WHERE (moved.warehouse_id, moved.product_id) = (touched.warehouse_id, touched.product_id)
                AND created_at >= touched.day::timestamp AT TIME ZONE 'UTC' - interval '1 day'
                AND created_at < touched.day::timestamp AT TIME ZONE 'UTC' + interval '2 days'
                AND occurred_at IS NULL
            UNION ALL
            SELECT *, occurred_at FROM stock_movements AS moved
            WHERE (moved.warehouse_id, moved.product_id) = (touched.warehouse_id, touched.product_id)
                AND occurred_at >= touched.day::timestamp AT TIME ZONE 'UTC' - interval '1 day'
                AND occurred_at < touched.day::timestamp AT TIME ZONE 'UTC' + interval '2 days'
        ) AS moved
        CROSS JOIN LATERAL (
            SELECT (moved.left_at AT TIME ZONE 'UTC' + utc_offset)::date AS day FROM clock
            WHERE clock.timezone = zone.timezone AND moved.left_at >= begins AND moved.left_at < ends LIMIT 1) AS there
        LEFT JOIN LATERAL undone_units(moved.movement_type, moved.reference_id, moved.product_id) AS share
            ON share.movement_id = moved.movement_id
        WHERE movement_type IN ('SALE', 'TRANSFER_OUT') AND moved.created_at < :as_of
            AND touched.day = there.day
        GROUP BY touched.warehouse_id, touched.product_id, touched.day
    )
    INSERT INTO daily_demand AS known (warehouse_id, product_id, day, quantity)
    SELECT warehouse_id, product_id, day, departed.units - coalesce(undone.units, 0)
    FROM departed LEFT JOIN undone USING (warehouse_id, product_id, day)
    WHERE day >= departed.through
    UNION ALL
    SELECT warehouse_id, product_id, day, units FROM earlier
    ON CONFLICT (warehouse_id, product_id, day) DO UPDATE SET quantity = excluded.quantity
        WHERE known.quantity <> excluded.quantity
    """,
    today=True,
)

_FIRST_DAY = text("SELECT greatest(min(through), date '1990-01-01') FROM demand_days")

_KEEP_DAYS = clocked(
    """
    UPDATE demand_days AS known
    SET through = today - 1
    FROM today
    WHERE known.warehouse_id = today.warehouse_id AND through < today - 1
""",
    today=True,
)

# The days of an item begin with its first movement or the first day that a file has of it. Where the ledger has no
# demand of a day, the file's counts.
_USAGE = clocked(
    """
    WITH page AS (
        SELECT warehouse_id, product_id, today - 1 AS last_day, timezone
        FROM unnest(:warehouse_ids, :product_ids) AS wanted (warehouse_id, product_id)
        JOIN today USING (warehouse_id)
    ),
    spanned AS (
        SELECT page.warehouse_id, page.product_id, last_day,
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
            WHERE clock.timezone = page.timezone AND moved_at >= begins AND moved_at < ends) AS first_moved ON true
        LEFT JOIN LATERAL (
            SELECT day FROM imported_demand AS imported
            WHERE (imported.warehouse_id, imported.product_id) = (page.warehouse_id, page.product_id)
            ORDER BY day LIMIT 1) AS first_imported ON true
        WHERE least(first_moved.day, first_imported.day) IS NOT NULL
    ),
    left_out AS (
        SELECT warehouse_id, product_id, day
        FROM spanned JOIN imported_demand USING (warehouse_id, product_id)
        WHERE exclude AND day BETWEEN first_day AND last_day
    ),
    demand AS (
        SELECT warehouse_id, product_id, known.quantity
        FROM spanned JOIN daily_demand AS known USING (warehouse_id, product_id)
        WHERE day BETWEEN first_day AND last_day
            AND (warehouse_id, product_id, day) NOT IN (SELECT * FROM left_out)
        UNION ALL
        SELECT warehouse_id, product_id, imported.quantity
        FROM spanned JOIN imported_demand AS imported USING (warehouse_id, product_id)
        WHERE day BETWEEN first_day AND last_day AND NOT exclude AND NOT EXISTS (
            SELECT 1 FROM daily_demand AS known
            WHERE (known.warehouse_id, known.product_id, known.day)
                = (imported.warehouse_id, imported.product_id, imported.day) AND known.quantity > 0)
    ),
    typical AS (
        SELECT warehouse_id, product_id, percentile_cont(0.5) WITHIN GROUP (ORDER BY quantity) AS units
        FROM demand WHERE quantity > 0 AND CAST(:bulk_factor AS double precision) IS NOT NULL
        GROUP BY warehouse_id, product_id HAVING count(*) >= :days_needed
    ),
    added AS (
        SELECT warehouse_id, product_id,
            sum(quantity) FILTER (WHERE NOT is_bulk) AS total,
            sum(quantity::numeric * quantity) FILTER (WHERE NOT is_bulk) AS total_of_squares,
            count(*) FILTER (WHERE is_bulk) AS bulk_days
        FROM demand LEFT JOIN typical USING (warehouse_id, product_id)
        CROSS JOIN LATERAL (
            SELECT coalesce(quantity > CAST(:bulk_factor AS double precision) * typical.units, false) AS is_bulk
        ) AS rule
        GROUP BY warehouse_id, product_id
    ),
    counted AS (
        SELECT warehouse_id, product_id,
            last_day - first_day + 1 - coalesce(bulk_days, 0) - (
                SELECT count(*) FROM left_out
                WHERE (left_out.warehouse_id, left_out.product_id) = (spanned.warehouse_id, spanned.product_id)
            ) AS days,
            coalesce(total, 0) AS total, coalesce(total_of_squares, 0) AS total_of_squares
        FROM spanned LEFT JOIN added USING (warehouse_id, product_id)
        WHERE first_day <= last_day
    )
    SELECT * FROM counted WHERE days > 0
""",
    today=True,
).bindparams(
    *(bindparam(name, type_=ARRAY(BigInteger)) for name in ("warehouse_ids", "product_ids")),
    bindparam("history_days", type_=Integer),
)


# All items that the warehouse has, with the demand of the days before this one; a file's where the ledger has none.
_OF_WAREHOUSE = text("""
    WITH demand AS (
        SELECT product_id, known.quantity
        FROM daily_demand AS known
        WHERE warehouse_id = :warehouse_id AND day >= :day - :days AND day < :day AND NOT EXISTS (
            SELECT 1 FROM imported_demand AS imported
            WHERE exclude AND (known.warehouse_id, known.product_id, known.day)
                = (imported.warehouse_id, imported.product_id, imported.day))
        UNION ALL
        SELECT product_id, imported.quantity
        FROM imported_demand AS imported
        WHERE warehouse_id = :warehouse_id AND day >= :day - :days AND day < :day AND NOT exclude AND NOT EXISTS (
            SELECT 1 FROM daily_demand AS known
            WHERE (known.warehouse_id, known.product_id, known.day)
                = (imported.warehouse_id, imported.product_id, imported.day) AND known.quantity > 0)
    )
    SELECT product_id, coalesce(sum(demand.quantity), 0) AS units
    FROM inventory_items LEFT JOIN demand USING (product_id)
    WHERE warehouse_id = :warehouse_id
    GROUP BY product_id
""").bindparams(bindparam("day", type_=Date), bindparam("days", type_=Integer))


_LONGEST = timedelta(days=3_660)
"""No plan looks at more days."""


@dataclass(frozen=True)
class RolledUp:
    """The number of rows that were written: days of items."""

    days_written: int


def roll_up(connection: Connection, as_of: datetime) -> RolledUp:
    """Bring the demand of each day up to date, to the end of yesterday in each warehouse.

    Locks: the days that are known of each warehouse, so that one after the other does it.

    Args:
        connection: The transaction.
        as_of: The workflow's time; yesterday is the day before it, where the warehouse is.
    """
    lock_demand(connection, as_of)
    first_day = connection.execute(_FIRST_DAY).scalar_one() or as_of.date()
    asked = {"as_of": as_of} | clock(connection, _noon(first_day) - _LONGEST, as_of)
    written = connection.execute(_ROLL_UP, asked).rowcount
    connection.execute(_KEEP_DAYS, asked)
    return RolledUp(written)


def usages(
    connection: Connection,
    items: Sequence[ItemKey],
    history_days: int,
    as_of: datetime,
    bulk_factor: float | None = None,
) -> dict[ItemKey, Usage]:
    """Daily usage of these items over the last days up to and with yesterday, by the warehouse's calendar.

    Days without demand count as zero, from the item's first day on. Days that a file excludes don't count at all, nor
    do days of one-off bulk orders (`replenishment.without_bulk`). An item without a day that counts, such as one whose
    first day is today, has no usage yet, and is left out. The caller has brought the roll-up up to date.

    Args:
        connection: The transaction.
        items: The items.
        history_days: The number of days at most.
        as_of: The workflow's time.
        bulk_factor: Days with more than this many times the median of the days with demand are left out; None: none.
    """
    rows = connection.execute(
        _USAGE,
        {
            "warehouse_ids": [item.warehouse_id for item in items],
            "product_ids": [item.product_id for item in items],
            "history_days": history_days,
            "as_of": as_of,
            "bulk_factor": bulk_factor,
            "days_needed": BULK_DAYS_NEEDED,
        }
        | clock(connection, _noon(as_of.date()) - timedelta(days=history_days), as_of),
    )
    return {
        ItemKey(row.warehouse_id, row.product_id): usage_from_sums(
            int(row.days), int(row.total), int(row.total_of_squares)
        )
        for row in rows
    }


def _noon(day: date) -> datetime:
    return datetime.combine(day, time(12), tzinfo=UTC)


def demand_of_warehouse(connection: Connection, warehouse_id: int, day: date, days: int) -> dict[int, int]:
    """Demand of all items of a warehouse over the days before this one, in units by product.

    The caller has brought the roll-up up to date.

    Args:
        connection: The transaction.
        warehouse_id: The warehouse.
        day: The day after the last one that counts.
        days: The number of days that count.
    """
    rows = connection.execute(_OF_WAREHOUSE, {"warehouse_id": warehouse_id, "day": day, "days": days})
    return {row.product_id: int(row.units) for row in rows}
