"""Demand of a page's items with what was refused, for a plan that is asked for a fill rate."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Connection

from database.demand_sums import DemandSums
from database.refused_demand import refused_by_day
from database.weekly_demand import Weeks, weekly_demand
from stockkeeper.domain.stock import ItemKey


def sums_with_refused(
    connection: Connection,
    known: Mapping[ItemKey, DemandSums],
    history_days: int,
    as_of: datetime,
    bulk_factor: float | None,
) -> dict[ItemKey, DemandSums]:
    """The sums of those of these items that have refused customers, with what these wanted.

    Days that don't count, and those before an item's first one, count no refused customers either.

    Args:
        connection: The transaction.
        known: The demand that was met.
        history_days: Days that planning looks at.
        as_of: The workflow's time.
        bulk_factor: Which days are left out as bulk orders'.
    """
    refused = refused_by_day(connection, list(known), history_days, as_of)
    found = {}
    for some in weekly_demand(connection, list(refused), history_days, as_of, bulk_factor, days_each=1, least=1):
        for item, days in some.items():
            found[item] = _sums(days, refused[item], known[item].days)
    return found


def _sums(sold: Weeks, refused: Mapping[int, int], days: int) -> DemandSums:
    # NumPy is loaded where something is planned, and nowhere else.
    import numpy as np  # noqa: PLC0415

    from stockkeeper.domain.refused_demand import with_refused  # noqa: PLC0415

    met, unmet = np.zeros((1, sold.known_days)), np.zeros((1, sold.known_days))
    met[0, sold.weeks_ago] = sold.units
    for days_ago, units in refused.items():
        if days_ago < sold.known_days:
            unmet[0, days_ago] = units
    for days_ago, left_out in zip(sold.weeks_ago, sold.days_left_out, strict=True):
        if left_out:
            unmet[0, days_ago] = 0
    units_a_day = [int(units) for units in with_refused(met, unmet)[0].tolist()]
    return DemandSums(
        days=days,
        days_with_demand=sum(units > 0 for units in units_a_day),
        total=sum(units_a_day),
        total_of_squares=sum(units**2 for units in units_a_day),
    )
