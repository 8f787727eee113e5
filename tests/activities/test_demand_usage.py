"""What is known of an item's usage: which days are looked at, and whose demand counts on them."""

from datetime import timedelta

import pytest

from database.demand_sums import demand_of_items
from database.sessions import Database
from stockkeeper.domain.replenishment import usage_of
from stockkeeper.domain.stock import ItemKey
from tests.support.past import A_DAY, AS_OF, Past, local, usage, warehouse_in
from tests.support.shop import Shop
from tests.support.steps.replenishment_plan import Planning

KOLKATA, NEW_YORK = "Asia/Kolkata", "America/New_York"


def test_days_without_sales_count_as_zero_from_the_items_first_day_on(
    planning: Planning, past: Past, database: Database
) -> None:
    busy, quiet = past.seller(5, 0, 0, 7), past.item(AS_OF - 10 * A_DAY)
    planning.roll_up()
    assert usage(database, busy) == usage_of([5, 0, 0, 7])
    assert usage(database, quiet) == usage_of([0] * 10)


@pytest.mark.parametrize(("moment", "days"), [("2025-06-03T23:59", 7), ("2025-06-04T00:00", 6)])
def test_the_first_day_is_the_warehouses_own(
    planning: Planning, past: Past, shop: Shop, database: Database, moment: str, days: int
) -> None:
    item = past.item(local(KOLKATA, moment), warehouse=warehouse_in(shop, KOLKATA))
    past.sold(item, (local(KOLKATA, "2025-06-09T12:00"), 10))
    planning.roll_up()
    assert usage(database, item) == usage_of([0] * (days - 1) + [10])


@pytest.mark.parametrize(
    ("hour", "known"), [("2025-06-09T23:59", [0, 1]), ("2025-06-10T00:00", [0, 1, 20])], ids=["before", "after"]
)
@pytest.mark.parametrize("timezone", [KOLKATA, NEW_YORK])
def test_today_is_left_out_until_it_is_over_in_the_warehouse(
    planning: Planning, past: Past, shop: Shop, database: Database, timezone: str, hour: str, known: list[int]
) -> None:
    item = past.item(local(timezone, "2025-06-07T08:00"), warehouse=warehouse_in(shop, timezone))
    past.sold(item, (local(timezone, "2025-06-08T12:00"), 1), (local(timezone, "2025-06-09T12:00"), 20))
    as_of = local(timezone, hour)
    planning.roll_up(as_of)
    assert usage(database, item, as_of=as_of) == usage_of(known)


def test_what_came_today_or_never_has_no_usage_yet(planning: Planning, past: Past, database: Database) -> None:
    today, never = past.item(AS_OF - timedelta(hours=1)), past.item()
    past.sold(today, (AS_OF - timedelta(minutes=1), 5))
    planning.roll_up()
    assert usage(database, today) is None
    assert usage(database, never) is None


@pytest.mark.parametrize(
    ("history_days", "daily"),
    [(1, [8]), (3, [6, 7, 8]), (7, [2, 3, 4, 5, 6, 7, 8]), (8, [*range(1, 9)]), (9, [1_000, *range(1, 9)])],
)
def test_no_more_days_are_looked_at_than_are_asked_for(
    planning: Planning, past: Past, database: Database, history_days: int, daily: list[int]
) -> None:
    item = past.seller(1, 2, 3, 4, 5, 6, 7, 8)
    past.imported(item, ("2025-06-01", 1_000))
    planning.roll_up()
    assert usage(database, item, history_days=history_days) == usage_of(daily)


# An earlier system's demand.


def test_an_earlier_systems_demand_counts_where_the_ledger_has_none(
    planning: Planning, past: Past, database: Database
) -> None:
    item = past.seller(5, 0, 7)
    # The ledger's days are 7, 8 and 9 June, of which it has no demand on the 8th.
    past.imported(
        item,
        ("2025-06-04", 1),
        ("2025-06-06", 20),
        ("2025-06-07", 300),
        ("2025-06-08", 4_000),
        ("2025-06-09", 50_000),
    )
    planning.roll_up()
    assert usage(database, item) == usage_of([1, 0, 20, 5, 4_000, 7])


def test_an_item_may_be_known_from_an_earlier_system_only(planning: Planning, past: Past, database: Database) -> None:
    item, started_slowly = past.item(), past.item()
    past.imported(item, ("2025-06-07", 6))
    past.imported(started_slowly, ("2025-06-05", 0), ("2025-06-07", 6))
    planning.roll_up()
    assert usage(database, item) == usage_of([6, 0, 0])
    assert usage(database, started_slowly) == usage_of([0, 0, 6, 0, 0])


def test_an_earlier_systems_today_and_tomorrow_are_left_out(planning: Planning, past: Past, database: Database) -> None:
    item, tomorrows = past.seller(5, 6), past.item()
    for each in (item, tomorrows):
        past.imported(each, ("2025-06-10", 1_000), ("2025-06-11", 1_000))
    planning.roll_up()
    assert usage(database, item) == usage_of([5, 6])
    assert usage(database, tomorrows) is None


def test_items_are_not_taken_for_each_other(planning: Planning, past: Past, shop: Shop, database: Database) -> None:
    here, there = shop.warehouse(), shop.warehouse()
    tea, mug = shop.product(), shop.product()
    sold = {(here, tea): [1, 2], (here, mug): [30, 40], (there, tea): [500, 600], (there, mug): [0, 8_000]}
    items = {
        past.seller(*daily, warehouse=warehouse, product=product): daily for (warehouse, product), daily in sold.items()
    }
    # A day on which the ledger has demand of the same product elsewhere, and of another one there.
    past.imported(ItemKey(there, mug), ("2025-06-08", 90_000))
    planning.roll_up()
    with database.transaction() as connection:
        found = demand_of_items(connection, list(items), 90, AS_OF)
    expected = {item: usage_of(daily) for item, daily in items.items()}
    usages = {item: sums.usage for item, sums in found.items()}
    assert usages == expected | {ItemKey(there, mug): usage_of([90_000, 8_000])}
