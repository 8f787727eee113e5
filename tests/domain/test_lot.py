"""Which lots leave first, until when each may, and what a package may say of a lot that is known."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stockkeeper.domain.errors import InvalidRequest
from stockkeeper.domain.lot import (
    HeldLot,
    LotFacts,
    LotOnHand,
    LotStatus,
    LotUnits,
    Tracking,
    allocate,
    days_needed,
    in_order,
    require_lots,
    swapped,
)

TODAY = date(2026, 6, 1)
CAME = datetime(2026, 5, 1, tzinfo=UTC)


def _lot(number: str, expires_in: int | None = None, free: int = 5, came: int = 0, **other: object) -> LotOnHand:
    expires_on = None if expires_in is None else TODAY + timedelta(days=expires_in)
    lot = LotOnHand(LotFacts(number, expires_on), LotStatus.AVAILABLE, CAME + timedelta(days=came), on_hand=free)
    for name, value in other.items():
        setattr(lot, name, value)
    return lot


def _chosen(lots: Sequence[LotOnHand], units: int, days: int | None = None) -> list[tuple[str, int]]:
    return [(lot.number, taken) for lot, taken in allocate(lots, units, TODAY, days)]


def test_the_first_expired_leave_first_then_the_first_in() -> None:
    lots = [_lot("NEVER"), _lot("LATE", 9), _lot("SOON", 1), _lot("LATE-BUT-FIRST", 9, came=-1), _lot("A-LATE", 9)]
    assert [lot.number for lot in in_order(lots)] == ["SOON", "LATE-BUT-FIRST", "A-LATE", "LATE", "NEVER"]
    assert _chosen(lots, 12) == [("SOON", 5), ("LATE-BUT-FIRST", 5), ("A-LATE", 2)]


def test_best_before_counts_where_nothing_expires_and_stops_nobody() -> None:
    best = replace(_lot("BEST"), facts=LotFacts("BEST", best_before=TODAY - timedelta(days=1)))
    assert _chosen([_lot("SOON", 1), best], 6) == [("BEST", 5), ("SOON", 1)]
    assert _chosen([_lot("SOON", 1), best], 6, days=0) == [("SOON", 5)]


def test_a_lot_may_leave_through_its_last_day() -> None:
    assert [_lot("L", days).may_leave(TODAY) for days in (-1, 0, 1)] == [False, True, True]
    assert [_lot("L", 3).is_usable(TODAY, days) for days in (None, 0, 3, 4)] == [True, True, True, False]
    assert _lot("L").is_usable(TODAY, 36_500)


@pytest.mark.parametrize("status", [LotStatus.QUARANTINED, LotStatus.BLOCKED])
def test_units_that_may_not_leave_are_never_chosen(status: LotStatus) -> None:
    assert _chosen([_lot("STOPPED", 1, status=status), _lot("FREE", 9)], 7) == [("FREE", 5)]


def test_held_and_set_aside_units_are_not_free() -> None:
    assert _chosen([_lot("L", 1, reserved=2, unavailable=1)], 5) == [("L", 2)]


def test_an_order_says_itself_how_many_days_it_needs() -> None:
    assert [days_needed(*each) for each in [(None, None), (None, 3), (0, 3), (9, None)]] == [None, 3, 0, 9]


_LOTS = st.lists(
    st.builds(
        _lot,
        st.sampled_from([f"L{n}" for n in range(9)]),
        st.one_of(st.none(), st.integers(-2, 5)),
        st.integers(0, 3),
        st.integers(-1, 1),
        status=st.sampled_from(LotStatus),
    ),
    max_size=5,
    unique_by=lambda lot: lot.number,
)


@given(lots=_LOTS, units=st.integers(0, 12), days=st.one_of(st.none(), st.integers(0, 4)))
def test_allocation_is_what_trying_everything_finds(lots: list[LotOnHand], units: int, days: int | None) -> None:
    """Of all ways to take units of lots that may be promised, the one that takes most of what goes first."""
    ordered = sorted(lots, key=lambda lot: (lot.use_by, lot.came_at, lot.number))
    allowed = [
        range((lot.free if lot.status is LotStatus.AVAILABLE and _lasts(lot, days) else 0) + 1) for lot in ordered
    ]
    ways = [way for way in product(*allowed) if sum(way) <= units]
    best = max(ways, key=lambda way: (sum(way), way))
    expected = [(lot.number, taken) for lot, taken in zip(ordered, best, strict=True) if taken]
    assert _chosen(lots, units, days) == expected


def _lasts(lot: LotOnHand, days: int | None) -> bool:
    if lot.facts.expires_on is None:
        return True
    return TODAY + timedelta(days=days or 0) <= lot.facts.expires_on


def test_what_a_package_says_adds_to_what_is_known() -> None:
    day = date(2026, 7, 1)
    assert LotFacts("L", expires_on=day).agreed(LotFacts("L", made_on=TODAY), "TEA") == LotFacts("L", day, None, TODAY)


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (
            LotFacts("L", date(2026, 7, 1)),
            "lot L of TEA expires on 2026-06-30, not 2026-07-01: look at the package",
        ),
        (
            LotFacts("l"),
            "TEA has lot L, which differs from l by upper and lower case alone: write it as it is",
        ),
    ],
)
def test_a_package_may_not_say_something_else(said: LotFacts, message: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        said.agreed(LotFacts("L", date(2026, 6, 30)), "TEA")
    assert refused.value.message == message


@pytest.mark.parametrize(
    ("tracking", "lots", "message"),
    [
        (Tracking.NONE, [LotUnits("L", 2)], "TEA isn't tracked by lot: leave out lot L"),
        (Tracking.LOT, [], "TEA is tracked: name the lot number of all 2 units that are received"),
        (Tracking.LOT, [LotUnits("L", 1)], "TEA is tracked: name the lot number of all 2 units that are received"),
        (Tracking.SERIAL, [LotUnits("S", 2)], "TEA: serial number S is of one unit, not of 2"),
    ],
)
def test_lots_are_named_where_they_count(tracking: Tracking, lots: list[LotUnits], message: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        require_lots("TEA", tracking, lots, 2, what="received")
    assert refused.value.message == message


def test_lots_that_are_named_rightly_pass() -> None:
    require_lots("TEA", Tracking.NONE, [], 2, what="received")
    require_lots("TEA", Tracking.LOT, [LotUnits("A", 1), LotUnits("B", 1)], 2, what="received")
    require_lots("TEA", Tracking.SERIAL, [LotUnits("A", 1), LotUnits("B", 1)], 2, what="received")


@pytest.mark.parametrize(
    ("expires_in", "best_in", "asked", "last"),
    [
        (5, None, None, 5),
        (5, 3, None, 5),
        (None, 3, None, None),
        (None, None, None, None),
        (None, None, 2, None),
        (5, None, 2, 3),
        (5, 3, 2, 3),
        (None, 3, 2, 1),
        (5, None, 0, 5),
    ],
)
def test_the_last_day_is_the_last_on_which_a_unit_may_be_promised(
    expires_in: int | None, best_in: int | None, asked: int | None, last: int | None
) -> None:
    expires_on, best_before = (None if days is None else TODAY + timedelta(days=days) for days in (expires_in, best_in))
    lot = LotOnHand(LotFacts("L", expires_on, best_before), LotStatus.AVAILABLE, CAME, on_hand=1)
    found = lot.last_day(asked)
    assert found == (None if last is None else TODAY + timedelta(days=last))
    usable = [days for days in range(10) if lot.is_usable(TODAY + timedelta(days=days), asked)]
    assert usable == list(range(10 if last is None else last + 1))


def test_a_line_keeps_each_lot_once() -> None:
    lots = (HeldLot("A", None, 3), HeldLot("B", TODAY, 2, 1))
    changed = swapped(lots, {"A": (-3, 2), "C": (1, 0)}, {"C": TODAY})
    assert changed == (HeldLot("A", None, 0, 2), HeldLot("B", TODAY, 2, 1), HeldLot("C", TODAY, 1))
