"""What a chart shows of an item, to the unit and the instant; how that is drawn is looked at by people."""

import itertools
from datetime import UTC, datetime, timedelta
from pathlib import Path
from xml.etree import ElementTree as ET

import matplotlib.image
import pytest

from starter.cli.chart_picture import draw as draw_picture
from starter.cli.chart_series import Period, Receipt, Series, labels_of, round_instants, round_units, series_of
from starter.cli.chart_text import draw
from starter.cli.stock_chart import described, in_words
from stockkeeper.contracts.ledger import Course, CoursePoint

SINCE = datetime(2026, 6, 1, tzinfo=UTC)
A_DAY = timedelta(days=1)


def day(number: float) -> datetime:
    return SINCE + number * A_DAY


def point(
    number: int,
    on_hand: int,
    lowest: int | None = None,
    *,
    reserved: int = 0,
    reorder_point: int | None = None,
    received: int = 0,
    never: bool = False,
) -> CoursePoint:
    """The end of a day; lowest within it is what was left at its end, unless told otherwise."""
    return CoursePoint(
        at=day(number),
        on_hand=on_hand,
        lowest=None if never else on_hand if lowest is None else lowest,
        reserved=reserved,
        reorder_point=reorder_point,
        received=received,
        left=0,
    )


def series(*points: CoursePoint) -> Series:
    """Of as many days as there are points."""
    course = Course(sku="TEA", name="Assam", warehouse="Hamburg", points=list(points))
    return series_of(course, SINCE, day(len(points)))


def test_an_item_begins_with_its_first_movement_and_has_not_run_out_before() -> None:
    seen = series(point(1, 0, never=True), point(2, 40, received=40), point(3, 38))
    assert [each.at for each in seen.points] == [day(2), day(3)]
    assert (seen.title, seen.since, seen.until) == ("TEA (Assam) in Hamburg", SINCE, day(3))
    assert (seen.receipts, seen.stockouts, seen.most) == ([Receipt(day(2), 40, 40)], [], 40)


def test_what_only_repeats_the_point_before_is_left_out() -> None:
    seen = series(
        point(1, 9, reserved=2, reorder_point=3),
        point(2, 9, reserved=2, reorder_point=3),
        point(3, 9, reserved=1, reorder_point=3),
        point(4, 9, reserved=1, reorder_point=4),
        point(5, 9, 0, reserved=1, reorder_point=4),
        point(6, 9, reserved=1, reorder_point=4),
        point(7, 9, reserved=1, reorder_point=4, received=9),
        point(8, 0, reserved=1, reorder_point=4),
    )
    assert [each.at for each in seen.points] == [day(number) for number in (1, 3, 4, 5, 7, 8)]


def test_nothing_is_seen_of_what_never_was_there() -> None:
    seen = series(point(1, 0, never=True), point(2, 0, never=True))
    assert (seen.points, seen.receipts, seen.stockouts, seen.below, seen.most) == ([], [], [], [], 1)


def test_it_is_out_of_stock_until_something_comes_or_until_the_end() -> None:
    seen = series(
        point(1, 5), point(2, 0), point(3, 0), point(4, 30, 0, received=30), point(5, 30), point(6, 0), point(7, 0)
    )
    assert seen.stockouts == [Period(day(2), day(4)), Period(day(6), day(7))]
    assert [each.length for each in seen.stockouts] == [2 * A_DAY, A_DAY]
    assert list(described(seen)) == [
        "on hand 0 at the end, 30 at the most, 0 at the least",
        "received 30",
        "[red]out of stock[/red] 2 times, 3 days in all: 2026-06-03 to 2026-06-05, 2026-06-07 to 2026-06-08",
    ]


def test_it_may_be_out_of_stock_for_a_moment() -> None:
    seen = series(point(1, 5), point(2, 20, 0, received=20), point(3, 7, 3))
    assert seen.stockouts == [Period(day(2), day(2))]
    assert list(described(seen))[-1] == "[red]out of stock[/red] less than a minute: 2026-06-03 00:00"
    at_first = series(point(1, 5, 0), point(2, 5))
    assert at_first.stockouts == [Period(day(1), day(1))]


def test_many_stockouts_are_told_of_as_the_first_ones_and_how_many_more() -> None:
    points = [point(number, number % 2) for number in range(1, 16)]
    *_, said = described(series(*points))
    listed = ", ".join(f"{day(number):%Y-%m-%d} to {day(number + 1):%Y-%m-%d}" for number in (2, 4, 6, 8, 10))
    assert said == f"[red]out of stock[/red] 7 times, 7 days in all: {listed}, and 2 more"


def test_below_its_point_is_what_is_available_and_not_what_is_on_hand() -> None:
    seen = series(
        point(1, 50),
        point(2, 50, reorder_point=40),
        point(3, 50, reserved=10, reorder_point=40),
        point(4, 50, reserved=11, reorder_point=40),
        point(5, 39, reorder_point=40),
        point(6, 39),
        point(7, 39, reorder_point=60),
    )
    assert seen.below == [Period(day(4), day(6)), Period(day(7), day(7))]
    assert (seen.most, list(described(seen))[-1]) == (60, "below its reorder point 2 times, 2 days in all")


@pytest.mark.parametrize(
    ("most", "ticks", "expected"),
    [
        (1, 6, [0, 1]),
        (4, 6, [0, 1, 2, 3, 4]),
        (5, 6, [0, 1, 2, 3, 4, 5]),
        (6, 6, [0, 2, 4, 6]),
        (394, 6, [0, 100, 200, 300, 400]),
        (1_000, 6, [0, 200, 400, 600, 800, 1_000]),
        (1_001, 6, [0, 500, 1_000, 1_500]),
        (10**9, 3, [0, 500_000_000, 10**9]),
    ],
)
def test_units_are_marked_by_round_numbers_up_to_the_most(most: int, ticks: int, expected: list[int]) -> None:
    assert round_units(most, ticks) == expected


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        (0.0025, ["12:05", "12:06", "12:07", "12:08"]),
        (2 / 24, ["12:30", "13:00", "13:30", "14:00"]),
        (1, ["18:00", "2026-06-04", "06:00", "12:00"]),
        (6, ["2026-06-05", "2026-06-07", "2026-06-09"]),
        (20, ["2026-06-08", "2026-06-15", "2026-06-22"]),
        (90, ["2026-07-01", "2026-08-01", "2026-09-01"]),
        (400, ["2026-07-01", "2026-10-01", "2027-01-01", "2027-04-01", "2027-07-01"]),
        (3_650, ["2028-01-01", "2030-01-01", "2032-01-01", "2034-01-01", "2036-01-01"]),
    ],
)
def test_the_time_is_marked_by_round_instants(days: float, expected: list[str]) -> None:
    since = datetime(2026, 6, 3, 12, 4, 30, tzinfo=UTC)
    instants = round_instants(since, since + days * A_DAY, 5)
    assert labels_of(instants) == expected
    assert all(since <= at <= since + days * A_DAY for at in instants)


@pytest.mark.parametrize("ticks", [1, 2, 6, 15])
@pytest.mark.parametrize("days", [0.01, 0.3, 2, 9, 33, 100, 1_000, 36_500])
def test_there_are_never_more_marks_than_have_room(days: float, ticks: int) -> None:
    instants = round_instants(SINCE, SINCE + days * A_DAY, ticks)
    assert 0 < len(instants) <= ticks
    assert all(earlier < later for earlier, later in itertools.pairwise(instants))


def test_a_length_of_time_is_told_in_the_unit_that_suits_it() -> None:
    lengths = [timedelta(), timedelta(minutes=1), timedelta(hours=1.5), timedelta(hours=24), timedelta(days=10.44)]
    assert [in_words(each) for each in lengths] == ["less than a minute", "1 minute", "1.5 hours", "1 day", "10.4 days"]


def test_a_terminal_shows_levels_and_under_them_what_came_and_when_it_ran_out() -> None:
    seen = series(
        point(1, 8, reorder_point=5),
        point(2, 4, reserved=2, reorder_point=5),
        point(3, 0, reorder_point=5),
        point(4, 9, 0, received=9, reorder_point=5),
        point(5, 9, reorder_point=5),
    )
    drawn = draw(seen, width=54, height=11).plain
    *rows, axis, dates, received, below, out, legend = drawn.splitlines()
    assert [row[:14] for row in rows] == [
        "          10 ┤",
        "             │",
        "           8 ┤",
        "             │",
        "           6 ┤",
        "             │",
        "           4 ┤",
        "             │",
        "           2 ┤",
        "             │",
        "           0 ┤",
    ]
    assert {len(row) for row in rows} == {54}
    assert [axis, dates, received.rstrip(), below.rstrip(), out.rstrip(), legend] == [
        "             └┬───────────────┬──────────────┬────────",
        "              2026-06-01 2026-06-03     2026-06-05",
        "    received                                 ▲9",
        " below point                  ────────────────",
        "out of stock                         ━━━━━━━━━",
        "              ⠒⠒⠒ on hand   ⠤⠒⠤ reserved   ⠒⠒ ⠒⠒ reorder point",
    ]


def test_a_terminal_shows_only_what_there_is() -> None:
    drawn = draw(series(point(1, 8), point(2, 7)), width=40, height=9).plain
    assert drawn.splitlines()[-1].strip() == "⠒⠒⠒ on hand"
    assert not any(lane in drawn for lane in ("received", "below", "out of stock"))


def test_units_that_have_no_room_beside_their_mark_are_left_out() -> None:
    points = [point(1, 100), point(2, 1_300, received=1_200), point(3, 1_400, received=100), point(60, 0)]
    drawn = draw(series(*points, *(point(number, 0) for number in range(61, 70))), width=80, height=9).plain
    [lane] = [line for line in drawn.splitlines() if line.startswith("    received")]
    assert lane.split() == ["received", "▲", "▲100"]


@pytest.mark.parametrize("kind", ["svg", "png"])
def test_a_picture_has_the_same_in_it_and_is_the_same_each_time(kind: str, tmp_path: Path) -> None:
    seen = series(
        point(1, 0, never=True),
        point(2, 4_000, reserved=200, received=4_000),
        point(3, 0, reorder_point=500),
        point(4, 300, 0, received=300, reorder_point=500),
    )
    pictures = [tmp_path / "1", tmp_path / "2"]
    for picture in pictures:
        draw_picture(seen, picture, kind)
    first, second = [picture.read_bytes() for picture in pictures]
    assert first == second
    if kind == "png":
        assert matplotlib.image.imread(pictures[0], format="png").shape == (550, 1210, 4)
        return
    elements = ET.fromstring(first).iter()  # noqa: S314 - it is our own
    written = {element.text for element in elements if element.tag.endswith("}text")}
    assert {"TEA (Assam) in Hamburg", "units", "UTC", "2026-06-01", "2026-06-05", "+4,000", "+300"} <= written
    assert {"0", "1,000", "2,000", "3,000", "4,000"} <= written
    lines = {"on hand", "reserved", "reorder point", "below the reorder point", "out of stock", "received"}
    assert lines <= written


def test_a_picture_has_only_what_there_is(tmp_path: Path) -> None:
    draw_picture(series(point(1, 8), point(2, 7)), tmp_path / "picture", "svg")
    svg = (tmp_path / "picture").read_text()
    assert ">on hand<" in svg
    assert not any(f">{name}<" in svg for name in ("reserved", "reorder point", "out of stock", "received"))
