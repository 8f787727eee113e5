"""The plans of a page of items: points, quantities and the numbers behind them, in columns."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from activities.forecasts import ItemForecast
from database.demand_sums import DemandSums
from database.replenishment_plan import Supply
from stockkeeper.domain.demand_class import PlanMethod, ServiceMeasure
from stockkeeper.domain.order_quantity import economic_quantity
from stockkeeper.domain.replenishment import Policy
from stockkeeper.domain.stock import ItemKey

if TYPE_CHECKING:
    from stockkeeper.domain.hindsight import Hindsight
    from stockkeeper.domain.lead_time_demand import Demand as Demands
    from stockkeeper.domain.lead_time_demand import Supply as SupplyOfItems
    from stockkeeper.domain.planning import Planned


def plan_items(
    items: Sequence[ItemKey],
    known: Mapping[ItemKey, DemandSums],
    supplies: Mapping[int, Supply],
    policy: Policy,
    *,
    measure: ServiceMeasure,
    method: PlanMethod | None,
    forecasts: Mapping[ItemKey, ItemForecast],
    hindsights: "Mapping[int, Hindsight]",
) -> dict[str, Any]:
    """Plan items: the columns of `database.replenishment_plan.item_plans`, as `insert_plans` takes them.

    Args:
        items: Items with known demand and a supplier.
        known: Their demand.
        supplies: How each product is supplied.
        policy: Level of service, and costs.
        measure: What the level is a part of.
        method: The seed's formula for all; None: for each item the distribution that fits.
        forecasts: Of items that have one: points are of the demand that it expects, quantities of the mean.
        hindsights: What the past of a warehouse says, by warehouse.
    """
    # NumPy and SciPy are loaded where something is planned, and nowhere else.
    from stockkeeper.domain.demand_forecast import daily_deviation, forecasted  # noqa: PLC0415
    from stockkeeper.domain.lead_time_demand import Demand  # noqa: PLC0415
    from stockkeeper.domain.lead_time_demand import Supply as Supplies  # noqa: PLC0415
    from stockkeeper.domain.many_items import (  # noqa: PLC0415
        annual_demand,
        daily_deviations,
        economic_quantities,
        orderable,
    )

    if not items:
        return {"reorder_point": [], "reorder_quantity": []}
    sums = [known[item] for item in items]
    supplied = [supplies[item.product_id] for item in items]
    days, busy_days, totals, squares = (list(each) for each in zip(*sums, strict=True))
    deviations = daily_deviations(days, totals, squares).tolist()
    demand = Demand(days=_floats(days), busy_days=_floats(busy_days), units=_floats(totals), squares=_floats(squares))
    annual = annual_demand(demand.mean)
    unit_costs = [float(each.unit_cost) for each in supplied]
    wanted = economic_quantities(annual, policy.order_cost, policy.holding_cost_rate * _floats(unit_costs))
    economic: list[float] = wanted.tolist()
    quantities: list[int] = orderable([each.terms for each in supplied], wanted).tolist()
    priced = [number for number, supply in enumerate(supplied) if supply.price_breaks]

    def buy(numbers: Iterable[int], points: Sequence[int] | None = None) -> None:
        for number in numbers:
            best = economic_quantity(
                float(annual[number]),
                policy.order_cost,
                policy.holding_cost_rate,
                supplied[number].unit_cost,
                supplied[number].terms,
                breaks=supplied[number].price_breaks,
                at_least=0 if points is None else points[number],
            )
            economic[number], quantities[number] = best.economic, best.orderable
            unit_costs[number] = float(best.unit_cost)

    # How much comes at a time says how often the point is needed, so it is known before.
    buy(priced)
    means: list[float] = demand.mean.tolist()
    own: list[ItemForecast | None] = [None] * len(items)
    if forecasts:
        own = [forecasts.get(item) for item in items]
        demand = forecasted(demand, _floats(1 if each is None else each.factor for each in own))
        expected = zip(demand.mean.tolist(), daily_deviation(demand).tolist(), strict=True)
        for number, (each, (mean, deviation)) in enumerate(zip(own, expected, strict=True)):
            if each is not None:
                means[number], deviations[number] = mean, deviation
    lead_times = [each.lead_time.days for each in supplied]
    lead_time_deviations = [each.lead_time.deviation_days for each in supplied]
    planned = _points(
        items,
        demand,
        Supplies(
            lead_time_days=_floats(lead_times),
            lead_time_deviation_days=_floats(lead_time_deviations),
            order_quantity=_floats(quantities),
        ),
        level=policy.service_level,
        measure=measure,
        method=method,
        hindsights=hindsights,
    )
    # An order brings no less than the point, which is known now.
    buy([each for each in priced if planned.reorder_point[each] > quantities[each]], planned.reorder_point)
    return {
        "supplier_id": [each.supplier_id for each in supplied],
        "days": days,
        "daily_mean": means,
        "daily_deviation": deviations,
        "days_with_demand": busy_days,
        "lead_time_days": lead_times,
        "lead_time_deviation_days": lead_time_deviations,
        "service_level": policy.service_level,
        "service_measure": measure,
        "review_wait_days": [each.review_wait.days or None for each in supplied],
        "order_cost": policy.order_cost,
        "holding_cost_rate": policy.holding_cost_rate,
        "unit_cost": unit_costs,
        "forecast": [None if each is None else each.kind for each in own],
        "forecast_factor": [None if each is None else each.factor for each in own],
        "forecast_error": [None if each is None else each.error for each in own],
        "economic_order_quantity": economic,
        "reorder_quantity": quantities,
        **{name: getattr(planned, name) for name in _PLANNED},
    }


_PLANNED = (
    *("method", "demand_class", "reorder_point", "safety_stock", "undershoot", "factor"),
    *("outgoing_mean", "outgoing_deviation", "outgoing_skewness", "expected_cycle_service", "expected_fill_rate"),
    *("usual_deviation", "usual_days", "widening"),
)


def _points(
    items: Sequence[ItemKey],
    demand: "Demands",
    supply: "SupplyOfItems",
    *,
    hindsights: "Mapping[int, Hindsight]",
    level: float,
    measure: ServiceMeasure,
    method: PlanMethod | None,
) -> "Planned":
    """The points of items, those of each warehouse by what its past says."""
    import numpy as np  # noqa: PLC0415

    from stockkeeper.domain.hindsight import NO_HINDSIGHT  # noqa: PLC0415
    from stockkeeper.domain.planning import Planned, plan_points  # noqa: PLC0415

    of_items = np.array([item.warehouse_id for item in items], dtype=np.int64)
    columns: dict[str, list[Any]] = {each.name: [None] * len(items) for each in fields(Planned)}
    warehouse_ids = np.unique(of_items).tolist()
    for warehouse_id in warehouse_ids:
        which = of_items == warehouse_id
        planned = plan_points(
            demand.only(which),
            supply.only(which),
            level=level,
            measure=measure,
            method=method,
            hindsight=hindsights.get(warehouse_id, NO_HINDSIGHT),
        )
        if len(warehouse_ids) == 1:
            return planned
        for name, values in columns.items():
            for place, value in zip(np.flatnonzero(which).tolist(), getattr(planned, name), strict=True):
                values[place] = value
    return Planned(**columns)


def _floats(values: Iterable[float | None]) -> Any:
    """An array of these; what isn't known is NaN."""
    import numpy as np  # noqa: PLC0415

    return np.array(list(values), dtype=np.float64)
