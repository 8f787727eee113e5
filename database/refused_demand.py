"""Units of refused holds by item and day, for plans that are asked for a fill rate."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, bindparam
from sqlalchemy.types import Integer

from database.clock import clocked
from database.demand_sums import asked_of
from stockkeeper.domain.stock import ItemKey

_REFUSED = clocked(
    """
    SELECT warehouse_id, product_id, today - 1 - there.day AS days_ago, sum(units)::bigint AS units
    FROM unnest(CAST(:warehouse_ids AS bigint[]), CAST(:product_ids AS bigint[])) AS wanted (warehouse_id, product_id)
    JOIN today USING (warehouse_id)
    JOIN refused_demand AS refused USING (warehouse_id, product_id)
    CROSS JOIN LATERAL (
        SELECT (refused_at AT TIME ZONE 'UTC' + utc_offset)::date AS day FROM clock
        WHERE clock.timezone = today.timezone AND refused_at >= begins AND refused_at < ends LIMIT 1) AS there
    WHERE there.day BETWEEN today - :history_days AND today - 1
    GROUP BY warehouse_id, product_id, days_ago
    ORDER BY warehouse_id, product_id, days_ago
""",
    today=True,
).bindparams(bindparam("history_days", type_=Integer))


def refused_by_day(
    connection: Connection, items: Sequence[ItemKey], history_days: int, as_of: datetime
) -> dict[ItemKey, dict[int, int]]:
    """Units that were refused, of items that have any: by how many days ago, 0 for yesterday.

    Args:
        connection: The transaction. The caller has brought the roll-up up to date.
        items: The items.
        history_days: The last days, up to yesterday, by the warehouse's calendar.
        as_of: The workflow's time.
    """
    found: dict[ItemKey, dict[int, int]] = {}
    rows = connection.execute(_REFUSED, asked_of(connection, items, history_days, as_of))
    for warehouse_id, product_id, days_ago, units in rows:
        found.setdefault(ItemKey(warehouse_id, product_id), {})[days_ago] = units
    return found
