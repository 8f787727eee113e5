"""What the past of a page's warehouses says of their plans: as a run of late found it, or looked for anew."""

from collections.abc import Sequence
from dataclasses import astuple
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from database.hindsight import Asked, StoredHindsight, items_to_look_at, keep_hindsight, read_hindsight
from database.replenishment_plan import read_supplies
from database.weekly_demand import weekly_demand
from stockkeeper.domain.replenishment import DAYS_A_YEAR, Policy, economic_order_quantity
from stockkeeper.domain.stock import ItemKey

if TYPE_CHECKING:
    from stockkeeper.domain.hindsight import Hindsight


def hindsights_of(
    connection: Connection,
    items: Sequence[ItemKey],
    history_days: int,
    as_of: datetime,
    bulk_factor: float | None,
    policy: Policy,
) -> "dict[int, Hindsight]":
    """What the past says of the plans of these items' warehouses, by warehouse.

    Locks: the rows of those warehouses that are looked at anew.

    Args:
        connection: The transaction.
        items: The items.
        history_days: Days that planning looks at.
        as_of: The workflow's time.
        bulk_factor: Which days are left out as bulk orders'.
        policy: Level of service, and costs.
    """
    # NumPy is loaded where something is planned, and nowhere else.
    from stockkeeper.domain.hindsight import Hindsight, Spread  # noqa: PLC0415

    asked = Asked(history_days, policy.service_level, bulk_factor)
    found = {}
    for warehouse_id in sorted({item.warehouse_id for item in items}):
        stored = read_hindsight(connection, warehouse_id, asked, as_of)
        if stored is None:
            learned = _look_back(connection, warehouse_id, asked, as_of, policy)
            spread = None if learned.spread is None else astuple(learned.spread)
            stored = StoredHindsight(spread, learned.widening, learned.items, learned.orders, learned.reached)
            keep_hindsight(connection, warehouse_id, asked, as_of, stored)
        spread_of = None if stored.spread is None else Spread(*stored.spread)
        found[warehouse_id] = Hindsight(spread_of, *stored[1:])
    return found


def _look_back(connection: Connection, warehouse_id: int, asked: Asked, as_of: datetime, policy: Policy) -> "Hindsight":
    import numpy as np  # noqa: PLC0415

    from stockkeeper.domain.lead_time_demand import Supply  # noqa: PLC0415
    from stockkeeper.domain.look_back import MOST_ITEMS, days_of_past, look_back  # noqa: PLC0415

    candidates = items_to_look_at(connection, warehouse_id, MOST_ITEMS)
    supplies = read_supplies(connection, {item.product_id for item in candidates})
    length = days_of_past(asked.history_days)
    daily, known_days, lead_times, quantities = [], [], [], []
    supplied = [item for item in candidates if item.product_id in supplies]
    for known in weekly_demand(
        connection, supplied, length, as_of, asked.bulk_factor, days_each=1, least=2 * asked.history_days
    ):
        for item, days in known.items():
            units = np.zeros(length)
            units[[length - 1 - ago for ago in days.weeks_ago]] = days.units
            supply = supplies[item.product_id]
            holding_cost = policy.holding_cost_rate * float(supply.unit_cost)
            daily.append(units)
            known_days.append(days.known_days)
            lead_times.append(supply.lead_time.days)
            quantities.append(
                supply.terms.orderable(economic_order_quantity(DAYS_A_YEAR, policy.order_cost, holding_cost))
            )
    supply_of = Supply(
        lead_time_days=np.array(lead_times, dtype=np.float64),
        lead_time_deviation_days=np.zeros(len(daily)),
        order_quantity=np.array(quantities, dtype=np.float64),
    )
    return look_back(
        np.array(daily).reshape(-1, length),
        np.array(known_days, dtype=np.float64),
        supply_of,
        policy.service_level,
        asked.history_days,
    )
