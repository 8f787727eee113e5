"""Corrections on PostgreSQL: what isn't there can't be promised, and whoever loses a hold by it is named."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Engine, text

from activities.writes import effects_of
from database.corrections import Correction
from database.sessions import Database
from stockkeeper.contracts.messages import GaveWay, StockAnswer
from stockkeeper.contracts.reservation import FulfillLine
from stockkeeper.domain.errors import InsufficientStock
from stockkeeper.domain.reservation import ItemHold
from stockkeeper.domain.stock import ItemKey
from tests.support.books import ItemBooks, books, level, nothing_changes
from tests.support.corrections import FOUND, correct_stock, held_lines
from tests.support.meetings import WAIT_SECONDS, Outcome, held_rows, outcome, until_waiting
from tests.support.replenishment_rows import nothing_else_to_order, set_point
from tests.support.reservation import shortage
from tests.support.shop import Shop, new_reference
from tests.support.steps.activity import MINUTE, NOON
from tests.support.steps.reservation import Steps
from tests.support.steps.transfer import TransferCalls

LATER = NOON + 5 * MINUTE
DEADLINE = NOON + 30 * MINUTE
STILL_HELD = (0, "ACTIVE", None, None, None)
_MOVEMENTS = text("""
    SELECT movement_type, quantity, balance_after, reference_id, performed_by, reason, operation_id, workflow_id, run_id
    FROM stock_movements WHERE (warehouse_id, product_id) = (:warehouse_id, :product_id) ORDER BY movement_id
""")


@pytest.fixture
def worker_role(database: Database) -> Engine:
    """Whoever corrects stock acts as the worker's role, too."""
    return database.engine


def _movements(engine: Engine, item: ItemKey) -> list[tuple[Any, ...]]:
    """What became of an item after its opening."""
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(_MOVEMENTS, item._asdict())][1:]


def _order(steps: Steps, *lines: tuple[ItemKey, int], **other: Any) -> str:
    reference = new_reference()
    steps.reserve(reference, *lines, **other)
    return reference


def _named(held: Sequence[ItemHold]) -> list[tuple[str, str, str, int]]:
    return [(hold.workflow_id, hold.reference_type, hold.reference_id, hold.quantity_open) for hold in held]


def _told(*references: tuple[str, int]) -> list[tuple[str, str, str, int]]:
    return [(f"reservation-{reference}", "ORDER", reference, units) for reference, units in references]


def test_on_hand_is_brought_to_what_is_there_by_a_movement_for_each_item(
    worker_role: Engine, shop: Shop, engine: Engine
) -> None:
    more, fewer, right = shop.items(3, units=10)
    # Unsorted, as a count has them; the ledger gets them in lock order.
    changes = {fewer: -4, right: 0, more: 3}
    assert correct_stock(worker_role, changes, NOON, operation_id=f"count-{fewer}/post") == Correction()
    assert [level(engine, item) for item in (more, fewer, right)] == [(13, 0), (6, 0), (10, 0)]
    by = ("C-1", "carl", FOUND, f"count-{fewer}/post", "test", "test")
    assert _movements(engine, more) == [("ADJUSTMENT", 3, 13, *by)]
    assert _movements(engine, fewer) == [("ADJUSTMENT", -4, 6, *by)]
    assert _movements(engine, right) == []
    assert correct_stock(worker_role, {fewer: -6}, NOON) == Correction()
    assert [movement[:3] for movement in _movements(engine, fewer)] == [("ADJUSTMENT", -4, 6), ("ADJUSTMENT", -6, 0)]


def test_where_everything_is_right_nothing_happens(
    worker_role: Engine, steps: Steps, shop: Shop, engine: Engine
) -> None:
    first, second = shop.items(2, units=5)
    # Overdue, but nobody needs it.
    _order(steps, (first, 5), ttl=MINUTE)
    before = books(engine, first, second).items
    assert correct_stock(worker_role, {first: 0, second: 0}, DEADLINE) == Correction()
    assert correct_stock(worker_role, {}, DEADLINE) == Correction()
    assert books(engine, first, second).items == before


def test_no_more_can_be_missing_than_there_was(worker_role: Engine, steps: Steps, shop: Shop, engine: Engine) -> None:
    first, second, third = shop.items(3, units=5)
    reference = _order(steps, (first, 5), (second, 5), (third, 5))
    with nothing_changes(engine, first, second, third):
        with pytest.raises(InsufficientStock) as caught:
            correct_stock(worker_role, {third: -6, second: -5, first: -7}, NOON)
        assert caught.value.details == [shortage(first, 7, 5), shortage(third, 6, 5)]
    assert held_lines(engine, reference) == [(*item, 5, *STILL_HELD) for item in (first, second, third)]


def test_holds_give_way_whole_and_the_latest_first_with_the_reason(
    worker_role: Engine, steps: Steps, shop: Shop, engine: Engine
) -> None:
    item = shop.item(14)
    first, second, third = (_order(steps, (item, units)) for units in (5, 3, 4))
    # Two can go without anybody's hold.
    assert correct_stock(worker_role, {item: -2}, LATER) == Correction()
    assert level(engine, item) == (12, 12)
    # Eight have to be promised no more than eight are there: the latest alone isn't enough by one.
    correction = correct_stock(worker_role, {item: -5}, LATER, operation_id=f"count-{first}/post")
    assert (correction.fell_below, list(correction.gave_way)) == (False, [item])
    assert _named(correction.gave_way[item]) == _told((third, 4), (second, 3))
    ended = ("CANCELLED", LATER, f"count-{first}/post", f"gave way, 7 on hand: {FOUND}")
    assert held_lines(engine, first) == [(*item, 5, *STILL_HELD)]
    assert held_lines(engine, second) == [(*item, 3, 0, *ended)]
    assert held_lines(engine, third) == [(*item, 4, 0, *ended)]
    assert books(engine, item).items == (ItemBooks(on_hand=7, reserved=5, held=5, open_lines=1, movements=3, moved=7),)
    assert _named(correct_stock(worker_role, {item: -7}, LATER).gave_way[item]) == _told((first, 5))
    assert level(engine, item) == (0, 0)


def test_more_than_was_there_leaves_every_promise_alone(
    worker_role: Engine, steps: Steps, shop: Shop, engine: Engine
) -> None:
    item = shop.item(5)
    reference = _order(steps, (item, 5))
    assert correct_stock(worker_role, {item: 3}, DEADLINE) == Correction()
    assert (held_lines(engine, reference), level(engine, item)) == ([(*item, 5, *STILL_HELD)], (8, 5))


def test_what_is_overdue_ends_expired_and_is_not_told(
    worker_role: Engine, steps: Steps, shop: Shop, engine: Engine
) -> None:
    item = shop.item(10)
    overdue, in_time = _order(steps, (item, 4), ttl=5 * MINUTE), _order(steps, (item, 6))
    # That one alone is enough: nobody is told anything.
    assert correct_stock(worker_role, {item: -3}, LATER, operation_id=f"count-{overdue}/post") == Correction()
    ended = ("EXPIRED", LATER, f"count-{overdue}/post", f"gave way, 7 on hand: {FOUND}")
    assert held_lines(engine, overdue) == [(*item, 4, 0, *ended)]
    assert held_lines(engine, in_time) == [(*item, 6, *STILL_HELD)]
    late = _order(steps, (item, 1), ttl=MINUTE)
    correction = correct_stock(worker_role, {item: -2}, LATER + MINUTE)
    assert _named(correction.gave_way[item]) == _told((in_time, 6))
    assert [held_lines(engine, each)[0][4] for each in (late, in_time)] == ["EXPIRED", "CANCELLED"]
    assert level(engine, item) == (5, 0)


def test_orders_and_transfers_give_way_alike_and_only_by_what_has_not_left(
    worker_role: Engine, steps: Steps, moving: TransferCalls, shop: Shop, engine: Engine
) -> None:
    item, there = shop.item(20), shop.warehouse()
    early = moving.held(there, (item, 3))
    shipped = _order(steps, (item, 6))
    steps.fulfill(shipped, [FulfillLine(product_id=item.product_id, quantity=2)])
    # The same name as an order's, and two lines of the same product.
    moving.hold(shipped, there, (item, 2), (item, 3))
    assert level(engine, item) == (18, 12)
    correction = correct_stock(worker_role, {item: -14}, LATER)
    assert _named(correction.gave_way[item]) == [
        (f"transfer-{shipped}", "TRANSFER", shipped, 5),
        (f"reservation-{shipped}", "ORDER", shipped, 4),
    ]
    assert effects_of(correction) == StockAnswer(
        fell_below=False,
        gave_way=[
            GaveWay(
                workflow_id=f"{process}-{shipped}",
                reference_type=reference_type,
                reference_id=shipped,
                warehouse_id=item.warehouse_id,
                product_id=item.product_id,
                quantity=units,
            )
            for process, reference_type, units in (("transfer", "TRANSFER", 5), ("reservation", "ORDER", 4))
        ],
    )
    ended = ("CANCELLED", LATER)
    assert [line[2:6] for line in held_lines(engine, shipped, "TRANSFER")] == [(2, 0, *ended), (3, 0, *ended)]
    assert [line[2:6] for line in held_lines(engine, shipped)] == [(6, 2, *ended)]
    assert held_lines(engine, early, "TRANSFER") == [(*item, 3, *STILL_HELD)]
    assert level(engine, item) == (4, 3)
    moving.give_way(shipped)


def test_of_several_items_each_has_its_own_line_and_other_lines_wait_to_be_told(
    worker_role: Engine, steps: Steps, shop: Shop, engine: Engine
) -> None:
    first, second, untouched = shop.items(3, units=10)
    both = _order(steps, (second, 4), (first, 4), (untouched, 4))
    only_second = _order(steps, (second, 6))
    correction = correct_stock(worker_role, {second: -1, first: -7}, LATER)
    assert list(correction.gave_way) == [first, second]
    assert {item: _named(held) for item, held in correction.gave_way.items()} == {
        first: _told((both, 4)),
        second: _told((only_second, 6)),
    }
    assert [line[:3] + line[4:5] for line in held_lines(engine, both)] == [
        (*second, 4, "ACTIVE"),
        (*first, 4, "CANCELLED"),
        (*untouched, 4, "ACTIVE"),
    ]
    assert [level(engine, item) for item in (first, second, untouched)] == [(3, 0), (9, 4), (10, 4)]


def test_it_is_told_if_an_item_fell_below_its_point(
    worker_role: Engine, steps: Steps, shop: Shop, engine: Engine
) -> None:
    falls, below, without, freed = (*shop.items(3, units=10), shop.item(20))
    with nothing_else_to_order(engine):
        for item, point in ((falls, 6), (below, 11), (freed, 8)):
            set_point(engine, item, point)
        _order(steps, (freed, 12))
        fell = [
            correct_stock(worker_role, changes, NOON).fell_below
            for changes in (
                {falls: -4, without: -4, below: -4},
                {falls: 1, below: 1},
                {without: -1, falls: -2},
                {falls: -1},
                # Nine are gone, and the twelve that were promised are no longer: eleven are left to sell, after eight.
                {freed: -9, below: 1},
                {freed: -4},
            )
        ]
    assert fell == [False, False, True, False, False, True]


@pytest.fixture
def crowd(steps: Steps, shop: Shop) -> tuple[ItemKey, list[str]]:
    """Ten units, five of them held by five orders."""
    item = shop.item(10)
    return item, [_order(steps, (item, 1)) for _ in range(5)]


def test_buyers_who_reserve_while_stock_is_corrected_are_never_promised_what_is_not_there(
    worker_role: Engine, steps: Steps, engine: Engine, crowd: tuple[ItemKey, list[str]]
) -> None:
    item, earlier = crowd
    references = [new_reference() for _ in range(8)]
    buyers = [partial(steps.reserve, reference, (item, 1)) for reference in references]
    row = "inventory_items WHERE (warehouse_id, product_id) = (:warehouse_id, :product_id)"
    with ThreadPoolExecutor(9) as threads:
        with held_rows(engine, row, **item._asdict()):
            before = [threads.submit(outcome, buyer) for buyer in buyers[:4]]
            until_waiting(engine, 4)
            correcting = threads.submit(correct_stock, worker_role, {item: -6}, NOON)
            after = [threads.submit(outcome, buyer) for buyer in buyers[4:]]
            until_waiting(engine, 9)
        correction = correcting.result(WAIT_SECONDS)
        outcomes: list[Outcome] = [each.result(WAIT_SECONDS) for each in (*before, *after)]
    # However many of them were in time: four units are there in the end, and all four are promised, to the earliest.
    served = [reference for reference, (status, _) in zip(references, outcomes, strict=True) if status == "ACTIVE"]
    refused = [(status, details) for status, details in outcomes if status != "ACTIVE"]
    assert refused == [("InsufficientStock", [shortage(item, 1, 0)])] * (8 - len(served))
    gave_way = {hold.reference_id for hold in correction.gave_way[item]}
    assert gave_way == {*served, earlier[-1]}
    still_held = [each for each in earlier + references if [line[4] for line in held_lines(engine, each)] == ["ACTIVE"]]
    assert still_held == earlier[:4]
    assert books(engine, item).items == (ItemBooks(on_hand=4, reserved=4, held=4, open_lines=4, movements=2, moved=4),)


@pytest.mark.parametrize("first", ["the truck", "the count"])
def test_of_a_dispatch_and_a_correction_at_once_the_first_decides(
    worker_role: Engine, moving: TransferCalls, shop: Shop, engine: Engine, first: str
) -> None:
    item = shop.item(5)
    number = moving.held(shop.warehouse(), (item, 5))

    def dispatch() -> Outcome:
        return outcome(partial(moving.dispatch, number))

    def count() -> Outcome:
        try:
            return str(_named(correct_stock(worker_role, {item: -2}, NOON).gave_way[item])), None
        except InsufficientStock as refusal:
            return refusal.code, refusal.details

    row = "inventory_items WHERE (warehouse_id, product_id) = (:warehouse_id, :product_id)"
    calls = [dispatch, count] if first == "the truck" else [count, dispatch]
    with ThreadPoolExecutor(2) as threads:
        with held_rows(engine, row, **item._asdict()):
            begun = []
            for waiting, call in enumerate(calls, 1):
                begun.append(threads.submit(call))
                until_waiting(engine, waiting)
        outcomes = [each.result(WAIT_SECONDS) for each in begun]
    if first == "the truck":
        # What has left isn't missing.
        assert outcomes == [("IN_TRANSIT", None), ("InsufficientStock", [shortage(item, 2, 0)])]
        assert level(engine, item) == (0, 0)
    else:
        told = str([(f"transfer-{number}", "TRANSFER", number, 5)])
        assert outcomes == [(told, None), ("InvalidState", {"status": "CANCELLED", "command": "dispatch"})]
        assert level(engine, item) == (3, 0)
        moving.give_way(number)
