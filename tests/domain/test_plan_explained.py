"""A plan as a calculation: every number, and what it comes from."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from stockkeeper.domain.order_quantity import PriceBreak
from stockkeeper.domain.perishing import LotAhead, Perishables
from stockkeeper.domain.plan_explained import Explained, PlanNumbers, explain, explain_bound, explain_waste
from stockkeeper.domain.replenishment import Terms

SEED = PlanNumbers(
    days=35,
    days_with_demand=35,
    daily_mean=50.0,
    daily_deviation=10.0,
    lead_time_days=7.0,
    lead_time_deviation_days=None,
    level=0.95,
    by_fill_rate=False,
    method="seed",
    demand_class="smooth",
    undershoot=1.5,
    outgoing_mean=351.0,
    outgoing_deviation=31.8,
    outgoing_skewness=0.0,
    factor=1.35,
    safety_stock=43.51873,
    reorder_point=394,
    order_cost=50.0,
    holding_cost_rate=0.25,
    unit_cost=3.1,
    economic_order_quantity=1534.54837,
    reorder_quantity=1536,
    expected_cycle_service=0.9123,
    expected_fill_rate=0.9987,
)
LUMPY = replace(
    SEED,
    days=100,
    days_with_demand=20,
    daily_mean=2.0,
    daily_deviation=6.0,
    lead_time_deviation_days=2.0,
    method="gamma",
    demand_class="lumpy",
    undershoot=9.5,
    outgoing_mean=23.0,
    outgoing_deviation=20.0,
    outgoing_skewness=1.2,
    factor=1.7,
    safety_stock=43.0,
    reorder_point=57,
    expected_cycle_service=0.951,
    expected_fill_rate=0.987,
)
TERMS = Terms(minimum_order_quantity=36, pack_size=6)


def by_name(plan: PlanNumbers) -> dict[str, Explained]:
    return {each.name: each for each in explain(plan, TERMS)}


def test_the_seeds_formula_is_told_with_its_numbers() -> None:
    found = explain(SEED, TERMS)
    assert [each.name for each in found] == [
        *("usage d", "deviation s", "days between demand", "variation of sizes", "class", "lead time L"),
        *("Z", "safety stock", "reorder point", "EOQ", "order quantity", "expected service", "expected fill rate"),
    ]
    told = by_name(SEED)
    assert told["usage d"] == Explained("usage d", "1750 units in 35 days", 50.0, "units a day")
    assert told["Z"].value == pytest.approx(1.644854, abs=1e-6)
    assert told["safety stock"] == Explained("safety stock", "Z · s · √L = 1.645 · 10 · √7", 43.51873, "units")
    assert told["reorder point"] == Explained(
        "reorder point", "d · L + safety stock = 350 + 43.52, rounded up", 394, "units"
    )
    assert told["EOQ"].formula == "√(2 · 18250 a year · order cost 50 / (holding 0.25 a year · unit cost 3.1))"
    assert told["order quantity"].formula == (
        "EOQ, rounded up; at least 36, in packs of 6; when it is ordered, no less than the point"
    )
    expected = told["expected service"]
    assert expected.value == pytest.approx(91.23)
    assert expected.unit == "%"
    assert expected.formula == "of the cycles pass without a refused customer; asked for 95 %"


def test_a_lead_time_that_varies_is_in_the_seeds_formula() -> None:
    told = by_name(replace(SEED, lead_time_deviation_days=2.0))
    assert told["safety stock"].formula == "Z · √(L · s² + d² · sL²) = 1.645 · √(7 · 10² + 50² · 2²)"
    assert told["lead time L"].formula == "of the supplier, deviation sL 2"


def test_a_distribution_is_told_from_its_mean_to_the_point() -> None:
    told = by_name(LUMPY)
    # 200 units on 20 days: 10 a day with demand; the squares of the days are 36 · 99 + 200² / 100 = 3,964.
    assert told["days between demand"].value == 5
    assert told["variation of sizes"].value == pytest.approx((3_964 / 20 / 100 - 1) * 20 / 19)
    assert told["class"].formula == "lumpy: 5 ≥ 1.32 days between demand, variation 1.03 ≥ 0.49"
    assert told["undershoot"].formula == (
        "below the point when the order goes out: (s² / d + 1) / 2 = (6² / 2 + 1) / 2, at least 1"
    )
    assert told["mean M"] == Explained(
        "mean M", "leaves until the goods are there: d · L + undershoot - ½ = 14 + 9.5 - 0.5", 23.0, "units"
    )
    # 36 · 7 = 252 by the demand, (2 · 2)² = 16 by the lead time: 132 of 400 are the rest.
    assert told["deviation D"].formula == (
        "√((s · √L)² + (d · sL)² + rest²) = √(15.87² + 4² + 11.49²); the rest is the undershoot's, and that of "
        "estimates from 100 days"
    )
    assert told["factor K"].formula.startswith("gamma, Pearson's type III: (q - 4/g²) · g/2, with skewness g 1.200 ")
    assert told["reorder point"] == Explained(
        "reorder point", "M + K · D = 23 + 1.700 · 20 = 57; the nearer unit", 57, "units"
    )
    assert told["safety stock"] == Explained("safety stock", "reorder point - d · L = 57 - 14", 43.0, "units")


def test_the_measure_that_was_asked_for_is_named() -> None:
    told = by_name(replace(LUMPY, by_fill_rate=True, level=0.98))
    assert told["factor K"].formula == "the least with which 0.98 of the units wanted is sold"
    assert told["expected service"].formula == "of the cycles pass without a refused customer"
    assert told["expected fill rate"].formula == "of the units wanted are sold; asked for 98 %"
    normal = by_name(replace(LUMPY, method="normal", outgoing_skewness=0.0, factor=1.645))
    assert normal["factor K"].formula == "standard normal quantile of service level 0.95"


def test_an_item_without_demand_says_that_it_is_never_ordered() -> None:
    told = by_name(replace(SEED, method=None, demand_class=None, days_with_demand=0, daily_mean=0.0, reorder_point=0))
    assert told["reorder point"] == Explained(
        "reorder point", "no demand in these days: it is never ordered", 0, "units"
    )
    assert "class" not in told


def test_a_plan_of_an_older_worker_is_told_as_far_as_it_is_known() -> None:
    unknown: dict[str, Any] = {
        **dict.fromkeys(("days_with_demand", "demand_class", "undershoot", "outgoing_mean", "outgoing_deviation")),
        **dict.fromkeys(("outgoing_skewness", "factor", "order_cost", "holding_cost_rate", "unit_cost")),
        **dict.fromkeys(("expected_cycle_service", "expected_fill_rate")),
    }
    old = replace(SEED, **unknown)
    assert [each.name for each in explain(old, TERMS)] == [
        *("usage d", "deviation s", "lead time L", "Z", "safety stock", "reorder point", "order quantity"),
    ]


def test_goods_that_cost_nothing_to_hold_are_said_to_be_bought_for_a_year() -> None:
    assert by_name(replace(SEED, unit_cost=0.0))["EOQ"].formula == "a year's demand, 18250: it costs nothing to hold"


def test_the_terms_of_the_supplier_are_told() -> None:
    """At 2.90 from 1,600 on: sqrt(2 x 18,250 x 50 / (0.25 x 2.90)) are 1,586.6."""
    breaks = [PriceBreak(1_600, Decimal("2.90")), PriceBreak(9_000, Decimal("2.85"))]
    plan = replace(
        SEED,
        lead_time_days=9.571,
        lead_time_deviation_days=1.917,
        review_wait_days=2.571,
        unit_cost=2.9,
        economic_order_quantity=1586.56,
        reorder_quantity=1_602,
    )
    told = {each.name: each for each in explain(plan, TERMS, breaks)}
    assert told["lead time L"].formula == (
        "of the supplier, deviation sL 1.92, 2.57 of them until its next review day, on average"
    )
    assert told["EOQ"].formula.endswith("(holding 0.25 a year · unit cost 2.9))")
    assert told["order quantity"] == Explained(
        "order quantity",
        "of least yearly cost, no less than the point: goods (2.9 from 1600 on, 2.85 from 9000 on), orders and "
        "holding; at least 36, in packs of 6",
        1_602,
        "units",
    )
    with_cost = {each.name: each for each in explain(plan, TERMS, breaks, Decimal("3.10"))}
    assert with_cost["order quantity"].formula.startswith(
        "of least yearly cost, no less than the point: goods (3.1 each, 2.9 from 1600 on, 2.85 from 9000 on), "
    )


def test_a_forecast_is_told_with_the_mean_that_it_is_of() -> None:
    plan = replace(LUMPY, forecast="trend_and_season", forecast_factor=1.25, forecast_error=0.4)
    found = by_name(plan)
    assert list(found)[:4] == ["mean", "forecast f", "usage d", "deviation s"]
    assert (found["mean"].value, found["mean"].formula) == (1.6, "160 units in 100 days")
    assert found["forecast f"].value == 1.25
    assert found["forecast f"].formula == (
        "trend and season, over the lead time; over the last year, its squared error was 40 % of the mean's"
    )
    assert (found["usage d"].value, found["usage d"].formula) == (2.0, "mean · f = 1.6 · 1.250")
    assert found["deviation s"].formula == "of the units of each of 100 days, as it is with the forecast"
    # A year's orders are of the mean.
    assert "2 · 584 a year" in found["EOQ"].formula
    assert "mean" not in by_name(LUMPY)


def test_what_came_from_the_warehouses_past_is_told() -> None:
    found = by_name(replace(LUMPY, usual_deviation=3.0, usual_days=30.0, widening=1.25, outgoing_deviation=25.0))
    usual = found["usual deviation"]
    assert (usual.value, usual.formula) == (
        3.0,
        "of a day, that items with this mean have in the warehouse; it counts for 30 days with demand",
    )
    both = found["deviation s with the usual"]
    assert both.formula == "√((20 · 6² + 30 · 3²) / (20 + 30))"
    assert both.value == pytest.approx(19.8**0.5)
    assert (found["widening w"].value, found["widening w"].formula) == (
        1.25,
        "with it, 0.95 of the orders in the warehouse's past would have come in time",
    )
    assert found["deviation D"].formula.startswith("w · √((s · √L)² + (d · sL)² + rest²) = 1.250 · √(11.77² + 4² + ")
    assert not {"usual deviation", "widening w"} & {*by_name(LUMPY)}


def test_what_will_expire_unsold_is_told_by_the_lot_that_says_how_much_it_is() -> None:
    lots = [LotAhead(60, 2, date(2026, 6, 3)), LotAhead(9, 4, date(2026, 6, 5)), LotAhead(90, 8, date(2026, 6, 9))]
    assert explain_waste(Perishables(lots, 7.4, lead_time_days=7)) == [
        Explained(
            "will expire unsold",
            "60 free units of lots that end by 2026-06-03, of which 14.8 are expected to be sold by then: 7.4 a day "
            "for 2 days; of lots that end within the lead time",
            46,
            "units",
        )
    ]
    assert explain_waste(Perishables([LotAhead(14, 2, date(2026, 6, 3))], 7.4, lead_time_days=7)) == []


def test_the_bound_of_an_order_is_told_where_it_bounds_one() -> None:
    """Fifty a day; an order has no less than the point."""
    plan = replace(SEED, reorder_quantity=100)
    assert explain_bound(plan, 7) == [
        Explained(
            "order at most",
            "d · D = 50 · 7 days that the latest lots had when they came, less what is left of the stock by then",
            350,
            "units",
        )
    ]
    assert [explain_bound(plan, days) for days in (8, None)] == [[], []]
