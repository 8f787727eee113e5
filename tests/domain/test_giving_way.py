"""Which holds give way where less is there than was promised: the rule by itself."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stockkeeper.domain.reservation import HeldLine, ItemHold, ReservationStatus, giving_way
from stockkeeper.domain.stock import ItemKey

TEA = ItemKey(1, 10)
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
LATER = NOON + timedelta(minutes=30)
A_MICROSECOND = timedelta(microseconds=1)


def hold(name: str, *units: int, until: datetime | None = LATER, shipped: int = 0) -> ItemHold:
    """What an order holds of tea, on a line for each number of units; some of the first line's have left."""
    lines = [
        HeldLine(number, TEA, quantity, 0 if number else shipped, ReservationStatus.ACTIVE, until)
        for number, quantity in enumerate(units)
    ]
    return ItemHold("ORDER", name, f"reservation-{name}", lines)


def names(holds: list[ItemHold]) -> list[str]:
    return [each.reference_id for each in holds]


IN_TURN = [hold("first", 5), hold("second", 3), hold("third", 4)]


@pytest.mark.parametrize(
    ("units", "ended"),
    [
        (-1, []),
        (0, []),
        (1, ["third"]),
        (4, ["third"]),
        (5, ["third", "second"]),
        (7, ["third", "second"]),
        (8, ["third", "second", "first"]),
        (12, ["third", "second", "first"]),
        (13, ["third", "second", "first"]),
    ],
)
def test_the_latest_give_way_first_and_whole(units: int, ended: list[str]) -> None:
    assert names(giving_way(IN_TURN, units, NOON)) == ended


def test_nobody_gives_way_where_nobody_holds_anything() -> None:
    assert giving_way([], 3, NOON) == []


def test_what_is_overdue_gives_way_before_everybody_else_and_the_oldest_of_it_first() -> None:
    held = [hold("fresh", 9), hold("over", 2, until=NOON), hold("long over", 3, until=NOON), hold("latest", 9)]
    assert names(giving_way(held, 2, NOON)) == ["over"]
    assert names(giving_way(held, 5, NOON)) == ["over", "long over"]
    assert names(giving_way(held, 6, NOON)) == ["over", "long over", "latest"]
    assert names(giving_way(held, 15, NOON)) == ["over", "long over", "latest", "fresh"]


def test_a_hold_is_overdue_at_exactly_its_deadline() -> None:
    held = [hold("first", 5, until=NOON), hold("second", 5)]
    assert names(giving_way(held, 1, NOON - A_MICROSECOND)) == ["second"]
    assert names(giving_way(held, 1, NOON)) == ["first"]


def test_a_transfers_hold_has_no_deadline_and_gives_way_like_any_other() -> None:
    held = [hold("order", 5), hold("transfer", 5, until=None), hold("another", 5)]
    assert names(giving_way(held, 6, datetime.max.replace(tzinfo=UTC))) == ["order", "another"]
    assert names(giving_way(held, 6, NOON)) == ["another", "transfer"]


def test_the_lines_of_one_order_give_way_together() -> None:
    held = [hold("first", 4), hold("two lines", 2, 3), hold("latest", 1)]
    assert [each.quantity_open for each in held] == [4, 5, 1]
    assert giving_way(held, 2, NOON) == [held[2], held[1]]
    assert giving_way(held, 6, NOON) == [held[2], held[1]]
    assert giving_way(held, 7, NOON) == [held[2], held[1], held[0]]


def test_what_has_left_already_frees_nothing() -> None:
    held = [hold("first", 4), hold("in parts", 5, 2, shipped=3)]
    assert held[1].quantity_open == 4
    assert names(giving_way(held, 4, NOON)) == ["in parts"]
    assert names(giving_way(held, 5, NOON)) == ["in parts", "first"]


_HELD = st.lists(
    st.tuples(st.lists(st.integers(1, 9), min_size=1, max_size=3), st.sampled_from([NOON, LATER, None])), max_size=8
).map(lambda each: [hold(str(number), *units, until=until) for number, (units, until) in enumerate(each)])


@given(_HELD, st.integers(0, 60))
def test_what_stays_promised_is_there_and_nobody_has_given_way_who_need_not(held: list[ItemHold], there: int) -> None:
    promised = sum(each.quantity_open for each in held)
    ended = giving_way(held, promised - there, NOON)
    assert promised - sum(each.quantity_open for each in ended) <= there
    # Without the last of them it would not have been enough, so none could have been spared at the end of the line.
    assert not ended or promised - sum(each.quantity_open for each in ended[:-1]) > there
    # And the line is this one, whatever the numbers.
    line = [each for each in held if each.is_overdue(NOON)]
    line += [each for each in held[::-1] if not each.is_overdue(NOON)]
    assert ended == line[: len(ended)]
