"""Transfers that meet each other, and buyers: none waits in a circle, nothing is sent twice, nothing is oversold."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Engine, text

from database.sessions import Database
from stockkeeper.contracts.reservation import Holding
from stockkeeper.contracts.transfer import StoredTransfer
from stockkeeper.domain.stock import ItemKey
from stockkeeper.domain.transfer import TransferStatus
from tests.support.books import level
from tests.support.meetings import WAIT_SECONDS, Call, Outcome, meet, outcome, until_waiting
from tests.support.shop import Shop, new_reference
from tests.support.steps.activity import MINUTE, NOON
from tests.support.steps.reservation import Steps
from tests.support.steps.transfer import TransferCalls, arrived
from tests.support.transfer_rows import Whereabouts, movements, transit, whereabouts

S = TransferStatus


def _meet(engine: Engine, number: str, calls: Sequence[Call], *, in_turn: bool = False) -> list[Outcome]:
    """All calls reach the transfer's row while somebody else has it."""
    row = "transfer_orders WHERE transfer_number = :number"
    return meet(engine, row, calls, in_turn=in_turn, number=number)


def _kinds(rows: list[tuple[Any, ...]]) -> list[tuple[str, int]]:
    """Of entries in transit their kinds and units."""
    return [(kind, quantity) for _, kind, quantity, *_ in rows]


def test_the_same_products_both_ways_at_once_never_wait_in_a_circle_and_their_sum_stays(
    moving: TransferCalls, shop: Shop, engine: Engine
) -> None:
    """Twelve transfers each way, of four units of each product: two arrive fit, one damaged, the last one varies."""
    here = shop.items(4, units=100)
    products, places = [item.product_id for item in here], [here[0].warehouse_id, shop.warehouse()]
    there = [shop.item(100, product=product, warehouse=places[1]) for product in products]

    def move(number: int) -> list[Outcome]:
        source, to = (here, places[1]) if number % 2 else (there, places[0])
        items = source[:: 1 if number // 2 % 2 else -1]
        name = new_reference("t")
        ends: list[Call] = [
            partial(moving.receive, name, "2", *(arrived(item, 1) for item in items)),
            partial(moving.write_off, name),
            partial(moving.cancel, name),
        ]
        return [
            outcome(partial(moving.hold, name, to, *((item, 4) for item in items))),
            outcome(partial(moving.dispatch, name)),
            outcome(partial(moving.receive, name, "1", *(arrived(item, 2, damaged=1) for item in items))),
            outcome(ends[number // 2 % 3]),
        ]

    with ThreadPoolExecutor(8) as threads:
        begun = [threads.submit(move, number) for number in range(24)]
        sums = {whereabouts(engine, products, places).total}
        while not all(each.done() for each in begun):
            sums.add(whereabouts(engine, products, places).total)
        done = [each.result(WAIT_SECONDS) for each in begun]
    ends = [(S.RECEIVED, None), (S.RECEIVED, None), (S.CANCELLED, None)]
    on_the_way = [(S.PENDING, None), (S.IN_TRANSIT, None), (S.IN_TRANSIT, None)]
    assert done == [[*on_the_way, ends[number // 2 % 3]] for number in range(24)]
    assert sums == {800}
    # Of each product 48 units leave each place, and 4 come back; from the other come 4 times 3 and 8 times 2.
    assert [level(engine, item) for item in (*here, *there)] == [(84, 0)] * 8
    assert whereabouts(engine, products, places) == Whereabouts((336, 336), 0, damaged=4 * 24, written_off=4 * 8)


def test_items_that_nobody_held_are_made_by_several_transfers_at_once(
    moving: TransferCalls, shop: Shop, engine: Engine
) -> None:
    items, there = shop.items(20, units=40), shop.warehouse()
    numbers = [moving.sent(there, *((item, 5) for item in items[:: 1 if number % 2 else -1])) for number in range(8)]

    def receive(number: str) -> Outcome:
        return outcome(partial(moving.receive, number, "1", *(arrived(item, 5) for item in items)))

    middle = text("INSERT INTO inventory_items (warehouse_id, product_id) VALUES (:there, :product_id)")
    with ThreadPoolExecutor(8) as threads:
        with engine.connect() as holder:
            # Somebody else is making the item in the middle: all wait, with whatever they have made so far.
            holder.execute(middle, {"there": there, "product_id": items[10].product_id})
            begun = [threads.submit(receive, number) for number in numbers]
            until_waiting(engine, 8)
            holder.rollback()
        assert [each.result(WAIT_SECONDS) for each in begun] == [(S.RECEIVED, None)] * 8
    assert [level(engine, item._replace(warehouse_id=there)) for item in items] == [(40, 0)] * 20
    assert [level(engine, item) for item in items] == [(0, 0)] * 20


DISPATCHED_FIRST = [(S.IN_TRANSIT, None), (S.CANCELLED, None)]
CANCELLED_FIRST = [("InvalidState", {"status": "CANCELLED", "command": "dispatch"}), (S.CANCELLED, None)]


@pytest.mark.parametrize("first", ["dispatch", "cancel"])
def test_of_a_dispatch_and_a_cancellation_at_once_the_first_decides_what_the_second_means(
    moving: TransferCalls, shop: Shop, engine: Engine, first: str
) -> None:
    item = shop.item(7)
    number = moving.held(shop.warehouse(), (item, 5))
    calls: list[Call] = [partial(moving.dispatch, number), partial(moving.cancel, number)]
    if first == "dispatch":
        assert _meet(engine, number, calls, in_turn=True) == DISPATCHED_FIRST
        # It had left, so it came back.
        assert [units for _, _, _, units, *_ in movements(engine, number)] == [-5, 5]
        assert _kinds(transit(engine, number)) == [("DISPATCHED", 5), ("RETURNED", -5)]
    else:
        assert _meet(engine, number, calls[::-1], in_turn=True) == CANCELLED_FIRST[::-1]
        # It never left.
        assert (movements(engine, number), transit(engine, number)) == ([], [])
    assert level(engine, item) == (7, 0)


def test_dispatching_and_cancelling_at_once_again_and_again(moving: TransferCalls, shop: Shop, engine: Engine) -> None:
    item, there = shop.item(20), shop.warehouse()
    numbers = [moving.held(there, (item, 1)) for _ in range(20)]

    def race(number: str) -> list[Outcome]:
        with ThreadPoolExecutor(2) as threads:
            return list(threads.map(outcome, [partial(moving.dispatch, number), partial(moving.cancel, number)]))

    with ThreadPoolExecutor(4) as threads:
        outcomes = list(threads.map(race, numbers))
    for number, met in zip(numbers, outcomes, strict=True):
        assert met in (DISPATCHED_FIRST, CANCELLED_FIRST)
        moved = [-1, 1] if met == DISPATCHED_FIRST else []
        assert [units for _, _, _, units, *_ in movements(engine, number)] == moved
    assert level(engine, item) == (20, 0)


@pytest.mark.parametrize("end", ["cancel", "write_off"])
@pytest.mark.parametrize("first", ["receipt", "end"])
def test_of_a_receipt_and_an_end_at_once_every_unit_goes_one_way(
    moving: TransferCalls, shop: Shop, engine: Engine, first: str, end: str
) -> None:
    item = shop.item(7)
    there = shop.item(0, product=item.product_id)
    number = moving.sent(there.warehouse_id, (item, 5))
    ends = {"cancel": partial(moving.cancel, number), "write_off": partial(moving.write_off, number)}
    ended = S.CANCELLED if end == "cancel" else S.RECEIVED
    calls: list[Call] = [partial(moving.receive, number, "1", arrived(item, 2, damaged=1)), ends[end]]
    kind = "RETURNED" if end == "cancel" else "WRITTEN_OFF"
    if first == "receipt":
        assert _meet(engine, number, calls, in_turn=True) == [(S.IN_TRANSIT, None), (ended, None)]
        assert _kinds(transit(engine, number))[1:] == [("RECEIVED", -2), ("DAMAGED", -1), (kind, -2)]
    else:
        refused = ("InvalidState", {"status": ended.value, "command": "receive"})
        assert _meet(engine, number, calls[::-1], in_turn=True) == [(ended, None), refused]
        assert _kinds(transit(engine, number))[1:] == [(kind, -5)]
    arrived_fit, left = (2, 2) if first == "receipt" else (0, 5)
    assert level(engine, there) == (arrived_fit, 0)
    assert level(engine, item) == (2 + left * (end == "cancel"), 0)


def test_the_same_receipt_five_times_at_once_is_booked_once(moving: TransferCalls, shop: Shop, engine: Engine) -> None:
    item = shop.item(15)
    there = shop.item(0, product=item.product_id)
    number = moving.sent(there.warehouse_id, (item, 15))
    calls = [partial(moving.receive, number, "1", arrived(item, 3, damaged=1))] * 5
    assert _meet(engine, number, calls) == [(S.IN_TRANSIT, None)] * 5
    assert _kinds(transit(engine, number)) == [("DISPATCHED", 15), ("RECEIVED", -3), ("DAMAGED", -1)]
    assert level(engine, there) == (3, 0)


def test_of_two_receipts_at_once_of_the_same_units_one_is_booked(
    moving: TransferCalls, shop: Shop, engine: Engine
) -> None:
    tea, mug = shop.items(2, units=10)
    there = shop.item(0, product=tea.product_id)
    number = moving.sent(there.warehouse_id, (tea, 10), (mug, 1))
    moving.receive(number, "0", arrived(tea, 4))
    calls = [partial(moving.receive, number, receipt, arrived(tea, 5)) for receipt in ("1", "2")]
    too_many = {"product_id": tea.product_id, "quantity": 5, "in_transit": 1}
    assert sorted(_meet(engine, number, calls), key=str) == [("InvalidRequest", too_many), (S.IN_TRANSIT, None)]
    assert _kinds(transit(engine, number))[2:] == [("RECEIVED", -4), ("RECEIVED", -5)]
    assert level(engine, there) == (9, 0)


def test_of_two_last_receipts_at_once_one_ends_the_transfer(moving: TransferCalls, shop: Shop, engine: Engine) -> None:
    item = shop.item(5)
    there = shop.item(0, product=item.product_id)
    number = moving.sent(there.warehouse_id, (item, 5))
    calls = [partial(moving.receive, number, receipt, arrived(item, 5)) for receipt in ("1", "2")]
    over = {"status": "RECEIVED", "command": "receive"}
    assert sorted(_meet(engine, number, calls), key=str) == [("InvalidState", over), (S.RECEIVED, None)]
    assert level(engine, there) == (5, 0)


def test_receipts_at_once_that_fit_are_all_booked(moving: TransferCalls, shop: Shop, engine: Engine) -> None:
    item = shop.item(15)
    there = shop.item(0, product=item.product_id)
    number = moving.sent(there.warehouse_id, (item, 15))
    calls = [partial(moving.receive, number, str(units), arrived(item, units)) for units in range(1, 6)]
    assert sorted(_meet(engine, number, calls), key=str) == [(S.IN_TRANSIT, None)] * 4 + [(S.RECEIVED, None)]
    assert sorted(_kinds(transit(engine, number))[1:]) == [("RECEIVED", -units) for units in range(5, 0, -1)]
    assert level(engine, there) == (15, 0)


def test_the_same_hold_at_once_is_one_transfer(moving: TransferCalls, shop: Shop, engine: Engine) -> None:
    item, there, number = shop.item(10), shop.warehouse(), new_reference("t")
    with ThreadPoolExecutor(5) as threads:
        held = list(threads.map(lambda _: moving.hold(number, there, (item, 5)), range(5)))
    assert held == [held[0]] * 5
    assert (held[0].status, level(engine, item)) == (S.PENDING, (10, 5))


@pytest.mark.parametrize("overdue", [0, 10], ids=["free", "promised until now"])
def test_transfers_and_buyers_at_once_get_exactly_what_is_there(
    moving: TransferCalls, database: Database, shop: Shop, engine: Engine, overdue: int
) -> None:
    item, there, steps = shop.item(10), shop.warehouse(), Steps(database)
    if overdue:
        steps.reserve(new_reference(), (item, overdue))
    deadline = NOON + 30 * MINUTE

    def buy() -> Holding:
        return steps.reserve(new_reference(), (item, 1), as_of=deadline)

    def send() -> StoredTransfer:
        return moving.hold(new_reference("t"), there, (item, 1), as_of=deadline)

    wishes: list[Callable[[], Holding] | Callable[[], StoredTransfer]] = [buy, send] * 20
    with ThreadPoolExecutor(8) as threads:
        outcomes = [status for status, _ in threads.map(outcome, wishes)]
    assert outcomes.count("ACTIVE") + outcomes.count("PENDING") == 10
    assert outcomes.count("InsufficientStock") == 30
    assert level(engine, item) == (10, 10)


def test_shipping_and_dispatching_the_same_items_at_once(
    moving: TransferCalls, database: Database, shop: Shop, engine: Engine
) -> None:
    items, there, steps = shop.items(3, units=40), shop.warehouse(), Steps(database)
    orders, numbers = [new_reference() for _ in range(10)], [new_reference("t") for _ in range(10)]

    def lines(number: int) -> list[tuple[ItemKey, int]]:
        return [(item, 2) for item in items[:: 1 if number % 2 else -1]]

    for number, (order, transfer) in enumerate(zip(orders, numbers, strict=True)):
        steps.reserve(order, *lines(number))
        moving.hold(transfer, there, *lines(number + 1))
    assert [level(engine, item) for item in items] == [(40, 40)] * 3
    calls: list[Call] = [
        call
        for order, transfer in zip(orders, numbers, strict=True)
        for call in (partial(steps.fulfill, order), partial(moving.dispatch, transfer))
    ]
    with ThreadPoolExecutor(8) as threads:
        outcomes = list(threads.map(outcome, calls))
    assert outcomes == [("FULFILLED", None), (S.IN_TRANSIT, None)] * 10
    assert [level(engine, item) for item in items] == [(0, 0)] * 3
