"""Orders with lines in several databases: one answer for all of them, in any order of events."""

import random
from collections import Counter
from datetime import timedelta

import pytest

from stockkeeper.domain.errors import (
    DomainError,
    InsufficientStock,
    InvalidRequest,
    InvalidState,
    OperationConflict,
)
from stockkeeper.domain.lot import LotUnits
from stockkeeper.domain.order_in_parts import (
    SECURED_UNTIL,
    End,
    Hold,
    OrderInParts,
    Outcomes,
    PartHeld,
    Pick,
    Secure,
    Take,
    go_on,
)
from stockkeeper.domain.reservation import HeldLine, ReservationEvent, ReservationStatus, WantedLine
from stockkeeper.domain.stock import ItemKey
from tests.support.parts_model import (
    DEADLINE,
    IN_TIME,
    START,
    TOO_LATE,
    Database,
    Killed,
    Run,
    databases,
    outcome_of,
    refused_with_status,
)

FULFILL = ReservationEvent.FULFILL
COMMANDS = ("ship", "ship a part", "cancel", "extend")
ACTIVE = ReservationStatus.ACTIVE
EXPIRED, CANCELLED, FULFILLED = ReservationStatus.EXPIRED, ReservationStatus.CANCELLED, ReservationStatus.FULFILLED


def held(run: Run) -> Run:
    """The same run, once it holds the order."""
    run.go(run.order.hold(DEADLINE), "reserve", START)
    return run


def ship(run: Run, wanted: list[WantedLine] | None = None, *, at: object = IN_TIME, number: str = "parcel-1") -> None:
    """Ship units of the order: all unless told otherwise."""
    run.go(run.order.take(wanted, FULFILL, done="shipped"), number, at)  # type: ignore[arg-type]


def require_conserved(stock: list[Database]) -> None:
    """Nothing is oversold, and nothing lost."""
    for each in stock:
        assert each.free >= 0
        assert all(0 <= line.quantity_open <= line.quantity for line in each.lines)


def test_all_parts_are_held_until_one_deadline() -> None:
    stock = databases(5, 5)
    run = held(Run(stock, random.Random(1)))
    assert [each.held for each in stock] == [3, 3]
    assert (run.order.status, run.order.deadline) == (ReservationStatus.ACTIVE, DEADLINE)


def test_nothing_is_held_where_one_part_is_short_and_it_may_be_tried_again() -> None:
    stock = databases(5, 2)
    with pytest.raises(InsufficientStock) as short:
        held(Run(stock, random.Random(1)))
    assert [(each.warehouse_id, each.requested, each.available) for each in short.value.shortages] == [(2, 3, 2)]
    assert [each.held for each in stock] == [0, 0]
    stock[1].on_hand = 3
    held(Run(stock, random.Random(1), name="another"))
    assert [each.held for each in stock] == [3, 3]


def test_a_shortage_names_the_items_of_all_parts() -> None:
    with pytest.raises(InsufficientStock) as short:
        held(Run(databases(1, 2), random.Random(1)))
    assert [(each.warehouse_id, each.available) for each in short.value.shortages] == [(1, 1), (2, 2)]


@pytest.mark.parametrize("seed", range(20))
def test_a_database_that_does_not_answer_keeps_nothing_once_it_is_back(seed: int) -> None:
    stock = databases(5, 5)
    run = Run(stock, random.Random(seed), away=frozenset({1}))
    with pytest.raises(InvalidState) as refused:
        held(run)
    assert refused.value.message == "order 1042 wasn't held: database 2 didn't answer in time"
    assert (refused.value.status, stock[0].held) == (ReservationStatus.REJECTED, 0)
    run.finish(START)
    assert stock[1].held == 0


def test_an_order_of_an_earlier_run_is_not_given_up_because_a_database_is_away() -> None:
    stock = databases(5, 5)
    held(Run(stock, random.Random(1)))
    again = Run(stock, random.Random(1), name="again", away=frozenset({1}))
    course = again.order.hold(DEADLINE + timedelta(minutes=1))
    asked = next(course)
    for _ in range(3):
        outcomes = {part: again.ask(part, request, "reserve", START, TOO_LATE) for part, request in asked.items()}
        asked = course.send(outcomes)
        assert list(asked) == [1]
    again.away = frozenset()
    with pytest.raises(StopIteration):
        course.send({1: again.ask(1, asked[1], "reserve", START, TOO_LATE)})
    assert ([each.held for each in stock], again.order.deadline) == ([3, 3], DEADLINE)


def test_a_part_shipment_leaves_the_rest_until_the_deadline_that_it_had() -> None:
    stock = databases(5, 5)
    run = held(Run(stock, random.Random(1)))
    ship(run, [WantedLine(1, 7, 1), WantedLine(2, 7, 2)])
    assert [each.shipped for each in stock] == [1, 2]
    assert {line.expires_at for each in stock for line in each.lines if line.quantity_open} == {DEADLINE}
    assert run.order.deadline == DEADLINE


def test_lots_that_were_picked_are_held_everywhere_before_any_leaves() -> None:
    stock = databases(5, 5)
    stock[0].lots, stock[1].lots = {"N1"}, {"S1"}
    run = held(Run(stock, random.Random(1)))
    wrong = [WantedLine(3, 7, 1, lots=(LotUnits("N1", 3),)), WantedLine(1, 7, 2, lots=(LotUnits("N1", 1),))]
    with pytest.raises(InvalidRequest, match="database 2 has no lot N1"):
        ship(run, wrong)
    assert [each.shipped for each in stock] == [0, 0]
    assert {line.expires_at for each in stock for line in each.lines} == {DEADLINE}
    ship(run, [WantedLine(3, 7, 1, lots=(LotUnits("N1", 3),)), WantedLine(1, 7, 2, lots=(LotUnits("S1", 1),))])
    assert ([each.shipped for each in stock], run.order.deadline) == ([3, 1], DEADLINE)


def test_each_part_is_told_the_lots_of_its_own_lines() -> None:
    north, south = part(ACTIVE), part(ACTIVE, warehouse=2)
    order, lots = OrderInParts("1042", ["north", "south"], [north, south]), (LotUnits("A", 1), LotUnits("B", 1))
    course = order.take([WantedLine(2, 7, 1, lots=lots), WantedLine(1, 7, 2)], FULFILL, done="shipped")
    assert go_on(course, None) == {0: Secure(), 1: Secure()}
    assert go_on(course, {0: north, 1: south}) == {0: Pick({1: 2}, {1: [*lots]})}
    taken = {0: Take({1: 2}, DEADLINE, {1: [*lots]}), 1: Take({1: 1}, DEADLINE)}
    assert go_on(course, {0: north}) == taken


def test_lots_name_the_warehouse_where_several_databases_hold_the_product() -> None:
    stock = databases(5, 5)
    run = held(Run(stock, random.Random(1)))
    with pytest.raises(InvalidRequest, match="product 7: several databases hold it; name the warehouse of its lots"):
        ship(run, [WantedLine(6, 7, lots=(LotUnits("N1", 6),))])
    assert [(each.shipped, each.is_secured) for each in stock] == [(0, False), (0, False)]


def test_more_than_is_held_ships_nothing_anywhere() -> None:
    stock = databases(5, 5)
    run = held(Run(stock, random.Random(1)))
    with pytest.raises(InvalidRequest, match="product 7, warehouse 2: 4 to be shipped, but only 3 still held"):
        ship(run, [WantedLine(1, 7, 1), WantedLine(4, 7, 2)])
    assert [(each.shipped, each.held, each.is_secured) for each in stock] == [(0, 3, False)] * 2


def test_a_line_by_a_number_that_two_databases_use_needs_its_warehouse() -> None:
    stock = databases(5, 5)
    run = held(Run(stock, random.Random(1)))
    with pytest.raises(InvalidRequest, match="lines in several databases have this number; name the warehouse as well"):
        ship(run, [WantedLine(1, reservation_id=1)])
    ship(run, [WantedLine(1, warehouse_id=2, reservation_id=1)])
    assert [each.shipped for each in stock] == [0, 1]


@pytest.mark.parametrize("lost", [0, 1])
def test_a_part_that_a_buyer_got_ends_the_order_and_ships_nothing(lost: int) -> None:
    stock = databases(3, 3)
    run = held(Run(stock, random.Random(1)))
    stock[lost].buy(1, TOO_LATE)
    with pytest.raises(InvalidState) as refused:
        ship(run)
    assert (refused.value.status, [each.shipped for each in stock]) == (EXPIRED, [0, 0])
    run.finish(IN_TIME)
    assert ([each.held for each in stock], run.order.status) == ([0, 0], EXPIRED)


def test_what_gave_way_between_the_phases_is_told_and_what_left_stays_shipped() -> None:
    stock = databases(3, 3)
    run = held(Run(stock, random.Random(1)))
    course = run.order.take(None, FULFILL, done="shipped")
    secure = next(course)
    outcomes = {part: run.ask(part, request, "parcel-1", IN_TIME, DEADLINE) for part, request in secure.items()}
    take = course.send(outcomes)
    stock[1].lose()
    outcomes = {part: run.ask(part, request, "parcel-1", IN_TIME, DEADLINE) for part, request in take.items()}
    with pytest.raises(InvalidState) as refused:
        course.send(outcomes)
    assert refused.value.status == CANCELLED
    assert "the units of database 1 have been shipped" in refused.value.message
    assert run.order.take_remarks() == [f"fulfill was carried out in a part only: {refused.value.message}"]
    run.finish(IN_TIME)
    assert [(each.shipped, each.held) for each in stock] == [(3, 0), (0, 0)]
    require_conserved(stock)


def test_commands_against_the_deadline_end_all_parts_alike_in_any_order_of_events() -> None:
    """Lost answers, repeats, buyers before and after the deadline, and commands at any time."""
    seen: Counter[tuple[str, str]] = Counter()
    for seed in range(1_000):
        chance = random.Random(seed)
        stock = databases(*(chance.choice([3, 4]) for _ in range(chance.choice([2, 3]))))

        def buyer(chance: random.Random = chance, stock: list[Database] = stock) -> None:
            if chance.random() < 0.15:
                chance.choice(stock).buy(chance.choice([1, 2]), chance.choice([IN_TIME, DEADLINE, TOO_LATE]))

        run = held(Run(stock, chance))
        run.between = buyer
        at = chance.choice([START, IN_TIME, IN_TIME, DEADLINE, TOO_LATE])
        command = chance.choice(COMMANDS)
        if command == "ship":
            refusal = outcome_of(lambda run=run, at=at: ship(run, at=at))  # type: ignore[misc]
        elif command == "ship a part":
            some = [WantedLine(1, 7, each.place) for each in stock]
            refusal = outcome_of(lambda run=run, at=at, some=some: ship(run, some, at=at))  # type: ignore[misc]
        elif command == "cancel":
            refusal = outcome_of(lambda run=run, at=at: run.go(run.order.cancel(), "cancel", at))  # type: ignore[misc]
        else:
            later = run.order.extend(at + timedelta(minutes=60))
            refusal = outcome_of(lambda run=run, at=at, later=later: run.go(later, "extend", at))  # type: ignore[misc]
        run.finish(at)
        seen[command, refused_with_status(refusal)] += 1
        require_conserved(stock)
        assert not any(each.is_secured for each in stock), seed
        assert at < DEADLINE or refused_with_status(refusal) == EXPIRED, seed
        shipped = {"ship": 3, "ship a part": 1}.get(command, 0) if refusal is None else 0
        assert [each.shipped for each in stock] == [shipped] * len(stock), seed
        if refusal is not None:
            assert ([each.held for each in stock], run.order.status) == ([0] * len(stock), EXPIRED), seed
        elif command == "cancel":
            assert [each.held for each in stock] == [0] * len(stock), seed
            assert {line.status for each in stock for line in each.lines} == {CANCELLED}, seed
    assert all(
        seen[command, end] > 100 for command in ("ship", "ship a part", "cancel", "extend") for end in ("", EXPIRED)
    )


def test_a_run_that_is_terminated_anywhere_is_finished_by_the_next_one() -> None:
    """The same start again, and the same shipment under its number: it leaves once, from all parts."""
    finished = 0
    for seed in range(500):
        chance = random.Random(seed)
        stock = databases(4, 4)
        run = held(Run(stock, chance))
        run.dies_after = 2 + chance.randrange(5)
        wanted = chance.choice([None, [WantedLine(1, 7, 1), WantedLine(2, 7, 2)], [WantedLine(6, 7)]])
        try:
            ship(run, wanted)
        except Killed:
            again = Run(stock, chance, name="again")
            again.go(again.order.hold(DEADLINE + timedelta(minutes=1)), "reserve", START)
            if again.order.status is not FULFILLED:
                assert again.order.deadline in (DEADLINE, DEADLINE + timedelta(minutes=1))
            assert not any(each.is_secured for each in stock), seed
            ship(again, wanted)
            finished += 1
        units = [1, 2] if wanted is not None and len(wanted) == 2 else [3, 3]
        assert [each.shipped for each in stock] == units, seed
        assert not any(each.is_secured for each in stock), seed
        require_conserved(stock)
    assert finished > 120


def test_a_shipment_sent_again_leaves_once_also_after_the_order_is_over() -> None:
    stock = databases(4, 4)
    run = held(Run(stock, random.Random(1)))
    ship(run, [WantedLine(3, 7, 1)])
    ship(run, [WantedLine(3, 7, 1)])
    assert [(each.shipped, each.held, each.is_secured) for each in stock] == [(3, 0, False), (0, 3, False)]
    run.go(run.order.cancel(), "cancel", IN_TIME)
    ship(run, [WantedLine(3, 7, 1)], at=TOO_LATE)
    assert [(each.shipped, each.held) for each in stock] == [(3, 0), (0, 0)]
    assert run.order.status is CANCELLED


def test_giving_way_ends_all_parts_and_without_a_reason_none() -> None:
    stock = databases(4, 4)
    run = held(Run(stock, random.Random(1)))
    with pytest.raises(InvalidState):
        run.go(run.order.give_way(), "give_way", IN_TIME)
    assert [each.held for each in stock] == [3, 3]
    stock[0].lose()
    run.go(run.order.give_way(), "give_way/2", IN_TIME)
    assert ([each.held for each in stock], run.order.status) == ([0, 0], CANCELLED)


def part(status: ReservationStatus, units: int = 3, shipped: int = 0, warehouse: int = 1) -> PartHeld:
    """A part of one line."""
    line = HeldLine(1, ItemKey(warehouse, 7), units, shipped, status, DEADLINE, 0)
    return PartHeld(status, DEADLINE, [line])


def test_an_order_that_gave_way_is_held_again_once_every_database_has_answered() -> None:
    order = OrderInParts("1042", ["north", "south", "west"])
    course = order.hold_again(IN_TIME)
    assert go_on(course, None) == {0: Hold(), 1: Hold(), 2: Hold()}
    # One that everything has left is as it was; one that doesn't answer is asked again.
    answered: Outcomes = {0: part(ACTIVE), 1: None, 2: part(FULFILLED, shipped=3)}
    assert go_on(course, answered) == {1: Hold()}
    assert go_on(course, {1: part(ACTIVE)}) is None
    assert (order.status, order.deadline) == (ACTIVE, DEADLINE)


@pytest.mark.parametrize(
    "refusal", [InvalidState("its deadline has come", "EXPIRED", "hold_again"), InsufficientStock("short")]
)
def test_what_can_not_be_held_again_whole_is_given_back(refusal: DomainError) -> None:
    order = OrderInParts("1042", ["north", "south"])
    course = order.hold_again(IN_TIME)
    go_on(course, None)
    assert go_on(course, {0: part(ACTIVE), 1: refusal}) == {0: End(CANCELLED)}
    with pytest.raises(type(refusal)):
        go_on(course, {0: part(CANCELLED)})
    assert order.parts == {}


def test_nothing_of_another_order_of_the_number_is_given_back() -> None:
    course = OrderInParts("1042", ["north", "south"]).hold_again(IN_TIME)
    go_on(course, None)
    with pytest.raises(OperationConflict):
        go_on(course, {0: part(ACTIVE), 1: OperationConflict("other lines")})


def test_an_order_of_which_everything_has_left_is_not_held_again() -> None:
    course = OrderInParts("1042", ["north"]).hold_again(IN_TIME)
    go_on(course, None)
    with pytest.raises(InvalidState) as over:
        go_on(course, {0: part(FULFILLED, shipped=3)})
    assert over.value.status == FULFILLED


def test_the_deadline_releases_all_parts() -> None:
    stock = databases(4, 4)
    run = held(Run(stock, random.Random(1)))
    run.go(run.order.expire(), "expire", DEADLINE)
    assert ([each.held for each in stock], run.order.status, run.order.deadline) == ([0, 0], EXPIRED, DEADLINE)


def test_a_cancellation_before_anything_is_held() -> None:
    stock = databases(4, 4)
    run = Run(stock, random.Random(1))
    with pytest.raises(InvalidState) as refused:
        run.go(run.order.cancel(), "cancel", START)
    assert refused.value.status == ReservationStatus.REJECTED
    held(Run(stock, random.Random(1)))
    again = Run(stock, random.Random(1), name="again")
    again.go(again.order.cancel(), "cancel", START)
    assert ([each.held for each in stock], again.order.status) == ([0, 0], CANCELLED)


def test_no_deadline_that_an_order_can_ask_for_is_later_than_that_of_a_secured_part() -> None:
    assert START + timedelta(days=366 * 100) < SECURED_UNTIL
    assert OrderInParts("1042", ["north"]).deadline is None
