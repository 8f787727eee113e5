"""A customer return's steps on PostgreSQL: every command in every status, parts, repeats, and calls that meet."""

from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, text

from database.sessions import Database
from stockkeeper.contracts.customer_return import InspectedLine, StoredReturn
from stockkeeper.contracts.receipt import RECEIPTS_SHOWN
from stockkeeper.domain.customer_return import ReturnStatus
from stockkeeper.domain.stock import ItemKey
from tests.support.books import level, nothing_is_stored
from tests.support.customer_return import Units, movements, restocked, stored
from tests.support.meetings import meet, outcome
from tests.support.shop import Shop, new_reference
from tests.support.steps.activity import MINUTE, NOON, forget, refused
from tests.support.steps.customer_return import ReturnCalls, found, lines_of, papers, return_stays
from tests.support.steps.reservation import Steps
from tests.support.transfer_rows import stocked

S = ReturnStatus
LATER = NOON + 5 * MINUTE


def _booked(returned: StoredReturn) -> list[tuple[str, int, int]]:
    """The inspections of an answer: their names, and units restocked and scrapped."""
    return [(each.receipt_id, each.accepted, each.unfit) for each in returned.inspections]


Command = Callable[[ReturnCalls, str, ItemKey], StoredReturn]
COMMANDS: dict[str, Command] = {
    "inspect": lambda taking, number, item: taking.inspect(number, "part", found(item, 1, 1), as_of=LATER),
    "complete": lambda taking, number, item: taking.inspect(number, "all", found(item, 3, 1), as_of=LATER),
    "close_short": lambda taking, number, _: taking.close_short(number, as_of=LATER),
}
# What each command makes of a return of five units, and what the shelf has then, which had two: of one that nothing has
# come of, and of one of which a unit was restocked. What isn't here is refused.
AFTER: dict[str, dict[str, tuple[ReturnStatus, Units, int]]] = {
    "EXPECTED": {
        "inspect": (S.EXPECTED, Units(5, 1, 1), 3),
        "complete": (S.EXPECTED, Units(5, 3, 1), 5),
        "close_short": (S.CANCELLED, Units(5), 2),
    },
    "EXPECTED, a part came": {
        "inspect": (S.EXPECTED, Units(5, 2, 1), 4),
        "complete": (S.INSPECTED, Units(5, 4, 1), 6),
        "close_short": (S.INSPECTED, Units(5, 1), 3),
    },
    "INSPECTED": {},
    "CANCELLED": {},
}


def _in(status: str, taking: ReturnCalls, item: ItemKey) -> str:
    """A return of five units that has come so far."""
    number = taking.expected((item, 5))
    match status:
        case "EXPECTED, a part came":
            taking.inspect(number, "1", found(item, 1))
        case "INSPECTED":
            taking.inspect(number, "1", found(item, 5))
        case "CANCELLED":
            taking.close_short(number)
    return number


@pytest.mark.parametrize("status", AFTER)
def test_every_command_in_every_status(taking: ReturnCalls, shop: Shop, engine: Engine, status: str) -> None:
    for command, call in COMMANDS.items():
        item = shop.item(2)
        number = _in(status, taking, item)
        if command in AFTER[status]:
            after, line, on_hand = AFTER[status][command]
            returned = call(taking, number, item)
            assert (returned.status, lines_of(returned), level(engine, item)) == (after, [line], (on_hand, 0))
            row = stored(engine, number)
            ended = after is not S.EXPECTED
            assert (row.status, row.closed_at) == (after, LATER if ended else None)
            assert row.closed_reason == ("kept them after all" if command == "close_short" else None)
            operation = "inspect/all" if command == "complete" else command
            assert (row.closed_by or "").startswith(f"return-{number}/{operation}" if ended else "")
            continue
        with return_stays(engine, number, item):
            named = "close_short" if command == "close_short" else "inspect"
            assert refused(partial(call, taking, number, item)) == (
                "InvalidState",
                {"status": status, "command": named},
            )


def test_no_command_on_a_return_that_was_never_registered(taking: ReturnCalls, shop: Shop, engine: Engine) -> None:
    item, number = shop.item(5), new_reference("r")
    with nothing_is_stored(engine):
        for call in COMMANDS.values():
            assert refused(partial(call, taking, number, item)) == ("InvalidRequest", {})


def test_it_comes_in_parts_and_what_is_fit_goes_back_into_stock_line_by_line(
    taking: ReturnCalls, database: Database, shop: Shop, engine: Engine
) -> None:
    tea, mug = shop.items(2, units=4)
    Steps(database).reserve(new_reference(), (tea, 4))
    number = taking.expected((tea, 2), (mug, 3), (tea, 4))
    assert (level(engine, tea), level(engine, mug), movements(engine, number)) == ((4, 4), (4, 0), [])
    # The same product on two lines of an inspection counts together.
    first = taking.inspect(number, "i/1", found(mug, 0, 2), found(tea, 1), found(tea, 2, 1), as_of=LATER)
    assert (first.status, lines_of(first)) == (S.EXPECTED, [Units(2, 2), Units(3, 0, 2), Units(4, 1, 1)])
    last = taking.inspect(number, "2", found(tea, 0, 2), found(mug, 1), as_of=LATER + MINUTE)
    assert (last.status, lines_of(last)) == (S.INSPECTED, [Units(2, 2), Units(3, 1, 2), Units(4, 1, 3)])
    assert (_booked(last), last.closed_reason) == ([("i/1", 3, 3), ("2", 1, 2)], None)
    assert [(each.at, each.performed_by) for each in last.inspections] == [(LATER, "ines"), (LATER + MINUTE, "ines")]
    assert movements(engine, number) == [
        restocked(number, tea, 2, 6, "i/1"),
        restocked(number, tea, 1, 7, "i/1"),
        restocked(number, mug, 1, 5, "2"),
    ]
    # What was promised stays so, and what came back can be sold at once.
    assert (level(engine, tea), level(engine, mug)) == ((7, 4), (5, 0))
    Steps(database).reserve(new_reference(), (tea, 3))
    written_by = text("SELECT DISTINCT operation_id, workflow_id, run_id FROM stock_movements WHERE reference_id = :n")
    with engine.connect() as connection:
        written = {tuple(row) for row in connection.execute(written_by, {"n": number})}
    assert written == {(f"return-{number}/inspect/{each}", f"return-{number}", "run") for each in ("i/1", "2")}


def test_an_item_that_the_warehouse_never_held_begins_with_its_first_fit_unit(
    taking: ReturnCalls, shop: Shop, engine: Engine
) -> None:
    item = ItemKey(shop.warehouse(), shop.product(is_active=False))
    number = taking.expected((item, 3))
    taking.inspect(number, "1", found(item, 0, 2))
    assert stocked(engine, item) is None
    taking.inspect(number, "2", found(item, 1))
    assert stocked(engine, item) == (1, 0)
    assert movements(engine, number) == [restocked(number, item, 1, 1, "2")]


def test_more_than_is_expected_or_something_else_is_refused_and_nothing_is_booked(
    taking: ReturnCalls, shop: Shop, engine: Engine
) -> None:
    tea, mug, pot = shop.items(3, units=4)
    number = taking.expected((tea, 2), (mug, 3), (tea, 1))
    taking.inspect(number, "1", found(tea, 1))
    too_many = ("InvalidRequest", {"product_id": tea.product_id, "quantity": 3, "expected": 2})
    with return_stays(engine, number, tea, mug, pot):
        for lines in (
            [found(mug, 3), found(tea, 3)],
            [found(tea, 0, 3)],
            [found(tea, 1, 1), found(mug, 1), found(tea, 1)],
        ):
            assert refused(partial(taking.inspect, number, "2", *lines)) == too_many
        stranger = ("InvalidRequest", {"product_id": pot.product_id})
        assert refused(lambda: taking.inspect(number, "2", found(tea, 1), found(pot, 0, 1))) == stranger
    # It wasn't booked, so its name is still free.
    assert taking.inspect(number, "2", found(tea, 1, 1), found(mug, 3)).status is S.INSPECTED


@pytest.mark.parametrize("end", ["goes on", "inspect", "close_short"])
def test_an_inspection_has_one_effect_and_one_meaning_even_when_its_operation_is_forgotten(
    taking: ReturnCalls, shop: Shop, engine: Engine, end: str
) -> None:
    tea, mug = shop.items(2, units=4)
    number = taking.expected((tea, 5), (mug, 5))
    lines = [found(tea, 2, 1), found(mug, 1)]
    now = taking.inspect(number, "1", *lines)
    if end == "inspect":
        now = taking.inspect(number, "2", found(tea, 2), found(mug, 4))
    elif end == "close_short":
        now = taking.close_short(number)
    others: list[list[InspectedLine]] = [
        [found(tea, 3, 1), found(mug, 1)],
        [found(tea, 1, 2), found(mug, 1)],
        [found(tea, 2, 1)],
        [found(mug, 2, 1), found(tea, 1)],
    ]

    def conflicts() -> None:
        with return_stays(engine, number, tea, mug):
            for other in others:
                assert refused(partial(taking.inspect, number, "1", *other)) == ("OperationConflict", {})

    conflicts()
    with return_stays(engine, number, tea, mug):
        assert taking.inspect(number, "1", *lines, performed_by="late shift", as_of=LATER) == now
    forget(engine, f"return-{number}/inspect/1")
    conflicts()
    before = papers(engine, number), level(engine, tea), level(engine, mug)
    # Twice, because the first brings the operation back; and with its products told in another way.
    for _ in range(2):
        assert taking.inspect(number, "1", found(mug, 1), found(tea, 1, 1), found(tea, 1), as_of=LATER) == now
    assert (papers(engine, number), level(engine, tea), level(engine, mug)) == before


def test_a_return_is_registered_once_and_has_one_meaning(taking: ReturnCalls, shop: Shop, engine: Engine) -> None:
    tea, mug = shop.items(2, units=4)
    number = taking.expected((tea, 2), (mug, 1))
    now = taking.inspect(number, "1", found(tea, 1, 1))
    others: list[Callable[[], StoredReturn]] = [
        partial(taking.register, number, (tea, 2)),
        partial(taking.register, number, (mug, 1), (tea, 2)),
        partial(taking.register, number, (tea, 3), (mug, 1)),
        partial(taking.register, number, (tea, 2), (mug, 1), warehouse_id=shop.warehouse()),
        partial(taking.register, number, (tea, 2), (mug, 1), reference_id="1043"),
    ]
    again = partial(taking.register, number, (tea, 2), (mug, 1), performed_by="bob", as_of=LATER)

    def has_one_meaning() -> None:
        for other in others:
            assert refused(other) == ("OperationConflict", {})

    with return_stays(engine, number, tea, mug):
        has_one_meaning()
        assert again() == now
    forget(engine, f"return-{number}/register")
    before = papers(engine, number)
    has_one_meaning()
    assert again() == now
    assert (papers(engine, number), now.requested_by, now.requested_at) == (before, "cleo", NOON)


def test_a_repeated_end_is_answered_as_it_ended(taking: ReturnCalls, shop: Shop, engine: Engine) -> None:
    item = shop.item(2)
    number = taking.expected((item, 5))
    ended = taking.close_short(number, operation="1")
    with return_stays(engine, number, item):
        assert taking.close_short(number, as_of=LATER, operation="1") == ended
        assert refused(lambda: taking.close_short(number, "another reason", operation="1")) == ("OperationConflict", {})


def test_a_return_of_what_is_not_there_is_refused(taking: ReturnCalls, shop: Shop, engine: Engine) -> None:
    item, far = shop.item(2), 2**62
    with nothing_is_stored(engine):
        nowhere = partial(taking.register, new_reference("r"), (item, 1), warehouse_id=far)
        assert refused(nowhere) == ("UnknownWarehouse", {"warehouse_ids": [far]})
        nothing = partial(taking.register, new_reference("r"), (item, 1), (item._replace(product_id=far), 1))
        assert refused(nothing) == ("UnknownProduct", {"product_ids": [far]})


def test_the_latest_hundred_inspections_are_shown_in_the_order_in_which_they_came(
    taking: ReturnCalls, shop: Shop
) -> None:
    item = shop.item(0)
    number = taking.expected((item, RECEIPTS_SHOWN + 2))
    # Names that sort otherwise than they come.
    names = [str(RECEIPTS_SHOWN - count) for count in range(RECEIPTS_SHOWN + 1)]
    for place, name in enumerate(names):
        shown = taking.inspect(number, name, found(item, place % 2, 1 - place % 2), as_of=NOON + place * MINUTE)
    assert _booked(shown) == [(name, place % 2, 1 - place % 2) for place, name in enumerate(names)][1:]


def _meet(engine: Engine, number: str, *calls: Callable[[], StoredReturn]) -> list[tuple[str | None, Any]]:
    """The calls reach the return's row one after the other while somebody else has it."""
    return meet(engine, "returns WHERE return_number = :number", calls, in_turn=True, number=number)


def test_of_two_inspections_of_the_last_unit_at_once_one_is_booked(
    taking: ReturnCalls, shop: Shop, engine: Engine
) -> None:
    tea, mug = shop.items(2, units=4)
    # Of the first return a mug is still expected, so that the second inspection is too many; of the other nothing is.
    open_still, ended = taking.expected((tea, 1), (mug, 1)), taking.expected((tea, 1))
    numbers = {"product_id": tea.product_id, "quantity": 1, "expected": 0}
    for number, status, refusal in (
        (open_still, S.EXPECTED, ("InvalidRequest", numbers)),
        (ended, S.INSPECTED, ("InvalidState", {"status": "INSPECTED", "command": "inspect"})),
    ):
        calls = [partial(taking.inspect, number, name, found(tea, 1)) for name in ("1", "2")]
        assert _meet(engine, number, *calls) == [(status, None), refusal]
        assert len(movements(engine, number)) == 1
    assert level(engine, tea) == (6, 0)


def test_of_an_inspection_and_closing_short_at_once_the_first_decides_what_the_second_means(
    taking: ReturnCalls, shop: Shop, engine: Engine
) -> None:
    item = shop.item(4)
    came, gone = taking.expected((item, 2)), taking.expected((item, 2))
    inspecting = [partial(taking.inspect, number, "1", found(item, 1)) for number in (came, gone)]
    closing = [partial(taking.close_short, number) for number in (came, gone)]
    assert _meet(engine, came, inspecting[0], closing[0]) == [(S.EXPECTED, None), (S.INSPECTED, None)]
    too_late = ("InvalidState", {"status": "CANCELLED", "command": "inspect"})
    assert _meet(engine, gone, closing[1], inspecting[1]) == [(S.CANCELLED, None), too_late]
    assert (level(engine, item), movements(engine, gone)) == ((5, 0), [])


Found = dict[int, tuple[int, int]]
"""What an inspection finds of each product: units to restock, and units to scrap."""
_FOUND = st.dictionaries(st.integers(0, 1), st.tuples(st.integers(0, 3), st.integers(0, 2)).filter(any), min_size=1)
_WISH = st.lists(st.tuples(st.integers(0, 1), st.integers(1, 4)), min_size=1, max_size=4)
_INSPECTIONS = st.lists(st.tuples(st.sampled_from("abcd"), _FOUND), min_size=2, max_size=10)


class Model:
    """What has become of a return by the rules, told one unit at a time."""

    def __init__(self, lines: list[tuple[int, int]]) -> None:
        self.products = [product for product, _ in lines]
        self.lines = [Units(units) for _, units in lines]
        self.status = "EXPECTED"
        self.on_hand = [0, 0]
        self.inspections: dict[str, Found] = {}

    def inspect(self, name: str, came: Found) -> str:
        """What the answer has to be."""
        if name in self.inspections:
            return self.status if self.inspections[name] == came else "OperationConflict"
        if self.status != "EXPECTED":
            return "InvalidState"
        if any(sum(units) > len(self.places(product)) for product, units in came.items()):
            return "InvalidRequest"
        self.inspections[name] = came
        for product, (fit, scrapped) in came.items():
            self.on_hand[product] += fit
            for unit in range(fit + scrapped):
                place = self.places(product)[0]
                line = self.lines[place]
                self.lines[place] = line._replace(
                    restocked=line.restocked + (unit < fit), scrapped=line.scrapped + (unit >= fit)
                )
        self.status = "EXPECTED" if self.places(0) or self.places(1) else "INSPECTED"
        return self.status

    def close_short(self) -> str:
        """The same."""
        if self.status != "EXPECTED":
            return "InvalidState"
        self.status = "INSPECTED" if self.inspections else "CANCELLED"
        return self.status

    def places(self, product: int) -> list[int]:
        """For each unit of it that is expected the line that it is expected on."""
        return [
            place
            for place, line in enumerate(self.lines)
            if self.products[place] == product
            for _ in range(line.quantity - line.restocked - line.scrapped)
        ]


def test_units_are_conserved_whatever_is_asked_for(database: Database, shop: Shop, engine: Engine) -> None:
    taking = ReturnCalls(database)
    ends = Counter[str]()

    @settings(max_examples=15, phases=[Phase.generate])
    @given(wish=_WISH, inspections=_INSPECTIONS, closing=st.integers(0, 12))
    def whatever_is_asked_for(wish: list[tuple[int, int]], inspections: list[tuple[str, Found]], closing: int) -> None:
        items, model = shop.items(2, units=0), Model(wish)
        lines = [(items[product], units) for product, units in wish]
        number = taking.expected(*lines)
        for place, (name, came) in enumerate(inspections):
            if place == closing:
                assert outcome(partial(taking.close_short, number))[0] == model.close_short()
            told = [found(items[product], *units) for product, units in came.items()]
            assert outcome(partial(taking.inspect, number, name, *told))[0] == model.inspect(name, came)
            now = taking.register(number, *lines)
            assert (now.status, lines_of(now)) == (model.status, model.lines)
            assert [level(engine, item)[0] for item in items] == model.on_hand
        ends[model.status] += 1

    whatever_is_asked_for()
    assert set(ends) == {"EXPECTED", "INSPECTED", "CANCELLED"}
