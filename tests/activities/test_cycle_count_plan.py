"""Planning counts on PostgreSQL: where the day has come so far, and what is due there by its own calendar."""

from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import Engine, text

from database.sessions import Database
from stockkeeper.contracts.cycle_count import CountPolicy
from stockkeeper.contracts.cycle_count_plan import CountDay, CountDays, PlannedCount, count_number
from stockkeeper.domain.stock import ItemKey
from tests.support.past import A_DAY, AS_OF, Past, local, warehouse_in
from tests.support.shop import Shop
from tests.support.steps.activity import refused
from tests.support.steps.cycle_count import CountCalls, CountPlanning
from tests.support.steps.replenishment_plan import Planning

TODAY = AS_OF.date()
EAST, WEST = "Pacific/Kiritimati", "Pacific/Pago_Pago"
"""Fourteen hours before UTC, and eleven after it: for an hour of each day, three dates are a day's name somewhere."""
A_MICROSECOND = timedelta(microseconds=1)


@pytest.fixture
def planning(database: Database) -> CountPlanning:
    """The activities, acting as the worker's role."""
    return CountPlanning(database)


def _due(database: Database, warehouse_id: int, day: date = TODAY, **policy: int) -> PlannedCount:
    """What is due, with other settings."""
    return CountPlanning(database, CountPolicy.model_validate(policy)).plan(warehouse_id, day)


def _listed(items: list[ItemKey], plan: PlannedCount) -> list[int]:
    """Which of these items are on the list, by their place."""
    known = {item.product_id: place for place, item in enumerate(items)}
    return [known[product_id] for product_id in plan.product_ids]


# Where it is time to count.


@pytest.mark.parametrize(("timezone", "day"), [(EAST, "2026-06-02"), ("UTC", "2026-06-01"), (WEST, "2026-05-31")])
def test_each_warehouse_has_the_day_of_its_own_calendar(
    planning: CountPlanning, shop: Shop, timezone: str, day: str
) -> None:
    warehouse_id = warehouse_in(shop, timezone)
    shop.item(0, warehouse=warehouse_id)
    found = planning.days(datetime(2026, 6, 1, 10, 30, tzinfo=UTC), warehouse_id)
    [there] = found.days
    assert (there.warehouse_id, str(there.day), there.is_counted, found.more) == (warehouse_id, day, False, False)


@pytest.mark.parametrize(
    "timezone", [EAST, "Asia/Kathmandu", "UTC", "America/New_York", WEST, "CET", "EET", "MET", "WET"]
)
def test_a_day_begins_at_its_hour_on_the_warehouses_own_clock(
    planning: CountPlanning, shop: Shop, timezone: str
) -> None:
    warehouse_id = warehouse_in(shop, timezone)
    shop.item(0, warehouse=warehouse_id)
    five = local(timezone, "2026-06-01T05:00")
    moments = [five - A_MICROSECOND, five, local(timezone, "2026-06-01T23:59:59"), local(timezone, "2026-06-02T00:00")]
    seen = [[str(each.day) for each in planning.days(at, warehouse_id, from_hour=5).days] for at in moments]
    assert seen == [[], ["2026-06-01"], ["2026-06-01"], []]
    for from_hour in (None, 0):
        assert [str(each.day) for each in planning.days(moments[0], warehouse_id, from_hour=from_hour).days] == [
            "2026-06-01"
        ]


def test_where_nothing_was_ever_stocked_nothing_is_counted(planning: CountPlanning, shop: Shop) -> None:
    assert planning.days(AS_OF, shop.warehouse()) == CountDays(days=[], more=False)


def test_nothing_is_planned_where_there_is_no_warehouse(planning: CountPlanning) -> None:
    assert refused(lambda: planning.days(AS_OF, 2**62)) == ("UnknownWarehouse", {"warehouse_ids": [2**62]})


def test_a_day_whose_count_was_made_before_is_known(planning: CountPlanning, counting: CountCalls, shop: Shop) -> None:
    item = shop.item(1)

    def made(as_of: datetime) -> list[bool]:
        return [day.is_counted for day in planning.days(as_of, item.warehouse_id).days]

    counting.open(count_number(item.warehouse_id, TODAY), item.warehouse_id, item.product_id)
    assert [made(AS_OF), made(AS_OF + A_DAY), made(AS_OF - A_DAY)] == [[True], [False], [False]]


def test_warehouses_come_page_by_page(planning: CountPlanning, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("activities.cycle_count_plan.WAREHOUSES_A_PAGE", 2)
    before = shop.warehouse()
    places = [shop.item(0).warehouse_id for _ in range(2)]
    shop.warehouse()  # Where nothing was ever stocked.
    places += [shop.item(0).warehouse_id for _ in range(2)]
    pages = [planning.days(AS_OF, after=after) for after in (before, places[1], places[3])]
    assert [[day.warehouse_id for day in page.days] for page in pages] == [places[:2], places[2:], []]
    assert [page.more for page in pages] == [True, False, False]
    assert all(isinstance(day, CountDay) and day.day == TODAY for page in pages for day in page.days)


# Classes.


def _classes(engine: Engine, items: list[ItemKey]) -> list[tuple[str, int, datetime]]:
    query = text("""
        SELECT count_class, demand, classified_at FROM item_classes
        WHERE (warehouse_id, product_id) = (:warehouse_id, :product_id)
    """)
    with engine.connect() as connection:
        found = [connection.execute(query, item._asdict()).one() for item in items]
    return [(row.count_class, int(row.demand), row.classified_at) for row in found]


def _back(days: int) -> str:
    return str(TODAY - days * A_DAY)


def test_an_item_has_the_class_of_its_share_of_the_last_ninety_days_demand(
    planning: CountPlanning, past: Past, shop: Shop, database: Database, engine: Engine
) -> None:
    warehouse_id = shop.warehouse()
    items = [
        # On the ninetieth day before this one, on the last, and today.
        past.seller(30, *[0] * 88, 50, 1_000, until=TODAY, warehouse=warehouse_id),
        # An earlier system's, on days of which the ledger has nothing.
        past.item(warehouse=warehouse_id),
        past.seller(3, until=TODAY - A_DAY, warehouse=warehouse_id),
        past.seller(1_000, until=TODAY - 91 * A_DAY, warehouse=warehouse_id),
    ]
    past.imported(items[1], (_back(91), 900), (_back(90), 10), (_back(1), 5), (_back(0), 900))
    past.imported(items[2], (_back(1), 900), (_back(2), 1))
    elsewhere = past.seller(1_000, product=items[1].product_id)
    Planning(database).roll_up()
    planning.plan(warehouse_id, TODAY, as_of=AS_OF)
    assert _classes(engine, items) == [("A", 80, AS_OF), ("B", 15, AS_OF), ("C", 4, AS_OF), ("C", 0, AS_OF)]
    with engine.connect() as connection:
        query = text("SELECT count(*) FROM item_classes WHERE warehouse_id = :warehouse_id")
        assert connection.execute(query, elsewhere._asdict()).scalar_one() == 0


def test_classes_follow_the_demand_and_what_has_not_changed_stays(
    planning: CountPlanning, past: Past, shop: Shop, engine: Engine
) -> None:
    warehouse_id = shop.warehouse()
    items = [past.item(warehouse=warehouse_id) for _ in range(3)]
    for item, units in zip(items, (80, 15, 5), strict=True):
        past.imported(item, (_back(1), units))
    planning.plan(warehouse_id, TODAY, as_of=AS_OF)
    past.imported(items[2], (_back(2), 395))
    planning.plan(warehouse_id, TODAY, as_of=AS_OF + A_DAY)
    assert _classes(engine, items) == [("B", 80, AS_OF + A_DAY), ("C", 15, AS_OF + A_DAY), ("A", 400, AS_OF + A_DAY)]
    planning.plan(warehouse_id, TODAY, as_of=AS_OF + 2 * A_DAY)
    assert {at for _, _, at in _classes(engine, items)} == {AS_OF + A_DAY}


def test_the_settings_say_of_how_many_days_and_how_large_the_classes_are(
    past: Past, shop: Shop, database: Database, engine: Engine
) -> None:
    warehouse_id = shop.warehouse()
    items = [past.item(warehouse=warehouse_id) for _ in range(2)]
    past.imported(items[0], (_back(3), 900), (_back(2), 40))
    past.imported(items[1], (_back(1), 60))
    _due(database, warehouse_id, demand_days=2, a_percent=60, b_percent=40)
    assert [(name, demand) for name, demand, _ in _classes(engine, items)] == [("B", 40), ("A", 60)]


def test_each_class_is_due_after_its_own_days(past: Past, shop: Shop, counting: CountCalls, database: Database) -> None:
    warehouse_id = shop.warehouse()
    items = [past.item(AS_OF - 40 * A_DAY, warehouse=warehouse_id, units=5) for _ in range(3)]
    for item, units in zip(items, (80, 15, 5), strict=True):
        past.imported(item, (_back(1), units))
        counting.record(counting.opened(item), item, 5, as_of=AS_OF - 5 * A_DAY)
    # Each is due on its day, and on no day before.
    due = {
        days: [_listed(items, _due(database, warehouse_id, TODAY + after * A_DAY, **days_of)) for after in range(3)]
        for days, days_of in {
            "a": {"a_days": 6, "b_days": 60, "c_days": 60},
            "b": {"a_days": 60, "b_days": 6, "c_days": 60},
            "c": {"a_days": 60, "b_days": 60, "c_days": 6},
        }.items()
    }
    assert due == {"a": [[], [0], [0]], "b": [[], [1], [1]], "c": [[], [2], [2]]}


# Who is asked for.


def test_what_was_never_counted_is_on_the_list_and_what_was_right_yesterday_is_not(
    planning: CountPlanning, past: Past, shop: Shop, counting: CountCalls
) -> None:
    warehouse_id = shop.warehouse()
    # The last one has never moved, either.
    items = [past.item(AS_OF - 9 * A_DAY, warehouse=warehouse_id, units=10) for _ in range(4)]
    items.append(past.item(warehouse=warehouse_id))
    for item, counted in zip(items, (10, 9), strict=False):
        counting.record(counting.opened(item), item, counted, as_of=AS_OF - A_DAY)
    off = counting.opened(items[2])
    for by in ("ann", "bob"):
        counting.record(off, items[2], 5, by, as_of=AS_OF - A_DAY)
    # What was off comes first, then what was never counted, the oldest first.
    assert _listed(items, planning.plan(warehouse_id, TODAY)) == [2, 3, 4]
    # And again, whoever asks.
    assert planning.plan(warehouse_id, TODAY) == planning.plan(warehouse_id, TODAY)
    counting.record(counting.opened(items[2]), items[2], 5, as_of=AS_OF)
    assert _listed(items, planning.plan(warehouse_id, TODAY + A_DAY)) == [3, 4]


@pytest.mark.parametrize("was_counted", [False, True], ids=["first moved", "last counted"])
@pytest.mark.parametrize(("timezone", "moment"), [(EAST, "2025-06-07T00:30"), (WEST, "2025-06-07T23:30")])
def test_the_days_of_an_item_are_those_of_its_warehouse(
    past: Past, shop: Shop, counting: CountCalls, database: Database, timezone: str, moment: str, *, was_counted: bool
) -> None:
    """Moved or counted on the seventh there, on the sixth or the eighth in UTC: in three days it is the tenth."""
    warehouse_id, at = warehouse_in(shop, timezone), local(timezone, moment)
    # This one is more urgent, and the cap leaves room for no other.
    urgent = past.item(AS_OF - 90 * A_DAY, warehouse=warehouse_id)
    item = past.item(AS_OF - 60 * A_DAY if was_counted else at, warehouse=warehouse_id, units=5)
    if was_counted:
        counting.record(counting.opened(item), item, 5, as_of=at)
    plans = [_due(database, warehouse_id, date(2025, 6, day), c_days=3, cap=1) for day in (9, 10)]
    assert [plan.product_ids for plan in plans] == [[urgent.product_id]] * 2
    assert [plan.late for plan in plans] == [0, 1]


def test_what_is_being_counted_is_not_asked_for_again(
    planning: CountPlanning, past: Past, shop: Shop, counting: CountCalls
) -> None:
    warehouse_id = shop.warehouse()
    items = [past.item(AS_OF - 90 * A_DAY, warehouse=warehouse_id, units=10) for _ in range(4)]
    assert _listed(items, planning.plan(warehouse_id, TODAY)) == [0, 1, 2, 3]
    number = counting.opened(*items[:3])
    assert _listed(items, planning.plan(warehouse_id, TODAY)) == [3]
    # In doubt is still being counted; in the books is not; and given up is as before.
    counting.record(number, items[0], 5, as_of=AS_OF)
    counting.record(number, items[1], 10, as_of=AS_OF - 60 * A_DAY)
    assert _listed(items, planning.plan(warehouse_id, TODAY)) == [3, 1]
    counting.cancel(number)
    assert _listed(items, planning.plan(warehouse_id, TODAY)) == [0, 2, 3, 1]


def test_another_warehouses_count_is_none_of_this_one(
    planning: CountPlanning, past: Past, counting: CountCalls
) -> None:
    item = past.item(AS_OF - 90 * A_DAY)
    elsewhere = past.item(AS_OF - 90 * A_DAY, product=item.product_id)
    counting.opened(elsewhere)
    assert planning.plan(item.warehouse_id, TODAY) == PlannedCount(product_ids=[item.product_id], wanted=1, late=0)
    assert planning.plan(elsewhere.warehouse_id, TODAY) == PlannedCount(product_ids=[], wanted=0, late=0)


def test_what_is_neither_sold_nor_there_is_not_counted(planning: CountPlanning, shop: Shop) -> None:
    warehouse_id = shop.warehouse()
    old = [shop.product(is_active=False) for _ in range(2)]
    gone, left = (
        shop.item(units, warehouse=warehouse_id, product=product) for units, product in zip((0, 1), old, strict=True)
    )
    empty = shop.item(0, warehouse=warehouse_id)
    assert sorted(planning.plan(warehouse_id, TODAY).product_ids) == [left.product_id, empty.product_id]
    assert gone.product_id not in planning.plan(warehouse_id, TODAY).product_ids


def test_where_there_is_nothing_nothing_is_due(planning: CountPlanning, shop: Shop) -> None:
    assert planning.plan(shop.warehouse(), TODAY) == PlannedCount(product_ids=[], wanted=0, late=0)


def test_what_a_day_cannot_hold_is_said(past: Past, shop: Shop, database: Database) -> None:
    warehouse_id = shop.warehouse()
    items = [past.item(AS_OF - (40 + number) * A_DAY, warehouse=warehouse_id) for number in range(5)]
    plan = _due(database, warehouse_id, cap=2)
    # The longest overdue first.
    assert (_listed(items, plan), plan.wanted, plan.late) == ([4, 3], 5, 3)
