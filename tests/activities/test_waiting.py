"""Orders that wait for stock on PostgreSQL: who has what is there, and who is told of what comes."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from functools import partial

import pytest
from sqlalchemy import Engine, text

from database.notifications import Notifications
from database.sessions import Database
from database.waiting_looks import CHANNEL, abandon, look
from stockkeeper.contracts.reservation import FulfillLine, Holding, QueuePlace
from stockkeeper.domain.reservation import ReservationStatus
from stockkeeper.domain.stock import ItemKey
from tests.support.books import level, nothing_changes
from tests.support.corrections import correct_stock
from tests.support.reservation import shortage
from tests.support.shop import Shop, new_reference
from tests.support.steps.activity import MINUTE, NOON, refused
from tests.support.steps.customer_return import ReturnCalls, found
from tests.support.steps.cycle_count import CountCalls
from tests.support.steps.purchase_order import Buying, came
from tests.support.steps.reservation import Steps
from tests.support.steps.transfer import TransferCalls, arrived

ACTIVE, WAITING = ReservationStatus.ACTIVE, ReservationStatus.WAITING
CANCELLED, REJECTED = ReservationStatus.CANCELLED, ReservationStatus.REJECTED
HOUR = 60 * MINUTE


class Line:
    """Orders that wait for one item, in the order of the alphabet."""

    def __init__(self, steps: Steps, item: ItemKey) -> None:
        self._steps, self._item, self._looks = steps, item, 0
        self.references: dict[str, str] = {}

    def asks(self, name: str, units: int, *, wait: timedelta | None = HOUR, as_of: datetime = NOON) -> Holding:
        reference = self.references.setdefault(name, new_reference())
        return self._steps.reserve(reference, (self._item, units), wait=wait, as_of=as_of)

    def looks(self, name: str, units: int, *, as_of: datetime = NOON, is_last: bool = False) -> Holding:
        self._looks += 1
        return self._steps.serve(
            self.references[name], (self._item, units), as_of=as_of, is_last=is_last, look=str(self._looks)
        )


@pytest.fixture
def item(shop: Shop) -> ItemKey:
    """An item of which there are four."""
    return shop.item(4)


@pytest.fixture
def queue(steps: Steps, item: ItemKey) -> Line:
    """Who waits for it."""
    return Line(steps, item)


def _place(item: ItemKey, position: int, missing: int) -> QueuePlace:
    return QueuePlace(product_id=item.product_id, warehouse_id=item.warehouse_id, position=position, missing=missing)


def test_an_order_that_is_short_gets_a_place_and_what_it_lacks(queue: Line, item: ItemKey, engine: Engine) -> None:
    first, second = queue.asks("a", 5), queue.asks("b", 1)
    assert (first.status, first.expires_at, first.waiting_until) == (WAITING, None, NOON + HOUR)
    assert [(line.reservation_id, line.quantity) for line in first.lines] == [(None, 5)]
    assert (first.queue, second.queue) == ([_place(item, 1, 1)], [_place(item, 2, 2)])
    assert all((first.lines[0].sku, first.lines[0].warehouse))
    assert level(engine, item) == (4, 0)


def test_an_order_that_is_not_short_does_not_wait(queue: Line, item: ItemKey, engine: Engine) -> None:
    held = queue.asks("a", 4)
    assert (held.status, held.waiting_until, held.queue) == (ACTIVE, None, [])
    assert level(engine, item) == (4, 4)


def test_who_comes_later_has_only_what_is_left(
    steps: Steps, queue: Line, item: ItemKey, shop: Shop, engine: Engine
) -> None:
    queue.asks("a", 5)
    with nothing_changes(engine, item):
        assert refused(lambda: steps.reserve(new_reference(), (item, 1))) == (
            "InsufficientStock",
            [shortage(item, 1, 0) | {"waited_for": 4}],
        )
    shop.move(item, 2)
    # One more than the order needs: that one is for whoever comes.
    with nothing_changes(engine, item):
        assert refused(lambda: steps.reserve(new_reference(), (item, 2))) == (
            "InsufficientStock",
            [shortage(item, 2, 1) | {"waited_for": 5}],
        )
    assert steps.reserve(new_reference(), (item, 1)).status is ACTIVE
    assert queue.looks("a", 5).status is ACTIVE
    assert level(engine, item) == (6, 6)


def test_a_transfer_has_only_what_is_left_too(
    moving: TransferCalls, queue: Line, item: ItemKey, shop: Shop, engine: Engine
) -> None:
    queue.asks("a", 5)
    shop.move(item, 3)
    elsewhere = shop.warehouse()
    with nothing_changes(engine, item):
        assert refused(lambda: moving.held(elsewhere, (item, 3))) == (
            "InsufficientStock",
            [shortage(item, 3, 2) | {"waited_for": 5}],
        )
    moving.held(elsewhere, (item, 2))
    assert queue.looks("a", 5).status is ACTIVE
    assert level(engine, item) == (7, 7)


def test_a_small_order_does_not_pass_a_large_one(queue: Line, shop: Shop, item: ItemKey, engine: Engine) -> None:
    queue.asks("a", 10)
    queue.asks("b", 1)
    shop.move(item, 5)
    # Woken first, it looks and waits on.
    assert queue.looks("b", 1).queue == [_place(item, 2, 2)]
    shop.move(item, 2)
    # There is enough for both by now, so the order in which they look makes no difference.
    assert queue.looks("b", 1).status is ACTIVE
    assert queue.looks("a", 10).status is ACTIVE
    assert level(engine, item) == (11, 11)


def test_an_order_is_served_whole_and_its_time_counts_from_then(
    steps: Steps, shop: Shop, queue: Line, item: ItemKey, engine: Engine
) -> None:
    other, reference = shop.item(1), new_reference()
    lines = (item, 5), (other, 2)
    waits = steps.reserve(reference, *lines, wait=HOUR)
    assert waits.queue == [_place(item, 1, 1), _place(other, 1, 1)]
    shop.move(item, 1)
    assert steps.serve(reference, *lines, look="1").status is WAITING
    assert (level(engine, item), level(engine, other)) == ((5, 0), (1, 0))
    shop.move(other, 1)
    later = NOON + 20 * MINUTE
    held = steps.serve(reference, *lines, look="2", as_of=later)
    assert (held.status, held.expires_at, held.waiting_until, held.queue) == (ACTIVE, later + 30 * MINUTE, None, [])
    assert (level(engine, item), level(engine, other)) == ((5, 5), (2, 2))
    # A repeat, or another look, changes nothing.
    with nothing_changes(engine, item, other):
        assert steps.serve(reference, *lines, look="2", as_of=later) == held
    assert steps.serve(reference, *lines, look="3", as_of=later) == held
    assert level(engine, item) == (5, 5)


def test_at_the_end_of_its_wait_it_is_rejected_with_the_numbers_of_then(
    queue: Line, item: ItemKey, shop: Shop, engine: Engine
) -> None:
    queue.asks("a", 9)
    queue.asks("b", 1)
    shop.move(item, 2)
    over = queue.looks("a", 9, as_of=NOON + HOUR, is_last=True)
    assert (over.status, over.queue, over.waiting_until) == (REJECTED, [], None)
    assert [short.model_dump() for short in over.shortages] == [shortage(item, 9, 6)]
    # It has no place any more, and the same reference may ask again.
    assert queue.looks("b", 1).status is ACTIVE
    assert queue.looks("a", 9, as_of=NOON + HOUR, is_last=True).status is REJECTED
    assert level(engine, item) == (6, 1)


def test_what_has_come_by_the_end_of_the_wait_is_held(queue: Line, item: ItemKey, shop: Shop, engine: Engine) -> None:
    queue.asks("a", 5)
    shop.move(item, 1)
    assert queue.looks("a", 5, as_of=NOON + HOUR, is_last=True).status is ACTIVE
    assert level(engine, item) == (5, 5)


def test_a_wait_that_is_over_holds_nobody_up_though_nobody_has_ended_it(
    queue: Line, item: ItemKey, engine: Engine
) -> None:
    queue.asks("a", 5)
    assert queue.asks("b", 4, wait=None, as_of=NOON + HOUR).status is ACTIVE
    assert level(engine, item) == (4, 4)


def test_a_cancelled_wait_frees_its_place_and_is_over_for_good(
    steps: Steps, queue: Line, item: ItemKey, engine: Engine
) -> None:
    queue.asks("a", 5)
    queue.asks("b", 4)
    gone = queue.references["a"]
    ended = steps.cancel(gone)
    assert (ended.status, ended.queue, [line.quantity for line in ended.lines]) == (CANCELLED, [], [5])
    assert steps.cancel(gone, operation="2") == ended
    assert queue.looks("b", 4).status is ACTIVE
    # A late start finds it so, whether it would wait or not.
    for again in (HOUR, None):
        late = steps.reserve(gone, (item, 5), wait=again, operation=f"late/{again}/{gone}")
        assert late.status is CANCELLED
    assert level(engine, item) == (4, 4)


def test_a_start_that_is_repeated_keeps_its_place(steps: Steps, queue: Line, item: ItemKey, engine: Engine) -> None:
    first = queue.asks("a", 5)
    queue.asks("b", 5)
    reference = queue.references["a"]
    with nothing_changes(engine, item):
        assert queue.asks("a", 5) == first
    again = partial(steps.reserve, reference, wait=2 * HOUR, operation=f"another-run/{reference}")
    assert again((item, 5)) == first
    assert refused(lambda: again((item, 6)))[0] == "OperationConflict"
    other = partial(steps.reserve, reference, wait=HOUR, operation=f"a-third-run/{reference}")
    with nothing_changes(engine, item):
        assert refused(lambda: other((item, 6)))[0] == "OperationConflict"


def test_places_are_in_the_order_of_the_lines_however_often_it_is_asked(steps: Steps, shop: Shop) -> None:
    items = [shop.item(4), shop.item(4)]
    for lines in (items, items[::-1]):
        reference, asked = new_reference(), [(item, 5) for item in lines]
        first = steps.reserve(reference, *asked, wait=HOUR)
        again = steps.reserve(reference, *asked, wait=HOUR)
        looked = steps.serve(reference, *asked, look="1")
        found = [[place.product_id for place in each.queue] for each in (first, again, looked)]
        assert found == [[item.product_id for item in lines]] * 3


def test_after_a_rejection_the_same_reference_may_wait_again(queue: Line, item: ItemKey, steps: Steps) -> None:
    queue.asks("a", 5)
    queue.asks("b", 5)
    queue.looks("a", 5, as_of=NOON + HOUR, is_last=True)
    again = steps.reserve(queue.references["a"], (item, 5), wait=HOUR, operation=f"again/{queue.references['a']}")
    assert (again.status, again.queue) == (WAITING, [_place(item, 2, 6)])


def test_an_overdue_hold_is_released_for_who_waits(steps: Steps, queue: Line, item: ItemKey, engine: Engine) -> None:
    overdue = new_reference()
    steps.reserve(overdue, (item, 3), ttl=10 * MINUTE)
    assert queue.asks("a", 4).queue == [_place(item, 1, 3)]
    assert queue.looks("a", 4, as_of=NOON + 11 * MINUTE).status is ACTIVE
    assert level(engine, item) == (4, 4)


def test_an_overdue_hold_leaves_units_to_who_comes_later_only_behind_who_waits(
    steps: Steps, queue: Line, item: ItemKey, engine: Engine
) -> None:
    steps.reserve(new_reference(), (item, 3), ttl=10 * MINUTE)
    queue.asks("a", 2)
    later = NOON + 11 * MINUTE
    assert refused(lambda: queue.asks("b", 3, wait=None, as_of=later)) == (
        "InsufficientStock",
        [shortage(item, 3, 2) | {"waited_for": 2}],
    )
    assert level(engine, item) == (4, 3)
    assert queue.asks("c", 2, wait=None, as_of=later).status is ACTIVE
    assert level(engine, item) == (4, 2)


def test_a_hold_that_gave_way_is_held_again_only_with_what_is_left(
    steps: Steps, queue: Line, item: ItemKey, engine: Engine
) -> None:
    before = new_reference()
    steps.reserve(before, (item, 4))
    correct_stock(engine, {item: -4}, NOON)
    queue.asks("a", 3)
    correct_stock(engine, {item: 5}, NOON)
    # An order that waits has never been held.
    assert refused(lambda: steps.hold_again(queue.references["a"], (item, 3)))[0] == "InvalidState"
    assert refused(lambda: steps.hold_again(before, (item, 4))) == (
        "InsufficientStock",
        [shortage(item, 4, 2) | {"waited_for": 3}],
    )
    assert queue.looks("a", 3).status is ACTIVE
    correct_stock(engine, {item: 2}, NOON)
    assert steps.hold_again(before, (item, 4), run="a-third-run").status is ACTIVE
    assert level(engine, item) == (7, 7)


def test_a_stocked_item_begins_with_who_waits_for_it(steps: Steps, shop: Shop, engine: Engine) -> None:
    never_stocked = ItemKey(shop.warehouse(), shop.product())
    reference = new_reference()
    assert steps.reserve(reference, (never_stocked, 2), wait=HOUR).queue == [_place(never_stocked, 1, 2)]
    shop.item(2, product=never_stocked.product_id, warehouse=never_stocked.warehouse_id)
    assert steps.serve(reference, (never_stocked, 2)).status is ACTIVE
    assert level(engine, never_stocked) == (2, 2)


def test_many_at_once_are_served_in_the_order_in_which_they_came(steps: Steps, shop: Shop, engine: Engine) -> None:
    """They come, and look, from many threads; each has its place, and nobody passes."""
    item = shop.item(0)
    orders = [new_reference() for _ in range(24)]
    with ThreadPoolExecutor(8) as threads:
        places = list(threads.map(lambda order: steps.reserve(order, (item, 1), wait=HOUR).queue[0], orders))
        assert sorted(place.position for place in places) == list(range(1, 25))
        in_line = [order for _, order in sorted(zip((place.position for place in places), orders, strict=True))]
        for units in (5, 1, 10):
            shop.move(item, units)
            held = level(engine, item)[1]
            served = list(threads.map(lambda order: steps.serve(order, (item, 1), look=new_reference()).status, orders))
            assert [order for order, status in zip(orders, served, strict=True) if status is ACTIVE] == sorted(
                in_line[: held + units], key=orders.index
            )
    assert level(engine, item) == (16, 16)


def test_the_database_tells_of_whatever_brings_units(
    steps: Steps,
    buying: Buying,
    moving: TransferCalls,
    taking: ReturnCalls,
    counting: CountCalls,
    shop: Shop,
    item: ItemKey,
    engine: Engine,
    database: Database,
) -> None:
    """All stock is an item's row: what raises the units available tells the product, if somebody waits for it."""
    shop.move(item, 16)
    cancelled, expired, lowered = held = [new_reference() for _ in range(3)]
    for reference in held:
        steps.reserve(reference, (item, 2))
    ordered, returned, counted = buying.order(shop, (item, 5)), taking.expected((item, 2)), counting.opened(item)
    transferred = moving.sent(item.warehouse_id, (shop.item(3, product=item.product_id), 3))
    product = {str(item.product_id)}
    sources: dict[str, tuple[Callable[[], object], set[str]]] = {
        "the receipt of an order": (lambda: buying.receive(ordered, "1", came(item, 2)), product),
        "a return": (lambda: taking.inspect(returned, "1", found(item, 2)), product),
        "the end of a hold": (lambda: steps.cancel(cancelled), product),
        "its expiry": (lambda: steps.expire(expired, as_of=NOON + HOUR), product),
        "the release of a part": (
            lambda: steps.lower(lowered, FulfillLine(quantity=1, product_id=item.product_id)),
            product,
        ),
        "an adjustment": (lambda: shop.move(item, 1), product),
        "the receipt of a transfer": (lambda: moving.receive(transferred, "1", arrived(item, 1)), product),
        "a count that finds more": (
            lambda: (counting.record(counted, item, 60), counting.approve(counted, item)),
            product,
        ),
        "a new item": (lambda: shop.item(1, product=item.product_id), product),
        "a higher buffer": (lambda: _execute(engine, "UPDATE inventory_items SET quantity_buffer = 2", item), set()),
        "a lower buffer": (lambda: _execute(engine, "UPDATE inventory_items SET quantity_buffer = 1", item), product),
        "less": (lambda: shop.move(item, -1), set()),
        "of something else": (lambda: shop.item(1), set()),
    }
    waiting = new_reference()
    with Notifications(database, CHANNEL) as notifications:
        shop.move(item, 1)
        assert notifications.wait(0) == set()
        steps.reserve(waiting, (item, 500), wait=HOUR)
        told = {}
        for name, (come, expected) in sources.items():
            come()
            told[name] = notifications.wait(5 if expected else 0.05)
        assert told == {name: expected for name, (_, expected) in sources.items()}
        # The end of a wait leaves its units to those behind.
        steps.reserve(new_reference(), (item, 1), wait=HOUR)
        steps.cancel(waiting)
        assert notifications.wait(5) == product


def _execute(engine: Engine, change: str, item: ItemKey) -> None:
    with engine.begin() as connection:
        connection.execute(
            text(f"{change} WHERE (warehouse_id, product_id) = (:warehouse_id, :product_id)"), item._asdict()
        )


def test_a_look_tells_each_order_once_until_it_should_have_been_held(
    steps: Steps, queue: Line, item: ItemKey, shop: Shop, engine: Engine
) -> None:
    for name, units in (("a", 5), ("b", 2), ("c", 9)):
        queue.asks(name, units)

    def told(as_of: datetime, products: set[int] | None = None) -> tuple[list[str], bool]:
        with engine.begin() as connection:
            found = look(connection, products, as_of=as_of, told_before=as_of - MINUTE)
        names = {reference: name for name, reference in queue.references.items()}
        return [names[each.reference_id] for each in found.served if each.reference_id in names], found.are_told

    assert told(NOON, {item.product_id}) == ([], False)
    shop.move(item, 1)
    assert told(NOON, {shop.product()}) == ([], False)
    assert told(NOON, {item.product_id}) == (["a"], False)
    shop.move(item, 2)
    assert told(NOON, {item.product_id}) == (["b"], True)
    assert told(NOON + MINUTE / 2, {item.product_id}) == ([], True)
    assert told(NOON + MINUTE)[0] == ["a", "b"]
    # For the second time, and the third one comes a minute later.
    assert told(NOON + 2 * MINUTE, {item.product_id}) == ([], True)
    assert told(NOON + 3 * MINUTE, {item.product_id}) == (["a", "b"], False)
    # Who is held isn't told any more.
    queue.looks("b", 2, as_of=NOON + MINUTE)
    assert told(NOON + 4 * MINUTE, {item.product_id}) == ([], True)
    # Nobody waits any more an hour later.
    assert told(NOON + HOUR, {item.product_id}) == ([], False)


def test_a_wait_whose_run_has_ended_gives_its_place_up_and_a_new_run_has_another(
    steps: Steps, queue: Line, item: ItemKey, shop: Shop, engine: Engine
) -> None:
    for name in ("a", "b"):
        queue.asks(name, 5)
    shop.move(item, 1)
    with engine.begin() as connection:
        found = look(connection, {item.product_id}, as_of=NOON, told_before=NOON)
        [served] = found.served
        assert served.reference_id == queue.references["a"]
        assert not abandon(connection, served._replace(run_id="another"), as_of=NOON, reason="its run has ended")
        assert abandon(connection, served, as_of=NOON, reason="its run has ended")
        assert not abandon(connection, served, as_of=NOON, reason="its run has ended")
    assert queue.looks("b", 5).status is ACTIVE
    # The same run again, as after a reset, is last in the queue; so is a new one.
    assert queue.looks("a", 5).queue == [_place(item, 1, 5)]
    assert level(engine, item) == (5, 5)
