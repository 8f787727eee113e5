"""Items that a person plans, and what is shown of plans."""

from typing import Any

import pytest
from pydantic import ValidationError
from sqlalchemy import Engine, text

from activities import replenishment_plan
from stockkeeper.contracts.messages import MAX_UNITS
from stockkeeper.contracts.replenishment_plan import ItemPlan, ItemPlans
from stockkeeper.domain.stock import ItemKey
from tests.support.books import nothing_is_stored
from tests.support.past import AS_OF, SEED, Past
from tests.support.replenishment_rows import set_point
from tests.support.shop import Shop, new_reference
from tests.support.steps.activity import refused
from tests.support.steps.replenishment_plan import Planning, names, plans_stay

pytestmark = pytest.mark.usefixtures("nothing_else_to_order")


def _shown(engine: Engine, item: ItemKey, **numbers: Any) -> ItemPlan:
    sku, warehouse = names(engine, item)
    return ItemPlan(product_id=item.product_id, sku=sku, warehouse_id=item.warehouse_id, warehouse=warehouse, **numbers)


def _planned(past: Past, planning: Planning) -> ItemKey:
    """An item with a plan."""
    item = past.supplied(*SEED)
    assert planning.run(item.warehouse_id).changed == 1
    return item


@pytest.mark.parametrize(("point", "quantity"), [(1_000, 200), (0, None), (MAX_UNITS, MAX_UNITS)])
def test_a_person_sets_an_items_point_and_quantity(
    planning: Planning, past: Past, engine: Engine, point: int, quantity: int | None
) -> None:
    item = _planned(past, planning)
    by_hand = _shown(
        engine,
        item,
        planning="manual",
        reorder_point=point,
        reorder_quantity=quantity,
        quantity_available=99_850,
    )
    assert planning.set(*names(engine, item), "manual", point, quantity) == by_hand
    # Of the plan before there is nothing to see: the numbers would explain another point.
    assert planning.plan_of(engine, item) == by_hand


def test_an_item_may_be_set_by_hand_before_anything_of_it_has_come(
    planning: Planning, shop: Shop, engine: Engine
) -> None:
    item = ItemKey(shop.warehouse(), shop.product())
    assert planning.set(*names(engine, item), "manual", 10) == _shown(
        engine, item, planning="manual", reorder_point=10, reorder_quantity=None, quantity_available=0
    )
    with engine.connect() as connection:
        query = text("SELECT warehouse_id, is_below_reorder_point FROM inventory_items WHERE product_id = :product_id")
        assert [tuple(row) for row in connection.execute(query, {"product_id": item.product_id})] == [
            (item.warehouse_id, True)
        ]


def test_ids_are_taken_where_names_are(planning: Planning, past: Past, engine: Engine) -> None:
    item = past.item(AS_OF, units=7)
    shown = planning.set(str(item.product_id), str(item.warehouse_id), "manual", 10, 20)
    assert shown == _shown(engine, item, planning="manual", reorder_point=10, reorder_quantity=20, quantity_available=7)


def test_planning_has_an_item_again_from_its_next_run_on(planning: Planning, past: Past, engine: Engine) -> None:
    item = _planned(past, planning)
    planning.set(*names(engine, item), "manual", 1_000, 200)
    shown = planning.set(*names(engine, item), "auto")
    assert (shown.planning, shown.reorder_point, shown.reorder_quantity) == ("auto", 1_000, 200)
    assert planning.run(item.warehouse_id).changed == 1
    plan = planning.plan_of(engine, item)
    assert (plan.planning, plan.reorder_point, plan.reorder_quantity) == ("auto", 394, 428)


def test_the_same_setting_again_is_answered_as_before(planning: Planning, past: Past, engine: Engine) -> None:
    item = _planned(past, planning)
    operation = new_reference("planning")
    set_by_hand = planning.set(*names(engine, item), "manual", 1_000, 200, operation=operation)
    planning.set(*names(engine, item), "manual", 2_000, 300)
    with plans_stay(engine, item), nothing_is_stored(engine):
        assert planning.set(*names(engine, item), "manual", 1_000, 200, operation=operation) == set_by_hand
        assert refused(lambda: planning.set(*names(engine, item), "manual", 1_001, 200, operation=operation)) == (
            "OperationConflict",
            {},
        )


def test_by_hand_a_point_is_needed(planning: Planning, past: Past, engine: Engine) -> None:
    item = _planned(past, planning)
    with plans_stay(engine, item), nothing_is_stored(engine):
        assert refused(lambda: planning.set(*names(engine, item), "manual", None, 200)) == ("InvalidRequest", {})


@pytest.mark.parametrize(
    ("wrong", "error"),
    [({"product": "no such thing"}, "UnknownProduct"), ({"warehouse": "nowhere"}, "UnknownWarehouse")],
)
def test_what_nobody_knows_is_neither_set_nor_shown(
    planning: Planning, past: Past, engine: Engine, wrong: dict[str, str], error: str
) -> None:
    sku, warehouse = names(engine, past.item(AS_OF, units=7))
    of = {"product": sku, "warehouse": warehouse} | wrong
    with nothing_is_stored(engine):
        assert refused(lambda: planning.set(of["product"], of["warehouse"], "manual", 10))[0] == error
        assert refused(lambda: planning.show(**of))[0] == error


@pytest.mark.parametrize(
    ("planned", "point", "quantity"),
    [
        ("manual", -1, 1),
        ("manual", MAX_UNITS + 1, 1),
        ("manual", 1, 0),
        ("manual", 1, -1),
        ("manual", 1, MAX_UNITS + 1),
        ("by hand", 1, 1),
    ],
)
def test_numbers_that_no_item_could_have_are_no_setting(
    planning: Planning, planned: str, point: int, quantity: int
) -> None:
    with pytest.raises(ValidationError):
        planning.set("SKU", "warehouse", planned, point, quantity)


# What is shown.


def _items(past: Past, shop: Shop, engine: Engine) -> dict[tuple[str, str], ItemKey]:
    """Three products in two warehouses, all of them with a point."""
    warehouses, products = [shop.warehouse() for _ in range(2)], [shop.product() for _ in range(3)]
    # Not in the order in which they are shown.
    items = [
        past.item(AS_OF, warehouse=warehouse, product=product)
        for product in reversed(products)
        for warehouse in warehouses
    ]
    set_point(engine, items, 10)
    return {names(engine, item): item for item in items}


def test_plans_are_shown_of_a_product_of_a_warehouse_or_of_both(
    planning: Planning, past: Past, shop: Shop, engine: Engine
) -> None:
    items = _items(past, shop, engine)
    sku, warehouse = next(iter(items))
    for question, wanted in (
        ({"product": sku}, {each for each in items if each[0] == sku}),
        ({"warehouse": warehouse}, {each for each in items if each[1] == warehouse}),
        ({"product": sku, "warehouse": warehouse}, {(sku, warehouse)}),
    ):
        found = planning.show(**question)
        assert [(plan.sku, plan.warehouse) for plan in found.plans] == sorted(wanted)
        assert [plan.product_id for plan in found.plans] == [items[each].product_id for each in sorted(wanted)]
        assert not found.more


def test_an_item_without_a_point_is_not_shown(planning: Planning, past: Past, engine: Engine) -> None:
    sku, _ = names(engine, past.item(AS_OF, units=7))
    found = planning.show(product=sku)
    assert (found.plans, found.more) == ([], False)


@pytest.mark.parametrize(
    ("at_once", "sizes"), [(2, [(2, True), (1, False)]), (3, [(3, False)]), (1, [(1, True), (1, True), (1, False)])]
)
def test_plans_are_shown_page_by_page(
    planning: Planning,
    past: Past,
    shop: Shop,
    engine: Engine,
    monkeypatch: pytest.MonkeyPatch,
    at_once: int,
    sizes: list[tuple[int, bool]],
) -> None:
    monkeypatch.setattr(replenishment_plan, "PLANS_AT_ONCE", at_once)
    items = _items(past, shop, engine)
    _, warehouse = min(items)
    seen: list[tuple[str, str]] = []
    pages: list[ItemPlans] = []
    while not pages or pages[-1].more:
        pages.append(planning.show(warehouse=warehouse, after=seen[-1] if seen else None))
        seen += [(plan.sku, plan.warehouse) for plan in pages[-1].plans]
    assert [(len(page.plans), page.more) for page in pages] == sizes
    assert seen == sorted(each for each in items if each[1] == warehouse)


def test_pages_of_plans_go_on_within_a_product(
    planning: Planning, past: Past, shop: Shop, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replenishment_plan, "PLANS_AT_ONCE", 3)
    ordered = sorted(_items(past, shop, engine))
    found = planning.show(after=ordered[0])
    assert ([(plan.sku, plan.warehouse) for plan in found.plans], found.more) == (ordered[1:4], True)
