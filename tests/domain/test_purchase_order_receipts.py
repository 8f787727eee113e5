"""Where the units of a receipt go: which line of the order gets what, and when there are too many."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stockkeeper.domain.errors import InvalidRequest, InvalidState
from stockkeeper.domain.purchase_order import PurchaseOrder, PurchaseOrderStatus
from stockkeeper.domain.purchase_order_lines import OrderedLine
from stockkeeper.domain.receipt import Taken
from tests.domain.receipts import no_unit_is_lost, planned_or_refused

S = PurchaseOrderStatus
TEA, MUG, POT = 10, 20, 30

Delivery = tuple[list[OrderedLine], dict[int, Taken]]


def line(number: int, product_id: int = TEA, qty: int = 5, received: int = 0, most: int | None = None) -> OrderedLine:
    return OrderedLine(number, product_id, qty, Decimal("1.00"), received, 0, qty if most is None else most)


def order(*lines: OrderedLine, status: PurchaseOrderStatus = S.SUBMITTED) -> PurchaseOrder:
    return PurchaseOrder(1, "PO-1", 2, 3, status, "rita", 0, (), lines)


def test_each_product_goes_to_its_line_in_the_order_of_the_lines() -> None:
    wanted = order(line(1), line(2, MUG), line(3, POT))
    assert list(wanted.plan_receipt({POT: Taken(5, 0), TEA: Taken(2, 1)}).items()) == [
        (1, Taken(2, 1)),
        (3, Taken(5, 0)),
    ]


@pytest.mark.parametrize(
    ("units", "taken"),
    [
        (1, {1: Taken(1, 0)}),
        (5, {1: Taken(5, 0)}),
        (6, {1: Taken(5, 0), 3: Taken(1, 0)}),
        (8, {1: Taken(5, 0), 3: Taken(3, 0)}),
        # What comes on top, within the tolerance, goes to the first line that may still take it.
        (9, {1: Taken(6, 0), 3: Taken(3, 0)}),
        (10, {1: Taken(7, 0), 3: Taken(3, 0)}),
        (11, {1: Taken(7, 0), 3: Taken(4, 0)}),
    ],
)
def test_a_product_on_several_lines_fills_them_in_order(units: int, taken: dict[int, Taken]) -> None:
    assert order(line(1, most=7), line(2, MUG), line(3, qty=3, most=4)).plan_receipt({TEA: Taken(units, 0)}) == taken


@pytest.mark.parametrize(
    ("received", "rejected_on"),
    [((0, 0), 1), ((4, 0), 1), ((5, 0), 2), ((5, 4), 2), ((0, 5), 1), ((5, 5), 2), ((6, 5), 2)],
)
def test_rejected_units_belong_to_the_first_line_that_is_owed_something_or_else_to_the_last(
    received: tuple[int, int], rejected_on: int
) -> None:
    lines = [line(number, received=units, most=6) for number, units in enumerate(received, 1)]
    assert order(*lines, line(3, MUG)).plan_receipt({TEA: Taken(0, 9)}) == {rejected_on: Taken(0, 9)}


def test_rejected_units_use_up_nothing_that_is_owed() -> None:
    assert order(line(1)).plan_receipt({TEA: Taken(5, 1_000)}) == {1: Taken(5, 1_000)}


@pytest.mark.parametrize(
    ("lines", "quantity", "owed", "at_most", "message"),
    [
        ([line(1)], 6, 5, 5, "product 10: 6 delivered, but only 5 still owed"),
        ([line(1, received=5)], 1, 0, 0, "product 10: 1 delivered, but only 0 still owed"),
        ([line(1, received=3), line(2, qty=4)], 10, 6, 6, "product 10: 10 delivered, but only 6 still owed"),
        ([line(1, most=6)], 7, 5, 6, "product 10: 7 delivered, but only 5 still owed, at most 6 with the tolerance"),
        ([line(1, received=6, most=6)], 1, 0, 0, "product 10: 1 delivered, but only 0 still owed"),
        (
            [line(1, received=6, most=6), line(2, received=1, most=6)],
            6,
            4,
            5,
            "product 10: 6 delivered, but only 4 still owed, at most 5 with the tolerance",
        ),
    ],
)
def test_more_than_may_be_received_is_refused_with_the_numbers(
    lines: list[OrderedLine], quantity: int, owed: int, at_most: int, message: str
) -> None:
    with pytest.raises(InvalidRequest, match=f"^{message}$") as caught:
        order(line(9, MUG), *lines).plan_receipt({MUG: Taken(1, 0), TEA: Taken(quantity, 1)})
    assert caught.value.details == {"product_id": TEA, "quantity": quantity, "owed": owed, "at_most": at_most}


@pytest.mark.parametrize("came", [Taken(1, 0), Taken(0, 1)])
def test_what_was_not_ordered_is_refused(came: Taken) -> None:
    with pytest.raises(InvalidRequest, match=r"^product 20 isn't on PO-1$"):
        order(line(1)).plan_receipt({TEA: Taken(1, 0), MUG: came})


@pytest.mark.parametrize("status", [S.DRAFT, S.RECEIVED, S.CANCELLED])
def test_goods_are_only_received_while_it_is_out(status: PurchaseOrderStatus) -> None:
    with pytest.raises(InvalidState) as caught:
        order(line(1), status=status).plan_receipt({MUG: Taken(9, 0)})
    assert caught.value.details == {"status": status.value, "command": "receive"}


@pytest.mark.parametrize("status", [S.SUBMITTED, S.CONFIRMED])
def test_it_is_received_once_no_line_is_owed_anything(status: PurchaseOrderStatus) -> None:
    wanted = order(line(1, received=3), line(2, MUG, received=6, most=6), status=status)
    assert wanted.after_receipt({1: Taken(1, 0)}) is status
    assert wanted.after_receipt({1: Taken(0, 2)}) is status
    assert wanted.after_receipt({}) is status
    assert wanted.after_receipt({1: Taken(2, 0)}) is S.RECEIVED
    assert wanted.after_receipt({1: Taken(3, 0)}) is S.RECEIVED


_LINES = st.lists(
    st.tuples(st.sampled_from([TEA, MUG]), st.integers(1, 9), st.integers(0, 4), st.integers(0, 13)),
    min_size=1,
    max_size=6,
).map(
    lambda rows: [
        line(number, product_id, qty, min(received, qty + tolerated), qty + tolerated)
        for number, (product_id, qty, tolerated, received) in enumerate(rows, 1)
    ]
)


@st.composite
def _deliveries(draw: st.DrawFn, *, too_many: int) -> Delivery:
    """An order's lines, and what came of its products: at most so many units more than may be received."""
    lines = draw(_LINES)
    came = {
        product_id: Taken(draw(st.integers(0, _room(lines, product_id) + too_many)), draw(st.integers(0, 5)))
        for product_id in {line.product_id for line in lines}
    }
    return lines, {product_id: units for product_id, units in came.items() if any(units)}


def _room(lines: list[OrderedLine], product_id: int) -> int:
    return sum(line.quantity_receivable - line.quantity_received for line in lines if line.product_id == product_id)


@given(_deliveries(too_many=4))
def test_a_receipt_is_refused_exactly_if_more_came_than_may_be_received(delivery: Delivery) -> None:
    lines, came = delivery
    refused = any(units.accepted > _room(lines, product_id) for product_id, units in came.items())
    planned_or_refused(order(*lines).plan_receipt, came, refused=refused)


@given(_deliveries(too_many=0))
def test_nothing_of_a_receipt_is_lost_and_no_line_gets_more_than_it_may(delivery: Delivery) -> None:
    lines, came = delivery
    taken = order(*lines).plan_receipt(came)
    by_number = {line.line_number: line for line in lines}
    no_unit_is_lost(taken, came, {number: line.product_id for number, line in by_number.items()})
    assert list(taken) == sorted(taken)
    assert all(any(share) and min(share) >= 0 for share in taken.values())
    for number, share in taken.items():
        assert by_number[number].quantity_received + share.accepted <= by_number[number].quantity_receivable


@given(_deliveries(too_many=0))
def test_nothing_goes_on_top_while_something_is_owed(delivery: Delivery) -> None:
    lines, came = delivery
    wanted = order(*lines)
    taken = wanted.plan_receipt(came)
    accepted = {line.line_number: 0 for line in lines} | {number: share.accepted for number, share in taken.items()}
    owed = [line for line in lines if line.quantity_received + accepted[line.line_number] < line.qty]
    on_top = {line.product_id for line in lines if accepted[line.line_number] > line.quantity_owed}
    assert not on_top & {line.product_id for line in owed}
    assert wanted.after_receipt(taken) is (S.SUBMITTED if owed else S.RECEIVED)
