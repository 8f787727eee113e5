"""The demand of items week by week, for those of which enough weeks are known; planning forecasts from it."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from string import Template
from typing import NamedTuple

from sqlalchemy import Connection, bindparam
from sqlalchemy.types import Integer

from database.clock import clocked
from database.demand_sums import DEMAND_OF_ITEM, SPANNED, asked_of
from stockkeeper.domain.replenishment import BULK_DAYS_NEEDED
from stockkeeper.domain.stock import ItemKey

_AT_ONCE = 500
"""Items: their weeks are numbers of Python, and a page has thousands of items."""

# Days that don't count are those that `demand_sums` leaves out.
_WEEKLY = clocked(
    Template("""
    $spanned
    SELECT warehouse_id, product_id, weeks_ago, units, days_left_out, last_day - first_day + 1 AS known_days
    FROM spanned CROSS JOIN LATERAL (
        WITH demand AS ($demand),
        typical AS (
            SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY quantity) AS units, count(*) AS days
            FROM demand WHERE quantity > 0 AND CAST(:bulk_factor AS double precision) IS NOT NULL
        ),
        counted AS (
            SELECT day, quantity,
                coalesce(
                    typical.days >= :days_needed AND quantity > CAST(:bulk_factor AS double precision) * typical.units,
                    false) AS is_left_out
            FROM demand CROSS JOIN typical
            UNION ALL
            SELECT day, 0, true FROM imported_demand AS left_out
            WHERE in_a_file AND exclude AND day BETWEEN first_day AND last_day
                AND (left_out.warehouse_id, left_out.product_id) = (spanned.warehouse_id, spanned.product_id)
        ),
        weeks AS (
            SELECT (last_day - day) / :days_each AS ago, count(*) FILTER (WHERE is_left_out) AS days_left_out,
                coalesce(sum(quantity) FILTER (WHERE NOT is_left_out), 0)::double precision AS units
            FROM counted GROUP BY ago
        )
        SELECT coalesce(array_agg(ago), '{}') AS weeks_ago, coalesce(array_agg(units), '{}') AS units,
            coalesce(array_agg(days_left_out), '{}') AS days_left_out
        FROM weeks
    ) AS weekly
    WHERE first_day <= last_day - :least_days + 1
""").substitute(spanned=SPANNED, demand=DEMAND_OF_ITEM),
    today=True,
).bindparams(
    bindparam("history_days", type_=Integer),
    bindparam("least_days", type_=Integer),
    bindparam("days_needed", type_=Integer),
    bindparam("days_each", type_=Integer),
)


class Weeks(NamedTuple):
    """Demand of an item in the weeks that have any, or days that don't count.

    Attributes:
        weeks_ago: Which week; 0 ends yesterday.
        units: Of the days that count.
        days_left_out: Days of it that don't count.
        known_days: Days from the item's first one on, of those that were asked for.
    """

    weeks_ago: list[int]
    units: list[float]
    days_left_out: list[int]
    known_days: int


def weekly_demand(
    connection: Connection,
    items: Sequence[ItemKey],
    weeks: int,
    as_of: datetime,
    bulk_factor: float | None = None,
    *,
    days_each: int = 7,
    least: int | None = None,
) -> Iterator[dict[ItemKey, Weeks]]:
    """Demand of these items, some hundreds of them at a time.

    Args:
        connection: The transaction. The caller has brought the roll-up up to date.
        items: The items.
        weeks: The last ones, up to yesterday.
        as_of: The workflow's time.
        bulk_factor: As for `demand_sums.demand_of_items`; the usual demand is that of all these weeks.
        days_each: Of a week; 1: each day by itself.
        least: Items known for fewer weeks are left out; None: all those that were asked for.
    """
    rule = {"bulk_factor": bulk_factor, "days_needed": BULK_DAYS_NEEDED, "days_each": days_each}
    rule |= {"least_days": days_each * (weeks if least is None else least)}
    for begins in range(0, len(items), _AT_ONCE):
        asked = asked_of(connection, items[begins : begins + _AT_ONCE], days_each * weeks, as_of) | rule
        rows = connection.execute(_WEEKLY, asked)
        yield {ItemKey(row.warehouse_id, row.product_id): Weeks(*row[2:]) for row in rows}
