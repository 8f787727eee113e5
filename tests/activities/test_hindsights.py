"""Planning from a warehouse's past: looked back every four weeks, kept, and told by the plan."""

from datetime import timedelta

import numpy as np
import pytest
from sqlalchemy import Engine, text

from database.sessions import Database
from database.weekly_demand import weekly_demand
from stockkeeper.domain.stock import ItemKey
from tests.support.past import AS_OF, YESTERDAY, Past
from tests.support.steps.replenishment_plan import Planning

pytestmark = pytest.mark.usefixtures("nothing_else_to_order")

DAYS = 30


def known_for(past: Past, days: int) -> ItemKey:
    """An item of an earlier system, with some demand every day but the oldest one's next."""
    item = past.supplied(0, 0, 0)
    units = [1 + day % 5 for day in range(days)]
    past.imported(item, *((str(YESTERDAY - timedelta(days - 1 - day)), each) for day, each in enumerate(units)))
    return item


def kept(engine: Engine, warehouse_id: int) -> list[tuple[object, ...]]:
    query = text("""
        SELECT as_of, history_days, service_level, widening, items, spread_days FROM warehouse_hindsights
        WHERE warehouse_id = :warehouse_id
    """)
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(query, {"warehouse_id": warehouse_id})]


def test_days_are_read_one_by_one(past: Past, database: Database) -> None:
    item = known_for(past, 2 * DAYS)
    with database.transaction() as connection:
        [found] = weekly_demand(connection, [item], 2 * DAYS, AS_OF, days_each=1)
    units = np.zeros(2 * DAYS)
    units[[2 * DAYS - 1 - ago for ago in found[item].weeks_ago]] = found[item].units
    assert units.tolist() == [1 + day % 5 for day in range(2 * DAYS)]


def test_a_run_looks_back_every_four_weeks(planning: Planning, past: Past, engine: Engine) -> None:
    item = known_for(past, 2 * DAYS)
    planning.run(item.warehouse_id, method="seed", history_days=DAYS)
    assert kept(engine, item.warehouse_id) == []
    planning.run(item.warehouse_id, method=None, history_days=DAYS)
    first = (AS_OF, DAYS, 0.95, 1.0, 1, None)
    assert kept(engine, item.warehouse_id) == [first]
    planning.run(item.warehouse_id, method=None, history_days=DAYS, as_of=AS_OF + timedelta(days=27))
    assert kept(engine, item.warehouse_id) == [first]
    planning.run(item.warehouse_id, method=None, history_days=DAYS, as_of=AS_OF + timedelta(days=28))
    assert kept(engine, item.warehouse_id)[0][0] == AS_OF + timedelta(days=28)


def test_a_plan_takes_what_is_kept_and_says_so(planning: Planning, past: Past, engine: Engine) -> None:
    item = known_for(past, 2 * DAYS)
    planning.run(item.warehouse_id, method=None, history_days=DAYS)
    alone = planning.plan_of(engine, item)
    assert (alone.usual_deviation, alone.usual_days, alone.widening) == (None, None, 1.0)
    with engine.begin() as connection:
        connection.execute(
            text("""
                UPDATE warehouse_hindsights SET widening = 1.5, spread_a = ln(4), spread_b = 0, spread_c = 0,
                    spread_least = 1, spread_most = 9, spread_days = 30
                WHERE warehouse_id = :warehouse_id
            """),
            {"warehouse_id": item.warehouse_id},
        )
    planning.run(item.warehouse_id, method=None, history_days=DAYS)
    plan = planning.plan_of(engine, item)
    assert plan.usual_deviation == pytest.approx(12**0.5)
    assert (plan.usual_days, plan.widening) == (30, 1.5)
    assert plan.reorder_point is not None
    assert alone.reorder_point is not None
    assert plan.reorder_point > alone.reorder_point
