"""What an adjustment may do: how much it is worth, who approves, and what it changes."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stockkeeper.domain.adjustment import AdjustedLine, Adjustment, AdjustmentStatus, worth_of
from stockkeeper.domain.correction import Change
from stockkeeper.domain.errors import InvalidState, NotPermitted
from stockkeeper.domain.stock import ItemKey
from stockkeeper.domain.worth import Worth

S = AdjustmentStatus
TEA, MUG, POT = 10, 20, 30


def line(product_id: int, quantity: int, unit_cost: str | None = "1.00") -> AdjustedLine:
    return AdjustedLine(product_id, quantity, None if unit_cost is None else Decimal(unit_cost))


def adjustment(
    *lines: AdjustedLine, status: AdjustmentStatus = S.PENDING, approved_by: str | None = None
) -> Adjustment:
    return Adjustment(1, "A-1", 2, status, "broken", "tom", approved_by, lines)


@pytest.mark.parametrize(
    ("lines", "worth"),
    [
        ([], Worth(Decimal(0), 0)),
        ([line(TEA, 3, "2.40")], Worth(Decimal("7.20"), 0)),
        ([line(TEA, -3, "2.40")], Worth(Decimal("7.20"), 0)),
        # The same mistake twice isn't none.
        ([line(TEA, 3, "2.40"), line(TEA, -3, "2.40")], Worth(Decimal("14.40"), 0)),
        ([line(TEA, 1, "0.000001"), line(MUG, -1, "0.1"), line(POT, 1, "0.2")], Worth(Decimal("0.300001"), 0)),
        ([line(TEA, 3, None), line(MUG, -4, None), line(POT, 5, "0")], Worth(Decimal(0), 7)),
        ([line(TEA, -(10**9), "999999999999.999999")] * 3, Worth(Decimal("2999999999999999997000.00"), 0)),
    ],
)
def test_it_is_worth_its_units_whichever_way_they_go(lines: list[AdjustedLine], worth: Worth) -> None:
    assert worth_of(lines) == worth


@pytest.mark.parametrize(
    ("value", "units", "needed"),
    [
        ("0", 0, False),
        ("500.00", 100, False),
        ("500.000000", 0, False),
        ("500.000001", 0, True),
        ("500.01", 0, True),
        ("0", 101, True),
        ("500.01", 101, True),
    ],
)
def test_an_approval_is_needed_above_either_limit(value: str, units: int, needed: bool) -> None:
    assert Worth(Decimal(value), units).needs_approval(Decimal("500.00"), 100) is needed


def test_a_limit_of_nothing_lets_only_pass_what_is_worth_nothing() -> None:
    assert not Worth(Decimal(0), 0).needs_approval(Decimal(0), 0)
    assert Worth(Decimal("0.000001"), 0).needs_approval(Decimal(0), 0)
    assert Worth(Decimal(0), 1).needs_approval(Decimal(0), 0)


@pytest.mark.parametrize("approver", ["tom", "Tom", "TOM", "\uff34om"])
def test_who_asked_for_it_cannot_approve_it(approver: str) -> None:
    with pytest.raises(
        NotPermitted, match=f"^adjustment A-1 was requested by {approver}; another person has to approve it$"
    ):
        adjustment().after_approval(approver)


def test_anybody_else_can() -> None:
    assert adjustment().after_approval("ann") is S.POSTED


@pytest.mark.parametrize("status", [S.POSTED, S.REJECTED, S.CANCELLED])
def test_what_has_ended_is_not_approved_by_anybody(status: AdjustmentStatus) -> None:
    # The status is what is said, even to who asked for it.
    for approver in ("ann", "tom"):
        with pytest.raises(InvalidState) as caught:
            adjustment(status=status).after_approval(approver)
        assert caught.value.details == {"status": status.value, "command": "approve"}


def test_one_person_approves_once_in_whatever_letters() -> None:
    approved = adjustment(status=S.POSTED, approved_by="Ann")
    assert approved.approval.is_given_by("ANN")
    assert not approved.approval.is_given_by("bob")
    assert not adjustment().approval.is_given_by("ann")


def test_a_products_lines_count_together_and_what_nets_to_nothing_is_left_out() -> None:
    lines = [line(POT, -1), line(TEA, 3), line(MUG, 2), line(TEA, -5), line(MUG, -2)]
    assert adjustment(*lines).changes == [Change(ItemKey(2, TEA), -2), Change(ItemKey(2, POT), -1)]


_LINES = st.lists(
    st.builds(
        AdjustedLine,
        st.sampled_from([TEA, MUG, POT]),
        st.integers(-9, 9).filter(bool),
        st.none() | st.decimals("0", "9", places=2),
    ),
    max_size=8,
)


@given(_LINES)
def test_no_unit_is_lost_between_the_lines_and_what_they_change(lines: list[AdjustedLine]) -> None:
    changes = adjustment(*lines).changes
    for product_id in (TEA, MUG, POT):
        units = sum(each.quantity for each in lines if each.product_id == product_id)
        assert sum(change.quantity for change in changes if change.item.product_id == product_id) == units
    assert [change.item for change in changes] == sorted({change.item for change in changes})
    assert all(change.quantity for change in changes)


@given(_LINES)
def test_it_is_worth_as_much_the_other_way_round(lines: list[AdjustedLine]) -> None:
    turned = [AdjustedLine(each.product_id, -each.quantity, each.unit_cost) for each in reversed(lines)]
    assert worth_of(turned) == worth_of(lines)
