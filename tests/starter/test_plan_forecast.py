"""What a list of plans says of one that follows a forecast."""

from starter.cli.replenishment import _planned_from
from stockkeeper.contracts.replenishment_plan import ItemPlan
from stockkeeper.domain.demand_class import DemandClass

PLAN = ItemPlan(
    product_id=1,
    sku="MUG-BLUE",
    warehouse_id=1,
    warehouse="Hamburg",
    planning="auto",
    reorder_point=300,
    reorder_quantity=1200,
    planned_reorder_point=300,
    planned_reorder_quantity=1200,
    quantity_available=500,
    supplier="Weser Ceramics",
    days=90,
    daily_mean=31.25,
    daily_deviation=8.5,
    lead_time_days=7,
    service_level=0.95,
    safety_stock=81.25,
    economic_order_quantity=1150,
    method="normal",
    demand_class=DemandClass.SMOOTH,
    expected_cycle_service=0.951,
    expected_fill_rate=0.999,
)


def test_the_usage_says_how_many_times_the_mean_it_is_and_by_what() -> None:
    found = PLAN.model_copy(update={"forecast": "trend_and_season", "forecast_factor": 1.25, "forecast_error": 0.4})
    rest = (
        " x lead time 7 days + safety stock 81.25 (deviation 8.5 over 90 days, service level 0.95; smooth, normal: "
        "expected 95.1 % of cycles, 99.9 % of units); EOQ 1150; Weser Ceramics"
    )
    assert _planned_from(found) == f"usage 31.25/day (1.25 times the mean, by trend and season){rest}"
    assert _planned_from(PLAN) == f"usage 31.25/day{rest}"
