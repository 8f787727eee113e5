"""What a count may do: how far it may be off, who counts and approves, and why it was off."""

import itertools
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from stockkeeper.domain.cycle_count import (
    MOST_LINES,
    CountEntry,
    CountLine,
    CountStatus,
    CycleCount,
    Recorded,
    RootCause,
    Tolerance,
    cause_of,
    status_of,
)
from stockkeeper.domain.errors import InvalidRequest, InvalidState, NotPermitted
from stockkeeper.domain.lot import LotFacts
from tests.support.refusals import refusal_of

S = CountStatus
TEA, MUG = 10, 20
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
A_MICROSECOND = timedelta(microseconds=1)


def entry(
    counted_by: str = "ann",
    counted: int = 5,
    system: int = 10,
    root_cause: RootCause | None = None,
    counted_at: datetime = NOON,
) -> CountEntry:
    return CountEntry(counted_by, counted, system, root_cause, counted_at)


def line(*entries: CountEntry, status: CountStatus | None = None, product_id: int = TEA) -> CountLine:
    """To be counted if nobody has counted it, in REVIEW if somebody has, unless told otherwise."""
    return CountLine(product_id, status or (S.REVIEW if entries else S.COUNTING), entries)


def count(*lines: CountLine, units: int = 1, percent: str = "1") -> CycleCount:
    return CycleCount(1, "CC-1", 2, Tolerance(units, Decimal(percent)), lines)


# Statuses.


@pytest.mark.parametrize("statuses", [some for number in range(1, 5) for some in itertools.combinations(S, number)])
def test_a_count_is_open_while_a_line_is_and_posted_only_if_nothing_was_given_up(
    statuses: tuple[CountStatus, ...],
) -> None:
    whole = next(status for status in (S.COUNTING, S.REVIEW, S.CANCELLED, S.POSTED) if status in statuses)
    assert {status_of(order) for order in itertools.permutations(statuses)} == {whole}
    assert count(*(line(status=status) for status in statuses)).status is whole


@pytest.mark.parametrize("ended", [S.POSTED, S.CANCELLED])
def test_what_has_ended_cannot_be_given_up(ended: CountStatus) -> None:
    with pytest.raises(InvalidState, match=f"^{refusal_of('count', 'CC-1', ended, 'cancel')}$") as caught:
        count(line(status=ended), line(status=S.POSTED)).require_open()
    assert caught.value.details == {"status": ended.value, "command": "cancel"}
    for still_open in (S.COUNTING, S.REVIEW):
        count(line(status=ended), line(status=still_open)).require_open()


def test_a_line_is_found_by_its_product() -> None:
    tea, mug = line(), line(product_id=MUG)
    assert count(tea, mug).line(MUG) is mug
    with pytest.raises(InvalidRequest, match=r"^product 30 isn't on count CC-1$") as caught:
        count(tea, mug).line(30)
    assert caught.value.details == {"product_id": 30}


# Lots.


def of_lot(number: str, *entries: CountEntry, status: CountStatus | None = None) -> CountLine:
    return replace(line(*entries, status=status), lot=LotFacts(number))


def test_a_line_of_a_lot_is_found_by_both() -> None:
    first, second, mug = of_lot("L-1"), of_lot("L-2"), line(product_id=MUG)
    counting = count(first, second, mug)
    assert (counting.line(TEA, "L-2"), counting.line(MUG)) == (second, mug)
    assert counting.line_of_lot(TEA, "L-3") is None
    with pytest.raises(InvalidRequest, match=r"^lot L-3 of product 10 isn't on count CC-1$"):
        counting.line(TEA, "L-3")
    with pytest.raises(InvalidRequest, match=r"^product 30 isn't on count CC-1$"):
        counting.line_of_lot(30, "L-1")


def test_a_lot_that_is_found_takes_the_line_without_one_while_that_is_to_be_counted() -> None:
    mug = line(product_id=MUG)
    found = LotFacts("L-1", date(2027, 3, 31))
    counting, first, taken = count(line(), mug).find_lot(TEA, found)
    assert (first, taken) == (CountLine(TEA, S.COUNTING, [], lot=found), line())
    assert counting.lines == [first, mug]
    counting, second, taken = counting.find_lot(TEA, LotFacts("L-2"))
    assert (counting.lines, taken) == ([first, mug, second], None)
    # That there was none has been said already.
    said = line(status=S.POSTED)
    counting, first, taken = count(said, mug).find_lot(TEA, found)
    assert (counting.lines, taken) == ([said, mug, first], None)


def test_no_lot_is_added_to_a_count_that_has_ended_or_is_full_nor_one_that_differs_by_case() -> None:
    for ended in (S.POSTED, S.CANCELLED):
        with pytest.raises(InvalidState) as caught:
            count(of_lot("L-1", status=ended)).find_lot(TEA, LotFacts("L-2"))
        assert caught.value.details == {"status": ended.value, "command": "record"}
    with pytest.raises(InvalidRequest, match="differs from l-1 by upper and lower case alone"):
        count(of_lot("L-1")).find_lot(TEA, LotFacts("l-1"))
    full = count(*(of_lot(f"L-{number}") for number in range(MOST_LINES)))
    with pytest.raises(InvalidRequest, match="has 2000 lines and gets no more"):
        full.find_lot(TEA, LotFacts("new"))


def test_that_nothing_is_there_is_not_said_of_a_product_with_lots() -> None:
    count(line(), of_lot("L-1")).require_none_there(MUG, 0)
    for counting, on_hand in ((count(line()), 1), (count(of_lot("L-1")), 0)):
        with pytest.raises(InvalidRequest, match="product 10 has lots: name each that was counted"):
            counting.require_none_there(TEA, on_hand)


def test_each_lot_needs_another_person_for_itself() -> None:
    first, second = of_lot("L-1", entry("ann")), of_lot("L-2")
    counting = count(first, second)
    assert counting.record(second, entry("ann")).status is S.REVIEW
    with pytest.raises(NotPermitted, match=r"^lot L-1 of product 10 of count CC-1 was counted by ann; another person"):
        counting.record(first, entry("ann"))


# Tolerance.


@pytest.mark.parametrize(
    ("units", "percent", "system", "most"),
    [
        (0, "0", 1_000, 0),
        (1, "0", 1_000, 1),
        (7, "0", 0, 7),
        # The wider of the two counts.
        (1, "1", 99, 1),
        (1, "1", 100, 1),
        (1, "1", 199, 1),
        (1, "1", 200, 2),
        (2, "1", 200, 2),
        (3, "1", 200, 3),
        # Of nothing, a percentage is nothing.
        (0, "100", 0, 0),
        (0, "100", 3, 3),
        (0, "0.001", 99_999, 0),
        (0, "0.001", 100_000, 1),
        # Exact, where 0.1 + 0.2 isn't 0.3: as floats, 29 % of 100 are less than 29.
        (0, "29", 100, 29),
        (0, "0.3", 1_000, 3),
        (0, "33.333", 300, 99),
        (0, "33.334", 300, 100),
        (0, "33.333", 9_007_199_254_740_993, 3_002_369_727_582_815),
        (0, "100", 9_007_199_254_740_993, 9_007_199_254_740_993),
    ],
)
def test_a_count_may_be_off_by_so_much_and_no_unit_more(units: int, percent: str, system: int, most: int) -> None:
    tolerance = Tolerance(units, Decimal(percent))
    assert tolerance.allows(system + most, system)
    assert not tolerance.allows(system + most + 1, system)
    assert tolerance.allows(max(system - most, 0), system)
    assert system - most - 1 < 0 or not tolerance.allows(system - most - 1, system)


# Counting.


@pytest.mark.parametrize(
    ("counted", "status"),
    [(7, S.REVIEW), (8, S.POSTED), (9, S.POSTED), (10, S.POSTED), (12, S.POSTED), (13, S.REVIEW), (0, S.REVIEW)],
)
def test_a_first_count_is_posted_within_tolerance_and_in_doubt_beyond(counted: int, status: CountStatus) -> None:
    tea, ann = line(), entry(counted=counted)
    within = status is S.POSTED
    assert count(tea, units=2).record(tea, ann) == Recorded(status, ann, within)


@pytest.mark.parametrize(
    ("counted", "within"), [(10, True), (9, True), (5, False), (4, False), (0, False), (900, False)]
)
def test_a_second_count_by_somebody_else_is_posted_whatever_it_says(counted: int, within: bool) -> None:
    tea, bob = line(entry()), entry("bob", counted=counted)
    assert count(tea).record(tea, bob) == Recorded(S.POSTED, bob, within)


@pytest.mark.parametrize("person", ["ann", "Ann", "ANN"])
@pytest.mark.parametrize("counted", [5, 10])
def test_nobody_counts_the_same_product_twice(person: str, counted: int) -> None:
    tea = line(entry("ann"))
    message = f"^product 10 of count CC-1 was counted by {person}; another person has to count it again$"
    with pytest.raises(NotPermitted, match=message):
        count(tea).record(tea, entry(person, counted=counted))


@pytest.mark.parametrize("status", [S.POSTED, S.CANCELLED])
def test_what_is_posted_or_given_up_is_not_counted(status: CountStatus) -> None:
    # The status is what is said, even to somebody who has counted it.
    for person in ("ann", "bob"):
        tea = line(entry("ann"), status=status)
        with pytest.raises(
            InvalidState, match=f"^product 10 of {refusal_of('count', 'CC-1', status, 'record')}$"
        ) as caught:
            count(tea).record(tea, entry(person))
        assert caught.value.details == {"status": status.value, "command": "record"}


@pytest.mark.parametrize(
    ("status", "person", "counted", "same"),
    [
        (S.POSTED, "bob", 4, True),
        (S.POSTED, "Bob", 4, True),
        (S.POSTED, "bob", 5, False),
        # Ann's was the first count: another one is in the books.
        (S.POSTED, "ann", 5, False),
        (S.POSTED, "cid", 4, False),
        (S.REVIEW, "bob", 4, False),
        (S.CANCELLED, "bob", 4, False),
    ],
)
def test_what_is_sent_again_is_what_was_posted_if_person_and_units_are(
    status: CountStatus, person: str, counted: int, same: bool
) -> None:
    counted_twice = line(entry("ann"), entry("bob", counted=4), status=status)
    assert counted_twice.was_recorded(person, counted) is same


def test_nothing_was_recorded_of_what_nobody_has_counted() -> None:
    assert not line().was_recorded("ann", 5)


# Approving.


def test_somebody_who_has_not_counted_it_approves_the_count_as_it_was() -> None:
    tea = line(entry("ann"))
    assert count(tea).approve(tea, "cid", None, 0) is tea.entries[-1]


@pytest.mark.parametrize("person", ["ann", "Ann"])
def test_nobody_approves_their_own_count(person: str) -> None:
    tea = line(entry("ann"))
    message = f"^product 10 of count CC-1 was counted by {person}; another person has to approve it$"
    with pytest.raises(NotPermitted, match=message):
        count(tea).approve(tea, person, None, 0)


@pytest.mark.parametrize("status", [S.COUNTING, S.POSTED, S.CANCELLED])
def test_only_what_is_beyond_tolerance_is_approved(status: CountStatus) -> None:
    tea = line(*([] if status is S.COUNTING else [entry("ann")]), status=status)
    with pytest.raises(InvalidState) as caught:
        count(tea).approve(tea, "ann", None, 0)
    assert caught.value.details == {"status": status.value, "command": "approve_variance"}


def test_what_another_list_may_have_put_right_since_is_not_put_right_again() -> None:
    tea = line(entry(counted_at=NOON))
    for before in (NOON - timedelta(days=9), NOON):
        assert count(tea).approve(tea, "cid", before, 0) is tea.entries[-1]
    message = r"^product 10 of count CC-1 has been corrected since it was counted; it has to be counted again$"
    for posted_at, correction in ((NOON + A_MICROSECOND, 0), (None, 7)):
        with pytest.raises(InvalidState, match=message) as caught:
            count(tea).approve(tea, "cid", posted_at, correction)
        assert caught.value.details == {"status": "REVIEW", "command": "approve_variance"}


# Root causes.


@pytest.mark.parametrize(
    ("first", "second", "kept"),
    [
        (None, None, None),
        (RootCause.THEFT, None, RootCause.THEFT),
        (None, RootCause.DAMAGE, RootCause.DAMAGE),
        (RootCause.THEFT, RootCause.DAMAGE, RootCause.DAMAGE),
    ],
)
def test_a_second_count_knows_what_the_first_knew_unless_it_knows_better(
    first: RootCause | None, second: RootCause | None, kept: RootCause | None
) -> None:
    tea = line(entry(root_cause=first))
    assert count(tea).record(tea, entry("bob", root_cause=second)).entry == entry("bob", root_cause=kept)


@pytest.mark.parametrize(
    ("counted", "noted", "said", "cause"),
    [
        (10, None, None, None),
        (10, RootCause.DAMAGE, RootCause.THEFT, None),
        (9, None, None, RootCause.UNEXPLAINED),
        (11, None, None, RootCause.UNEXPLAINED),
        (9, RootCause.DAMAGE, None, RootCause.DAMAGE),
        (9, None, RootCause.THEFT, RootCause.THEFT),
        (9, RootCause.DAMAGE, RootCause.THEFT, RootCause.THEFT),
        (9, RootCause.DAMAGE, RootCause.UNEXPLAINED, RootCause.UNEXPLAINED),
    ],
)
def test_a_root_cause_is_kept_where_something_was_off(
    counted: int, noted: RootCause | None, said: RootCause | None, cause: RootCause | None
) -> None:
    assert cause_of(entry(counted=counted, root_cause=noted), said) is cause


@pytest.mark.parametrize(("counted", "system", "delta"), [(5, 10, -5), (10, 5, 5), (0, 0, 0), (0, 7, -7)])
def test_the_books_change_by_what_was_counted_less_what_they_had(counted: int, system: int, delta: int) -> None:
    assert entry(counted=counted, system=system).delta == delta
