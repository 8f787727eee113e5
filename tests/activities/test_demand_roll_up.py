"""Demand is brought up to date: what is new is read, and nothing that is old."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import Engine, text

from stockkeeper.domain.stock import ItemKey
from tests.support.meetings import WAIT_SECONDS, held_rows, until_waiting
from tests.support.past import A_DAY, AS_OF, YESTERDAY, Past, demand, warehouse_in
from tests.support.shop import Shop
from tests.support.steps.replenishment_plan import Planning

LONG_AGO = datetime(2024, 1, 1, tzinfo=UTC)
LATE = datetime(2025, 6, 9, 23, 59, 59, tzinfo=UTC)
"""Just before the end of yesterday."""


def _forget(engine: Engine, item: ItemKey, *days: str) -> None:
    """Lose what is known of some days, so that only those that are read again come back."""
    query = text("""
        DELETE FROM daily_demand
        WHERE (warehouse_id, product_id) = (:warehouse_id, :product_id) AND day = ANY (CAST(:days AS date[]))
    """)
    with engine.begin() as connection:
        assert connection.execute(query, item._asdict() | {"days": list(days)}).rowcount == len(days)


def _known_through(engine: Engine, warehouse_id: int) -> date:
    query = text("SELECT through FROM demand_days WHERE warehouse_id = :warehouse_id")
    with engine.connect() as connection:
        through = connection.execute(query, {"warehouse_id": warehouse_id}).scalar_one()
        assert isinstance(through, date)
        return through


# What other tests have left is rolled up before anything is counted.


def test_doing_it_again_writes_nothing(planning: Planning, past: Past, engine: Engine) -> None:
    planning.roll_up()
    item = past.seller(5, 0, 6, 7)
    assert planning.roll_up().days_written == 3
    known = demand(engine, item)
    assert known == {"2025-06-06": 5, "2025-06-08": 6, "2025-06-09": 7}
    assert planning.roll_up().days_written == 0
    assert planning.roll_up(AS_OF + timedelta(hours=11)).days_written == 0
    assert demand(engine, item) == known
    assert _known_through(engine, item.warehouse_id) == YESTERDAY


@pytest.mark.parametrize(
    ("timezone", "midnight"),
    [("UTC", "10T00:00"), ("Asia/Kolkata", "09T18:30"), ("America/New_York", "10T04:00")],
)
@pytest.mark.parametrize(("minutes_before", "through"), [(1, "2025-06-08"), (0, "2025-06-09")])
def test_it_is_known_through_the_warehouses_yesterday(
    planning: Planning, shop: Shop, engine: Engine, timezone: str, midnight: str, minutes_before: int, through: str
) -> None:
    warehouse = warehouse_in(shop, timezone)
    planning.roll_up(datetime.fromisoformat(f"2025-06-{midnight}+00:00") - timedelta(minutes=minutes_before))
    assert str(_known_through(engine, warehouse)) == through


def test_the_next_day_adds_its_own(planning: Planning, past: Past, engine: Engine) -> None:
    planning.roll_up(AS_OF + A_DAY)
    item = past.seller(5, 6)
    planning.roll_up()
    past.sold(item, (AS_OF, 7))
    assert planning.roll_up().days_written == 0
    assert planning.roll_up(AS_OF + A_DAY).days_written == 1
    assert demand(engine, item) == {"2025-06-08": 5, "2025-06-09": 6, "2025-06-10": 7}


def test_days_on_which_nobody_looked_are_made_up_for(planning: Planning, past: Past, engine: Engine) -> None:
    planning.roll_up(AS_OF + 4 * A_DAY)
    item = past.seller(5)
    planning.roll_up()
    past.sold(item, *((AS_OF + day * A_DAY, 10 + day) for day in range(4)))
    assert planning.roll_up(AS_OF + 4 * A_DAY).days_written == 4
    later = {"2025-06-10": 10, "2025-06-11": 11, "2025-06-12": 12, "2025-06-13": 13}
    assert demand(engine, item) == {"2025-06-09": 5} | later


def test_what_was_committed_late_is_added_to_the_last_day(planning: Planning, past: Past, engine: Engine) -> None:
    """A sale may be written before midnight and committed after it."""
    planning.roll_up(AS_OF + A_DAY)
    item, first_sale = past.seller(5, 6), past.item(LONG_AGO)
    planning.roll_up()
    past.sold(item, (LATE, 30))
    past.sold(first_sale, (LATE, 4))
    assert planning.roll_up(AS_OF + A_DAY).days_written == 2
    assert demand(engine, item) == {"2025-06-08": 5, "2025-06-09": 36}
    assert demand(engine, first_sale) == {"2025-06-09": 4}


def test_days_before_the_last_one_are_not_read_again(planning: Planning, past: Past, engine: Engine) -> None:
    item = past.seller(5, 6, 7)
    planning.roll_up()
    _forget(engine, item, "2025-06-07", "2025-06-08", "2025-06-09")
    assert planning.roll_up().days_written == 1
    assert demand(engine, item) == {"2025-06-09": 7}


def test_a_new_warehouse_begins_at_its_beginning_and_the_others_go_on(
    planning: Planning, past: Past, engine: Engine
) -> None:
    old = past.seller(5, 6)
    planning.roll_up()
    _forget(engine, old, "2025-06-08")
    new = past.seller(1, 2, 3)
    assert planning.roll_up().days_written == 3
    assert demand(engine, new) == {"2025-06-07": 1, "2025-06-08": 2, "2025-06-09": 3}
    assert demand(engine, old) == {"2025-06-09": 6}


def test_a_run_that_comes_late_forgets_nothing(planning: Planning, past: Past, engine: Engine) -> None:
    """A run's time is its own; another one may have been faster."""
    item = past.seller(5, 6, 7)
    planning.roll_up()
    assert planning.roll_up(AS_OF - 2 * A_DAY).days_written == 0
    assert _known_through(engine, item.warehouse_id) == YESTERDAY
    assert demand(engine, item) == {"2025-06-07": 5, "2025-06-08": 6, "2025-06-09": 7}


def test_two_at_once_do_it_one_after_the_other(planning: Planning, past: Past, engine: Engine) -> None:
    item = past.seller(5, 6)
    planning.roll_up()
    past.sold(item, (LATE, 30))
    row = "demand_days WHERE warehouse_id = :warehouse_id"
    with ThreadPoolExecutor(2) as threads:
        with held_rows(engine, row, warehouse_id=item.warehouse_id):
            begun = [threads.submit(planning.roll_up) for _ in range(2)]
            until_waiting(engine, 2)
        written = [each.result(WAIT_SECONDS).days_written for each in begun]
    assert sorted(written) == [0, 1]
    assert demand(engine, item) == {"2025-06-08": 5, "2025-06-09": 36}


def test_two_at_once_begin_a_new_warehouse_once(planning: Planning, past: Past, engine: Engine) -> None:
    planning.roll_up()
    item = past.seller(5, 6)
    begin = text("INSERT INTO demand_days VALUES (:warehouse_id, '-infinity')")
    with ThreadPoolExecutor(2) as threads:
        with engine.connect() as connection:
            connection.execute(begin, {"warehouse_id": item.warehouse_id})
            begun = [threads.submit(planning.roll_up) for _ in range(2)]
            until_waiting(engine, 2)
            connection.rollback()
        written = [each.result(WAIT_SECONDS).days_written for each in begun]
    assert sorted(written) == [0, 2]
    assert demand(engine, item) == {"2025-06-08": 5, "2025-06-09": 6}


def test_it_tells_how_many_items_there_are_to_plan(planning: Planning, past: Past, engine: Engine) -> None:
    before = planning.roll_up().items
    _, _, by_hand = past.seller(1), past.item(), past.seller(1)
    query = text("""
        UPDATE inventory_items SET planning = 'manual'
        WHERE (warehouse_id, product_id) = (:warehouse_id, :product_id)
    """)
    with engine.begin() as connection:
        connection.execute(query, by_hand._asdict())
    assert planning.roll_up().items == before + 2
