"""Planning by trend and season: where it is asked for, where an item's past carries it, and what a plan says of it."""

from datetime import timedelta

import numpy as np
import pytest
from sqlalchemy import Engine, text

from database.sessions import Database
from database.weekly_demand import weekly_demand
from stockkeeper.domain.demand_forecast import A_WEEK, NEEDED_WEEKS, daily_deviation, forecast, forecasted, weeks_of
from stockkeeper.domain.lead_time_demand import Demand, Floats, Supply
from stockkeeper.domain.planning import plan_points
from stockkeeper.domain.replenishment import economic_order_quantity
from stockkeeper.domain.stock import ItemKey
from tests.support.past import AS_OF, YESTERDAY, Past
from tests.support.steps.replenishment_plan import Planning, plans_stay

pytestmark = pytest.mark.usefixtures("nothing_else_to_order")

DAYS = NEEDED_WEEKS * A_WEEK
TIME = np.arange(DAYS)
SEASON = np.random.default_rng(7).poisson(20 * (1 + 0.5 * np.sin(2 * np.pi * TIME / 365.25)))
"""Twenty a day, in three years of a season that ends where demand begins to rise."""
QUARTER = 91


def array(*values: float) -> Floats:
    return np.array(values, dtype=np.float64)


def known_for(past: Past, days: int = DAYS) -> ItemKey:
    """An item with the last days of the season from an earlier system, a supplier seven days away, and no sale here."""
    item = past.supplied(0, 0, 0)
    rows = [(str(YESTERDAY - timedelta(DAYS - 1 - day)), int(SEASON[day])) for day in range(DAYS - days, DAYS)]
    past.imported(item, *rows)
    return item


def weeks_known(database: Database, item: ItemKey, bulk_factor: float | None = None) -> list[float] | None:
    """Units of each week, as planning reads them; None: too few weeks are known."""
    with database.transaction() as connection:
        [found] = weekly_demand(connection, [item], NEEDED_WEEKS, AS_OF, bulk_factor)
    return weeks_of(NEEDED_WEEKS, *found[item][:3]).tolist() if item in found else None


def test_a_season_raises_the_point_and_the_plan_says_by_how_much(
    planning: Planning, past: Past, database: Database, engine: Engine
) -> None:
    item = known_for(past)
    planning.run(item.warehouse_id, method=None, history_days=QUARTER)
    by_mean = planning.plan_of(engine, item)
    assert (by_mean.forecast, by_mean.forecast_factor, by_mean.forecast_error) == (None, None, None)
    planning.run(item.warehouse_id, method=None, history_days=QUARTER, forecast=True)
    plan = planning.plan_of(engine, item)
    weekly = SEASON.reshape(1, NEEDED_WEEKS, A_WEEK).sum(2).astype(np.float64)
    assert weeks_known(database, item) == weekly[0].tolist()
    found = forecast(weekly, QUARTER // A_WEEK, array(7))
    assert plan.forecast == found.kind[0]
    assert plan.forecast_factor == pytest.approx(found.factor[0])
    assert plan.forecast_error == pytest.approx(found.error[0])
    assert plan.forecast_factor is not None
    assert plan.forecast_factor > 1.4
    # The same numbers as of the days of the quarter, as they would be with the forecast.
    quarter = SEASON[-QUARTER:].astype(np.float64)
    mean = Demand(array(QUARTER), array((quarter > 0).sum()), array(quarter.sum()), array((quarter**2).sum()))
    expected = forecasted(mean, found.factor)
    assert plan.daily_mean == pytest.approx(expected.mean[0])
    assert plan.daily_deviation == pytest.approx(daily_deviation(expected)[0])
    points = plan_points(expected, Supply(array(7), array(0), array(plan.reorder_quantity or 0)), level=0.95)
    assert plan.reorder_point == points.reorder_point[0]
    assert by_mean.reorder_point is not None
    assert plan.reorder_point > 1.3 * by_mean.reorder_point
    # A year's orders are those of a year's demand, as before.
    eoq = economic_order_quantity(mean.mean[0] * 365, 50, 0.25 * 40)
    assert plan.economic_order_quantity == by_mean.economic_order_quantity == pytest.approx(eoq)


def test_fewer_than_three_years_are_planned_by_the_mean(planning: Planning, past: Past, engine: Engine) -> None:
    item = known_for(past, DAYS - 1)
    planning.run(item.warehouse_id, method=None, forecast=False)
    with plans_stay(engine, item):
        assert planning.run(item.warehouse_id, method=None, forecast=True).changed == 0


def test_the_settings_say_whether_unless_the_run_does_and_the_seeds_formula_never_follows(
    past: Past, database: Database, engine: Engine
) -> None:
    item = known_for(past)
    planning = Planning(database, forecast=True)
    kinds = []
    for method, asked in ((None, None), (None, False), ("seed", None)):
        planning.run(item.warehouse_id, method=method, forecast=asked)
        kinds.append(planning.plan_of(engine, item).forecast is not None)
    assert kinds == [True, False, False]


def test_days_that_are_left_out_are_neither_demand_nor_days(past: Past, database: Database, engine: Engine) -> None:
    item = known_for(past)
    # All of the last week but one, and two days of the last: one by hand, and one by the rule.
    excluded = [YESTERDAY - timedelta(days) for days in (*range(7, 14), 0)]
    query = text("""
        UPDATE imported_demand SET exclude = day = ANY (:excluded), quantity = CASE WHEN day = :bulk THEN 5000
            ELSE quantity END
        WHERE (warehouse_id, product_id) = (:warehouse_id, :product_id)
    """)
    with engine.begin() as connection:
        connection.execute(query, item._asdict() | {"excluded": excluded, "bulk": YESTERDAY - timedelta(1)})
    weekly = SEASON.reshape(NEEDED_WEEKS, A_WEEK).sum(1).tolist()
    last = SEASON[-7:-2].sum() * 7 / 5
    found = weeks_known(database, item, bulk_factor=10)
    assert found == pytest.approx([*weekly[:-2], (weekly[-3] + last) / 2, last])
