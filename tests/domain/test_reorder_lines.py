"""The lines of a reorder run's draft: units, costs, and reasons that a person can check."""

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from stockkeeper.domain.errors import InvalidState
from stockkeeper.domain.order_quantity import PriceBreak
from stockkeeper.domain.reorder import MOST_OF_A_REASON, OpenOrder, PlannedNumbers, Position
from stockkeeper.domain.reorder_lines import DraftedLine, JointLevel, WantedLine, lines_of
from stockkeeper.domain.replenishment import Terms

PLAN = PlannedNumbers(
    days=35,
    daily_mean=50,
    daily_deviation=10,
    lead_time_days=7,
    lead_time_deviation_days=None,
    service_level=0.95,
    safety_stock=43.52,
    economic_order_quantity=1534.55,
    reorder_point=394,
)
MUGS = WantedLine(
    product_id=1,
    position=Position(60),
    point=394,
    reorder_quantity=1_536,
    unit_cost=Decimal("3.10"),
    terms=Terms(36, 6),
    planned=PLAN,
)
NUMBERS = (
    "point 394 = usage 50/day x lead time 7 days + safety stock 43.52 (deviation 10 over 35 days, service level 0.95); "
    "available 60, on order 0, in transit 0; EOQ 1534.55, minimum 36, pack 6"
)
BY_HAND = replace(MUGS, product_id=2, point=100, reorder_quantity=10, planned=None, terms=Terms())
SET_BY_HAND = "point 100 (set by hand); available 60, on order 0, in transit 0; minimum 1, pack 1"
BREAKS = (PriceBreak(1_000, Decimal("3.00")), PriceBreak(1_560, Decimal("2.80")))
WEEKLY = JointLevel(cycle_days=9.25, days=9.25, daily_mean=50)


def _only(line: WantedLine, least: Decimal | None = None) -> DraftedLine:
    [drafted] = lines_of([line], least)
    return drafted


def test_an_item_without_any_terms_of_its_supplier_is_ordered_as_planned() -> None:
    assert _only(MUGS) == DraftedLine(1, 1_536, Decimal("3.10"), NUMBERS)
    assert _only(BY_HAND) == DraftedLine(2, 40, Decimal("3.10"), SET_BY_HAND)


def test_a_line_costs_what_its_quantity_has_reached() -> None:
    """1,536 at 3.00 are 4,608.00, and 1,560 at 2.80 are 4,368.00."""
    assert _only(replace(MUGS, breaks=BREAKS[:1])) == DraftedLine(
        1, 1_536, Decimal("3.00"), f"{NUMBERS}; 3.00 each from 1000 on"
    )
    assert _only(replace(MUGS, breaks=BREAKS)) == DraftedLine(
        1, 1_560, Decimal("2.80"), f"{NUMBERS}; 1560 cost no more than 1536; 2.80 each from 1560 on"
    )


def test_no_more_is_ordered_than_is_sold_before_it_expires() -> None:
    """Fifty a day, seven days until it comes: 60 are gone by then, 400 leave 50. In packs of six, and at least 36."""
    line = replace(MUGS, sell_days=14)
    reason = "no more than is sold before it expires: {} days"
    assert _only(line) == DraftedLine(1, 696, Decimal("3.10"), f"{NUMBERS}; {reason.format(14)}")
    assert _only(replace(line, position=Position(0, 0, 400))).units == 648
    assert _only(replace(line, position=Position(400, to_expire=40))).units == 690
    assert _only(replace(line, sell_days=0)) == DraftedLine(1, 36, Decimal("3.10"), f"{NUMBERS}; {reason.format(0)}")
    assert _only(replace(line, sell_days=31)) == _only(MUGS)
    joint = _only(replace(line, joint=WEEKLY, sell_days=10))
    assert (joint.units, joint.note.rpartition("; ")[2]) == (498, reason.format(10))
    # A cheaper price isn't worth what expires.
    broken = _only(replace(line, breaks=(PriceBreak(800, Decimal("2.00")),)))
    assert (broken.units, broken.unit_cost) == (696, Decimal("3.10"))


def test_a_quantity_set_by_hand_is_kept_whatever_expires() -> None:
    assert _only(replace(BY_HAND, sell_days=0)) == _only(BY_HAND)


def test_a_quantity_set_by_hand_is_kept_beside_a_price_break() -> None:
    breaks = (PriceBreak(30, Decimal("3.00")), PriceBreak(41, Decimal("0.001")))
    assert _only(replace(BY_HAND, breaks=breaks)) == DraftedLine(
        2, 40, Decimal("3.00"), f"{SET_BY_HAND}; 3.00 each from 30 on"
    )


def test_in_joint_orders_an_item_is_ordered_up_to_its_level() -> None:
    assert _only(replace(MUGS, joint=WEEKLY)) == DraftedLine(
        1, 798, Decimal("3.10"), f"{NUMBERS}; joint orders every 9.2 days: up to 857"
    )
    # What is on order, and comes too late, is none of it; what is on its way is.
    late = OpenOrder("PO-9", 400, date(2027, 6, 1), is_in_time=False)
    line = replace(MUGS, joint=WEEKLY, position=Position(60, 0, 100), open_orders=[late])
    assert _only(line) == DraftedLine(
        1,
        702,
        Decimal("3.10"),
        NUMBERS.replace("in transit 0", "in transit 100")
        + "; joint orders every 9.2 days: up to 857; PO-9 brings 400 on 2027-06-01: too late",
    )


def test_an_item_that_joins_says_so() -> None:
    line = replace(MUGS, joint=replace(WEEKLY, days=27.75), position=Position(500), joins=True)
    assert _only(line) == DraftedLine(
        1,
        1_284,
        Decimal("3.10"),
        NUMBERS.replace("available 60", "available 500")
        + "; joins the order: below 857; joint orders every 9.2 days: up to 1782",
    )


def test_an_item_set_by_hand_has_no_part_in_joint_orders() -> None:
    assert _only(replace(BY_HAND, joint=WEEKLY)) == DraftedLine(2, 40, Decimal("3.10"), SET_BY_HAND)


def test_an_order_is_raised_to_the_suppliers_minimum_by_its_planned_items() -> None:
    least = Decimal("5000.00")
    lines = lines_of([MUGS, BY_HAND], least)
    assert lines == [
        DraftedLine(1, 1_578, Decimal("3.10"), f"{NUMBERS}; raised from 1536 for the minimum order value 5,000.00"),
        DraftedLine(2, 40, Decimal("3.10"), SET_BY_HAND),
    ]
    assert sum(line.units * line.unit_cost for line in lines) == Decimal("5015.80")
    # A pack less would be worth 4,997.20.
    assert lines_of([MUGS, BY_HAND], Decimal("4997.20"))[0].units == 1_572
    assert lines_of([MUGS, BY_HAND], Decimal("4885.60")) == lines_of([MUGS, BY_HAND])


@pytest.mark.parametrize("wanted", [[BY_HAND], [replace(MUGS, planned=replace(PLAN, daily_mean=0))]])
def test_an_order_that_cannot_be_raised_is_not_made(wanted: list[WantedLine]) -> None:
    worth = "124.00" if wanted == [BY_HAND] else "4,761.60"
    with pytest.raises(InvalidState) as refused:
        lines_of(wanted, Decimal("4761.61"))
    assert refused.value.message == (
        f"the order would be worth {worth}, less than the supplier's minimum of 4,761.61, which a year's demand of its "
        "planned items doesn't reach: order by hand, with other items or more of them"
    )


def test_no_line_is_raised_beyond_a_years_demand() -> None:
    year = 50 * 365 - 60
    assert _only(replace(MUGS, terms=Terms()), Decimal("3.10") * year).units == year
    with pytest.raises(InvalidState):
        _only(replace(MUGS, terms=Terms()), Decimal("3.10") * (year + 1))


def test_a_reason_names_open_orders_rather_than_the_suppliers_terms() -> None:
    """The audit reads the open orders there, and the contract's remarks end somewhere."""
    open_orders = [OpenOrder(f"PO-{'9' * 30}", 10**9, date(2027, 6, 1), is_in_time=False)] * 3
    line = replace(MUGS, joint=WEEKLY, breaks=BREAKS[:1], terms=Terms(), open_orders=open_orders)
    note = _only(replace(line, position=Position(60, 10**15, 10**15), joins=True), Decimal(1)).note
    assert len(note) <= MOST_OF_A_REASON
    assert note.endswith("; and 1 more")
