"""Reorder runs that meet: whatever is needed is ordered, and nothing twice."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial

import pytest
from sqlalchemy import Engine, text

import activities.reorder
from database.sessions import Database
from stockkeeper.contracts.reorder import DraftedReorder
from stockkeeper.domain.stock import ItemKey
from tests.support.books import level
from tests.support.meetings import WAIT_SECONDS, held_rows, until_waiting
from tests.support.replenishment_rows import ordered, set_point, supply
from tests.support.shop import Shop, new_reference
from tests.support.steps.purchase_order import Buying, came
from tests.support.steps.reorder import Reordering
from tests.support.steps.reservation import Steps

pytestmark = pytest.mark.usefixtures("nothing_else_to_order")


def _needed(shop: Shop, count: int, suppliers: int = 1) -> tuple[list[ItemKey], list[int]]:
    """Items of one warehouse that have four of ten, dealt out to suppliers."""
    items, of = shop.items(count, units=4), [shop.supplier() for _ in range(suppliers)]
    for place, supplier in enumerate(of):
        supply(shop.engine, items[place::suppliers], supplier)
    set_point(shop.engine, items, 10)
    return items, of


_THESE = "WHERE warehouse_id = :warehouse_id AND product_id = ANY (:product_ids)"


def _meet(
    engine: Engine, items: list[ItemKey], *calls: Callable[[], DraftedReorder], meanwhile: str | None = None
) -> list[DraftedReorder]:
    """All have seen what is needed, and wait for the items; what happens meanwhile happens before they have them."""
    these = {"warehouse_id": items[0].warehouse_id, "product_ids": [item.product_id for item in items]}
    with ThreadPoolExecutor(len(calls)) as threads:
        with held_rows(engine, f"inventory_items {_THESE}", **these) as holder:
            begun: list[Future[DraftedReorder]] = [threads.submit(call) for call in calls]
            until_waiting(engine, len(calls))
            if meanwhile is not None:
                holder.execute(text(f"UPDATE inventory_items SET {meanwhile} {_THESE}"), these)
        return [each.result(WAIT_SECONDS) for each in begun]


def test_of_runs_that_need_the_same_items_one_orders_them(reordering: Reordering, shop: Shop, engine: Engine) -> None:
    items, [supplier] = _needed(shop, 3)
    calls = [partial(reordering.draft, supplier, items[0].warehouse_id)] * 5
    drafted = [each.order for each in _meet(engine, items, *calls) if each.order is not None]
    assert [len(order.line_items) for order in drafted] == [3]
    assert [row.po_number for row in ordered(engine, items[0].warehouse_id)] == [drafted[0].po_number] * 3


def test_the_same_draft_five_times_at_once_is_one_order(reordering: Reordering, shop: Shop, engine: Engine) -> None:
    """The operation is the first lock: the other four wait there, and not for the items."""
    items, [supplier] = _needed(shop, 3)
    operation = f"{new_reference('reorder')}/run/draft/1"
    calls = [partial(reordering.draft, supplier, items[0].warehouse_id, operation=operation)] * 5
    first, *others = _meet(engine, items, *calls)
    assert first.order is not None
    assert others == [first] * 4
    assert [row.po_number for row in ordered(engine, items[0].warehouse_id)] == [first.order.po_number] * 3


def test_a_run_beside_a_repeat_of_another_orders_nothing_twice(
    reordering: Reordering, shop: Shop, engine: Engine
) -> None:
    """The worker of the first has died, and its draft is asked for again while a second run is under way."""
    items, [supplier] = _needed(shop, 3)
    here = items[0].warehouse_id
    operation = f"{new_reference('reorder')}/run/draft/1"
    first = reordering.draft(supplier, here, operation=operation)
    with ThreadPoolExecutor(6) as threads:
        repeats = [threads.submit(reordering.draft, supplier, here, operation=operation) for _ in range(3)]
        others = [threads.submit(reordering.draft, supplier, here) for _ in range(3)]
        assert [each.result(WAIT_SECONDS) for each in repeats] == [first] * 3
        assert [each.result(WAIT_SECONDS).order for each in others] == [None] * 3
    assert len(ordered(engine, here)) == 3


CHANGES: dict[str, tuple[str, list[int]]] = {
    "its point was raised": ("reorder_point = 20", [16]),
    "its point was lowered": ("reorder_point = 5", [1]),
    "its point was lowered to what it has": ("reorder_point = 4", []),
    "its point was taken away": ("reorder_point = NULL", []),
}


@pytest.mark.parametrize(("meanwhile", "quantities"), CHANGES.values(), ids=CHANGES)
def test_what_is_ordered_is_decided_once_nobody_else_can_change_it(
    reordering: Reordering, shop: Shop, engine: Engine, meanwhile: str, quantities: list[int]
) -> None:
    [item], [supplier] = _needed(shop, 1)
    call = partial(reordering.draft, supplier, item.warehouse_id)
    [drafted] = _meet(engine, [item], call, meanwhile=meanwhile)
    assert [line.qty for line in (drafted.order.line_items if drafted.order else [])] == quantities
    assert [row.qty for row in ordered(engine, item.warehouse_id)] == quantities


def test_runs_at_once_order_everything_and_nothing_twice(
    reordering: Reordering, shop: Shop, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(activities.reorder, "LINES_AN_ORDER", 7)
    items, suppliers = _needed(shop, 60, suppliers=3)
    here = items[0].warehouse_id
    products = sorted(item.product_id for item in items)
    with ThreadPoolExecutor(6) as threads:
        for round_ in range(1, 4):
            runs = [threads.submit(reordering.everything, here) for _ in range(6)]
            drafted = [order for run in runs for order in run.result(WAIT_SECONDS)]
            rows = ordered(engine, here)
            assert sorted(row.product_id for row in rows) == sorted(products * round_)
            new = {order.po_number for order in drafted}
            assert len(new) == len(drafted) == 9
            assert {row.po_number for row in rows[-60:]} == new
            assert Counter(order.supplier_id for order in drafted) == dict.fromkeys(suppliers, 3)
            below = reordering.below(here)
            assert (below.items_below, below.items_covered) == (60, 60)
            # What was ordered is called off, and needed again.
            with engine.begin() as connection:
                off = text("""
                    UPDATE purchase_orders SET status = 'CANCELLED', closed_at = created_at, closed_by = 'test'
                    WHERE warehouse_id = :warehouse_id
                """)
                connection.execute(off, {"warehouse_id": here})


def test_runs_orders_and_receipts_never_wait_in_a_circle(
    reordering: Reordering, database: Database, shop: Shop, engine: Engine
) -> None:
    """Customers reserve in any order of lines, and goods arrive, while runs look for what is below."""
    items, _ = _needed(shop, 8)
    here = items[0].warehouse_id
    steps, buying = Steps(database), Buying(database)

    def reserve(number: int) -> object:
        return steps.reserve(new_reference(), *((item, 1) for item in items[:: 1 if number % 2 else -1]))

    def receive(number: int) -> object:
        lines = [(item, 1) for item in items[:: -1 if number % 2 else 1]]
        return buying.receive(buying.order(shop, *lines), "truck-1", *(came(item, 1) for item, _ in lines))

    def run(number: int) -> object:
        del number
        return reordering.everything(here)

    work = (reserve, receive, run)
    with ThreadPoolExecutor(6) as threads:
        for done in [threads.submit(work[number % 3], number) for number in range(12)]:
            done.result(WAIT_SECONDS)
    reordering.everything(here)
    # Whatever came in which order, each item is on one order that a reorder run has drafted.
    drafted = [row.product_id for row in ordered(engine, here) if row.po_number.startswith("RO-")]
    assert sorted(drafted) == [item.product_id for item in items]
    assert [level(engine, item) for item in items] == [(8, 4)] * 8
