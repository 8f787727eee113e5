"""What reorder runs count of tracked items: no lots that have expired or were stopped, nor units that will expire."""

from datetime import date, timedelta

import pytest
from sqlalchemy import Engine

from database.perishing import read_perishing
from stockkeeper.domain.perishing import LotAhead, Perishables
from stockkeeper.domain.stock import ItemKey
from tests.support.lots import TODAY, came, lot_item, set_aside, set_status
from tests.support.order_terms_rows import plan, take_orders
from tests.support.past import AS_OF, Past
from tests.support.replenishment_rows import set_point, supply
from tests.support.shop import Shop, new_reference
from tests.support.steps.activity import NOON
from tests.support.steps.purchase_order import Buying, wanted
from tests.support.steps.reorder import Reordering
from tests.support.steps.replenishment_plan import Planned, Planning
from tests.support.steps.reservation import Steps

pytestmark = pytest.mark.usefixtures("nothing_else_to_order")

OVER, LATER = date(2020, 1, 31), date(2150, 3, 31)


def _in(days: int) -> date:
    return TODAY + timedelta(days=days)


def test_lots_that_may_not_leave_do_not_keep_an_item_from_its_order(
    reordering: Reordering, shop: Shop, engine: Engine
) -> None:
    here = shop.warehouse()
    above = lot_item(shop, ("OVER", OVER, 8), ("LATER", LATER, 10), warehouse=here)
    expired = lot_item(shop, ("OVER", OVER, 8), ("LATER", LATER, 5), warehouse=here)
    blocked = lot_item(shop, ("A", LATER, 3), ("B", LATER, 6), warehouse=here)
    set_status(engine, blocked, "A", "BLOCKED")
    supply(engine, [above, expired, blocked], shop.supplier(), unit_cost="1")
    set_point(engine, [above, expired, blocked], 10, 20)
    assert reordering.below(here).items_below == 2
    [order] = reordering.everything(here)
    told = {line.product_id: (line.qty, (line.note or "").split("; ")[1]) for line in order.line_items}
    assert told == {
        expired.product_id: (20, "available 5, on order 0, in transit 0"),
        blocked.product_id: (20, "available 6, on order 0, in transit 0"),
    }


def _selling(engine: Engine, supplier: int, item: ItemKey, point: int, *, daily_mean: float = 10) -> None:
    """The item sells so many units a day, and its supplier takes seven days."""
    supply(engine, item, supplier, unit_cost="1")
    plan(engine, item, supplier, point, 90, daily_mean=daily_mean)


def test_units_that_will_expire_before_they_can_be_sold_are_left_out(
    reordering: Reordering, shop: Shop, engine: Engine
) -> None:
    here, supplier = shop.warehouse(), shop.supplier()
    # Of sixty units 20 are sold in two days: 40 are left.
    short = lot_item(shop, ("SOON", _in(2), 60), ("LATER", LATER, 49), warehouse=here)
    enough = lot_item(shop, ("SOON", _in(2), 60), ("LATER", LATER, 50), warehouse=here)
    # It ends after the goods would be there.
    far = lot_item(shop, ("FAR", _in(8), 100), warehouse=here)
    slow = lot_item(shop, ("SOON", _in(7), 70), warehouse=here)
    by_hand = lot_item(shop, ("SOON", _in(2), 80), warehouse=here)
    for item, daily_mean in ((short, 10.0), (enough, 10.0), (far, 1.0), (slow, 9.9), (by_hand, 1.0)):
        _selling(engine, supplier, item, 70, daily_mean=daily_mean)
    set_point(engine, by_hand, 70, 90)
    found = reordering.below(here)
    assert (found.items_below, [group.items for group in found.groups]) == (2, [2])
    dry = reordering.draft(supplier, here, dry_run=True)
    order = reordering.order(supplier, here)
    assert dry.order is not None
    assert [dict(line) for line in dry.order.line_items] == [dict(line) for line in order.line_items]
    told = {line.product_id: (line.qty, (line.note or "").split("; ")[1]) for line in order.line_items}
    assert told == {
        short.product_id: (90, "available 109 (40 of them will expire unsold), on order 0, in transit 0"),
        # Seven days sell 69.3 of seventy.
        slow.product_id: (90, "available 70 (1 of them will expire unsold), on order 0, in transit 0"),
    }


def test_what_is_held_or_set_aside_is_sold_by_nobody_else(
    reordering: Reordering, shop: Shop, engine: Engine, steps: Steps
) -> None:
    item, supplier = lot_item(shop, ("SOON", _in(2), 60), ("LATER", LATER, 50)), shop.supplier()
    _selling(engine, supplier, item, 50)
    steps.reserve(new_reference(), (item, 25))
    set_aside(engine, item, "SOON", 5)
    # Thirty of the first lot are free, and ten of these are left: 80 - 10 with the others.
    with engine.connect() as connection:
        found = read_perishing(connection, NOON, warehouse_id=item.warehouse_id)
    assert found == {item: Perishables([LotAhead(30, 2, _in(2))], 10.0, 7.0)}
    assert found[item].units() == 10
    assert reordering.below(item.warehouse_id).items_below == 0


def test_a_lot_ends_as_early_as_the_days_ask_that_its_product_has_to_have_left(shop: Shop, engine: Engine) -> None:
    supplier = shop.supplier()
    lots = (("NONE", None, 1), ("OVER", _in(2), 2), ("EDGE", _in(3), 4), ("IN", _in(10), 8), ("OUT", _in(11), 16))
    item = lot_item(shop, *lots, minimum_days_left=3)
    _selling(engine, supplier, item, 10)
    with engine.connect() as connection:
        found = read_perishing(connection, NOON, product_ids=[item.product_id])
        later = read_perishing(connection, NOON, product_ids=[item.product_id], more_days=1)
    # Seven days' lead time; "OVER" may not leave today.
    assert found[item].lots == [LotAhead(4, 0, TODAY), LotAhead(8, 7, _in(7))]
    assert later[item].lots == [LotAhead(4, 0, TODAY), LotAhead(8, 7, _in(7)), LotAhead(16, 8, _in(8))]


def test_an_order_that_covers_says_what_will_expire(
    reordering: Reordering, shop: Shop, engine: Engine, buying: Buying
) -> None:
    item, supplier = lot_item(shop, ("SOON", _in(0), 60), ("LATER", LATER, 50)), shop.supplier()
    _selling(engine, supplier, item, 70)
    number = new_reference("po")
    buying.draft(number, supplier, item.warehouse_id, [wanted(item, 2)], day=_in(1))
    found = reordering.below(item.warehouse_id)
    assert (found.items_below, found.items_covered) == (1, 1)
    [covered] = found.covered
    assert (covered.quantity_available, covered.quantity_to_expire, covered.reorder_point) == (110, 60, 70)


def test_joint_orders_count_on_what_can_be_sold_until_the_next_one(
    reordering: Reordering, shop: Shop, engine: Engine
) -> None:
    """Three items of 912.50 a year to hold: every sqrt(2 x 50 / 2,737.50) years, 69.8 days."""
    supplier, below = shop.supplier(), shop.item(9)
    take_orders(engine, supplier, joint_orders=True)
    here = below.warehouse_id
    # All but 30 days' sales of a hundred are gone before the next joint order comes, and all of what has expired.
    ends = lot_item(shop, ("SOON", _in(30), 100), warehouse=here)
    expired = lot_item(shop, ("OVER", OVER, 100), ("LATER", LATER, 5), warehouse=here)
    supply(engine, [below, ends, expired], supplier, unit_cost="10")
    for item in (below, ends, expired):
        plan(engine, item, supplier, 10, 121)
    order = reordering.order(supplier, here)
    assert order.reason == "2 items below the reorder point, 1 item near it"
    assert {line.product_id: line.qty for line in order.line_items} == {
        below.product_id: 71,
        ends.product_id: 50,
        expired.product_id: 75,
    }
    [note] = [line.note for line in order.line_items if line.product_id == ends.product_id]
    assert "; available 100 (70 of them will expire unsold), on order 0" in (note or "")


def test_a_hold_lets_an_item_fall_below_its_point_by_what_is_left_to_expire(
    shop: Shop, engine: Engine, steps: Steps
) -> None:
    """The point is 75 of ninety, of which ten will expire; an order that takes the later lot leaves fewer to sell."""
    supplier = shop.supplier()
    first, later, by_hand = (lot_item(shop, ("SOON", _in(2), 30), ("LATER", LATER, 60)) for _ in range(3))
    for item in (first, later, by_hand):
        _selling(engine, supplier, item, 75)
    set_point(engine, by_hand, 75)
    assert not steps.reserve(new_reference(), (first, 10)).fell_below
    fell = [steps.reserve(new_reference(), (later, 5), minimum_days_left=9).fell_below for _ in range(3)]
    assert fell == [False, True, False]
    assert not steps.reserve(new_reference(), (by_hand, 10), minimum_days_left=9).fell_below


@pytest.mark.parametrize(("ends", "fell_below"), [(1, True), (4, False)])
def test_a_plan_asks_for_a_run_where_its_point_is_more_than_can_be_sold_in_time(
    planning: Planning, past: Past, shop: Shop, engine: Engine, ends: int, fell_below: bool
) -> None:
    """Five hundred are more than the point of 394; of the two hundred that end tomorrow 150 will be left."""
    day = AS_OF.date() + timedelta(days=ends)
    item = lot_item(shop, ("SOON", day, 200), ("LATER", LATER, 300))
    past.imported(item, ("2025-06-07", 40), ("2025-06-08", 50), ("2025-06-09", 60))
    supply(engine, item, shop.supplier(), lead_time_days="7")
    assert planning.run(item.warehouse_id) == Planned(looked_at=1, planned=1, changed=1, fell_below=fell_below)
    assert planning.run(item.warehouse_id).fell_below is False


def test_an_order_has_no_more_than_is_sold_in_the_days_that_its_goods_usually_have(
    reordering: Reordering, shop: Shop, engine: Engine
) -> None:
    """They came with 12, 14 and 200 days left, two of which have to be left when they are sold: 14 - 2 days at ten."""
    supplier, here = shop.supplier(), shop.warehouse()
    lots = (("A", _in(2), 1), ("B", _in(4), 1), ("C", _in(190), 1))
    bounded, of_another, too_few = (
        lot_item(shop, *lots[:number], minimum_days_left=2, warehouse=here) for number in (3, 3, 2)
    )
    for item in (bounded, of_another, too_few):
        _selling(engine, supplier, item, 70)
        set_point(engine, item, 70, 400, planning="auto")
        came(engine, item, shop.supplier() if item == of_another else supplier, NOON - timedelta(days=10))
    order = reordering.order(supplier, here)
    assert {line.product_id: line.qty for line in order.line_items} == {
        bounded.product_id: 120,
        of_another.product_id: 400,
        too_few.product_id: 400,
    }
    assert [line.note for line in order.line_items if "12 days" in (line.note or "")] == [
        next(line.note for line in order.line_items if line.product_id == bounded.product_id)
    ]
