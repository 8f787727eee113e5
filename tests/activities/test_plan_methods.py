"""Planning by the distribution of each item: the method, the class, and what is expected to be reached."""

from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Engine, text

from stockkeeper.domain.demand_class import DemandClass, ServiceMeasure
from stockkeeper.domain.lead_time_demand import Demand, Supply
from stockkeeper.domain.planning import plan_points
from tests.support.past import AS_OF, SEED, YESTERDAY, Past
from tests.support.steps.replenishment_plan import Planning, point_and_quantity

pytestmark = pytest.mark.usefixtures("nothing_else_to_order")

CLASSES = {
    DemandClass.SMOOTH: (4, 5, 6) * 10,
    DemandClass.ERRATIC: (1, 2, 30) * 10,
    DemandClass.INTERMITTENT: (0, 0, 5, 0, 6, 0) * 5,
    DemandClass.LUMPY: (0, 0, 1, 0, 0, 40) * 5,
}


def _array(*values: float) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    return np.array(values, dtype=np.float64)


@pytest.mark.parametrize("demand_class", DemandClass)
@pytest.mark.parametrize(("measure", "level"), [(ServiceMeasure.CYCLE, 0.95), (ServiceMeasure.FILL, 0.98)])
def test_the_distribution_that_fits_the_class_sets_the_point_and_says_what_it_reaches(
    planning: Planning, past: Past, engine: Engine, demand_class: DemandClass, measure: ServiceMeasure, level: float
) -> None:
    daily = CLASSES[demand_class]
    item = past.supplied(*daily, unit_cost="40", lead_time_days="7")
    asked: dict[str, Any] = {"service_level": level} if measure is ServiceMeasure.CYCLE else {"fill_rate": level}
    assert planning.run(item.warehouse_id, method=None, **asked).changed == 1
    plan = planning.plan_of(engine, item)
    busy = [units for units in daily if units]
    squares = sum(units * units for units in daily)
    expected = plan_points(
        Demand(_array(30), _array(len(busy)), _array(sum(daily)), _array(squares)),
        Supply(_array(7), _array(0), _array(plan.reorder_quantity or 0)),
        level=level,
        measure=measure,
    )
    assert (plan.demand_class, plan.method) == (demand_class, expected.method[0])
    assert plan.reorder_point == expected.reorder_point[0] == point_and_quantity(engine, item)[0]
    for name in ("safety_stock", "undershoot", "outgoing_mean", "outgoing_deviation", "outgoing_skewness", "factor"):
        assert getattr(plan, name) == pytest.approx(getattr(expected, name)[0]), name
    assert plan.expected_cycle_service == pytest.approx(expected.expected_cycle_service[0])
    assert plan.expected_fill_rate == pytest.approx(expected.expected_fill_rate[0])
    assert (plan.days, plan.days_with_demand) == (30, len(busy))
    assert (plan.order_cost, plan.holding_cost_rate, plan.unit_cost) == (50, 0.25, 40)
    by_cycles = measure is ServiceMeasure.CYCLE
    assert (plan.service_level, plan.fill_rate) == ((level, None) if by_cycles else (None, level))


def test_a_run_by_the_seeds_formula_says_so_and_what_it_reaches(planning: Planning, past: Past, engine: Engine) -> None:
    item = past.supplied(*SEED)
    planning.run(item.warehouse_id, method="seed")
    plan = planning.plan_of(engine, item)
    assert (plan.method, plan.demand_class, plan.reorder_point) == ("seed", "smooth", 394)
    by_seed = plan.expected_cycle_service
    planning.run(item.warehouse_id, method=None)
    plan = planning.plan_of(engine, item)
    assert plan.method in ("normal", "gamma")
    assert plan.reorder_point is not None
    assert plan.expected_cycle_service is not None
    assert by_seed is not None
    # Three days of history are few: the point has to be higher than by a formula that takes them for the truth.
    assert plan.reorder_point > 394
    assert by_seed < 0.95


def test_an_item_without_demand_has_neither_method_nor_class(planning: Planning, past: Past, engine: Engine) -> None:
    item = past.supplied(0, 0, 0)
    planning.run(item.warehouse_id, method=None)
    plan = planning.plan_of(engine, item)
    assert (plan.method, plan.demand_class, plan.reorder_point) == (None, None, 0)
    assert (plan.expected_cycle_service, plan.expected_fill_rate) == (1, 1)


def test_what_was_refused_counts_where_a_fill_rate_is_asked_for(planning: Planning, past: Past, engine: Engine) -> None:
    """Ten days with 4 units each. Refused were 3 units yesterday, 1,000 the day before, and one before the first."""
    item = past.supplied(0, 0, 0)
    past.imported(item, *((str(YESTERDAY - timedelta(back)), 4) for back in range(10)))
    with engine.begin() as connection:
        for back, units in ((0, 3), (1, 1_000), (10, 1)):
            connection.execute(
                text("""
                    INSERT INTO refused_demand (operation_id, warehouse_id, product_id, month, refused_at, units)
                    VALUES (:operation_id, :warehouse_id, :product_id, '2025-06-01', :refused_at, :units)
                """),
                item._asdict()
                | {
                    "operation_id": f"reservation-{item}-{back}/reserve",
                    "refused_at": AS_OF - timedelta(days=1 + back),
                    "units": units,
                },
            )
    planning.run(item.warehouse_id, method=None, service_level=0.9)
    by_cycles = planning.plan_of(engine, item)
    assert (by_cycles.daily_mean, by_cycles.days, by_cycles.days_with_demand) == (4, 10, 10)
    planning.run(item.warehouse_id, method=None, fill_rate=0.9)
    by_units = planning.plan_of(engine, item)
    assert (by_units.daily_mean, by_units.days, by_units.days_with_demand) == ((40 + 3 + 4) / 10, 10, 10)
    assert by_units.daily_deviation == pytest.approx(((8 * 0.7**2 + 2.3**2 + 3.3**2) / 9) ** 0.5)
