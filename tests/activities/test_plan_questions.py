"""A plan is explained, with what is on its way to the item."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine
from temporalio.testing import ActivityEnvironment

from activities.order_promising import OrderPromises
from activities.plan_questions import PlanQuestions
from database.sessions import Database
from starter.cli.plan_questions import ahead
from stockkeeper.contracts.order_promising import AskPromise, DayBasis, PromiseLine
from stockkeeper.contracts.plan_questions import ArrivalAhead, ExplainPlan, PlanExplained, ShowPlanAccuracy
from stockkeeper.domain.review_days import WEEKDAYS
from stockkeeper.domain.stock import ItemKey
from tests.support.lots import came, lot_item
from tests.support.order_terms_rows import plan, take_orders
from tests.support.past import SEED, Past
from tests.support.replenishment_rows import supply
from tests.support.shop import Shop, new_reference
from tests.support.steps.activity import refused
from tests.support.steps.purchase_order import Buying, wanted
from tests.support.steps.replenishment_plan import Planning, names

pytestmark = pytest.mark.usefixtures("nothing_else_to_order")


def explained(database: Database, engine: Engine, item: ItemKey, days: int = 42) -> PlanExplained:
    sku, warehouse = names(engine, item)
    question = ExplainPlan(product=sku, warehouse=warehouse, days=days)
    return ActivityEnvironment().run(PlanQuestions(database).explain_plan, question)


def test_a_plan_is_explained_with_its_next_weeks(
    planning: Planning, past: Past, shop: Shop, buying: Buying, database: Database, engine: Engine
) -> None:
    item = past.supplied(*SEED, units=1_000)
    planning.run(item.warehouse_id)
    today = datetime.now(UTC).date()
    number, day = new_reference("po"), today + timedelta(days=3)
    buying.draft(number, shop.supplier(), item.warehouse_id, [wanted(item, 100)], day=day)
    found = explained(database, engine, item, days=5)
    plan = planning.plan_of(engine, item)
    assert found.model_dump(include=set(type(plan).model_fields)) == plan.model_dump()
    told = {each.name: each for each in found.numbers}
    assert (told["reorder point"].value, told["reorder point"].formula) == (
        394,
        "d · L + safety stock = 350 + 43.52, rounded up",
    )
    assert told["safety stock"].formula == "Z · s · √L = 1.645 · 10 · √7"
    assert found.arrivals == [ArrivalAhead(document=number, quantity=100, expected_on=day, waits_for_approval=True)]
    # 850 are left of a thousand, and fifty leave a day.
    assert [each.expected for each in found.outlook] == [850, 800, 750, 800, 750, 700]
    assert [each.day for each in found.outlook] == [found.today + timedelta(days=number) for number in range(6)]
    # 950 with those on order: below 394 after twelve days.
    assert found.order_by == found.today + timedelta(days=12)
    assert found.runs_out is None


def test_an_order_without_a_day_comes_when_the_promise_says_and_the_next_goes_out_on_a_review_day(
    planning: Planning, past: Past, shop: Shop, buying: Buying, database: Database, engine: Engine
) -> None:
    item, supplier = past.seller(*SEED, units=600), shop.supplier()
    supply(engine, item, supplier, unit_cost="1", lead_time_days="7")
    planning.run(item.warehouse_id)
    now = datetime.now(UTC)
    today = now.date()
    take_orders(engine, supplier, review_days=WEEKDAYS[(today + timedelta(days=1)).weekday()])
    number = buying.order(shop, (item, 100), supplier=supplier, as_of=now - timedelta(days=2))
    found = explained(database, engine, item, days=6)
    # The supplier takes seven days, as agreed.
    day = today + timedelta(days=5)
    assert found.arrivals == [ArrivalAhead(document=number, quantity=100, expected_on=day, basis=DayBasis.AGREED)]
    asked = AskPromise(lines=[PromiseLine(product_id=item.product_id, warehouse_id=item.warehouse_id, quantity=500)])
    promised = ActivityEnvironment().run(OrderPromises(database).promise, asked).lines[0]
    assert [(each.number, each.available_on, each.basis) for each in promised.counts_on if each.number] == [
        (number, day, DayBasis.AGREED)
    ]
    # 450 are left of six hundred.
    assert [each.expected for each in found.outlook] == [450, 400, 350, 300, 250, 300, 250]
    assert (found.falls_below, found.order_by) == (today + timedelta(days=4), today + timedelta(days=1))


def test_a_plan_says_what_of_its_stock_is_left_out_and_why(shop: Shop, database: Database, engine: Engine) -> None:
    today, supplier = datetime.now(UTC).date(), shop.supplier()
    soon, over, later = (today + timedelta(days=days) for days in (2, -1, 9_000))
    item = lot_item(shop, ("OVER", over, 5), ("SOON", soon, 60), ("LATER", later, 50))
    supply(engine, item, supplier)
    plan(engine, item, supplier, 75, 90, daily_mean=10)
    found = explained(database, engine, item, days=3)
    assert (found.quantity_available, found.quantity_to_expire, found.unavailable) == (110, 40, {"EXPIRED": 5})
    [told] = [each for each in found.numbers if each.name == "will expire unsold"]
    assert (told.value, told.unit) == (40, "units")
    assert told.formula.startswith(f"60 free units of lots that end by {soon}, of which 20 are expected to be sold by")
    assert [each.expected for each in found.outlook] == [110, 100, 50, 40]
    assert (found.falls_below, found.order_by) == (today, today)
    assert list(ahead(found))[:3] == [
        "available 110",
        "of them 40 will expire unsold: no order counts on them",
        "unavailable: 5 expired",
    ]


def test_a_plan_says_where_shelf_life_bounds_its_orders(shop: Shop, database: Database, engine: Engine) -> None:
    now, supplier = datetime.now(UTC), shop.supplier()
    lots = [(name, now.date() + timedelta(days=days), 30) for name, days in (("A", 10), ("B", 11), ("C", 30))]
    item = lot_item(shop, *lots)
    supply(engine, item, supplier)
    plan(engine, item, supplier, 75, 200, daily_mean=10)
    came(engine, item, supplier, now - timedelta(days=3))
    [told] = [each for each in explained(database, engine, item).numbers if each.name == "order at most"]
    assert (told.value, told.formula) == (
        140,
        "d · D = 10 · 14 days that the latest lots had when they came, less what is left of the stock by then",
    )


def test_an_item_that_was_set_by_hand_has_no_numbers_behind_it(
    planning: Planning, past: Past, database: Database, engine: Engine
) -> None:
    item = past.item(datetime(2025, 6, 1, tzinfo=UTC), units=7)
    planning.set(*names(engine, item), "manual", 10)
    found = explained(database, engine, item)
    assert (found.reorder_point, found.numbers, found.outlook, found.order_by) == (10, [], [], None)


def test_numbers_lead_to_the_planned_point_while_one_that_was_set_by_hand_stays(
    planning: Planning, past: Past, database: Database, engine: Engine
) -> None:
    item = past.supplied(*SEED, units=1_000)
    planning.run(item.warehouse_id)
    planning.set(*names(engine, item), "manual", 400)
    planning.set(*names(engine, item), "auto")
    found = explained(database, engine, item)
    assert (found.reorder_point, found.reorder_quantity) == (400, None)
    assert (found.planned_reorder_point, found.planned_reorder_quantity) == (394, 428)
    told = {each.name: each for each in found.numbers}
    assert (told["reorder point"].value, told["order quantity"].value) == (394, 428)
    assert told["reorder point"].formula == "d · L + safety stock = 350 + 43.52, rounded up"


def test_an_item_without_a_point_is_refused_with_what_to_do(past: Past, database: Database, engine: Engine) -> None:
    item = past.item(datetime(2025, 6, 1, tzinfo=UTC), units=7)
    assert refused(lambda: explained(database, engine, item)) == ("InvalidRequest", {})


def test_what_nobody_knows_is_refused(database: Database, shop: Shop, engine: Engine) -> None:
    questions = PlanQuestions(database)
    sku, _ = names(engine, shop.item(1))
    ask = ActivityEnvironment().run
    assert refused(lambda: ask(questions.explain_plan, ExplainPlan(product="nothing", warehouse="nowhere")))[0] in (
        "UnknownProduct",
        "UnknownWarehouse",
    )
    assert refused(lambda: ask(questions.explain_plan, ExplainPlan(product=sku, warehouse="nowhere")))[0] == (
        "UnknownWarehouse"
    )
    assert refused(lambda: ask(questions.show_plan_accuracy, ShowPlanAccuracy(warehouse="nowhere")))[0] == (
        "UnknownWarehouse"
    )
