"""What a reservation may hold and give: the rules by themselves."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stockkeeper.domain.errors import InvalidRequest, InvalidState, Shortage
from stockkeeper.domain.reservation import (
    HeldLine,
    ReservationEvent,
    ReservationStatus,
    WantedLine,
    is_overdue,
    plan_fulfilment,
    require_open,
    status_of,
)
from stockkeeper.domain.stock import ItemKey, Level, shortages, wanted_by_item

A, B, C = ItemKey(1, 10), ItemKey(1, 20), ItemKey(2, 5)
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
A_MICROSECOND = timedelta(microseconds=1)
S = ReservationStatus


def held(
    reservation_id: int,
    item: ItemKey = A,
    quantity: int = 5,
    fulfilled: int = 0,
    status: ReservationStatus = S.ACTIVE,
    expires_at: datetime | None = NOON,
) -> HeldLine:
    return HeldLine(reservation_id, item, quantity, fulfilled, status, expires_at)


def test_the_same_item_on_two_lines_counts_together_in_lock_order() -> None:
    wanted = wanted_by_item([(C, 1), (B, 2), (A, 3), (B, 4)])
    assert list(wanted.items()) == [(A, 3), (B, 6), (C, 1)]
    assert wanted_by_item([]) == {}


def test_lock_order_is_warehouse_before_product() -> None:
    assert sorted([C, B, A]) == [A, B, C]
    assert ItemKey(1, 99) < ItemKey(2, 1)


def test_available_is_on_hand_minus_reserved() -> None:
    assert Level(10, 4).available == 6
    assert Level().available == 0


def test_a_buffer_is_kept_from_new_holds() -> None:
    assert Level(10, 4, buffer=3).available == 3
    # Promised before the buffer was set, or sold since: less than the buffer is left.
    assert [Level(10, 4, buffer=units).available for units in (6, 7, 100)] == [0, 0, 0]
    assert shortages({A: 4}, {A: Level(10, 4, buffer=3)}) == [Shortage(A.product_id, A.warehouse_id, 4, 3)]
    assert shortages({A: 3}, {A: Level(10, 4, buffer=3)}) == []


def test_what_is_short_is_named_with_its_numbers() -> None:
    levels = {A: Level(10, 4), B: Level(3, 0)}
    assert shortages({A: 7, B: 3, C: 1}, levels) == [Shortage(10, 1, 7, 6), Shortage(5, 2, 1, 0)]


def test_the_last_unit_can_be_promised() -> None:
    assert shortages({A: 6}, {A: Level(10, 4)}) == []
    assert shortages({}, {}) == []


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        ([S.ACTIVE], S.ACTIVE),
        ([S.FULFILLED], S.FULFILLED),
        ([S.ACTIVE, S.FULFILLED], S.ACTIVE),
        ([S.FULFILLED, S.FULFILLED], S.FULFILLED),
        ([S.CANCELLED, S.FULFILLED], S.CANCELLED),
        ([S.CANCELLED, S.CANCELLED], S.CANCELLED),
        ([S.EXPIRED, S.FULFILLED], S.EXPIRED),
        ([S.EXPIRED, S.ACTIVE], S.EXPIRED),
        ([S.FULFILLED, S.ACTIVE, S.EXPIRED], S.EXPIRED),
    ],
)
def test_the_status_of_the_whole_follows_from_its_lines(
    statuses: list[ReservationStatus], expected: ReservationStatus
) -> None:
    lines = [
        held(number, fulfilled=5 if status is S.FULFILLED else 0, status=status)
        for number, status in enumerate(statuses)
    ]
    assert status_of(lines) is expected
    assert status_of(lines[::-1]) is expected


@pytest.mark.parametrize("event", [ReservationEvent.FULFILL, ReservationEvent.CANCEL, ReservationEvent.EXTEND])
def test_a_reservation_is_open_until_exactly_its_deadline(event: ReservationEvent) -> None:
    lines = [held(1), held(2, B, fulfilled=5, status=S.FULFILLED)]
    require_open(lines, event, NOON - A_MICROSECOND, "1042")
    for late in (NOON, NOON + A_MICROSECOND):
        with pytest.raises(InvalidState) as caught:
            require_open(lines, event, late, "1042")
        assert caught.value.details == {"status": "EXPIRED", "command": event.value}


@pytest.mark.parametrize("status", [S.FULFILLED, S.CANCELLED, S.EXPIRED])
def test_a_reservation_that_has_ended_is_not_open(status: ReservationStatus) -> None:
    lines = [held(1, fulfilled=5 if status is S.FULFILLED else 0, status=status)]
    with pytest.raises(InvalidState) as caught:
        require_open(lines, ReservationEvent.CANCEL, NOON - A_MICROSECOND, "1042")
    assert caught.value.details == {"status": status.value, "command": "cancel"}


def test_a_hold_without_a_deadline_stays_open() -> None:
    line = held(1, expires_at=None)
    assert not is_overdue(line, datetime.max.replace(tzinfo=UTC))
    require_open([line], ReservationEvent.FULFILL, NOON + timedelta(days=9_999), "1042")


def test_only_what_is_still_held_can_be_overdue() -> None:
    assert is_overdue(held(1), NOON)
    assert not is_overdue(held(1), NOON - A_MICROSECOND)
    assert not is_overdue(held(1, fulfilled=5, status=S.FULFILLED), NOON)
    assert not is_overdue(held(1, status=S.CANCELLED), NOON)


def test_open_units_are_those_that_have_not_left_and_only_while_active() -> None:
    assert held(1, quantity=5, fulfilled=2).quantity_open == 3
    assert held(1, status=S.CANCELLED).quantity_open == 0
    assert held(1, status=S.EXPIRED).quantity_open == 0


def test_all_that_is_left_leaves_from_every_line_that_has_some() -> None:
    lines = [held(1, quantity=5, fulfilled=2), held(2, fulfilled=5, status=S.FULFILLED), held(3, B)]
    assert plan_fulfilment(lines, None) == {1: 3, 3: 5}


def test_units_come_from_the_first_lines_first() -> None:
    lines = [held(1, quantity=2), held(2, quantity=3), held(3, B)]
    assert plan_fulfilment(lines, [WantedLine(4, product_id=10)]) == {1: 2, 2: 2}
    assert plan_fulfilment(lines, [WantedLine(1, product_id=10)]) == {1: 1}


def test_units_come_from_the_line_or_warehouse_that_is_named() -> None:
    lines = [held(1), held(2), held(3, ItemKey(2, 10))]
    assert plan_fulfilment(lines, [WantedLine(4, reservation_id=2)]) == {2: 4}
    assert plan_fulfilment(lines, [WantedLine(4, product_id=10, warehouse_id=2)]) == {3: 4}


def test_a_part_of_what_two_warehouses_hold_needs_the_name_of_one() -> None:
    lines = [held(1, quantity=2), held(2, ItemKey(2, 10), quantity=3), held(3, quantity=1), held(4, B)]
    with pytest.raises(InvalidRequest) as refused:
        plan_fulfilment(lines, [WantedLine(1, product_id=10)], place_of=lambda line: f"W{line.item.warehouse_id}")
    assert refused.value.message == (
        "product 10: 1 to be shipped, and 2 warehouses hold it, W1 (3) and W2 (3); name one of them"
    )
    assert plan_fulfilment(lines, [WantedLine(1, product_id=10, warehouse_id=2)]) == {2: 1}
    # All of it leaves nothing to choose, and neither does what is left in one warehouse.
    assert plan_fulfilment(lines, [WantedLine(6, product_id=10)]) == {1: 2, 2: 3, 3: 1}
    assert plan_fulfilment(lines, [WantedLine(3, product_id=10, warehouse_id=1), WantedLine(1, product_id=10)]) == {
        1: 2,
        2: 1,
        3: 1,
    }


def test_two_wishes_for_the_same_product_share_what_is_held() -> None:
    lines = [held(1, quantity=2), held(2, quantity=3)]
    wishes = [WantedLine(1, reservation_id=2), WantedLine(4, product_id=10)]
    assert plan_fulfilment(lines, wishes) == {1: 2, 2: 3}
    with pytest.raises(InvalidRequest, match=r"^product 10: 5 to be shipped, but only 4 still held$"):
        plan_fulfilment(lines, [WantedLine(1, reservation_id=2), WantedLine(5, product_id=10)])


@pytest.mark.parametrize(
    ("wish", "message"),
    [
        (WantedLine(6, product_id=10), "product 10: 6 to be shipped, but only 5 still held"),
        (WantedLine(1, product_id=11), "product 11: 1 to be shipped, but only 0 still held"),
        (
            WantedLine(2, product_id=10, warehouse_id=9),
            "product 10, warehouse 9: 2 to be shipped, but only 0 still held",
        ),
        (WantedLine(3, reservation_id=7), "reservation 7: 3 to be shipped, but only 0 still held"),
    ],
)
def test_no_more_can_leave_than_is_held(wish: WantedLine, message: str) -> None:
    with pytest.raises(InvalidRequest, match=f"^{message}$"):
        plan_fulfilment([held(1)], [wish])


_ITEMS = st.sampled_from([A, B, C, ItemKey(2, 10)])
_LINES = st.lists(
    st.tuples(_ITEMS, st.integers(1, 9), st.integers(0, 9)).map(lambda each: (*each[:2], min(each[1:]))),
    min_size=1,
    max_size=6,
).map(
    lambda rows: [
        held(number, item, quantity, fulfilled, S.FULFILLED if fulfilled == quantity else S.ACTIVE)
        for number, (item, quantity, fulfilled) in enumerate(rows, 1)
    ]
)
_WISHES = st.lists(
    st.builds(
        WantedLine,
        st.integers(1, 12),
        st.sampled_from([None, 5, 10, 20]),
        st.sampled_from([None, 1, 2]),
        st.sampled_from([None, 1, 2, 3]),
    ),
    min_size=1,
    max_size=4,
)


@given(_LINES, _WISHES)
def test_what_leaves_is_what_was_wanted_and_never_more_than_is_held(
    lines: list[HeldLine], wishes: list[WantedLine]
) -> None:
    try:
        given_units = plan_fulfilment(lines, wishes)
    except InvalidRequest:
        return
    by_id = {line.reservation_id: line for line in lines}
    assert sum(given_units.values()) == sum(wish.quantity for wish in wishes)
    assert all(0 < units <= by_id[number].quantity_open for number, units in given_units.items())
    assert all(any(wish.matches(by_id[number]) for wish in wishes) for number in given_units)


@given(_LINES, st.data())
def test_what_one_wish_can_have_it_gets(lines: list[HeldLine], data: st.DataObject) -> None:
    wish = data.draw(_WISHES)[0]
    matching = [line for line in lines if wish.matches(line) and line.quantity_open]
    there = sum(line.quantity_open for line in matching)
    if wish.quantity < there and len({line.item.warehouse_id for line in matching}) > 1:
        with pytest.raises(InvalidRequest, match="2 warehouses hold it"):
            plan_fulfilment(lines, [wish])
    elif wish.quantity <= there:
        assert sum(plan_fulfilment(lines, [wish]).values()) == wish.quantity
    else:
        with pytest.raises(InvalidRequest, match=f"{wish.quantity} to be shipped, but only {there} still held"):
            plan_fulfilment(lines, [wish])


@given(_LINES)
def test_all_that_is_left_is_exactly_that(lines: list[HeldLine]) -> None:
    assert sum(plan_fulfilment(lines, None).values()) == sum(line.quantity_open for line in lines)


@given(st.lists(st.tuples(_ITEMS, st.integers(1, 99))))
def test_nothing_is_lost_in_counting_together(lines: list[tuple[ItemKey, int]]) -> None:
    wanted = wanted_by_item(lines)
    assert sum(wanted.values()) == sum(quantity for _, quantity in lines)
    assert list(wanted) == sorted(set(wanted))


@given(
    st.dictionaries(_ITEMS, st.integers(1, 20)), st.dictionaries(_ITEMS, st.tuples(st.integers(0, 20), st.floats(0, 1)))
)
def test_an_item_is_short_exactly_if_less_is_available_than_wanted(
    wanted: dict[ItemKey, int], stock: dict[ItemKey, tuple[int, float]]
) -> None:
    levels = {item: Level(on_hand, int(on_hand * share)) for item, (on_hand, share) in stock.items()}
    short = Counter(ItemKey(each.warehouse_id or 0, each.product_id) for each in shortages(wanted, levels))
    expected = {item for item, units in wanted.items() if levels.get(item, Level()).available < units}
    assert short == Counter(expected)
