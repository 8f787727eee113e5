"""Adjustments that meet each other, orders and transfers: one story each time, and holds give way by one rule."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial

from sqlalchemy import Engine

from database.sessions import Database
from stockkeeper.contracts.adjustment import EndEvent
from stockkeeper.contracts.messages import GaveWay
from stockkeeper.domain.adjustment import AdjustmentEvent
from stockkeeper.domain.stock import ItemKey
from tests.support.adjustment import movements, priced
from tests.support.books import level
from tests.support.corrections import held_lines
from tests.support.meetings import WAIT_SECONDS, Call, Outcome, meet, outcome
from tests.support.replenishment_rows import set_point
from tests.support.shop import Shop, new_reference
from tests.support.steps.activity import MINUTE, NOON
from tests.support.steps.adjustment import AdjustmentCalls, adjustment_stays, dear_item
from tests.support.steps.reservation import Steps
from tests.support.steps.transfer import TransferCalls

E = AdjustmentEvent
HOUR = 60 * MINUTE


def _meet(engine: Engine, number: str, *calls: Call, in_turn: bool = True) -> list[Outcome]:
    """All calls reach the adjustment's row while somebody else has it."""
    return meet(engine, "adjustments WHERE adjustment_number = :number", calls, in_turn=in_turn, number=number)


def _refusal(status: str, command: str) -> Outcome:
    return "InvalidState", {"status": status, "command": command}


def test_of_an_approval_and_an_end_that_meet_the_first_counts(
    putting_right: AdjustmentCalls, shop: Shop, engine: Engine
) -> None:
    ends: list[tuple[EndEvent, str]] = [(E.REJECT, "REJECTED"), (E.CANCEL, "CANCELLED"), (E.LAPSE, "CANCELLED")]
    for event, status in ends:
        item = dear_item(shop)
        number = putting_right.submitted((item, -2))
        approve, end = partial(putting_right.approve, number), partial(putting_right.end, number, event)
        assert _meet(engine, number, end, approve) == [(status, None), _refusal(status, "approve")]
        assert (level(engine, item), movements(engine, number)) == ((12, 0), [])
        number = putting_right.submitted((item, -2))
        approve, end = partial(putting_right.approve, number), partial(putting_right.end, number, event)
        assert _meet(engine, number, approve, end) == [("POSTED", None), _refusal("POSTED", event)]
        assert (level(engine, item), len(movements(engine, number))) == ((10, 0), 1)


def test_two_who_approve_at_once_post_it_once(putting_right: AdjustmentCalls, shop: Shop, engine: Engine) -> None:
    item = dear_item(shop)
    number = putting_right.submitted((item, -2))
    calls = [partial(putting_right.approve, number, who) for who in ("ann", "bob", "Ann")]
    assert _meet(engine, number, *calls) == [("POSTED", None), _refusal("POSTED", "approve"), ("POSTED", None)]
    assert (level(engine, item), len(movements(engine, number))) == ((10, 0), 1)


def test_the_same_items_in_any_order_at_once_never_wait_in_a_circle(
    putting_right: AdjustmentCalls, database: Database, shop: Shop, engine: Engine
) -> None:
    items, never = shop.items(4, units=100), shop.product()
    made = items[0]._replace(product_id=never)

    def work(number: int) -> str | None:
        lines = [(item, 1 if number % 3 else -1) for item in items[:: 1 if number % 2 else -1]]
        if number % 4:
            return outcome(partial(putting_right.submit, new_reference("a"), *lines, (made, 1)))[0]
        return outcome(partial(Steps(database).reserve, new_reference(), *((item, 1) for item in items)))[0]

    with ThreadPoolExecutor(8) as threads:
        outcomes = list(threads.map(work, range(24), timeout=WAIT_SECONDS))
    assert outcomes == ["POSTED" if number % 4 else "ACTIVE" for number in range(24)]
    # Of 18 adjustments 6 take one off, and 12 put one in.
    assert [level(engine, item) for item in items] == [(106, 6)] * 4
    assert level(engine, made) == (18, 0)


def _gave_way(item: ItemKey, quantity: int, reference: str, kind: str = "ORDER") -> GaveWay:
    workflow = f"reservation-{reference}" if kind == "ORDER" else f"transfer-{reference}"
    return GaveWay(
        workflow_id=workflow,
        reference_type=kind,
        reference_id=reference,
        warehouse_id=item.warehouse_id,
        product_id=item.product_id,
        quantity=quantity,
    )


def test_who_was_promised_last_gives_way_first_and_an_order_whole(
    putting_right: AdjustmentCalls, database: Database, shop: Shop, engine: Engine
) -> None:
    orders, moving, first, second, load = Steps(database), TransferCalls(database), *map(new_reference, "abc")
    tea, mug = shop.items(2, units=10)
    orders.reserve(first, (tea, 4))
    orders.reserve(second, (tea, 2), (mug, 5), (tea, 1))
    moving.hold(load, shop.warehouse(), (tea, 2))
    assert level(engine, tea) == (10, 9)
    number = putting_right.submitted((tea, -5))
    adjustment = putting_right.approve(number, operation="1")
    assert adjustment.gave_way == [_gave_way(tea, 2, load, "TRANSFER"), _gave_way(tea, 3, second)]
    assert (level(engine, tea), level(engine, mug)) == ((5, 4), (10, 5))
    operation = f"adjustment-{number}/approve/1"
    why = "gave way, 5 on hand: broken in the rain (asked for by tom, approved by ann)"
    ended = ("CANCELLED", NOON, operation, why)
    assert held_lines(engine, load, "TRANSFER") == [(*tea, 2, 0, *ended)]
    # Its mugs its own workflow gives back, once it is told.
    assert held_lines(engine, second) == [
        (*tea, 2, 0, *ended),
        (*mug, 5, 0, "ACTIVE", None, None, None),
        (*tea, 1, 0, *ended),
    ]
    assert held_lines(engine, first) == [(*tea, 4, 0, "ACTIVE", None, None, None)]
    # A repeat tells it again: whoever asks may be the first to hear.
    with adjustment_stays(engine, number, tea, mug):
        assert putting_right.approve(number, operation="1") == adjustment
    orders.give_way(second)
    moving.give_way(load)
    assert (level(engine, tea), level(engine, mug)) == ((5, 4), (10, 0))


def test_a_hold_whose_deadline_has_come_gives_way_without_a_word(
    putting_right: AdjustmentCalls, database: Database, shop: Shop, engine: Engine
) -> None:
    orders, early, late, item = Steps(database), new_reference(), new_reference(), dear_item(shop)
    orders.reserve(early, (item, 5), ttl=MINUTE)
    orders.reserve(late, (item, 7), ttl=HOUR)
    number = putting_right.submitted((item, -4))
    adjustment = putting_right.approve(number, as_of=NOON + MINUTE)
    assert (adjustment.gave_way, level(engine, item)) == ([], (8, 7))
    [line] = held_lines(engine, early)
    assert line[4] == "EXPIRED"


def test_an_item_that_falls_below_its_point_is_told_of(
    putting_right: AdjustmentCalls, shop: Shop, engine: Engine
) -> None:
    item = shop.item(10, product=priced(shop, "1.00"))
    set_point(engine, [item], 8)
    assert not putting_right.submit(new_reference("a"), (item, -2)).fell_below
    assert putting_right.submit(new_reference("a"), (item, -1)).fell_below
    assert not putting_right.submit(new_reference("a"), (item, -1)).fell_below
