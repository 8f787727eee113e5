"""What plans promised and what was reached: kept as it happens, in the months of the warehouse."""

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, text

from database.demand import roll_up
from database.plan_accuracy import read_accuracy
from stockkeeper.domain.stock import ItemKey, MovementType
from tests.support.past import AS_OF, SEED, Past, write
from tests.support.shop import Shop, new_reference
from tests.support.steps.purchase_order import Buying
from tests.support.steps.replenishment_plan import Planning

pytestmark = pytest.mark.usefixtures("nothing_else_to_order")

HOUR = timedelta(hours=1)
JUNE, JULY = date(2025, 6, 1), datetime(2025, 7, 1, 0, 30, tzinfo=UTC)
SALE, PURCHASE = MovementType.SALE, MovementType.PURCHASE


class Month:
    """Items of one warehouse that are planned on 10 June, and what happens to them in a transaction that is undone.

    Of its movements there is no document, which the auditor would find.
    """

    def __init__(self, connection: Connection, planning: Planning, past: Past, shop: Shop, buying: Buying) -> None:
        self.connection = connection
        self.warehouse = shop.warehouse()
        self._planning = planning
        self._past = past
        self._shop = shop
        self._buying = buying

    def items(self, number: int, *, units: int = 170) -> list[ItemKey]:
        """Items of which 150 were sold until the 9th; planned by class."""
        items = [self._past.supplied(*SEED, units=units, warehouse=self.warehouse) for _ in range(number)]
        self._planning.run(self.warehouse, method=None)
        return items

    def ordered(self, item: ItemKey) -> str:
        """A purchase order of the 10th at one o'clock."""
        return self._buying.order(self._shop, (item, 500), as_of=AS_OF + HOUR)

    def happened(self, item: ItemKey, *moved: tuple[int, MovementType, int], of: str = "the past") -> None:
        """Movements so many hours after noon of the 10th."""
        movements = [(AS_OF + hours * HOUR, kind, units) for hours, kind, units in moved]
        write(self.connection, item, movements, reference=of)

    def refused(self, item: ItemKey, hours: int, units: int, *, operation: str | None = None) -> None:
        """A hold that was refused."""
        short = {"product_id": item.product_id, "warehouse_id": item.warehouse_id, "requested": units, "available": 1}
        self.connection.execute(
            text("INSERT INTO refused_operations VALUES (:operation, :as_of, :refusal, :as_of)"),
            {
                "operation": operation or f"reservation-{new_reference('order')}/reserve",
                "as_of": AS_OF + hours * HOUR,
                "refusal": json.dumps(["InsufficientStock", "less is there", [short]]),
            },
        )

    def told(self, as_of: datetime) -> list[dict[str, Any]]:
        """What is told after a roll-up at this instant."""
        roll_up(self.connection, as_of)
        return [dict(row) for row in read_accuracy(self.connection, self.warehouse, JUNE)]


@pytest.fixture
def month(engine: Engine, planning: Planning, past: Past, shop: Shop, buying: Buying) -> Iterator[Month]:
    planning.roll_up()
    with engine.connect() as connection:
        yield Month(connection, planning, past, shop, buying)
        connection.rollback()


def test_cycles_and_units_are_told_beside_what_was_promised(month: Month, planning: Planning, engine: Engine) -> None:
    good, empty, refused = month.items(3)
    orders = {item: month.ordered(item) for item in (good, empty, refused)}
    month.happened(good, (2, SALE, -19))
    month.happened(empty, (2, SALE, -20))
    month.refused(refused, 2, 21)
    for item, order in orders.items():
        month.happened(item, (48, PURCHASE, 100), of=order)
        month.happened(item, (50, PURCHASE, 400), of=order)
    [row] = month.told(AS_OF + 72 * HOUR)
    plan = planning.plan_of(engine, good)
    assert plan.expected_cycle_service is not None
    assert row == {
        "month": "2025-06",
        "demand_class": "smooth",
        "items": 3,
        "cycles": 3,
        "cycles_without_stockout": 1,
        "promised_cycle_service": pytest.approx(plan.expected_cycle_service),
        "units": None,
        "units_refused": 21,
        "promised_fill_rate": None,
    }
    assert month.told(AS_OF + 72 * HOUR) == [row]  # Done again.
    assert plan.expected_fill_rate is not None
    over = {"units": 450 + 39, "promised_fill_rate": pytest.approx(plan.expected_fill_rate)}
    *_, june = month.told(JULY)
    assert june == row | over


def test_an_earlier_or_later_emptiness_is_none_of_the_cycle(month: Month) -> None:
    [item] = month.items(1)
    order = month.ordered(item)
    month.refused(item, 0, 5)
    month.happened(item, (48, PURCHASE, 100), of=order)
    month.happened(item, (49, SALE, -120))
    month.refused(item, 50, 5)
    [row] = month.told(AS_OF + 72 * HOUR)
    assert (row["cycles"], row["cycles_without_stockout"], row["units_refused"]) == (1, 1, 10)


def test_an_item_that_was_empty_when_it_was_ordered_has_run_out(month: Month) -> None:
    [item] = month.items(1, units=150)
    order = month.ordered(item)
    month.happened(item, (48, PURCHASE, 100), of=order)
    [row] = month.told(AS_OF + 72 * HOUR)
    assert (row["cycles"], row["cycles_without_stockout"]) == (1, 0)


def test_a_hold_that_is_no_demand_or_was_held_after_all_is_not_counted(month: Month) -> None:
    [item] = month.items(1)
    month.refused(item, 1, 5, operation=f"adjustment-{new_reference('a')}/post")
    held = f"reservation-{new_reference('order')}/reserve"
    month.refused(item, 1, 6, operation=held)
    month.connection.execute(
        text("""
            INSERT INTO operations (operation_id, kind, fingerprint, performed_by, workflow_id, run_id)
            VALUES (:operation, 'reserve_stock', sha256(''), 'tests', 'test', 'test')
        """),
        {"operation": held},
    )
    [row] = month.told(AS_OF + 24 * HOUR)
    assert row["units_refused"] == 0
    month.refused(item, 2, 7)
    [row] = month.told(AS_OF + 24 * HOUR)
    assert row["units_refused"] == 7


def test_the_plan_with_which_a_month_began_is_the_one_that_is_told_of(
    month: Month, planning: Planning, engine: Engine
) -> None:
    [item] = month.items(1)
    before = planning.plan_of(engine, item)
    planning.run(month.warehouse, method=None, service_level=0.5, as_of=AS_OF + HOUR)
    assert planning.plan_of(engine, item).reorder_point != before.reorder_point
    query = text("""
        SELECT month, reorder_point, expected_cycle_service, units FROM plan_months
        WHERE (warehouse_id, product_id) = (:warehouse_id, :product_id) ORDER BY month
    """)
    month.told(JULY)
    kept = [tuple(row) for row in month.connection.execute(query, item._asdict())]
    assert kept[0] == (JUNE, before.reorder_point, before.expected_cycle_service, 150)
    later = planning.plan_of(engine, item)
    assert kept[1] == (date(2025, 7, 1), later.reorder_point, later.expected_cycle_service, None)
