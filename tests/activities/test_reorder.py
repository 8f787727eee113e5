"""A reorder run's steps on PostgreSQL: what is below its point, and what is drafted for it."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Engine, text

import activities.reorder
from stockkeeper.contracts.purchase_order_state import PurchaseOrderLine, PurchaseOrderRequest
from stockkeeper.contracts.reorder import DraftedReorder, Group, SkippedState
from stockkeeper.domain.purchase_order import PurchaseOrderStatus
from stockkeeper.domain.stock import ItemKey
from tests.support.books import nothing_is_stored
from tests.support.purchase_order_rows import supplier_name
from tests.support.replenishment_rows import numbers_used, order_row, ordered, set_point, supply, warehouse_name
from tests.support.shop import Shop
from tests.support.steps.activity import NOON
from tests.support.steps.purchase_order import Buying
from tests.support.steps.reorder import Reordering

S = PurchaseOrderStatus


pytestmark = pytest.mark.usefixtures("nothing_else_to_order")


def _line(item: ItemKey, qty: int, unit_cost: str, available: int) -> PurchaseOrderLine:
    """A line for an item whose point of ten was set by hand."""
    note = f"point 10 (set by hand); available {available}, on order 0, in transit 0; minimum 1, pack 1"
    return PurchaseOrderLine(product_id=item.product_id, qty=qty, unit_cost=Decimal(unit_cost), note=note)


def test_each_supplier_gets_one_order_for_each_warehouse(reordering: Reordering, shop: Shop, engine: Engine) -> None:
    tea, mug, pot = shop.items(3, units=4)
    tea_there = shop.item(5, product=tea.product_id)
    pot_there = shop.item(0, product=pot.product_id, warehouse=tea_there.warehouse_id)
    acme, best = shop.supplier(), shop.supplier()
    supply(engine, [tea, pot], acme, unit_cost="2.50")
    supply(engine, mug, best, unit_cost="0.333333")
    set_point(engine, [tea, mug, pot, tea_there, pot_there], 10, 20)
    here, there = tea.warehouse_id, tea_there.warehouse_id

    def group(supplier: int, warehouse: int, items: int) -> Group:
        return Group(
            supplier_id=supplier,
            supplier=supplier_name(engine, supplier),
            warehouse_id=warehouse,
            warehouse=warehouse_name(engine, warehouse),
            items=items,
        )

    below = reordering.below(here)
    assert (below.items_below, below.items_covered, below.skipped, below.items_skipped) == (3, 0, [], 0)
    assert below.groups == [group(acme, here, 2), group(best, here, 1)]
    assert reordering.below(there).groups == [group(acme, there, 2)]
    orders = reordering.everything(here) + reordering.everything(there)
    expected = [
        (acme, here, [_line(tea, 20, "2.50", 4), _line(pot, 20, "2.50", 4)], "2 items below the reorder point"),
        (best, here, [_line(mug, 20, "0.333333", 4)], "1 item below the reorder point"),
        (
            acme,
            there,
            [_line(tea_there, 20, "2.50", 5), _line(pot_there, 20, "2.50", 0)],
            "2 items below the reorder point",
        ),
    ]
    first = int(orders[0].po_number.removeprefix("RO-"))
    assert orders == [
        PurchaseOrderRequest(
            po_number=f"RO-{first + place}",
            supplier_id=supplier,
            warehouse_id=warehouse,
            line_items=lines,
            expected_delivery_date=date(2026, 6, 8),
            requested_by="reorder",
            reason=reason,
            approval=None,
        )
        for place, (supplier, warehouse, lines, reason) in enumerate(expected)
    ]
    # What was answered is what was stored.
    assert [*ordered(engine, here), *ordered(engine, there)] == [
        (order.po_number, order.supplier_id, "SUBMITTED", line.product_id, line.qty, line.unit_cost, line.note)
        for order in orders
        for line in order.line_items
    ]
    for warehouse, items in ((here, 3), (there, 2)):
        now = reordering.below(warehouse)
        assert (now.items_below, now.items_covered, now.groups, now.skipped) == (items, items, [], [])


# Point, planned quantity, minimum and pack; what is ordered of an item that has four.
QUANTITIES = {
    "the planned quantity": (10, 20, 1, 1, 20),
    "what is missing to the point, if that is more": (50, 20, 1, 1, 46),
    "exactly what is missing": (24, 20, 1, 1, 20),
    "what is missing where nothing is planned": (10, None, 1, 1, 6),
    "the minimum": (10, 20, 30, 1, 30),
    "whole packs": (10, 20, 1, 12, 24),
    "whole packs of what is missing": (50, 20, 1, 12, 48),
    "whole packs of the minimum": (10, 20, 30, 12, 36),
    "a unit that is missing": (5, None, 1, 1, 1),
    "as much as a line can have": (1_000_000_000, None, 1, 1, 999_999_996),
    "no more than a line can have of what is planned": (10, 10**12, 1, 1, 1_000_000_000),
    "no more whole packs than a line can have": (1_000_000_000, None, 1, 7, 999_999_994),
    "no more of the minimum than a line can have": (10, None, 1_000_000_000, 7, 999_999_994),
}


@pytest.mark.parametrize(("point", "planned", "minimum", "pack", "qty"), QUANTITIES.values(), ids=QUANTITIES)
def test_as_much_is_ordered_as_is_planned_missing_and_sold(
    reordering: Reordering,
    shop: Shop,
    engine: Engine,
    point: int,
    planned: int | None,
    minimum: int,
    pack: int,
    qty: int,
) -> None:
    item, supplier = shop.item(4), shop.supplier()
    supply(engine, item, supplier, minimum=minimum, pack=pack)
    set_point(engine, item, point, planned)
    [line] = reordering.order(supplier, item.warehouse_id).line_items
    told = f"point {point} (set by hand); available 4, on order 0, in transit 0; minimum {minimum}, pack {pack}"
    assert (line.product_id, line.qty, line.note) == (item.product_id, qty, told)


def _plan(engine: Engine, item: ItemKey, supplier: int, **numbers: Any) -> None:
    """Keep the plan of the seed's example: fifty a day, deviation ten, seven days."""
    values = {
        "supplier_id": supplier,
        "days": 90,
        "daily_mean": 50,
        "daily_deviation": 10,
        "lead_time_days": 7,
        "lead_time_deviation_days": None,
        "service_level": 0.95,
        "safety_stock": 43.519,
        "economic_order_quantity": 2701.85,
        "reorder_point": 394,
        "reorder_quantity": 2702,
        "planned_at": NOON,
    } | numbers
    columns = ["warehouse_id", "product_id", *values]
    with engine.begin() as connection:
        insert = f"INSERT INTO item_plans ({', '.join(columns)}) VALUES (:{', :'.join(columns)})"
        connection.execute(text(insert), values | item._asdict())


PLANNED = (
    "point 394 = usage 50/day x lead time 7 days + safety stock 43.52 (deviation 10 over 90 days, service level 0.95); "
    "available 4, on order 0, in transit 0; EOQ 2701.85, minimum 1, pack 10"
)
BY_HAND = "point {} (set by hand); available 4, on order 0, in transit 0; minimum 1, pack 10"
REASONS: dict[str, tuple[dict[str, Any], int, str, str]] = {
    "planned": ({}, 394, "auto", PLANNED),
    "planned with a lead time that varies": (
        {"lead_time_deviation_days": 1.25},
        394,
        "auto",
        PLANNED.replace("7 days", "7 days (deviation 1.25)"),
    ),
    "planned with a lead time that never varies": ({"lead_time_deviation_days": 0}, 394, "auto", PLANNED),
    "set by hand to what had been planned": ({}, 394, "manual", BY_HAND.format(394)),
    "set to something else": ({}, 395, "auto", BY_HAND.format(395)),
}


@pytest.mark.parametrize(("numbers", "point", "planning", "note"), REASONS.values(), ids=REASONS)
def test_a_line_says_why_in_numbers(
    reordering: Reordering,
    shop: Shop,
    engine: Engine,
    numbers: dict[str, Any],
    point: int,
    planning: str,
    note: str,
) -> None:
    item, supplier = shop.item(4), shop.supplier()
    supply(engine, item, supplier, pack=10)
    _plan(engine, item, supplier, **numbers)
    set_point(engine, item, point, 2702, planning=planning)
    [line] = reordering.order(supplier, item.warehouse_id).line_items
    assert (line.qty, line.note) == (2_710, note)
    assert [(each.qty, each.note) for each in ordered(engine, item.warehouse_id)] == [(2_710, note)]


@pytest.mark.parametrize(
    ("timezone", "lead_times", "day"),
    [
        ("UTC", ["7"], date(2026, 6, 8)),
        ("UTC", ["0"], date(2026, 6, 1)),
        ("UTC", ["2", "2.001", "1"], date(2026, 6, 4)),
        # Nobody expects anything by a day that no calendar here has.
        ("UTC", ["999999.999"], None),
        # There it is midnight already.
        ("Pacific/Auckland", ["7"], date(2026, 6, 9)),
    ],
)
def test_an_order_is_expected_when_its_slowest_line_is(
    reordering: Reordering, shop: Shop, engine: Engine, timezone: str, lead_times: list[str], day: date | None
) -> None:
    items, supplier = shop.items(len(lead_times), units=4), shop.supplier()
    for item, lead_time in zip(items, lead_times, strict=True):
        supply(engine, item, supplier, lead_time_days=lead_time)
    set_point(engine, items, 10)
    warehouse = items[0].warehouse_id
    with engine.begin() as connection:
        place = text("UPDATE warehouses SET timezone = :timezone WHERE warehouse_id = :warehouse_id")
        connection.execute(place, {"timezone": timezone, "warehouse_id": warehouse})
    order = reordering.order(supplier, warehouse)
    assert order.expected_delivery_date == day == order_row(engine, order.po_number).expected_delivery_date


def test_the_preferred_supplier_is_asked_or_else_the_cheapest(
    reordering: Reordering, shop: Shop, engine: Engine
) -> None:
    preferred, cheapest, equal = shop.items(3, units=4)
    first, second, third = (shop.supplier() for _ in range(3))
    supply(engine, preferred, first, unit_cost="1.00")
    supply(engine, preferred, second, unit_cost="9.00", is_preferred=True)
    supply(engine, cheapest, second, unit_cost="9.00")
    supply(engine, cheapest, third, unit_cost="8.999999")
    # Of equals always the same one.
    supply(engine, equal, third, unit_cost="3.00")
    supply(engine, equal, second, unit_cost="3.00")
    set_point(engine, [preferred, cheapest, equal], 10)
    lines = {
        order.supplier_id: [(line.product_id, line.unit_cost) for line in order.line_items]
        for order in reordering.everything(preferred.warehouse_id)
    }
    assert lines == {
        second: [(preferred.product_id, Decimal("9.00")), (equal.product_id, Decimal("3.00"))],
        third: [(cheapest.product_id, Decimal("8.999999"))],
    }


def test_what_cannot_be_ordered_is_named(reordering: Reordering, buying: Buying, shop: Shop, engine: Engine) -> None:
    nobodys, on_order, inactive, both = shop.items(4, units=4)
    here, supplier = nobodys.warehouse_id, shop.supplier()
    supply(engine, inactive, supplier)
    buying.order(shop, (on_order, 1))
    with engine.begin() as connection:
        gone = text("UPDATE products SET is_active = false WHERE product_id = ANY (:ids)")
        connection.execute(gone, {"ids": [inactive.product_id, both.product_id]})
    set_point(engine, [nobodys, on_order, inactive, both], 10)
    below = reordering.below(here)
    assert (below.items_below, below.items_covered, below.groups, below.items_skipped) == (4, 1, [], 3)
    assert below.skipped == [
        SkippedState(product_id=item.product_id, warehouse_id=here, reason=reason)
        for item, reason in (
            (nobodys, "no supplier is known for it"),
            (inactive, "it is no longer active"),
            (both, "it is no longer active"),
        )
    ]
    before = ordered(engine, here), numbers_used(engine)
    for dry_run in (True, False):
        assert reordering.draft(supplier, here, dry_run=dry_run) == DraftedReorder(order=None, more=False)
    assert (ordered(engine, here), numbers_used(engine)) == before


def test_all_that_cannot_be_ordered_is_counted_and_the_first_are_named(
    reordering: Reordering, shop: Shop, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(activities.reorder, "SKIPPED_SHOWN", 2)
    items = shop.items(3, units=4)
    set_point(engine, items, 10)
    below = reordering.below(items[0].warehouse_id)
    named = [each.product_id for each in below.skipped]
    assert (named, below.items_skipped) == ([item.product_id for item in items[:2]], 3)


def test_a_dry_run_says_what_would_be_ordered_and_writes_nothing(
    reordering: Reordering, shop: Shop, engine: Engine
) -> None:
    items, supplier = shop.items(2, units=4), shop.supplier()
    supply(engine, items, supplier)
    set_point(engine, items, 10, 20)
    used = numbers_used(engine)
    with nothing_is_stored(engine):
        first = reordering.draft(supplier, items[0].warehouse_id, dry_run=True)
        assert reordering.draft(supplier, items[0].warehouse_id, dry_run=True) == first
    assert numbers_used(engine) == used
    order = reordering.order(supplier, items[0].warehouse_id)
    assert first == DraftedReorder(order=order.model_copy(update={"po_number": "dry-run"}), more=False)


def test_very_many_items_are_several_orders(
    reordering: Reordering, shop: Shop, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(activities.reorder, "LINES_AN_ORDER", 2)
    items, supplier = shop.items(5, units=4), shop.supplier()
    supply(engine, items, supplier)
    set_point(engine, items, 10)
    here = items[0].warehouse_id
    pages = [[item.product_id for item in page] for page in (items[:2], items[2:4], items[4:])]

    def drafts(*, dry_run: bool) -> list[tuple[list[int], str, bool]]:
        found, after = [], 0
        while True:
            drafted = reordering.draft(supplier, here, dry_run=dry_run, after_product_id=after)
            assert drafted.order is not None
            products = [line.product_id for line in drafted.order.line_items]
            found.append((products, drafted.order.reason, drafted.more))
            if not drafted.more:
                return found
            after = products[-1] if dry_run else 0

    reasons = ["2 items below the reorder point"] * 2 + ["1 item below the reorder point"]
    expected = list(zip(pages, reasons, [True, True, False], strict=True))
    assert drafts(dry_run=True) == expected
    assert drafts(dry_run=False) == expected
    rows = ordered(engine, here)
    assert [row.product_id for row in rows] == [product for page in pages for product in page]
    assert len({row.po_number for row in rows}) == 3
    # Just as many as one order has is one order.
    monkeypatch.setattr(activities.reorder, "LINES_AN_ORDER", 3)
    more = shop.items(3, units=4)
    supply(engine, more, supplier)
    set_point(engine, more, 10)
    drafted = reordering.draft(supplier, more[0].warehouse_id)
    assert drafted.order is not None
    assert (len(drafted.order.line_items), drafted.more) == (3, False)


def test_more_suppliers_than_one_look_takes_are_left_for_the_next(
    reordering: Reordering, shop: Shop, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(activities.reorder, "GROUPS_A_LOOK", 2)
    items = shop.items(4, units=4)
    suppliers = sorted(shop.supplier() for _ in range(3))
    for item, supplier in zip(items, [*suppliers, suppliers[0]], strict=True):
        supply(engine, item, supplier)
    set_point(engine, items, 10)
    there = items[0].warehouse_id
    below = reordering.below(there)
    assert ([group.supplier_id for group in below.groups], below.more_groups) == (suppliers[:2], True)
    assert (below.items_below, below.items_covered, below.items_skipped) == (4, 0, 0)
    for supplier in suppliers[:2]:
        reordering.order(supplier, there)
    below = reordering.below(there)
    assert ([group.supplier_id for group in below.groups], below.more_groups) == (suppliers[2:], False)
    assert (below.items_below, below.items_covered) == (4, 3)
