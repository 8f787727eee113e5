"""Counts that meet each other, and buyers: what is counted is what is there, whatever goes on around it."""

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
from sqlalchemy import Engine

from database.sessions import Database
from stockkeeper.domain.cycle_count import CountStatus
from stockkeeper.domain.stock import ItemKey
from tests.support.books import level
from tests.support.cycle_count_rows import entries, movements, stored
from tests.support.meetings import WAIT_SECONDS, Call, Outcome, meet, outcome
from tests.support.shop import Shop, new_reference
from tests.support.steps.cycle_count import CountCalls
from tests.support.steps.reservation import Steps
from tests.support.steps.transfer import TransferCalls

S = CountStatus
POSTED = {"status": "POSTED"}


def _at_count(engine: Engine, number: str, calls: Sequence[Call], *, in_turn: bool = False) -> list[Outcome]:
    """All calls reach the count's row while somebody else has it."""
    return meet(engine, "cycle_counts WHERE count_number = :number", calls, in_turn=in_turn, number=number)


def _at_item(engine: Engine, item: ItemKey, calls: Sequence[Call], *, in_turn: bool = False) -> list[Outcome]:
    """All calls reach the item while somebody else has it."""
    row = "inventory_items WHERE (warehouse_id, product_id) = (:warehouse_id, :product_id)"
    return meet(engine, row, calls, in_turn=in_turn, **item._asdict())


def _two_find(units: int, counting: CountCalls, shop: Shop, engine: Engine) -> tuple[str, ItemKey, list[Outcome]]:
    """Ann and then Bob reach a count of an item of ten units, and have found as many."""
    item = shop.item(10)
    number = counting.opened(item)
    calls = [partial(counting.record, number, item, units, by) for by in ("ann", "bob")]
    return number, item, _at_count(engine, number, calls, in_turn=True)


# People who count the same.


def test_of_two_people_who_count_the_same_at_once_the_first_is_posted(
    counting: CountCalls, shop: Shop, engine: Engine
) -> None:
    number, item, outcomes = _two_find(9, counting, shop, engine)
    assert outcomes == [(S.POSTED, None), ("InvalidState", {"status": "POSTED", "command": "record"})]
    assert (entries(engine, number), level(engine, item)) == ([(item.product_id, "ann", 9, 10)], (9, 0))


def test_of_two_people_who_find_the_same_variance_at_once_the_second_confirms_it(
    counting: CountCalls, shop: Shop, engine: Engine
) -> None:
    number, item, outcomes = _two_find(5, counting, shop, engine)
    assert outcomes == [(S.REVIEW, None), (S.POSTED, None)]
    assert [entry[1] for entry in entries(engine, number)] == ["ann", "bob"]
    assert level(engine, item) == (5, 0)


def test_the_same_count_sent_five_times_at_once_is_one(counting: CountCalls, shop: Shop, engine: Engine) -> None:
    item = shop.item(10)
    number = counting.opened(item)
    with ThreadPoolExecutor(5) as threads:
        calls = [partial(counting.record, number, item, 9, operation="1")] * 5
        assert list(threads.map(outcome, calls)) == [(S.POSTED, None)] * 5
    assert [units for _, _, _, units, *_ in movements(engine, number)] == [-1]
    assert len(entries(engine, number)) == 1


@pytest.mark.parametrize("first", ["second count", "approval"])
def test_of_a_second_count_and_an_approval_at_once_one_is_posted(
    counting: CountCalls, shop: Shop, engine: Engine, first: str
) -> None:
    item = shop.item(10)
    number = counting.opened(item)
    counting.record(number, item, 5)
    calls: list[Call] = [partial(counting.record, number, item, 8, "bob"), partial(counting.approve, number, item)]
    commands, ends = ["record", "approve_variance"], [8, 5]
    turn = 1 if first == "second count" else -1
    refused = ("InvalidState", POSTED | {"command": commands[::turn][1]})
    assert _at_count(engine, number, calls[::turn], in_turn=True) == [(S.POSTED, None), refused]
    assert level(engine, item) == (ends[::turn][0], 0)


@pytest.mark.parametrize("first", ["count", "cancellation"])
def test_of_a_count_and_a_cancellation_at_once_the_first_decides(
    counting: CountCalls, shop: Shop, engine: Engine, first: str
) -> None:
    item = shop.item(10)
    number = counting.opened(item)
    calls: list[Call] = [partial(counting.record, number, item, 9), partial(counting.cancel, number)]
    if first == "count":
        refused = ("InvalidState", POSTED | {"command": "cancel"})
        assert _at_count(engine, number, calls, in_turn=True) == [(S.POSTED, None), refused]
        assert level(engine, item) == (9, 0)
    else:
        refused = ("InvalidState", {"status": "CANCELLED", "command": "record"})
        assert _at_count(engine, number, calls[::-1], in_turn=True) == [(S.CANCELLED, None), refused]
        assert level(engine, item) == (10, 0)


def test_the_same_list_at_once_is_one_count(counting: CountCalls, shop: Shop, engine: Engine) -> None:
    tea, mug = shop.items(2, units=10)
    number = new_reference("cc")
    with ThreadPoolExecutor(5) as threads:
        opening = partial(counting.open, number, tea.warehouse_id, tea.product_id, mug.product_id)
        opened = list(threads.map(lambda _: opening(), range(5)))
    assert opened == [opened[0]] * 5


def test_what_several_lists_find_missing_at_once_is_taken_off_once(
    counting: CountCalls, shop: Shop, engine: Engine
) -> None:
    item = shop.item(10)
    numbers = [counting.opened(item) for _ in range(5)]
    calls = [partial(counting.record, number, item, 9) for number in numbers]
    assert _at_item(engine, item, calls) == [(S.POSTED, None)] * 5
    assert sorted(entries(engine, number)[0][3] for number in numbers) == [9, 9, 9, 9, 10]
    assert [units for number in numbers for _, _, _, units, *_ in movements(engine, number)] == [-1]
    assert level(engine, item) == (9, 0)


def test_an_item_that_nobody_had_is_made_once_by_several_lists_at_once(
    counting: CountCalls, shop: Shop, engine: Engine
) -> None:
    item = ItemKey(shop.warehouse(), shop.product())
    numbers = [counting.opened(item) for _ in range(8)]
    with ThreadPoolExecutor(8) as threads:
        calls = [partial(counting.record, number, item, 1) for number in numbers]
        assert list(threads.map(outcome, calls)) == [(S.POSTED, None)] * 8
    assert [units for number in numbers for _, _, _, units, *_ in movements(engine, number)] == [1]
    assert level(engine, item) == (1, 0)


# Counting while goods leave.


def test_a_sale_that_is_being_booked_is_no_variance_on_either_side_of_the_count(
    counting: CountCalls, database: Database, shop: Shop, engine: Engine
) -> None:
    """Two units are sold, people count, and three more are sold: each takes its turn at the item as at the shelf.

    Two at a time: of three that wait for a row, PostgreSQL lets the last two race once the first has changed it.
    """
    item, buying, orders = shop.item(10), Steps(database), [new_reference() for _ in range(2)]
    for order, units in zip(orders, (2, 3), strict=True):
        buying.reserve(order, (item, units))
    numbers = [counting.opened(item) for _ in range(2)]
    after, before = (partial(counting.record, number, item, 8) for number in numbers)
    sold = ("FULFILLED", None)
    calls: list[Call] = [partial(buying.fulfill, orders[0]), after]
    assert _at_item(engine, item, calls, in_turn=True) == [sold, (S.POSTED, None)]
    calls = [before, partial(buying.fulfill, orders[1])]
    assert _at_item(engine, item, calls, in_turn=True) == [(S.POSTED, None), sold]
    assert [entries(engine, number) for number in numbers] == [[(item.product_id, "ann", 8, 8)]] * 2
    assert (level(engine, item), [movements(engine, number) for number in numbers]) == ((5, 0), [[], []])


@pytest.mark.parametrize("first", ["count", "sale"])
def test_of_a_count_and_the_sale_of_what_is_not_there_the_first_decides(
    counting: CountCalls, database: Database, shop: Shop, engine: Engine, first: str
) -> None:
    """Ten were promised, and nine are there: whoever comes with the tenth has taken it from somewhere."""
    item, buying, order = shop.item(10), Steps(database), new_reference()
    buying.reserve(order, (item, 10))
    number = counting.opened(item)
    if first == "count":
        calls: list[Call] = [partial(counting.record, number, item, 9), partial(buying.fulfill, order)]
        assert _at_item(engine, item, calls, in_turn=True) == [(S.REVIEW, None), ("FULFILLED", None)]
        assert (level(engine, item), movements(engine, number)) == ((0, 0), [])
        # What was sold is gone: the count takes off nothing that isn't there any more.
        assert outcome(partial(counting.approve, number, item))[0] == "InsufficientStock"
    else:
        calls = [partial(buying.fulfill, order), partial(counting.record, number, item, 0)]
        assert _at_item(engine, item, calls, in_turn=True) == [("FULFILLED", None), (S.POSTED, None)]
        assert (level(engine, item), movements(engine, number)) == ((0, 0), [])


class Shelf:
    """What is there, which no database knows: goods leave it as they are booked, and who counts looks at it."""

    def __init__(self, item: ItemKey, units: int) -> None:
        self.item = item
        self._units = units
        self._hands = threading.Lock()

    def ship(self, buying: Steps, order: str, units: int) -> Outcome:
        """Hand over what was promised, and book it."""
        with self._hands:
            self._units -= units
            return outcome(partial(buying.fulfill, order))

    def count(self, counting: CountCalls, number: str, by: str) -> Outcome:
        """Look, and record what is there."""
        with self._hands:
            return outcome(partial(counting.record, number, self.item, self._units, by))


def test_counting_while_fifty_sales_go_on_leaves_the_right_balance(
    counting: CountCalls, database: Database, shop: Shop, engine: Engine
) -> None:
    """Three of sixty units were stolen. Ten lists find it out while the others are sold, one by one, by eight hands.

    All lists were written before the first sale: what the books had then is of no use to them.
    """
    item, buying, orders = shop.item(60), Steps(database), [new_reference() for _ in range(50)]
    shelf, numbers = Shelf(item, 57), [counting.opened(item) for _ in range(10)]

    def sell(order: str) -> list[Outcome]:
        return [outcome(partial(buying.reserve, order, (item, 1))), shelf.ship(buying, order, 1)]

    def count(number: str) -> list[Outcome]:
        first = shelf.count(counting, number, "ann")
        return [first] if first == (S.POSTED, None) else [first, shelf.count(counting, number, "bob")]

    with ThreadPoolExecutor(8) as threads:
        sales, counts = [], []
        for place, order in enumerate(orders):
            sales.append(threads.submit(sell, order))
            if place % 5 == 2:
                counts.append(threads.submit(count, numbers[place // 5]))
        assert [sale.result(WAIT_SECONDS) for sale in sales] == [[("ACTIVE", None), ("FULFILLED", None)]] * 50
        told = [each.result(WAIT_SECONDS) for each in counts]
    right, doubted = [(S.POSTED, None)], [(S.REVIEW, None), (S.POSTED, None)]
    assert doubted in told
    assert all(each in (right, doubted) for each in told)
    # Once it was found out, no sale was mistaken for another one.
    assert [units for number in numbers for _, _, _, units, *_ in movements(engine, number)] == [-3]
    assert level(engine, item) == (7, 0)


def test_counting_reserving_shipping_and_sending_at_once_never_wait_in_a_circle(
    counting: CountCalls, database: Database, shop: Shop, engine: Engine
) -> None:
    items, there = shop.items(4, units=100), shop.warehouse()
    buying, moving = Steps(database), TransferCalls(database)
    numbers = [counting.opened(*items[:: 1 if number % 2 else -1]) for number in range(6)]

    def sell(number: int) -> list[Outcome]:
        order, lines = new_reference(), [(item, 1) for item in items[:: 1 if number % 2 else -1]]
        return [outcome(partial(buying.reserve, order, *lines)), outcome(partial(buying.fulfill, order))]

    def send(number: int) -> list[Outcome]:
        transfer, lines = new_reference("t"), [(item, 2) for item in items[:: -1 if number % 2 else 1]]
        held = outcome(partial(moving.hold, transfer, there, *lines))
        return [held, outcome(partial(moving.dispatch, transfer))]

    def count(number: int) -> None:
        # Ann may be right already; if she isn't, bob's is posted.
        for item in items:
            for by in ("ann", "bob"):
                outcome(partial(counting.record, numbers[number], item, 60, by))

    with ThreadPoolExecutor(8) as threads:
        begun = [(threads.submit(sell, each), threads.submit(send, each)) for each in range(6)]
        counted = [threads.submit(count, each) for each in range(6)]
        for each in counted:
            each.result(WAIT_SECONDS)
        done = [(sold.result(WAIT_SECONDS), sent.result(WAIT_SECONDS)) for sold, sent in begun]
    assert done == [([("ACTIVE", None), ("FULFILLED", None)], [("PENDING", None), ("IN_TRANSIT", None)])] * 6
    assert [stored(engine, number).status for number in numbers] == [S.POSTED] * 6
