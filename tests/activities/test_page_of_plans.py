"""Plans of a page: what an order brings at its price is what the service is expected with."""

from decimal import Decimal

import pytest

from activities.page_of_plans import plan_items
from database.demand_sums import DemandSums
from database.replenishment_plan import Supply
from stockkeeper.domain.demand_class import ServiceMeasure
from stockkeeper.domain.order_quantity import PriceBreak
from stockkeeper.domain.replenishment import LeadTime, Policy, Terms
from stockkeeper.domain.stock import ItemKey

DEMAND = DemandSums(days=100, days_with_demand=60, total=1_000, total_of_squares=40_000)
"""Ten a day."""
COST = Decimal("3.10")
BREAKS = (PriceBreak(2_000, Decimal("2.55")),)


@pytest.mark.parametrize("measure", list(ServiceMeasure))
def test_service_is_expected_with_the_quantity_that_the_price_breaks_lead_to(measure: ServiceMeasure) -> None:
    """A least order of as many units, without price breaks, is planned alike."""

    def supplied(least: int, breaks: tuple[PriceBreak, ...]) -> Supply:
        return Supply(7, COST, LeadTime(7.0, 2.0), Terms(least, 1), breaks, LeadTime(0.0))

    items = [ItemKey(1, 1), ItemKey(1, 2)]
    planned = plan_items(
        items,
        dict.fromkeys(items, DEMAND),
        {1: supplied(1, BREAKS), 2: supplied(2_000, ())},
        Policy(service_level=0.98, order_cost=50.0, holding_cost_rate=0.25),
        measure=measure,
        method=None,
        forecasts={},
        hindsights={},
    )
    assert planned["reorder_quantity"] == [2_000, 2_000]
    for name in ("reorder_point", "factor", "expected_fill_rate", "expected_cycle_service"):
        with_breaks, without = planned[name]
        assert with_breaks == without, name
