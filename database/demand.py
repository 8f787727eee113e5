"""Daily demand: units that left an item by sale or by transfer, by the calendar of its warehouse.

It is a roll-up of the ledger. An update reads the movements of the new days and of the last day before them, and no
earlier ones. `database.demand_sums` adds it up for planning.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from sqlalchemy import Connection, bindparam, text
from sqlalchemy.types import Date, Integer

from database.clock import clock, clocked
from database.locks import lock_demand
from database.plan_accuracy import keep_plans, keep_what_happened

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
    """Bring the demand of each day up to date, to the end of yesterday in each warehouse; and what plans reached.

    Locks: the days that are known of each warehouse, so that one after the other does it.

    Args:
        connection: The transaction.
        as_of: The workflow's time; yesterday is the day before it, where the warehouse is.
    """
    lock_demand(connection, as_of)
    first_day = connection.execute(_FIRST_DAY).scalar_one() or as_of.date()
    asked = {"as_of": as_of} | clock(connection, _noon(first_day) - _LONGEST, as_of)
    written = connection.execute(_ROLL_UP, asked).rowcount
    keep_what_happened(connection, as_of, asked)
    connection.execute(_KEEP_DAYS, asked)
    keep_plans(connection, as_of, asked)
    return RolledUp(written)


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
