"""Planning changes what has changed, once, page by page, and tells what has fallen below its point by that."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import Engine, text

from activities import replenishment_plan
from stockkeeper.contracts.reorder import SkippedState
from stockkeeper.contracts.replenishment_plan import PlannedPage
from stockkeeper.domain.stock import ItemKey
from tests.support.books import nothing_is_stored
from tests.support.meetings import WAIT_SECONDS, held_rows, until_waiting
from tests.support.past import A_DAY, AS_OF, SEED, Past
from tests.support.replenishment_rows import set_point, supply
from tests.support.shop import Shop, new_reference
from tests.support.steps.activity import forget, refused
from tests.support.steps.replenishment_plan import Planned, Planning, plans_stay, point_and_quantity

pytestmark = pytest.mark.usefixtures("nothing_else_to_order")


def test_a_second_run_changes_nothing(planning: Planning, past: Past, engine: Engine) -> None:
    item = past.supplied(*SEED)
    planning.run(item.warehouse_id)
    with plans_stay(engine, item):
        again = planning.run(item.warehouse_id, as_of=AS_OF + timedelta(hours=6))
    assert again == Planned(looked_at=1, planned=1, changed=0, fell_below=False)
    assert planning.plan_of(engine, item).planned_at == AS_OF


def test_other_numbers_behind_the_same_point_are_kept_and_are_no_change(
    planning: Planning, past: Past, engine: Engine
) -> None:
    item = past.supplied(20, 20, 20)
    planning.run(item.warehouse_id)
    past.sold(item, (AS_OF, 20))
    assert planning.run(item.warehouse_id, as_of=AS_OF + A_DAY).changed == 0
    plan = planning.plan_of(engine, item)
    assert (plan.days, plan.reorder_point, plan.planned_at) == (4, 140, AS_OF + A_DAY)


def test_only_what_has_changed_counts_as_changed(planning: Planning, past: Past, shop: Shop, engine: Engine) -> None:
    warehouse = shop.warehouse()
    steady, rising, new = (
        past.supplied(20, 20, 20, warehouse=warehouse),
        past.supplied(*SEED, warehouse=warehouse),
        past.item(AS_OF, warehouse=warehouse),
    )
    supply(engine, new, shop.supplier())
    assert planning.run(warehouse) == Planned(looked_at=3, planned=2, changed=2, fell_below=False)
    past.sold(steady, (AS_OF + timedelta(hours=1), 20))
    past.sold(rising, (AS_OF + timedelta(hours=1), 100))
    later = planning.run(warehouse, as_of=AS_OF + A_DAY)
    assert later == Planned(looked_at=3, planned=3, changed=2, fell_below=False)
    assert [point_and_quantity(engine, each)[0] for each in (steady, new)] == [140, 0]
    # 62.5 a day with a deviation of 26.3: 437.5 + 114.5.
    assert point_and_quantity(engine, rising) == (552, 478)


def test_another_quantity_alone_is_a_change(planning: Planning, past: Past, engine: Engine) -> None:
    item = past.supplied(*SEED)
    planning.run(item.warehouse_id)
    assert planning.run(item.warehouse_id, order_cost="200").changed == 1
    assert point_and_quantity(engine, item) == (394, 855)


@pytest.mark.parametrize(
    ("units", "before", "fell_below"),
    [
        (543, None, True),
        (544, None, False),
        (543, 393, True),
        (543, 394, False),
        (543, 1_000, False),
        (10_000, 1, False),
        (544, 1_000, False),
    ],
    ids=["new", "new at its point", "by a rise", "by nothing", "long since", "still above", "above again"],
)
def test_an_item_falls_below_its_point_when_the_point_rises_above_it(
    planning: Planning, past: Past, engine: Engine, units: int, before: int | None, fell_below: bool
) -> None:
    # A hundred and fifty are sold.
    item = past.supplied(*SEED, units=units)
    set_point(engine, item, before, 428, planning="auto")
    assert planning.run(item.warehouse_id).fell_below is fell_below
    assert planning.run(item.warehouse_id).fell_below is False


# Pages.


@pytest.fixture
def two_a_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages as small as can be."""
    monkeypatch.setattr(replenishment_plan, "ITEMS_A_PAGE", 2)


def _key(item: ItemKey) -> tuple[int, int]:
    return item.warehouse_id, item.product_id


@pytest.mark.usefixtures("two_a_page")
def test_all_items_are_planned_once_page_by_page(planning: Planning, past: Past, shop: Shop, engine: Engine) -> None:
    warehouse = shop.warehouse()
    items = [past.supplied(each, each, warehouse=warehouse) for each in range(1, 6)]
    # One of them isn't planning's, and one has nobody who supplies it.
    by_hand, unsupplied = items[1], past.seller(9, 9, warehouse=warehouse)
    set_point(engine, by_hand, 5, 6, planning="manual")
    planning.roll_up()
    first, second, last = planning.pages(warehouse)
    assert first == PlannedPage(looked_at=2, planned=2, changed=2, fell_below=False, after=_key(items[2]))
    assert second == PlannedPage(looked_at=2, planned=2, changed=2, fell_below=False, after=_key(items[4]))
    why = "it has demand, and no supplier is known for it"
    named = SkippedState(product_id=unsupplied.product_id, warehouse_id=warehouse, reason=why)
    assert last == PlannedPage(
        looked_at=1, planned=0, changed=0, fell_below=False, after=None, skipped=[named], items_skipped=1
    )
    planned = [point_and_quantity(engine, item)[0] for item in (*items, unsupplied)]
    assert planned == [7, 5, 21, 28, 35, None]


@pytest.mark.usefixtures("two_a_page")
def test_after_a_last_page_that_is_full_comes_an_empty_one(
    planning: Planning, past: Past, shop: Shop, engine: Engine
) -> None:
    warehouse = shop.warehouse()
    items = [past.supplied(each, each, warehouse=warehouse) for each in (1, 2)]
    planning.roll_up()
    full, empty = planning.pages(warehouse)
    assert (full.looked_at, full.after) == (2, _key(items[1]))
    assert empty == PlannedPage(looked_at=0, planned=0, changed=0, fell_below=False, after=None)
    assert [point_and_quantity(engine, item)[0] for item in items] == [7, 14]


@pytest.mark.usefixtures("two_a_page")
def test_pages_go_on_from_warehouse_to_warehouse(planning: Planning, past: Past, shop: Shop, engine: Engine) -> None:
    """Each product is in both warehouses, so that neither number alone says where a page begins."""
    products = [shop.product() for _ in range(3)]
    supply(engine, [ItemKey(0, product) for product in products], shop.supplier(), unit_cost="40")
    before = shop.warehouse()
    here, there = shop.warehouse(), shop.warehouse()
    items = [
        past.seller(units, units, warehouse=warehouse, product=product)
        for warehouse, units in ((here, 10), (there, 20))
        for product in products
    ]
    planning.roll_up()
    pages = []
    after: tuple[int, int] | None = (before, 0)
    while after is not None:
        page = planning.page(None, after)
        pages.append(page)
        after = page.after
    assert [(page.looked_at, page.planned, page.after) for page in pages] == [
        (2, 2, _key(items[1])),
        (2, 2, _key(items[3])),
        (2, 2, _key(items[5])),
        (0, 0, None),
    ]
    assert [point_and_quantity(engine, item)[0] for item in items] == [70, 70, 70, 140, 140, 140]


@pytest.mark.usefixtures("two_a_page")
def test_one_item_below_its_point_is_told_by_its_page(planning: Planning, past: Past, shop: Shop) -> None:
    warehouse = shop.warehouse()
    for units in (1_000, 1_000, 1_000, 300):
        past.supplied(50, 50, units=units, warehouse=warehouse)
    planning.roll_up()
    assert [page.fell_below for page in planning.pages(warehouse)] == [False, True, False]


# Once.


def test_the_same_page_again_is_answered_as_before_and_plans_nothing(
    planning: Planning, past: Past, engine: Engine
) -> None:
    item = past.supplied(*SEED, units=500)
    operation = f"{new_reference('plan')}/plan/1"
    planning.roll_up()
    page = planning.page(item.warehouse_id, operation=operation)
    assert page == PlannedPage(looked_at=1, planned=1, changed=1, fell_below=True, after=None)
    past.sold(item, (AS_OF, 100))
    planning.roll_up(AS_OF + A_DAY)
    with plans_stay(engine, item), nothing_is_stored(engine):
        # A repeat comes later, and would have planned with another day.
        assert planning.page(item.warehouse_id, as_of=AS_OF + A_DAY, operation=operation) == page


def test_the_same_page_cannot_be_another_one(planning: Planning, past: Past, engine: Engine) -> None:
    item = past.supplied(*SEED)
    operation = f"{new_reference('plan')}/plan/1"
    planning.roll_up()
    planning.page(item.warehouse_id, operation=operation)
    with plans_stay(engine, item), nothing_is_stored(engine):
        assert refused(lambda: planning.page(item.warehouse_id, service_level=0.99, operation=operation)) == (
            "OperationConflict",
            {},
        )


def test_a_page_whose_operation_was_forgotten_comes_to_the_same(planning: Planning, past: Past, engine: Engine) -> None:
    item = past.supplied(*SEED)
    operation = f"{new_reference('plan')}/plan/1"
    planning.roll_up()
    planning.page(item.warehouse_id, operation=operation)
    forget(engine, operation)
    with plans_stay(engine, item):
        again = planning.page(item.warehouse_id, operation=operation)
    assert again == PlannedPage(looked_at=1, planned=1, changed=0, fell_below=False, after=None)


# At once.

_ROW = "inventory_items WHERE (warehouse_id, product_id) = (:warehouse_id, :product_id)"


def test_what_is_set_by_hand_in_the_middle_of_a_run_stays_as_it_was_set(
    planning: Planning, past: Past, shop: Shop, engine: Engine
) -> None:
    warehouse = shop.warehouse()
    by_hand, other = (past.supplied(*SEED, warehouse=warehouse) for _ in range(2))
    planning.roll_up()
    query = text("""
        UPDATE inventory_items SET planning = 'manual', reorder_point = 5, reorder_quantity = 6
        WHERE (warehouse_id, product_id) = (:warehouse_id, :product_id)
    """)
    with ThreadPoolExecutor(1) as threads:
        with held_rows(engine, _ROW, **by_hand._asdict()) as person:
            page = threads.submit(planning.page, warehouse)
            until_waiting(engine, 1)
            person.execute(query, by_hand._asdict())
        # It was seen as planning's before it was locked.
        told = page.result(WAIT_SECONDS)
    assert told == PlannedPage(looked_at=2, planned=2, changed=1, fell_below=False, after=None)
    assert [point_and_quantity(engine, item) for item in (by_hand, other)] == [(5, 6), (394, 428)]
    plan = planning.plan_of(engine, by_hand)
    assert (plan.planning, plan.reorder_point, plan.safety_stock, plan.planned_at) == ("manual", 5, None, None)


@pytest.mark.parametrize(
    ("before", "fell_below"), [(None, True), (394, False)], ids=["by the plan", "before the plan, by the sale"]
)
def test_what_is_sold_in_the_middle_of_a_run_counts_before_its_plan_does(
    planning: Planning, past: Past, engine: Engine, before: int | None, fell_below: bool
) -> None:
    """The item is at its point when the run begins, and below it when the run has its lock."""
    item = past.supplied(*SEED, units=544)
    set_point(engine, item, before, 1, planning="auto")
    planning.roll_up()
    query = text("""
        UPDATE inventory_items SET quantity_reserved = :units
        WHERE (warehouse_id, product_id) = (:warehouse_id, :product_id)
    """)
    with ThreadPoolExecutor(1) as threads:
        with held_rows(engine, _ROW, **item._asdict()) as buyer:
            page = threads.submit(planning.page, item.warehouse_id)
            until_waiting(engine, 1)
            buyer.execute(query, item._asdict() | {"units": 1})
        told = page.result(WAIT_SECONDS)
    # Nobody holds it really.
    with engine.begin() as connection:
        connection.execute(query, item._asdict() | {"units": 0})
    assert told == PlannedPage(looked_at=1, planned=1, changed=1, fell_below=fell_below, after=None)


def test_of_two_runs_at_once_one_changes_the_items(planning: Planning, past: Past, shop: Shop, engine: Engine) -> None:
    warehouse = shop.warehouse()
    items = [past.supplied(*SEED, units=500, warehouse=warehouse) for _ in range(3)]
    planning.roll_up()
    with ThreadPoolExecutor(2) as threads:
        with held_rows(engine, _ROW, **items[0]._asdict()):
            pages = [threads.submit(planning.page, warehouse) for _ in range(2)]
            until_waiting(engine, 2)
        told = [page.result(WAIT_SECONDS) for page in pages]
    assert [page.planned for page in told] == [3, 3]
    assert sorted((page.changed, page.fell_below) for page in told) == [(0, False), (3, True)]
    assert [point_and_quantity(engine, item) for item in items] == [(394, 428)] * 3
