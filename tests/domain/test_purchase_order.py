"""What a purchase order may do: who approves, and where the units of a receipt go."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stockkeeper.domain.approval import Tier, require_tiers, required_approvals
from stockkeeper.domain.errors import InvalidRequest, InvalidState, NotPermitted
from stockkeeper.domain.purchase_order import PurchaseOrder, PurchaseOrderStatus
from stockkeeper.domain.purchase_order_lines import OrderedLine, receivable
from stockkeeper.domain.worth import total_of

S = PurchaseOrderStatus
TEA, MUG, POT = 10, 20, 30


def line(
    number: int, product_id: int = TEA, qty: int = 5, received: int = 0, rejected: int = 0, most: int | None = None
) -> OrderedLine:
    return OrderedLine(number, product_id, qty, Decimal("1.00"), received, rejected, qty if most is None else most)


def order(
    *lines: OrderedLine,
    status: PurchaseOrderStatus = S.SUBMITTED,
    required: int = 0,
    approvers: tuple[str, ...] = (),
) -> PurchaseOrder:
    return PurchaseOrder(1, "PO-1", 2, 3, status, "rita", required, approvers, lines)


TIERS = [Tier(Decimal(1_000), 0), Tier(Decimal(10_000), 1), Tier(None, 2)]


@pytest.mark.parametrize(
    ("total", "approvals"),
    [
        ("0", 0),
        ("999.999999", 0),
        ("1000", 0),
        ("1000.000000", 0),
        ("1000.000001", 1),
        ("9999.999999", 1),
        ("10000", 1),
        ("10000.000001", 2),
        ("999999999999999999000000000", 2),
    ],
)
def test_a_bound_belongs_to_its_tier(total: str, approvals: int) -> None:
    require_tiers(TIERS)
    assert required_approvals(TIERS, Decimal(total)) == approvals


@pytest.mark.parametrize("total", ["0", "0.000001", "1E+30"])
def test_a_single_tier_takes_every_total(total: str) -> None:
    require_tiers([Tier(None, 3)])
    assert required_approvals([Tier(None, 3)], Decimal(total)) == 3


def test_a_tier_may_be_for_nothing_at_all() -> None:
    tiers = [Tier(Decimal(0), 0), Tier(None, 1)]
    require_tiers(tiers)
    assert [required_approvals(tiers, Decimal(total)) for total in ("0", "0.000001")] == [0, 1]


@pytest.mark.parametrize(
    ("problem", "bounds"),
    [
        *(("the last one must have up_to null", bounds) for bounds in ([], [1_000], [1_000, 10_000], [None, 1_000])),
        *(
            ("up_to must rise", [*bounds, None])
            for bounds in ([None], [1_000, None], [None, 1_000], [1_000, 1_000], [1_000, 999], [1, 3, 2])
        ),
    ],
)
def test_every_total_has_one_tier_and_every_tier_some_totals(problem: str, bounds: list[int | None]) -> None:
    with pytest.raises(InvalidRequest, match=problem):
        require_tiers([Tier(None if bound is None else Decimal(bound), 1) for bound in bounds])


@pytest.mark.parametrize(
    ("qty", "percent", "most"),
    [
        (1, "0", 1),
        (1_000_000_000, "0", 1_000_000_000),
        (10, "10", 11),
        (9, "10", 9),
        (19, "10", 20),
        (1, "99.999", 1),
        (1, "100", 2),
        (3, "33.333", 3),
        (3, "33.334", 4),
        (8, "12.5", 9),
        (1_000_000_000, "0.001", 1_000_010_000),
        (1_000_000_000, "1000", 11_000_000_000),
    ],
)
def test_the_tolerance_is_rounded_down_to_whole_units(qty: int, percent: str, most: int) -> None:
    assert receivable(qty, Decimal(percent)) == most


def test_a_total_is_exact_however_large_the_order() -> None:
    assert total_of([]) == 0
    assert total_of([(3, Decimal("0.1")), (2, Decimal("0.000001"))]) == Decimal("0.300002")
    dear = (1_000_000_000, Decimal("999999999999.999999"))
    assert total_of([dear] * 999 + [(1, Decimal("0.000001"))]) == Decimal("998999999999999999001000.000001")


@given(st.lists(st.tuples(st.integers(1, 10**9), st.decimals(0, 10**12, places=6)), max_size=20))
def test_a_total_is_the_same_in_millionths(lines: list[tuple[int, Decimal]]) -> None:
    assert int(total_of(lines).scaleb(6)) == sum(qty * int(unit_cost.scaleb(6)) for qty, unit_cost in lines)


@pytest.mark.parametrize(("received", "owed"), [(0, 5), (4, 1), (5, 0), (6, 0)])
def test_owed_is_what_was_ordered_and_has_not_been_accepted(received: int, owed: int) -> None:
    assert line(1, qty=5, received=received, rejected=3, most=6).quantity_owed == owed


@pytest.mark.parametrize(
    ("required", "approvers", "after"),
    [
        (1, (), S.SUBMITTED),
        (2, (), S.DRAFT),
        (2, ("bob",), S.SUBMITTED),
        (3, ("bob",), S.DRAFT),
        (3, ("bob", "cat"), S.SUBMITTED),
    ],
)
def test_the_last_approval_that_is_needed_submits(
    required: int, approvers: tuple[str, ...], after: PurchaseOrderStatus
) -> None:
    draft = order(line(1), status=S.DRAFT, required=required, approvers=approvers)
    assert draft.after_approval("ann") is after


@pytest.mark.parametrize("approver", ["rita", "Rita", "RITA"])
def test_nobody_approves_what_they_asked_for(approver: str) -> None:
    draft = order(line(1), status=S.DRAFT, required=2)
    with pytest.raises(NotPermitted, match=f"^PO-1 was requested by {approver}; another person has to approve it$"):
        draft.after_approval(approver)


@pytest.mark.parametrize("status", [S.SUBMITTED, S.CONFIRMED, S.RECEIVED, S.CANCELLED])
@pytest.mark.parametrize("approver", ["ann", "rita"])
def test_only_a_draft_is_approved(status: PurchaseOrderStatus, approver: str) -> None:
    with pytest.raises(InvalidState) as caught:
        order(line(1), status=status, required=1).after_approval(approver)
    assert caught.value.details == {"status": status.value, "command": "approve"}


def test_somebody_has_approved_whatever_the_case() -> None:
    draft = order(line(1), status=S.DRAFT, required=3, approvers=("Ann", "bob"))
    assert [draft.approval.is_given_by(name) for name in ("ann", "ANN", "Bob", "cat")] == [True, True, True, False]


@pytest.mark.parametrize("status", [S.DRAFT, S.SUBMITTED, S.CONFIRMED])
def test_what_has_not_begun_to_come_can_be_cancelled(status: PurchaseOrderStatus) -> None:
    # Rejected units went back: nothing of them is on the shelf.
    assert order(line(1, rejected=5), status=status).after_cancel() is S.CANCELLED


@pytest.mark.parametrize("status", [S.SUBMITTED, S.CONFIRMED])
def test_what_has_come_cannot_be_cancelled_but_closed_short(status: PurchaseOrderStatus) -> None:
    begun = order(line(1), line(2, MUG, received=1), status=status)
    with pytest.raises(
        InvalidState, match=r"^PO-1 has received goods and can't be cancelled; close it short instead$"
    ) as caught:
        begun.after_cancel()
    assert caught.value.details == {"status": status.value, "command": "cancel"}
    assert begun.after_close_short() is S.RECEIVED


@pytest.mark.parametrize("status", [S.SUBMITTED, S.CONFIRMED])
def test_closed_short_of_everything_is_cancelled(status: PurchaseOrderStatus) -> None:
    assert order(line(1, rejected=5), line(2, MUG), status=status).after_close_short() is S.CANCELLED


@pytest.mark.parametrize("status", [S.RECEIVED, S.CANCELLED])
def test_what_has_ended_does_not_end_again(status: PurchaseOrderStatus) -> None:
    for end, command in ((PurchaseOrder.after_cancel, "cancel"), (PurchaseOrder.after_close_short, "close_short")):
        for received in (0, 5):
            with pytest.raises(InvalidState) as caught:
                end(order(line(1, received=received), status=status))
            assert caught.value.details == {"status": status.value, "command": command}


def test_a_draft_is_not_closed_short() -> None:
    with pytest.raises(InvalidState) as caught:
        order(line(1), status=S.DRAFT).after_close_short()
    assert caught.value.details == {"status": "DRAFT", "command": "close_short"}
