"""Planning on PostgreSQL: exact points and quantities from a known past."""

import math
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, text

from database.sessions import Database
from stockkeeper.domain.replenishment import service_factor
from stockkeeper.domain.stock import ItemKey
from tests.support.past import AS_OF, SEED, Past, local, warehouse_in
from tests.support.replenishment_rows import set_point, supply
from tests.support.shop import Shop
from tests.support.steps.replenishment_plan import Planned, Planning, names, plans_stay, point_and_quantity

Z = service_factor(0.95)


pytestmark = pytest.mark.usefixtures("nothing_else_to_order")


# The numbers.


def test_fifty_a_day_over_seven_days_with_a_deviation_of_ten_is_394(
    planning: Planning, past: Past, shop: Shop, engine: Engine
) -> None:
    item, supplier = past.seller(*SEED), shop.supplier()
    supply(engine, item, supplier, unit_cost="40", lead_time_days="7", minimum=100, pack=12)
    assert planning.run(item.warehouse_id) == Planned(looked_at=1, planned=1, changed=1, fell_below=False)
    assert point_and_quantity(engine, item) == (394, 432)
    plan = planning.plan_of(engine, item)
    sku, warehouse = names(engine, item)
    with engine.connect() as connection:
        query = text("SELECT name FROM suppliers WHERE supplier_id = :supplier_id")
        name = connection.execute(query, {"supplier_id": supplier}).scalar_one()
    # What a distribution has besides: tests/activities/test_plan_methods.py.
    of_distribution = {"undershoot", "outgoing_mean", "outgoing_deviation", "outgoing_skewness", "factor"}
    expected = {"expected_cycle_service", "expected_fill_rate"}
    # sqrt(2 x 18,250 x 50 / (0.25 x 40)) = 427.2, in packs of twelve.
    assert plan.model_dump(exclude=of_distribution | expected) == {
        "product_id": item.product_id,
        "sku": sku,
        "warehouse_id": item.warehouse_id,
        "warehouse": warehouse,
        "planning": "auto",
        "reorder_point": 394,
        "reorder_quantity": 432,
        "quantity_available": 99_850,
        "supplier": name,
        "days": 3,
        "daily_mean": 50,
        "daily_deviation": 10,
        "lead_time_days": 7,
        "lead_time_deviation_days": None,
        "service_level": 0.95,
        "usual_days": None,
        "usual_deviation": None,
        "widening": 1.0,
        "safety_stock": pytest.approx(Z * 10 * math.sqrt(7)),
        "economic_order_quantity": pytest.approx(math.sqrt(182_500)),
        "order_cost": 50,
        "holding_cost_rate": 0.25,
        "review_wait_days": None,
        "planned_at": AS_OF,
        "planned_reorder_point": 394,
        "planned_reorder_quantity": 432,
        "forecast": None,
        "forecast_factor": None,
        "forecast_error": None,
        "fill_rate": None,
        "method": "seed",
        "demand_class": "smooth",
        "days_with_demand": 3,
        "unit_cost": 40,
    }


def test_the_same_over_ninety_days(planning: Planning, past: Past, engine: Engine) -> None:
    # Ninety days of 50 ± x have a sample deviation of x · sqrt(90 / 89).
    item = past.supplied(1_000, *(40, 60) * 45)
    planning.run(item.warehouse_id)
    plan = planning.plan_of(engine, item)
    # The first of the 91 days is too long ago.
    assert (plan.days, plan.daily_mean) == (90, 50)
    assert plan.daily_deviation == pytest.approx(10 * math.sqrt(90 / 89))
    assert point_and_quantity(engine, item) == (394, 428)


@pytest.mark.parametrize(
    ("daily", "lead_time_days", "point"),
    [
        ((20, 20, 20), "7", 140),
        ((7,), "3", 21),
        ((0, 0, 0), "7", 0),
        (SEED, "0", 1),
        (SEED, "0.5", 37),  # 25 + 11.6
        ((1, 0, 0, 0), "14", 7),  # 3.5 + 3.08
        ((1_000_000, 1_000_000), "999999.999", 999_999_999_000),
    ],
    ids=["steady", "one day", "no demand", "at once", "half a day", "slow", "for ever"],
)
def test_points_follow_from_demand_and_lead_time(
    planning: Planning,
    past: Past,
    engine: Engine,
    daily: tuple[int, ...],
    lead_time_days: str,
    point: int,
) -> None:
    item = past.supplied(*daily, lead_time_days=lead_time_days, units=10_000_000)
    assert planning.run(item.warehouse_id).changed == 1
    assert point_and_quantity(engine, item)[0] == point


@pytest.mark.parametrize(
    ("service_level", "point"), [(0.3, 350), (0.5, 350), (0.9, 384), (0.95, 394), (0.99, 412), (0.999, 432)]
)
def test_points_follow_from_the_service_level(
    planning: Planning, past: Past, engine: Engine, service_level: float, point: int
) -> None:
    item = past.supplied(*SEED)
    planning.run(item.warehouse_id, service_level=service_level)
    assert point_and_quantity(engine, item)[0] == point
    assert planning.plan_of(engine, item).service_level == service_level


def test_the_days_that_are_looked_at_are_the_last_ones(planning: Planning, past: Past, engine: Engine) -> None:
    item = past.supplied(1, 2, 3, *SEED)
    planning.run(item.warehouse_id, history_days=3)
    assert planning.plan_of(engine, item).days == 3
    assert point_and_quantity(engine, item) == (394, 428)


def test_an_earlier_systems_demand_is_planned_from(planning: Planning, past: Past, shop: Shop, engine: Engine) -> None:
    item = past.seller(60)
    supply(engine, item, shop.supplier(), unit_cost="40")
    past.imported(item, ("2025-06-07", 40), ("2025-06-08", 50))
    planning.run(item.warehouse_id)
    assert point_and_quantity(engine, item) == (394, 428)


def test_the_days_are_those_of_the_warehouse(planning: Planning, past: Past, shop: Shop, engine: Engine) -> None:
    kolkata = "Asia/Kolkata"
    item = past.item(local(kolkata, "2025-06-07T00:00"), warehouse=warehouse_in(shop, kolkata))
    supply(engine, item, shop.supplier(), unit_cost="40")
    past.sold(
        item, *((local(kolkata, f"2025-06-0{day}T00:30"), units) for day, units in zip((7, 8, 9), SEED, strict=True))
    )
    planning.run(item.warehouse_id)
    assert point_and_quantity(engine, item) == (394, 428)


# What it costs.


@pytest.mark.parametrize(
    ("costs", "quantity"),
    [
        ({}, 428),
        ({"order_cost": "200"}, 855),
        ({"holding_cost_rate": 1.0}, 214),
        ({"order_cost": "200", "holding_cost_rate": 1.0}, 428),
        ({"order_cost": "0"}, 1),
        ({"holding_cost_rate": 0.0}, 18_250),
    ],
    ids=str,
)
def test_a_run_may_say_what_orders_and_holding_cost(
    planning: Planning, past: Past, engine: Engine, costs: dict[str, Any], quantity: int
) -> None:
    item = past.supplied(*SEED)
    planning.run(item.warehouse_id, **costs)
    assert point_and_quantity(engine, item) == (394, quantity)


def test_the_settings_say_it_otherwise(database: Database, past: Past, engine: Engine) -> None:
    item = past.supplied(*SEED)
    set_up = Planning(database, order_cost="200", holding_cost_rate=0.5)
    set_up.run(item.warehouse_id)
    assert point_and_quantity(engine, item) == (394, 605)
    # What a run says counts for more, and each by itself.
    set_up.run(item.warehouse_id, order_cost="50")
    assert point_and_quantity(engine, item) == (394, 303)
    set_up.run(item.warehouse_id, holding_cost_rate=0.25)
    assert point_and_quantity(engine, item) == (394, 855)


def test_goods_that_cost_nothing_are_ordered_for_a_year(
    planning: Planning, past: Past, shop: Shop, engine: Engine
) -> None:
    item = past.seller(*SEED)
    supply(engine, item, shop.supplier(), unit_cost="0")
    planning.run(item.warehouse_id)
    assert point_and_quantity(engine, item) == (394, 18_250)


def test_costs_beyond_reason_still_make_a_plan(planning: Planning, past: Past, engine: Engine) -> None:
    """An order quantity without bound would stop the whole run, or later whoever orders the item."""
    item = past.supplied(*SEED)
    assert planning.run(item.warehouse_id, order_cost="9" * 30, holding_cost_rate=1e-320).planned == 1
    assert point_and_quantity(engine, item) == (394, 1_000_000_000)


# Suppliers.


def test_the_preferred_supplier_is_planned_with(planning: Planning, past: Past, shop: Shop, engine: Engine) -> None:
    item = past.seller(*SEED)
    supply(engine, item, shop.supplier(), unit_cost="1", lead_time_days="2")
    supply(engine, item, shop.supplier(), unit_cost="40", lead_time_days="7", is_preferred=True)
    planning.run(item.warehouse_id)
    assert point_and_quantity(engine, item) == (394, 428)


def test_where_none_is_preferred_it_is_the_cheapest_and_then_the_one_known_longest(
    planning: Planning, past: Past, shop: Shop, engine: Engine
) -> None:
    item = past.seller(*SEED)
    dear, known_longest, as_cheap = shop.supplier(), shop.supplier(), shop.supplier()
    supply(engine, item, as_cheap, unit_cost="40", lead_time_days="1")
    supply(engine, item, known_longest, unit_cost="40", lead_time_days="7")
    supply(engine, item, dear, unit_cost="40.000001", lead_time_days="2")
    planning.run(item.warehouse_id)
    assert point_and_quantity(engine, item) == (394, 428)


@pytest.mark.parametrize(
    ("orders", "measured", "point", "lead_time"),
    [
        (0, (None, None), 394, (7, None)),
        (2, ("14", "2"), 394, (7, None)),
        # 700 + 1.645 x sqrt(14 x 100 + 100²) = 875.6
        (3, ("14", "2"), 876, (14, 2)),
        (3, ("14", "0"), 762, (14, 0)),
    ],
)
def test_lead_times_are_measured_ones_from_the_third_order_on(
    planning: Planning,
    past: Past,
    shop: Shop,
    engine: Engine,
    orders: int,
    measured: tuple[str | None, str | None],
    point: int,
    lead_time: tuple[int, int | None],
) -> None:
    item, supplier = past.seller(*SEED), shop.supplier()
    supply(engine, item, supplier, unit_cost="40")
    past.measured(item, supplier, orders=orders, days=measured[0], deviation=measured[1])
    planning.run(item.warehouse_id)
    assert point_and_quantity(engine, item)[0] == point
    plan = planning.plan_of(engine, item)
    assert (plan.lead_time_days, plan.lead_time_deviation_days) == lead_time


def test_a_deviation_that_was_agreed_counts_until_one_is_measured(
    planning: Planning, past: Past, shop: Shop, engine: Engine
) -> None:
    item, supplier = past.seller(*SEED), shop.supplier()
    supply(engine, item, supplier, unit_cost="40")
    past.measured(item, supplier, orders=2, days="14", deviation="1", agreed_deviation="2")
    planning.run(item.warehouse_id)
    # 350 + 1.645 x sqrt(7 x 100 + 100²) = 520.1
    assert point_and_quantity(engine, item) == (521, 428)
    assert planning.plan_of(engine, item).lead_time_deviation_days == 2


# What is left alone.


def test_what_nobody_supplies_or_nobody_knows_yet_keeps_what_it_has(
    planning: Planning, past: Past, shop: Shop, engine: Engine
) -> None:
    warehouse = shop.warehouse()
    unsupplied = past.seller(*SEED, warehouse=warehouse)
    new = past.item(AS_OF - timedelta(hours=1), warehouse=warehouse)
    never = past.item(warehouse=warehouse)
    supply(engine, [new, never], shop.supplier())
    set_point(engine, [unsupplied, new, never], 5, 6, planning="auto")
    with plans_stay(engine, unsupplied, new, never):
        assert planning.run(warehouse) == Planned(looked_at=3, planned=0, changed=0, fell_below=False)


def test_what_was_set_by_hand_is_left_alone_until_planning_has_it_again(
    planning: Planning, past: Past, engine: Engine
) -> None:
    item = past.supplied(*SEED)
    planning.set(*names(engine, item), "manual", 1_000, 200)
    with plans_stay(engine, item):
        assert planning.run(item.warehouse_id) == Planned(looked_at=0, planned=0, changed=0, fell_below=False)
    planning.set(*names(engine, item), "auto")
    assert point_and_quantity(engine, item) == (1_000, 200)
    assert planning.run(item.warehouse_id).changed == 1
    assert point_and_quantity(engine, item) == (394, 428)


def test_other_warehouses_are_left_alone_unless_all_are_planned(
    planning: Planning, past: Past, shop: Shop, engine: Engine
) -> None:
    product = shop.product()
    here, there = past.seller(*SEED, product=product), past.seller(5, 5, product=product)
    supply(engine, here, shop.supplier(), unit_cost="40")
    assert planning.run(here.warehouse_id).looked_at == 1
    assert [point_and_quantity(engine, each)[0] for each in (here, there)] == [394, None]
    assert planning.run(None).planned >= 2
    assert [point_and_quantity(engine, each)[0] for each in (here, there)] == [394, 35]


# Items that are known from an earlier system only.


def test_an_item_that_was_never_stocked_is_planned_from_an_earlier_systems_demand(
    planning: Planning, past: Past, shop: Shop, engine: Engine
) -> None:
    item = ItemKey(shop.warehouse(), shop.product())
    supply(engine, item, shop.supplier(), lead_time_days="7")
    past.imported(item, ("2025-06-07", 40), ("2025-06-08", 50), ("2025-06-09", 60))
    assert planning.run(item.warehouse_id) == Planned(looked_at=1, planned=1, changed=1, fell_below=True)
    point, quantity = point_and_quantity(engine, item)
    assert point == 394
    assert quantity is not None


def test_an_item_that_is_no_longer_sold_is_not_brought_back_by_its_demand(
    planning: Planning, past: Past, shop: Shop
) -> None:
    item = ItemKey(shop.warehouse(), shop.product(is_active=False))
    past.imported(item, ("2025-06-09", 60))
    assert planning.run(item.warehouse_id) == Planned(looked_at=0, planned=0, changed=0, fell_below=False)


def test_an_item_with_demand_and_without_a_supplier_is_named(planning: Planning, past: Past, shop: Shop) -> None:
    item = past.seller(5, 6)
    warehouse = item.warehouse_id
    past.item(AS_OF - timedelta(days=9), warehouse=warehouse)
    past.seller(7, warehouse=warehouse, product=shop.product(is_active=False))
    planning.roll_up()
    page = planning.page(warehouse)
    assert [each.model_dump() for each in page.skipped] == [
        {
            "product_id": item.product_id,
            "warehouse_id": warehouse,
            "reason": "it has demand, and no supplier is known for it",
        }
    ]
    assert (page.items_skipped, page.planned, page.looked_at) == (1, 0, 3)


def test_goods_that_come_on_the_day_of_their_order_have_a_point_of_one(
    planning: Planning, past: Past, shop: Shop, engine: Engine
) -> None:
    item = past.seller(5, 6, 0)
    supply(engine, item, shop.supplier(), lead_time_days="0")
    planning.run(item.warehouse_id)
    assert point_and_quantity(engine, item)[0] == 1
