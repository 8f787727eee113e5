"""The demand of each day: what counts, and on which day of which calendar."""

import random
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Engine, text

from database import demand as rollup
from database.demand_sums import demand_of_items
from database.sessions import Database
from stockkeeper.contracts import import_rows
from stockkeeper.domain.replenishment import usage_of
from stockkeeper.domain.stock import ItemKey, MovementType
from tests.support.past import A_DAY, AS_OF, Past, demand, local, warehouse_in, write
from tests.support.shop import Shop, new_reference
from tests.support.steps.purchase_order import Buying, came
from tests.support.steps.replenishment_plan import Planning
from tests.support.steps.reservation import Steps
from tests.support.steps.transfer import TransferCalls, arrived

KOLKATA, NEW_YORK, AZORES, HAVANA = "Asia/Kolkata", "America/New_York", "Atlantic/Azores", "America/Havana"
LONG_AGO = datetime(2024, 1, 1, tzinfo=UTC)
LATE = datetime(2025, 6, 9, 23, 59, 59, tzinfo=UTC)
"""Just before the end of yesterday."""


def _item_in(past: Past, shop: Shop, timezone: str) -> ItemKey:
    return past.item(LONG_AGO, warehouse=warehouse_in(shop, timezone))


def _sell(past: Past, item: ItemKey, moments: list[datetime]) -> None:
    """One unit at the first moment, then 20, 300, 4,000 and 50,000: a day's demand tells which of them are its own."""
    past.sold(item, *zip(moments, (1, 20, 300, 4_000, 50_000), strict=False))


# Days.


@pytest.mark.parametrize("timezone", ["UTC", KOLKATA, NEW_YORK, "Pacific/Kiritimati", "Pacific/Pago_Pago"])
def test_a_sale_counts_on_the_day_that_it_is_in_the_warehouse(
    planning: Planning, past: Past, shop: Shop, engine: Engine, timezone: str
) -> None:
    item = _item_in(past, shop, timezone)
    hours = ["03T00:00", "03T23:30", "03T23:59:59.999999", "04T00:00", "04T00:30"]
    _sell(past, item, [local(timezone, f"2025-06-{hour}") for hour in hours])
    planning.roll_up()
    assert demand(engine, item) == {"2025-06-03": 321, "2025-06-04": 54_000}


def test_the_same_instant_is_another_day_elsewhere(planning: Planning, past: Past, shop: Shop, engine: Engine) -> None:
    kolkata, new_york = _item_in(past, shop, KOLKATA), _item_in(past, shop, NEW_YORK)
    for item in (kolkata, new_york):
        past.sold(item, (datetime(2025, 6, 3, 20, tzinfo=UTC), 5), (datetime(2025, 6, 4, 2, tzinfo=UTC), 7))
    planning.roll_up()
    assert demand(engine, kolkata) == {"2025-06-04": 12}
    assert demand(engine, new_york) == {"2025-06-03": 12}


def test_a_day_of_23_hours_ends_at_its_own_midnight(planning: Planning, past: Past, shop: Shop, engine: Engine) -> None:
    """In New York the clocks go from 2 to 3 on 9 March 2025."""
    item = _item_in(past, shop, NEW_YORK)
    hours = ["08T23:30", "09T00:30", "09T03:00", "09T23:30", "10T00:30"]
    _sell(past, item, [local(NEW_YORK, f"2025-03-{hour}") for hour in hours])
    # Ten minutes to midnight; by winter's clock it would be an hour earlier, and ten past by no clock at all.
    planning.roll_up(local(NEW_YORK, "2025-03-09T23:50"))
    assert demand(engine, item) == {"2025-03-08": 1}
    planning.roll_up(local(NEW_YORK, "2025-03-10T00:10"))
    assert demand(engine, item) == {"2025-03-08": 1, "2025-03-09": 4_320}
    planning.roll_up(local(NEW_YORK, "2025-03-11T00:10"))
    assert demand(engine, item) == {"2025-03-08": 1, "2025-03-09": 4_320, "2025-03-10": 50_000}


def test_a_day_of_25_hours_has_them_all(planning: Planning, past: Past, shop: Shop, engine: Engine) -> None:
    """In New York the clocks go from 2 back to 1 on 2 November 2025: half past one comes twice."""
    item = _item_in(past, shop, NEW_YORK)
    past.sold(
        item,
        (local(NEW_YORK, "2025-11-01T23:30"), 1),
        (local(NEW_YORK, "2025-11-02T00:30"), 20),
        (local(NEW_YORK, "2025-11-02T01:30"), 300),
        (local(NEW_YORK, "2025-11-02T01:30", fold=1), 300),
        (local(NEW_YORK, "2025-11-02T23:30"), 4_000),
        (local(NEW_YORK, "2025-11-03T00:30"), 50_000),
    )
    # By summer's clock it would be the next day already.
    planning.roll_up(local(NEW_YORK, "2025-11-02T23:50"))
    assert demand(engine, item) == {"2025-11-01": 1}
    planning.roll_up(local(NEW_YORK, "2025-11-03T00:10"))
    assert demand(engine, item) == {"2025-11-01": 1, "2025-11-02": 4_620}


def test_every_timezone_that_a_warehouse_may_be_given_is_one_that_the_database_knows(engine: Engine) -> None:
    """One that it doesn't know would stop planning for all warehouses."""
    named = sorted(import_rows._timezones())
    assert {KOLKATA, NEW_YORK, AZORES, HAVANA} < set(named)
    query = text("SELECT count(now() AT TIME ZONE name) FROM unnest(CAST(:names AS text[])) AS name")
    with engine.connect() as connection:
        assert connection.execute(query, {"names": named}).scalar_one() == len(named)


@pytest.mark.parametrize(("timezone", "day"), [(AZORES, "2025-10-26"), (HAVANA, "2025-11-02")])
def test_a_midnight_that_comes_twice_loses_nothing_when_its_day_is_done_again(
    planning: Planning, past: Past, shop: Shop, engine: Engine, timezone: str, day: str
) -> None:
    """There the clocks go from 1 back to 0: the hour after midnight is twice in the day."""
    item = _item_in(past, shop, timezone)
    past.sold(
        item,
        (local(timezone, f"{day}T00:30") - timedelta(hours=1), 1),
        (local(timezone, f"{day}T00:30"), 20),
        (local(timezone, f"{day}T00:30", fold=1), 300),
        (local(timezone, f"{day}T23:30"), 4_000),
    )
    eve = str(date.fromisoformat(day) - A_DAY)
    # First as today, which is left out, then as yesterday, and then once more, because it is the last day done.
    for days_later, known in enumerate([{eve: 1}, {eve: 1, day: 4_320}, {eve: 1, day: 4_320}]):
        planning.roll_up(local(timezone, f"{day}T12:00") + days_later * A_DAY)
        assert demand(engine, item) == known


CALENDARS = (
    *("UTC", KOLKATA, NEW_YORK, AZORES, HAVANA, "Asia/Kathmandu", "Pacific/Kiritimati", "Pacific/Pago_Pago"),
    # Half an hour's change; a midnight that there isn't, or an hour before midnight that comes twice.
    *("Australia/Lord_Howe", "Africa/Cairo", "Asia/Beirut"),
)


@pytest.mark.parametrize(
    ("first", "days"), [("2025-03-06", 52), ("2025-10-20", 18)], ids=["clocks go on", "clocks go back"]
)
def test_over_weeks_of_clock_changes_every_sale_counts_on_its_own_day(
    planning: Planning, past: Past, shop: Shop, engine: Engine, first: str, days: int
) -> None:
    """Held against Python's calendars, after each of many runs, at whatever hour they come."""
    chance = random.Random(first)
    items = {timezone: _item_in(past, shop, timezone) for timezone in CALENDARS}
    now = datetime.fromisoformat(first).replace(tzinfo=UTC)
    end = now + days * A_DAY
    sold: dict[str, Counter[str]] = {timezone: Counter() for timezone in CALENDARS}
    while now < end:
        until = now + timedelta(minutes=chance.randrange(8 * 60, 72 * 60))
        minutes = int((until - now) / timedelta(minutes=1))
        for timezone, item in items.items():
            at = [now + timedelta(minutes=each) for each in chance.sample(range(minutes), minutes // 90)]
            sales = [(each, chance.randrange(1, 10)) for each in at]
            past.sold(item, *sales)
            for each, units in sales:
                sold[timezone][str(each.astimezone(ZoneInfo(timezone)).date())] += units
        now = until
        planning.roll_up(now)
        for timezone, item in items.items():
            today = str(now.astimezone(ZoneInfo(timezone)).date())
            expected = {day: units for day, units in sold[timezone].items() if day < today}
            assert demand(engine, item) == expected, (timezone, now)


# What counts.


@pytest.mark.parametrize("movement_type", MovementType)
def test_demand_is_what_is_sold_or_sent_away_and_nothing_else(
    past: Past, engine: Engine, movement_type: MovementType
) -> None:
    item = past.item(LONG_AGO)
    leaves = movement_type in (MovementType.SALE, MovementType.TRANSFER_OUT)
    with engine.connect() as connection:
        units = -7 if leaves or movement_type is MovementType.ADJUSTMENT else 7
        write(connection, item, [(LATE, movement_type, units)])
        rollup.roll_up(connection, AS_OF)
        found = demand_of_items(connection, [item], 2, AS_OF)[item].usage
        # Some of these have no document behind them, which the auditor would find.
        connection.rollback()
    assert found == usage_of([0, 7 if leaves else 0])


def test_what_comes_back_does_not_lower_the_demand_of_its_day(past: Past, engine: Engine) -> None:
    item = past.item(LONG_AGO)
    moved = [
        (LATE - timedelta(hours=2), MovementType.SALE, -30),
        (LATE - timedelta(hours=1), MovementType.RETURN, 12),
        (LATE, MovementType.SALE, -3),
    ]
    with engine.connect() as connection:
        write(connection, item, moved)
        rollup.roll_up(connection, AS_OF)
        found = demand_of_items(connection, [item], 2, AS_OF)[item].usage
        # There is no return behind it, which the auditor would find.
        connection.rollback()
    assert found == usage_of([0, 33])


def test_what_the_processes_themselves_write_counts(
    planning: Planning, database: Database, shop: Shop, engine: Engine
) -> None:
    item, elsewhere = shop.item(100), shop.warehouse()
    selling, buying, moving = Steps(database), Buying(database), TransferCalls(database)
    order = new_reference()
    selling.reserve(order, (item, 30))
    # What is only promised hasn't left, and what comes in is no demand.
    selling.fulfill(order)
    selling.reserve(new_reference(), (item, 5))
    buying.receive(buying.order(shop, (item, 50)), "1", came(item, 50))
    transfer = moving.sent(elsewhere, (item, 8))
    moving.receive(transfer, "1", arrived(item, 8))
    with engine.connect() as connection:
        query = text("SELECT max(created_at) FROM stock_movements WHERE product_id = :product_id")
        moved_at = connection.execute(query, {"product_id": item.product_id}).scalar_one()
    planning.roll_up(moved_at + A_DAY)
    # On one day, unless midnight came between them.
    assert sum(demand(engine, item).values()) == 38
    assert demand(engine, item._replace(warehouse_id=elsewhere)) == {}
