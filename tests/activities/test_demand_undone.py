"""Demand that won't come again: departures that were undone, and days that are left out."""

import random
from datetime import UTC, datetime

import pytest
from sqlalchemy import Engine, text

from database.demand_sums import demand_of_items
from database.sessions import Database
from stockkeeper.domain.replenishment import usage_of, without_bulk
from stockkeeper.domain.stock import ItemKey
from tests.support.past import A_DAY, AS_OF, Past, demand, usage
from tests.support.shop import Shop, new_reference
from tests.support.steps.customer_return import ReturnCalls, found
from tests.support.steps.replenishment_plan import Planning
from tests.support.steps.reservation import Steps
from tests.support.steps.transfer import TransferCalls, arrived

_SOLD = text("""
    SELECT created_at::date::text FROM stock_movements
    WHERE (warehouse_id, product_id) = (:warehouse_id, :product_id) AND movement_type IN ('SALE', 'TRANSFER_OUT')
    ORDER BY created_at
""")


class World:
    """Goods that leave today, by the processes' own steps; the day after tomorrow all of it is known."""

    def __init__(self, database: Database, shop: Shop, engine: Engine, planning: Planning) -> None:
        self.selling, self.moving, self.returning = Steps(database), TransferCalls(database), ReturnCalls(database)
        self.shop, self._engine, self._planning = shop, engine, planning

    def sold(self, *lines: tuple[ItemKey, int]) -> str:
        order = new_reference()
        self.selling.reserve(order, *lines)
        self.selling.fulfill(order)
        return order

    def days(self, item: ItemKey) -> list[str]:
        """The days on which goods left, one for each movement: midnight may come at any time."""
        with self._engine.connect() as connection:
            return list(connection.execute(_SOLD, item._asdict()).scalars())

    def known(self, item: ItemKey, after_days: int = 2) -> dict[str, int]:
        self._planning.roll_up(datetime.now(UTC) + after_days * A_DAY)
        return demand(self._engine, item)


@pytest.fixture
def world(database: Database, shop: Shop, engine: Engine, planning: Planning) -> World:
    return World(database, shop, engine, planning)


def _total(known: dict[str, int]) -> int:
    return sum(known.values())


def test_a_transfer_that_is_cancelled_on_its_way_was_no_demand(world: World) -> None:
    item, elsewhere = world.shop.item(6_000), world.shop.warehouse()
    typed = world.moving.sent(elsewhere, (item, 5_000))
    world.moving.cancel(typed)
    meant = world.moving.sent(elsewhere, (item, 50))
    world.moving.receive(meant, "1", arrived(item, 50))
    assert _total(world.known(item)) == 50


def test_what_a_transfer_has_delivered_before_it_is_cancelled_stays_demand(world: World) -> None:
    item, elsewhere = world.shop.item(100), world.shop.warehouse()
    transfer = world.moving.sent(elsewhere, (item, 30), (item, 10))
    world.moving.receive(transfer, "1", arrived(item, 25))
    world.moving.cancel(transfer)
    assert _total(world.known(item)) == 25
    assert _total(world.known(item._replace(warehouse_id=elsewhere))) == 0


def test_what_is_written_off_on_its_way_stays_demand(world: World) -> None:
    item = world.shop.item(100)
    world.moving.write_off(world.moving.sent(world.shop.warehouse(), (item, 30)))
    assert _total(world.known(item)) == 30


@pytest.mark.parametrize(("restock", "scrap"), [(12, 0), (0, 12), (7, 5)])
def test_a_return_comes_off_the_item_that_sold_it(world: World, restock: int, scrap: int) -> None:
    """Fit or not, and wherever it comes back to: the customer didn't need it."""
    item, other = world.shop.items(2, 100)
    elsewhere = world.shop.warehouse()
    order = world.sold((item, 30), (other, 5))
    number = world.returning.expected((item, 12), warehouse_id=elsewhere, reference_id=order)
    world.returning.inspect(number, "1", found(item, restock, scrap))
    assert _total(world.known(item)) == 18
    assert _total(demand(world.shop.engine, other)) == 5
    assert demand(world.shop.engine, item._replace(warehouse_id=elsewhere)) == {}


def test_a_return_of_an_order_that_is_not_known_here_changes_no_demand(world: World) -> None:
    item = world.shop.item(100)
    world.sold((item, 30))
    number = world.returning.expected((item, 12), reference_id=new_reference())
    world.returning.inspect(number, "1", found(item, 12))
    assert _total(world.known(item)) == 30


def test_returns_take_off_no_more_than_was_sold(world: World) -> None:
    item = world.shop.item(100)
    order = world.sold((item, 30))
    world.sold((item, 1))
    for quantity in (20, 20):
        number = world.returning.expected((item, quantity), reference_id=order)
        world.returning.inspect(number, "1", found(item, quantity))
    assert _total(world.known(item)) == 1


def test_a_return_that_comes_weeks_later_comes_off_the_day_that_it_was_sold_on(world: World, engine: Engine) -> None:
    """The day had been summed up long before."""
    item = world.shop.item(100)
    order, _ = world.sold((item, 30)), world.sold((item, 4))
    first_day, last_day = world.days(item)
    known = world.known(item, after_days=20)
    assert _total(known) == 34
    number = world.returning.expected((item, 12), reference_id=order)
    world.returning.inspect(number, "1", found(item, 12))
    # The return was booked by the database's clock, which is long before the days that are summed up now.
    _begin_again(engine, item, first_day)
    again = world.known(item, after_days=21)
    assert again[first_day] == known[first_day] - 12
    assert _total(again) == 22
    assert last_day in again


def _begin_again(engine: Engine, item: ItemKey, first_day: str) -> None:
    query = text("""
        UPDATE demand_days SET through = CAST(:day AS date) + 1
        WHERE warehouse_id = :warehouse_id
    """)
    with engine.begin() as connection:
        connection.execute(query, {"day": first_day, "warehouse_id": item.warehouse_id})


def test_a_day_of_which_everything_was_undone_leaves_an_imported_one_its_place(
    planning: Planning, past: Past, engine: Engine, database: Database
) -> None:
    item = past.seller(5, 0, 7)
    past.imported(item, ("2025-06-08", 4))
    planning.roll_up()
    assert usage(database, item) == usage_of([5, 4, 7])
    query = text("UPDATE daily_demand SET quantity = 0 WHERE warehouse_id = :warehouse_id AND day = '2025-06-09'")
    with engine.begin() as connection:
        connection.execute(query, {"warehouse_id": item.warehouse_id})
    past.imported(item, ("2025-06-09", 3))
    assert usage(database, item, as_of=AS_OF) == usage_of([5, 4, 3])


# Days that are left out.


def _exclude(engine: Engine, item: ItemKey, *days: str) -> None:
    query = text("""
        INSERT INTO imported_demand VALUES (:product_id, :warehouse_id, :day, 0, true)
        ON CONFLICT (warehouse_id, product_id, day) DO UPDATE SET exclude = true
    """)
    with engine.begin() as connection:
        connection.execute(query, [item._asdict() | {"day": day} for day in days])


def test_a_day_that_is_excluded_counts_neither_its_demand_nor_as_a_day(
    planning: Planning, past: Past, engine: Engine, database: Database
) -> None:
    item, other = past.seller(5, 0, 500, 7), past.seller(5, 0, 500, 7)
    planning.roll_up()
    _exclude(engine, item, "2025-06-07", "2025-06-08")
    assert usage(database, item) == usage_of([5, 7])
    assert usage(database, other) == usage_of([5, 0, 500, 7])


def test_an_imported_day_may_be_excluded_itself(
    planning: Planning, past: Past, engine: Engine, database: Database
) -> None:
    item = past.item()
    past.imported(item, ("2025-06-07", 4), ("2025-06-08", 900), ("2025-06-09", 6))
    planning.roll_up()
    _exclude(engine, item, "2025-06-08")
    assert usage(database, item) == usage_of([4, 6])


def test_an_item_of_which_every_day_is_excluded_is_not_planned(
    planning: Planning, past: Past, engine: Engine, database: Database
) -> None:
    item = past.seller(5)
    planning.roll_up()
    _exclude(engine, item, "2025-06-09")
    assert usage(database, item) is None


@pytest.mark.parametrize("factor", [None, 1.0, 2.5, 10.0])
@pytest.mark.parametrize("seed", range(4))
def test_bulk_orders_are_left_out_by_the_rule_of_the_domain(
    planning: Planning, past: Past, database: Database, factor: float | None, seed: int
) -> None:
    chance = random.Random(seed)
    daily = [1, *(chance.choice([0, 0, 1, 2, 3, 8, 50]) for _ in range(3 + 6 * seed))]
    item = past.seller(*daily)
    planning.roll_up()
    with database.transaction() as connection:
        found = demand_of_items(connection, [item], 90, AS_OF, factor)[item].usage
    assert found == usage_of(daily if factor is None else without_bulk(daily, factor))
