"""The day of a promise, against a model that asks on each day anew whether the order could be held."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from stockkeeper.domain.arrival import DayBasis
from stockkeeper.domain.errors import InsufficientStock
from stockkeeper.domain.order_promising import Course, ForeseenWait, LinePromise
from stockkeeper.domain.sourcing import RequestedLine, parts_of
from stockkeeper.domain.stock import ItemKey, Level
from stockkeeper.domain.supply import Counted, ScheduledReceipt, SupplySource
from stockkeeper.domain.waiting import Queue, WaitingLine

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
TODAY = NOON.date()
TEA, MUG = 10, 20
BERLIN, HAMBURG, LYON = 1, 2, 3
BERLIN_TEA, HAMBURG_TEA, BERLIN_MUG, HAMBURG_MUG = (
    ItemKey(place, product) for product in (TEA, MUG) for place in (BERLIN, HAMBURG)
)
ZONES = dict.fromkeys((BERLIN, HAMBURG, LYON), UTC)


def in_days(days: int) -> date:
    return TODAY + timedelta(days=days)


def comes(
    item: ItemKey, units: int, days: int, number: str = "PO-1", source: SupplySource = SupplySource.PURCHASE_ORDER
) -> ScheduledReceipt:
    return ScheduledReceipt(source, number, item, units, in_days(days), _begins(days), DayBasis.AGREED)


def _begins(days: int) -> datetime:
    return datetime.combine(in_days(days), time(), tzinfo=UTC)


def waits(wait_id: int, quantity: int, item: ItemKey = BERLIN_TEA, days: float = 1) -> WaitingLine:
    return WaitingLine(wait_id, item.product_id, item.warehouse_id, quantity, NOON + timedelta(days=days))


def anywhere(wait_id: int, quantity: int, product_id: int = TEA, days: float = 1) -> WaitingLine:
    return WaitingLine(wait_id, product_id, None, quantity, NOON + timedelta(days=days))


def course(levels: Mapping[ItemKey, Level], *receipts: ScheduledReceipt, waiting: Sequence[WaitingLine] = ()) -> Course:
    return Course(levels, receipts, waiting, NOON, ZONES)


def of_tea(quantity: int, place: int | None = BERLIN) -> RequestedLine:
    return RequestedLine(TEA, place, quantity)


def stock(units: int) -> Counted:
    return Counted(SupplySource.STOCK, None, units, TODAY)


def order(units: int, days: int, number: str = "PO-1") -> Counted:
    return Counted(SupplySource.PURCHASE_ORDER, number, units, in_days(days), DayBasis.AGREED)


def test_what_is_available_is_there_today_and_the_rest_with_the_order_that_brings_it() -> None:
    stocked = course({BERLIN_TEA: Level(9, reserved=4, buffer=1)}, comes(BERLIN_TEA, 10, 3))
    assert stocked.promise([of_tea(4)]) == [LinePromise(TEA, BERLIN, 4, TODAY, 0, [stock(4)])]
    assert stocked.promise([of_tea(14)]) == [LinePromise(TEA, BERLIN, 14, in_days(3), 10, [stock(4), order(10, 3)])]
    assert stocked.promise([of_tea(15)]) == [LinePromise(TEA, BERLIN, 15, None, 11)]


def test_a_buffer_that_is_not_full_is_filled_first() -> None:
    stocked = course(
        {BERLIN_TEA: Level(2, reserved=1, buffer=4)}, comes(BERLIN_TEA, 5, 1), comes(BERLIN_TEA, 5, 2, "PO-2")
    )
    assert stocked.promise([of_tea(2)]) == [LinePromise(TEA, BERLIN, 2, in_days(1), 2, [order(2, 1)])]
    assert stocked.promise([of_tea(3)]) == [
        LinePromise(TEA, BERLIN, 3, in_days(2), 3, [order(2, 1), order(1, 2, "PO-2")])
    ]


def test_the_same_product_on_two_lines_counts_together_and_no_unit_twice() -> None:
    stocked = course({BERLIN_TEA: Level(5)}, comes(BERLIN_TEA, 5, 2))
    assert stocked.promise([of_tea(3), of_tea(4)]) == [
        LinePromise(TEA, BERLIN, 3, TODAY, 0, [stock(3)]),
        LinePromise(TEA, BERLIN, 4, in_days(2), 2, [stock(2), order(2, 2)]),
    ]
    same = of_tea(3)
    assert [line.day for line in stocked.promise([same, same, same, same])] == [TODAY, in_days(2), in_days(2), None]


def test_who_waits_comes_first_as_long_as_the_wait_lasts() -> None:
    receipts = comes(BERLIN_TEA, 5, 1), comes(BERLIN_TEA, 5, 4, "PO-2")
    # The order that waits for nine has its turn with the second delivery, unless it has given up by then.
    patient = course({BERLIN_TEA: Level(2)}, *receipts, waiting=[waits(1, 9, days=4)])
    assert patient.promise([of_tea(3)]) == [LinePromise(TEA, BERLIN, 3, in_days(4), 3, [order(3, 4, "PO-2")])]
    assert patient.promise([of_tea(4)]) == [LinePromise(TEA, BERLIN, 4, None, 4)]
    impatient = course({BERLIN_TEA: Level(2)}, *receipts, waiting=[waits(1, 9, days=2)])
    assert impatient.promise([of_tea(4)]) == [LinePromise(TEA, BERLIN, 4, in_days(3), 4, [stock(2), order(2, 1)])]
    # Its turn came with the first one, so its units are its own though its wait is long over by the second.
    served = course({BERLIN_TEA: Level(2)}, *receipts, waiting=[waits(1, 7, days=1.5)])
    assert served.promise([of_tea(5)]) == [LinePromise(TEA, BERLIN, 5, in_days(4), 5, [order(5, 4, "PO-2")])]
    assert served.promise([of_tea(6)]) == [LinePromise(TEA, BERLIN, 6, None, 6)]


def test_an_order_that_waits_has_its_day_with_those_before_it_and_however_long_it_waits() -> None:
    stocked = course(
        {BERLIN_TEA: Level(1), BERLIN_MUG: Level(0), HAMBURG_TEA: Level(0)},
        comes(BERLIN_TEA, 5, 1),
        comes(HAMBURG_TEA, 3, 2, "T-1", SupplySource.TRANSFER),
        comes(BERLIN_MUG, 2, 3, "PO-2"),
        waiting=[
            waits(1, 2),
            *(waits(1, 2, BERLIN_MUG), waits(2, 2, days=9)),
            waits(3, 4, days=9),
            anywhere(4, 2, days=9),
        ],
    )
    # The first lacks mugs until it has given up, and its tea is left for it until then.
    assert stocked.foreseen(1) == ForeseenWait(in_days(3), [stock(1), order(1, 1), order(2, 3, "PO-2")])
    assert stocked.foreseen(2) == ForeseenWait(in_days(1), [order(2, 1)])
    assert stocked.foreseen(3) == ForeseenWait(in_days(2), [order(4, 1)])
    assert stocked.foreseen(4) == ForeseenWait(
        in_days(2), [Counted(SupplySource.TRANSFER, "T-1", 2, in_days(2), DayBasis.AGREED)]
    )
    assert stocked.turns() == {wait_id: stocked.foreseen(wait_id) for wait_id in (1, 2, 3, 4)}
    hopeless = course({BERLIN_TEA: Level(1)}, waiting=[waits(1, 2)])
    assert (hopeless.foreseen(1), hopeless.turns()) == (None, {})


def test_lines_without_a_warehouse_come_from_one_that_has_them_all_first_then_by_priority() -> None:
    levels = {BERLIN_TEA: Level(9), HAMBURG_MUG: Level(9)}
    lines = [RequestedLine(TEA, None, 2), RequestedLine(MUG, None, 1)]
    stocked = course(levels, comes(BERLIN_MUG, 1, 5), comes(HAMBURG_TEA, 2, 4, "PO-2"))
    assert stocked.promise(lines) == [
        LinePromise(TEA, HAMBURG, 2, in_days(4), 2, [order(2, 4, "PO-2")]),
        LinePromise(MUG, HAMBURG, 1, TODAY, 0, [stock(1)]),
    ]
    both = course(levels, comes(BERLIN_MUG, 1, 4), comes(HAMBURG_TEA, 2, 4, "PO-2"))
    assert {line.warehouse_id for line in both.promise(lines)} == {BERLIN}
    assert {line.warehouse_id for line in both.promise(lines, {BERLIN: 5, HAMBURG: 1})} == {HAMBURG}
    # Nowhere all of it: where most lines can be foreseen, then where the fewest units lack; without anything, nowhere.
    some = course(levels).promise([*lines, RequestedLine(MUG, None, 1)])
    assert [(line.warehouse_id, line.day, line.missing) for line in some] == [
        (HAMBURG, None, 2),
        (HAMBURG, TODAY, 0),
        (HAMBURG, TODAY, 0),
    ]
    few = course({BERLIN_TEA: Level(1), HAMBURG_TEA: Level(2)}).promise([of_tea(5, None)])
    assert few == [LinePromise(TEA, HAMBURG, 5, None, 3)]
    assert course({}).promise(lines) == [LinePromise(TEA, None, 2, None, 2), LinePromise(MUG, None, 1, None, 1)]


def test_a_day_is_the_warehouses_own() -> None:
    # In Kiritimati it is the second of June already, where the order comes on the third.
    kiritimati = ZoneInfo("Pacific/Kiritimati")
    third = date(2026, 6, 3)
    receipt = ScheduledReceipt(
        SupplySource.PURCHASE_ORDER,
        "PO-1",
        BERLIN_TEA,
        5,
        third,
        datetime.combine(third, time(), tzinfo=kiritimati),
        DayBasis.DUE,
    )
    there = Course({BERLIN_TEA: Level(1)}, [receipt], (), NOON, {BERLIN: kiritimati})
    days = [there.promise([of_tea(units)])[0].day for units in (1, 2)]
    assert days == [date(2026, 6, 2), third]


class _Case(NamedTuple):
    levels: dict[ItemKey, Level]
    receipts: list[ScheduledReceipt]
    waiting: list[WaitingLine]
    lines: list[RequestedLine]
    priorities: dict[int, int]


_ITEMS = [ItemKey(place, product) for place in (BERLIN, HAMBURG, LYON) for product in (TEA, MUG)]
_DAYS = 6


@st.composite
def _cases(draw: st.DrawFn) -> _Case:
    units, small = st.integers(1, 6), st.integers(0, 4)
    levels = {}
    for item in draw(st.lists(st.sampled_from(_ITEMS), unique=True)):
        on_hand = draw(st.integers(0, 8))
        levels[item] = Level(on_hand, draw(st.integers(0, on_hand)), draw(small))
    receipts = [
        comes(draw(st.sampled_from(_ITEMS)), draw(units), draw(st.integers(0, _DAYS)), f"PO-{number}")
        for number in range(draw(st.integers(0, 5)))
    ]
    waiting = []
    for wait_id in range(1, draw(st.integers(0, 4)) + 1):
        days = draw(st.sampled_from([0.1, 1.2, 2.6, 3.4, 4.9]))
        for _ in range(draw(st.integers(1, 2))):
            item = draw(st.sampled_from(_ITEMS))
            place = draw(st.sampled_from([None, item.warehouse_id]))
            waiting.append(WaitingLine(wait_id, item.product_id, place, draw(units), NOON + timedelta(days=days)))
    places = st.sampled_from([None, BERLIN, HAMBURG])
    lines = [
        RequestedLine(draw(st.sampled_from([TEA, MUG])), draw(places), draw(units))
        for _ in range(draw(st.integers(1, 3)))
    ]
    priorities = {place: draw(st.integers(1, 2)) for place in ZONES}
    return _Case(levels, receipts, waiting, lines, priorities)


class _Day:
    """One day as it will be: who has had his turn by then, and whether an order could be held."""

    def __init__(self, case: _Case, day: int, had_their_turn: set[int]) -> None:
        self.levels = {
            item: Level(
                case.levels.get(item, Level()).on_hand
                + sum(each.units for each in case.receipts if each.item == item and each.day <= in_days(day)),
                case.levels.get(item, Level()).reserved,
                case.levels.get(item, Level()).buffer,
            )
            for item in _ITEMS
        }
        at = NOON if day == 0 else _begins(day)
        self.waiting = [each for each in case.waiting if each.waiting_until > at or each.wait_id in had_their_turn]

    def has_turn(self, wait_id: int, own: Sequence[WaitingLine]) -> bool:
        before = [each for each in self.waiting if each.wait_id < wait_id]
        named: Counter[ItemKey] = Counter()
        for line in own:
            if line.warehouse_id is not None:
                named[ItemKey(line.warehouse_id, line.product_id)] += line.quantity
        rest = {item: self._left(item, before) - named[item] for item in _ITEMS}
        for product in (TEA, MUG):
            wanted = sum(line.quantity for line in own if line.product_id == product and line.warehouse_id is None)
            has = sum(max(units, 0) for item, units in rest.items() if item.product_id == product)
            if any(rest[item] < 0 for item in named if item.product_id == product) or has < wanted:
                return False
        return True

    def _left(self, item: ItemKey, before: Sequence[WaitingLine]) -> int:
        ahead = sum(
            each.quantity
            for each in before
            if each.product_id == item.product_id and each.warehouse_id in (None, item.warehouse_id)
        )
        return self.levels[item].available - ahead

    def could_hold(self, lines: Sequence[RequestedLine], place: int) -> bool:
        """By the rule for new orders; lines without a warehouse all in this one."""
        seen = Queue(self.waiting).seen(self.levels)
        left = {item: level.available for item, level in seen.items()}
        try:
            parts_of([line._replace(warehouse_id=line.warehouse_id or place) for line in lines], left, {})
        except InsufficientStock:
            return False
        return True


def _course_of_days(case: _Case) -> list[_Day]:
    days: list[_Day] = []
    had_their_turn: set[int] = set()
    for day in range(_DAYS + 1):
        days.append(_Day(case, day, had_their_turn))
        for wait_id in {each.wait_id for each in days[-1].waiting}:
            if days[-1].has_turn(wait_id, [each for each in case.waiting if each.wait_id == wait_id]):
                had_their_turn.add(wait_id)
    return days


def _first(days: Sequence[_Day], lines: Sequence[RequestedLine], place: int) -> int | None:
    return next((number for number, day in enumerate(days) if day.could_hold(lines, place)), None)


@settings(max_examples=40)
@given(_cases())
def test_a_promise_is_the_first_day_on_which_the_order_could_be_held(case: _Case) -> None:
    days = _course_of_days(case)
    promised = course(case.levels, *case.receipts, waiting=case.waiting).promise(case.lines, case.priorities)
    assert [(line.product_id, line.quantity) for line in promised] == [line[::2] for line in case.lines]
    chosen = {line.warehouse_id for line, asked in zip(promised, case.lines, strict=True) if asked.warehouse_id is None}
    assert len(chosen) <= 1
    place = next(iter(chosen), None) or BERLIN
    last = [line.day for line in promised]
    foreseen = _first(days, case.lines, place)
    if foreseen is None:
        assert None in last
    else:
        assert max(day for day in last if day) == in_days(foreseen)
    openly = [line for line in case.lines if line.warehouse_id is None]
    if openly and None not in [line.day for line, asked in zip(promised, case.lines, strict=True) if asked in openly]:
        named = [line for line in case.lines if line.warehouse_id is not None]
        ranks = []
        for each in ZONES:
            # With the units that the named lines take, where they name the same warehouse.
            here = [line for line in named if line.warehouse_id == each and line.product_id in {o[0] for o in openly}]
            day = _first(days, [*here, *openly], each)
            if day is not None:
                ranks.append((day, case.priorities[each], each))
        assert min(ranks)[-1] == place


@settings(max_examples=40)
@given(_cases())
def test_a_promise_counts_on_each_unit_once_and_on_none_that_comes_later(case: _Case) -> None:
    promised = course(case.levels, *case.receipts, waiting=case.waiting).promise(case.lines, case.priorities)
    taken: Counter[tuple[int | None, int, str | None]] = Counter()
    for line in promised:
        if line.day is None:
            assert line.counted == ()
            continue
        assert sum(each.units for each in line.counted) == line.quantity
        assert all(each.units > 0 and each.day <= line.day for each in line.counted)
        assert [each.day for each in line.counted] == sorted(each.day for each in line.counted)
        for each in line.counted:
            taken[line.warehouse_id, line.product_id, each.number] += each.units
    for (place, product, number), units in taken.items():
        item = ItemKey(place or 0, product)
        if number is None:
            assert units <= case.levels[item].available
        else:
            assert units <= sum(each.units for each in case.receipts if (each.item, each.number) == (item, number))


@settings(max_examples=40)
@given(_cases())
def test_an_order_that_waits_is_foreseen_for_the_first_day_of_its_turn(case: _Case) -> None:
    days = _course_of_days(case)
    stocked = course(case.levels, *case.receipts, waiting=case.waiting)
    for wait_id in {each.wait_id for each in case.waiting}:
        own = [each for each in case.waiting if each.wait_id == wait_id]
        turn = next((number for number, day in enumerate(days) if day.has_turn(wait_id, own)), None)
        found = stocked.foreseen(wait_id)
        assert (found is None) == (turn is None)
        assert stocked.turns().get(wait_id) == found
        if found is not None and turn is not None:
            assert found.day == in_days(turn)
            assert sum(each.units for each in found.counted) == sum(each.quantity for each in own)
