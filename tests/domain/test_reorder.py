"""Whether an item has to be ordered, how much of it, and what is said about it."""

import itertools
from datetime import date

import pytest

from stockkeeper.domain.reorder import OpenOrder, PlannedNumbers, Position, quantity_for, reason_for
from stockkeeper.domain.replenishment import MOST_UNITS, Terms

MOST_STORED = 2**63 - 1
PLANNED = PlannedNumbers(
    days=90,
    daily_mean=50,
    daily_deviation=10,
    lead_time_days=7,
    lead_time_deviation_days=None,
    service_level=0.95,
    safety_stock=43.51873,
    economic_order_quantity=427.2002,
    reorder_point=394,
)


@pytest.mark.parametrize(
    ("position", "needed"),
    [
        (Position(394), False),
        (Position(393), True),
        (Position(0), True),
        # A tenth of the missing units matters, and less doesn't.
        (Position(0, on_order=1), True),
        (Position(0, on_order=39), True),
        (Position(0, on_order=40), False),
        (Position(384, on_order=1), False),
        (Position(383, on_order=1), True),
        (Position(0, on_order=1, in_transit=384), False),
        (Position(0, on_order=1_000), False),
        (Position(0, in_transit=393), True),
        (Position(0, in_transit=394), False),
        (Position(390, in_transit=3), True),
        (Position(390, in_transit=4), False),
        (Position(1_000, in_transit=0), False),
        (Position(394, on_order=0, in_transit=0), False),
    ],
)
def test_an_order_has_to_go_out_below_the_point_if_nothing_covers_it(position: Position, needed: bool) -> None:
    assert position.needs_order(394) is needed


EACH = range(5)


def test_over_all_positions_an_order_goes_out_where_one_is_missing_and_nowhere_else() -> None:
    needing = {
        (available, on_order, in_transit, point)
        for available, on_order, in_transit, point in itertools.product(EACH, EACH, EACH, EACH)
        if Position(available, on_order, in_transit).needs_order(point)
    }
    # With nothing on order and nothing on its way each point has its number of lower levels; with units on their way,
    # so many fewer.
    expected = {
        (available, 0, in_transit, point)
        for point in EACH
        for in_transit in range(point)
        for available in range(point - in_transit)
    }
    assert needing == expected
    assert len(expected) == 1 + 3 + 6 + 10


def test_a_position_is_all_that_is_there_and_will_be() -> None:
    assert Position(5).units == 5
    assert Position(5, on_order=20, in_transit=300).units == 325


def test_what_will_expire_is_not_counted_on() -> None:
    position = Position(110, 3, 0, to_expire=40)
    assert (position.to_sell, position.units) == (70, 73)
    assert position.needs_order(101)
    assert not position.needs_order(100)
    assert "; available 110 (40 of them will expire unsold), on order 3, in transit 0; " in reason_for(
        position, 101, Terms(), None
    )


def test_a_point_of_zero_never_asks_for_an_order() -> None:
    assert not Position(0).needs_order(0)


@pytest.mark.parametrize(
    ("planned", "quantity"), [(None, 94), (1, 94), (93, 94), (94, 94), (95, 95), (500, 500)], ids=str
)
def test_the_quantity_is_the_planned_one_and_brings_the_item_back_to_its_point(
    planned: int | None, quantity: int
) -> None:
    position = Position(available=200, in_transit=100)
    assert quantity_for(position, 394, planned, Terms()) == quantity


@pytest.mark.parametrize(("planned", "quantity"), [(1, 394), (393, 394), (394, 394), (395, 395)], ids=str)
def test_what_is_ordered_by_plan_is_no_less_than_the_point(planned: int, quantity: int) -> None:
    assert quantity_for(Position(available=393), 394, planned, Terms(), is_planned=True) == quantity


def test_the_quantity_is_what_the_supplier_sells() -> None:
    position = Position(available=393)
    assert quantity_for(position, 394, None, Terms(minimum_order_quantity=10, pack_size=12)) == 12
    assert quantity_for(position, 394, 428, Terms(minimum_order_quantity=10, pack_size=12)) == 432
    assert quantity_for(position, 394, 428, Terms(minimum_order_quantity=500, pack_size=12)) == 504


def test_the_reason_has_the_numbers_that_a_person_can_check() -> None:
    assert reason_for(Position(300), 394, Terms(100, 12), PLANNED) == (
        "point 394 = usage 50/day x lead time 7 days + safety stock 43.52 (deviation 10 over 90 days, service level "
        "0.95); available 300, on order 0, in transit 0; EOQ 427.2, minimum 100, pack 12"
    )


def test_the_reason_says_how_much_the_lead_time_varies() -> None:
    numbers = PlannedNumbers(
        days=7,
        daily_mean=0.142857,
        daily_deviation=0.377964,
        lead_time_days=12.5,
        lead_time_deviation_days=3.605551,
        service_level=0.999,
        safety_stock=4.4277,
        economic_order_quantity=0,
        reorder_point=7,
    )
    assert reason_for(Position(1, 0, 2), 7, Terms(), numbers) == (
        "point 7 = usage 0.14/day x lead time 12.5 days (deviation 3.61) + safety stock 4.43 (deviation 0.38 over "
        "7 days, service level 0.999); available 1, on order 0, in transit 2; EOQ 0, minimum 1, pack 1; "
        "no less than the point"
    )


@pytest.mark.parametrize("planned", [None, PLANNED], ids=["never planned", "planned otherwise"])
def test_the_reason_of_a_point_that_no_plan_has_set_says_so(planned: PlannedNumbers | None) -> None:
    assert reason_for(Position(300, 0, 5), 400, Terms(1, 6), planned) == (
        "point 400 (set by hand); available 300, on order 0, in transit 5; minimum 1, pack 6"
    )


@pytest.mark.parametrize("number", [float(MOST_STORED), 1.7976931348623157e308, float("inf")])
def test_a_reason_fits_on_its_line_whatever_its_numbers(number: float) -> None:
    largest = PlannedNumbers(
        days=3_660,
        daily_mean=number,
        daily_deviation=number,
        lead_time_days=999_999.999,
        lead_time_deviation_days=999_999.999,
        service_level=0.9999999999999999,
        safety_stock=number,
        economic_order_quantity=number,
        reorder_point=MOST_STORED,
    )
    position = Position(MOST_STORED - 1, MOST_STORED, MOST_STORED)
    longest = OpenOrder("P" * 200, MOST_STORED, date.max, is_in_time=False)
    told = reason_for(position, MOST_STORED, Terms(MOST_UNITS, MOST_UNITS), largest, [longest] * 1_000)
    assert told.startswith(f"point {MOST_STORED} = usage ")
    assert told.isprintable()
    # As much as a note may have.
    assert len(told) <= 500


def test_the_reason_names_the_open_orders_that_do_not_cover_the_item() -> None:
    late, small = (
        OpenOrder("PO-7", 400, date(2027, 1, 5), is_in_time=False),
        OpenOrder("PO-8", 1, None, is_in_time=True),
    )
    assert reason_for(Position(300, 1), 400, Terms(1, 6), None, [late, small, small]) == (
        "point 400 (set by hand); available 300, on order 1, in transit 0; minimum 1, pack 6; PO-7 brings 400 on "
        "2027-01-05: too late; PO-8 brings 1: too few; and 1 more"
    )
