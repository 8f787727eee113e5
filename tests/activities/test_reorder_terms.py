"""Drafts for suppliers with terms of their own: review days, joint orders, price breaks, least values."""

from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import IntegrityError

import activities.reorder
from database.sessions import Database
from stockkeeper.contracts.purchase_order_state import PurchaseOrderRequest
from stockkeeper.contracts.reorder import WaitingState
from stockkeeper.domain.stock import ItemKey
from tests.support.books import nothing_is_stored
from tests.support.order_terms_rows import plan, set_breaks, take_orders
from tests.support.past import SEED, Past, warehouse_in
from tests.support.purchase_order_rows import supplier_name
from tests.support.replenishment_rows import numbers_used, order_row, ordered, set_point, supply, warehouse_name
from tests.support.shop import Shop
from tests.support.steps.activity import NOON, refused
from tests.support.steps.purchase_order import Buying
from tests.support.steps.reorder import Reordering
from tests.support.steps.replenishment_plan import Planning, point_and_quantity

pytestmark = pytest.mark.usefixtures("nothing_else_to_order")

TUESDAY = NOON + timedelta(days=1)
"""Noon is a Monday's."""
NO_COMMAND = {"status": "", "command": ""}


def _units(order: PurchaseOrderRequest | None) -> dict[int, int]:
    assert order is not None
    return {line.product_id: line.qty for line in order.line_items}


# Review days.


def test_items_wait_for_a_day_on_which_their_supplier_takes_orders(
    reordering: Reordering, shop: Shop, engine: Engine
) -> None:
    tea, mug, pot = shop.items(3, units=4)
    here, tuesdays, any_day = tea.warehouse_id, shop.supplier(), shop.supplier()
    supply(engine, [tea, mug], tuesdays)
    supply(engine, pot, any_day)
    set_point(engine, [tea, mug, pot], 10, 20)
    take_orders(engine, tuesdays, review_days="tue,fri")
    below = reordering.below(here)
    assert (below.items_below, below.items_covered, below.items_skipped, below.items_waiting) == (3, 0, 0, 2)
    assert [(group.supplier_id, group.items) for group in below.groups] == [(any_day, 1)]
    assert below.waiting == [
        WaitingState(
            supplier_id=tuesdays,
            supplier=supplier_name(engine, tuesdays),
            warehouse_id=here,
            warehouse=warehouse_name(engine, here),
            items=2,
            review_days="tue,fri",
            order_on=date(2026, 6, 2),
        )
    ]
    for day, waiting in [(TUESDAY, 0), (TUESDAY + timedelta(days=1), 2), (TUESDAY + timedelta(days=3), 0)]:
        then = reordering.below(here, day)
        assert (then.items_waiting, len(then.groups)) == (waiting, 2 - bool(waiting)), day
    # A run of an earlier version doesn't say when it looks, and waits for nothing.
    assert reordering.below(here, None).items_waiting == 0


def test_the_day_is_that_of_the_warehouse(reordering: Reordering, shop: Shop, engine: Engine) -> None:
    """At noon in London it is half past one in the morning of Tuesday on Chatham, whose clocks are 12:45 ahead."""
    item = shop.item(4, warehouse=warehouse_in(shop, "Pacific/Chatham"))
    supplier = shop.supplier()
    supply(engine, item, supplier)
    set_point(engine, item, 10)
    take_orders(engine, supplier, review_days="tue")
    assert reordering.below(item.warehouse_id).items_waiting == 0
    earlier = reordering.below(item.warehouse_id, NOON - timedelta(hours=1))
    assert [each.order_on for each in earlier.waiting] == [date(2026, 6, 2)]


# Joint orders.


@pytest.fixture
def supplier(shop: Shop, engine: Engine) -> int:
    """A supplier of joint orders."""
    added = shop.supplier()
    take_orders(engine, added, joint_orders=True)
    return added


def _family(shop: Shop, engine: Engine, supplier: int, *units: int, unit_cost: str = "10") -> list[ItemKey]:
    """Items that sell one a day and have a point of ten: 2.50 a year to hold, alone every 121 days."""
    items = [shop.item(units[0])]
    items += [shop.item(each, warehouse=items[0].warehouse_id) for each in units[1:]]
    supply(engine, items, supplier, unit_cost=unit_cost)
    for item in items:
        plan(engine, item, supplier, 10, 121)
    return items


def test_items_near_their_point_join_an_order(
    reordering: Reordering, shop: Shop, engine: Engine, supplier: int
) -> None:
    """Four items of 912.50 a year to hold: sqrt(2 x 50 / 3,650) years are 60.4 days."""
    below, near, far, edge = _family(shop, engine, supplier, 9, 40, 71, 70)
    found = reordering.below(below.warehouse_id)
    assert (found.items_below, [group.items for group in found.groups]) == (1, [1])
    dry = reordering.draft(supplier, below.warehouse_id, dry_run=True)
    order = reordering.order(supplier, below.warehouse_id)
    assert order.reason == "1 item below the reorder point, 2 items near it"
    # A level of 10 + 61; 71 are no longer below it.
    assert _units(order) == _units(dry.order) == {below.product_id: 62, near.product_id: 31, edge.product_id: 1}
    notes = {line.product_id: line.note for line in order.line_items}
    numbers = (
        "point 10 = usage 1/day x lead time 7 days + safety stock 0 (deviation 0 over 90 days, service level 0.95); "
        "available {}, on order 0, in transit 0; EOQ 121, minimum 1, pack 1; {}joint orders every 60.4 days: up to 71"
    )
    assert notes == {
        below.product_id: numbers.format(9, ""),
        near.product_id: numbers.format(40, "joins the order: below 71; "),
        edge.product_id: numbers.format(70, "joins the order: below 71; "),
    }
    assert [line.product_id for line in order.line_items] == sorted(notes)
    assert [(line.product_id, line.qty) for line in ordered(engine, below.warehouse_id)] == sorted(
        _units(order).items()
    )
    # What has joined is on order, and joins no other one.
    shop.move(far, -70)
    assert _units(reordering.order(supplier, below.warehouse_id)) == {far.product_id: 70}


def test_who_does_not_join(reordering: Reordering, shop: Shop, engine: Engine, supplier: int) -> None:
    """By hand, of another supplier or warehouse, retired, without demand, planned before costs were kept."""
    items = _family(shop, engine, supplier, 9, *[20] * 6)
    below, by_hand, of_another, retired, unsold, outdated, joins = items
    here, another = below.warehouse_id, shop.supplier()
    elsewhere = shop.item(20, product=joins.product_id)
    plan(engine, elsewhere, supplier, 10, 121)
    supply(engine, of_another, another, is_preferred=True)
    changes = {
        by_hand: "UPDATE inventory_items SET planning = 'manual'",
        retired: "UPDATE products SET is_active = false",
        unsold: "UPDATE item_plans SET daily_mean = 0",
        outdated: "UPDATE item_plans SET order_cost = NULL",
    }
    with engine.begin() as connection:
        for item, change in changes.items():
            connection.execute(text(f"{change} WHERE product_id = :product_id"), {"product_id": item.product_id})
    assert set(_units(reordering.order(supplier, here))) == {below.product_id, joins.product_id}
    assert ordered(engine, elsewhere.warehouse_id) == []


def test_nothing_joins_without_joint_orders_or_without_an_item_below_its_point(
    reordering: Reordering, shop: Shop, engine: Engine, supplier: int
) -> None:
    below, near = _family(shop, engine, supplier, 9, 20)
    take_orders(engine, supplier, joint_orders=False)
    assert _units(reordering.order(supplier, below.warehouse_id)) == {below.product_id: 121}
    take_orders(engine, supplier, joint_orders=True)
    assert reordering.draft(supplier, near.warehouse_id).order is None
    assert [line.product_id for line in ordered(engine, near.warehouse_id)] == [below.product_id]


def test_what_two_runs_see_at_once_joins_one_of_them(
    reordering: Reordering, shop: Shop, engine: Engine, supplier: int
) -> None:
    items = _family(shop, engine, supplier, 9, 20, 20)
    here = items[0].warehouse_id
    with ThreadPoolExecutor(4) as threads:
        drafts = list(threads.map(lambda _: reordering.draft(supplier, here), range(4)))
    assert sorted(draft.order is not None for draft in drafts) == [False, False, False, True]
    assert sorted(line.product_id for line in ordered(engine, here)) == sorted(item.product_id for item in items)


def test_what_joins_is_left_out_where_an_order_has_no_room_for_it(
    reordering: Reordering, shop: Shop, engine: Engine, supplier: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of an order of two lines the items that need it have the first; then the one that is nearest to its point."""
    monkeypatch.setattr(activities.reorder, "LINES_AN_ORDER", 2)
    *below, near, nearer = _family(shop, engine, supplier, 9, 9, 9, 12, 11)
    here = near.warehouse_id
    first, second = reordering.draft(supplier, here), reordering.draft(supplier, here)
    assert (first.more, second.more) == (True, False)
    assert set(_units(first.order)) == {item.product_id for item in below[:2]}
    assert set(_units(second.order)) == {below[2].product_id, nearer.product_id}


def test_the_cost_of_a_line_lets_slow_items_come_less_often(
    reordering: Reordering, shop: Shop, engine: Engine, supplier: int
) -> None:
    """Holding 9,125 and 91.25 a year, lines at 5: the slow item comes with every third order, of 41 days' demand."""
    fast, slow = _family(shop, engine, supplier, 9, 9)
    supply_of = "UPDATE product_suppliers SET unit_cost = :cost WHERE product_id = :product_id"
    with engine.begin() as connection:
        connection.execute(text(supply_of), {"cost": 100, "product_id": fast.product_id})
        connection.execute(text(supply_of), {"cost": 1, "product_id": slow.product_id})
    take_orders(engine, supplier, line_cost=Decimal(5))
    # m = sqrt(5 / 91.25 x 9,125 / 55) = 3.02, T = sqrt(2 x (50 + 5 + 5 / 3) / (9,125 + 273.75)) = 0.1098 years.
    assert _units(reordering.order(supplier, fast.warehouse_id)) == {
        fast.product_id: 10 + 41 - 9,
        slow.product_id: 10 + 121 - 9,
    }


# Price breaks, and the least value of an order.


def test_a_draft_takes_the_price_that_its_quantity_has(reordering: Reordering, shop: Shop, engine: Engine) -> None:
    tea, mug = shop.items(2, units=4)
    supplier = shop.supplier()
    supply(engine, [tea, mug], supplier, unit_cost="3.10")
    set_breaks(engine, tea, supplier, (100, "2.90"), (500, "2.70"))
    plan(engine, tea, supplier, 10, 96)
    plan(engine, mug, supplier, 10, 96)
    order = reordering.order(supplier, tea.warehouse_id)
    assert {line.product_id: (line.qty, line.unit_cost) for line in order.line_items} == {
        tea.product_id: (100, Decimal("2.90")),
        mug.product_id: (96, Decimal("3.10")),
    }
    [note] = [line.note or "" for line in order.line_items if line.product_id == tea.product_id]
    assert note.endswith("; 100 cost no more than 96; 2.90 each from 100 on")


@pytest.mark.parametrize(("breaks", "status"), [([(500, "0.10")], "SUBMITTED"), ([], "DRAFT")])
def test_an_agreed_price_break_needs_no_approval_as_goods_below_their_cost_do(
    database: Database, shop: Shop, engine: Engine, breaks: list[tuple[int, str]], status: str
) -> None:
    """Five thousand at 0.10 rather than 0.50: 2,000.00 that nobody would have paid for, unless it is agreed."""
    item, supplier = shop.item(4), shop.supplier()
    supply(engine, item, supplier, unit_cost="0.50")
    if breaks:
        set_breaks(engine, item, supplier, *breaks)
    buying = Buying(database)
    number = buying.order(shop, (item, 5_000), unit_cost="0.10", supplier=supplier)
    assert order_row(engine, number).status == status


def test_a_draft_is_worth_what_its_supplier_accepts(reordering: Reordering, shop: Shop, engine: Engine) -> None:
    item, supplier = shop.item(4), shop.supplier()
    supply(engine, item, supplier, unit_cost="2", pack=6)
    plan(engine, item, supplier, 10, 12)
    take_orders(engine, supplier, minimum_order_value=Decimal(100))
    order = reordering.order(supplier, item.warehouse_id)
    assert [(line.qty, line.unit_cost) for line in order.line_items] == [(54, Decimal(2))]
    assert (order.line_items[0].note or "").endswith("; raised from 12 for the minimum order value 100.00")


def test_a_draft_that_its_supplier_would_not_accept_is_not_made(
    reordering: Reordering, shop: Shop, engine: Engine
) -> None:
    item, supplier = shop.item(4), shop.supplier()
    supply(engine, item, supplier, unit_cost="2")
    set_point(engine, item, 10, 20)
    take_orders(engine, supplier, minimum_order_value=Decimal(100))
    used = numbers_used(engine)
    with nothing_is_stored(engine):
        assert refused(lambda: reordering.draft(supplier, item.warehouse_id)) == ("InvalidState", NO_COMMAND)
        assert refused(lambda: reordering.draft(supplier, item.warehouse_id, dry_run=True)) == (
            "InvalidState",
            NO_COMMAND,
        )
    assert numbers_used(engine) == used
    take_orders(engine, supplier, minimum_order_value=Decimal(40))
    assert _units(reordering.order(supplier, item.warehouse_id)) == {item.product_id: 20}


# What the database itself refuses.


@pytest.mark.parametrize(
    "breaks",
    [
        "[]",
        '{"quantity": 2, "unit_cost": "1"}',
        '[{"quantity": 1, "unit_cost": "1"}]',
        '[{"quantity": 9, "unit_cost": "1"}, {"quantity": 9, "unit_cost": "1"}]',
        '[{"quantity": 9, "unit_cost": "-1"}]',
        '[{"quantity": 9}]',
        '[{"unit_cost": "1"}]',
    ],
)
def test_the_database_keeps_no_price_breaks_that_are_none(shop: Shop, engine: Engine, breaks: str) -> None:
    item, supplier = shop.item(0), shop.supplier()
    supply(engine, item, supplier)
    statement = text("UPDATE product_suppliers SET price_breaks = CAST(:breaks AS jsonb) WHERE supplier_id = :id")
    with pytest.raises(IntegrityError, match="product_suppliers_price_breaks_check"), engine.begin() as connection:
        connection.execute(statement, {"breaks": breaks, "id": supplier})


@pytest.mark.parametrize(
    ("column", "value"),
    [("review_days", "Tuesdays"), ("review_days", ""), ("minimum_order_value", -1), ("line_cost", -1)],
)
def test_the_database_keeps_no_terms_that_are_none(shop: Shop, engine: Engine, column: str, value: object) -> None:
    supplier = shop.supplier()
    with pytest.raises(IntegrityError, match=f"suppliers_{column}_check"):
        take_orders(engine, supplier, **{column: value})


# Planning.


def test_planning_knows_the_review_days_and_the_price_breaks(
    planning: Planning, past: Past, shop: Shop, engine: Engine
) -> None:
    """50 a day with a deviation of 10: over 9.57 days, which vary by 1.92, 478.6 + 165.7 units."""
    item, supplier = past.seller(*SEED), shop.supplier()
    supply(engine, item, supplier, unit_cost="40", lead_time_days="7", pack=12)
    planning.run(item.warehouse_id)
    assert point_and_quantity(engine, item) == (394, 432)
    assert planning.plan_of(engine, item).review_wait_days is None
    take_orders(engine, supplier, review_days="tue")
    set_breaks(engine, item, supplier, (1_000, "39"))
    planning.run(item.warehouse_id)
    # At 39 from a thousand on, 1,008 cost 718,743.2 a year; 648, the packs above the point, cost 734,648.
    assert point_and_quantity(engine, item) == (645, 1_008)
    plan = planning.plan_of(engine, item)
    assert plan.lead_time_days == pytest.approx(7 + 18 / 7)
    assert plan.review_wait_days == pytest.approx(18 / 7)
    # sqrt(2 x 18,250 x 50 / (0.25 x 39))
    assert plan.economic_order_quantity == pytest.approx(432.642, abs=0.001)
