"""Forecasts of the items of a page, where their past carries one."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection

from database.replenishment_plan import Supply
from database.weekly_demand import weekly_demand
from stockkeeper.domain.stock import ItemKey


class ItemForecast(NamedTuple):
    """How much of the mean an item is expected to have (`stockkeeper.domain.demand_forecast.Forecast`)."""

    kind: str
    factor: float
    error: float


def forecasts_of(
    connection: Connection,
    items: Sequence[ItemKey],
    supplies: Mapping[int, Supply],
    history_days: int,
    as_of: datetime,
    bulk_factor: float | None,
) -> dict[ItemKey, ItemForecast]:
    """Forecasts of these items over their lead times; items that the mean serves as well are left out.

    Args:
        connection: The transaction.
        items: Items with a supplier.
        supplies: How each product is supplied.
        history_days: Days whose mean planning takes.
        as_of: The workflow's time.
        bulk_factor: Which days are left out as bulk orders'.
    """
    # NumPy is loaded where something is forecast, and nowhere else.
    import numpy as np  # noqa: PLC0415

    from stockkeeper.domain.demand_forecast import A_WEEK, NEEDED_WEEKS, forecast, weeks_of  # noqa: PLC0415

    found: dict[ItemKey, ItemForecast] = {}
    for known in weekly_demand(connection, items, NEEDED_WEEKS, as_of, bulk_factor):
        if not known:
            continue
        weekly = np.stack(
            [weeks_of(NEEDED_WEEKS, each.weeks_ago, each.units, each.days_left_out) for each in known.values()]
        )
        lead_times = np.array([supplies[item.product_id].lead_time.days for item in known], dtype=np.float64)
        forecasts = forecast(weekly, round(history_days / A_WEEK), lead_times)
        for item, *of_item in zip(
            known, forecasts.kind, forecasts.factor.tolist(), forecasts.error.tolist(), strict=True
        ):
            kind, factor, error = of_item
            if kind is not None:
                found[item] = ItemForecast(kind, factor, error)
    return found
