"""What a customer return may do: and where the units of an inspection go."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stockkeeper.domain.customer_return import (
    CustomerReturn,
    ReturnedLine,
    ReturnedUnits,
    ReturnShare,
    ReturnStatus,
    of_lines,
)
from stockkeeper.domain.difference import Balance, made_by_returns
from stockkeeper.domain.errors import InvalidRequest, InvalidState
from stockkeeper.domain.receipt import Taken
from tests.domain.receipts import no_unit_is_lost

S = ReturnStatus
TEA, MUG, POT = 10, 20, 30


def line(number: int, product_id: int = TEA, quantity: int = 5, restocked: int = 0, scrapped: int = 0) -> ReturnedLine:
    return ReturnedLine(number, product_id, quantity, restocked, scrapped)


def of(found: dict[int, Taken]) -> dict[ReturnedUnits, Taken]:
    return {ReturnedUnits(product_id): came for product_id, came in found.items()}


def on(taken: dict[int, Taken]) -> dict[ReturnShare, Taken]:
    return {ReturnShare(number): came for number, came in taken.items()}


def sent_back(*lines: ReturnedLine, status: ReturnStatus = S.EXPECTED) -> CustomerReturn:
    return CustomerReturn(1, "R-1", 2, "1042", status, lines)


def test_what_nobody_has_looked_at_is_expected() -> None:
    assert [each.expected for each in (line(1), line(2, restocked=2, scrapped=1), line(3, scrapped=5))] == [5, 2, 0]


@pytest.mark.parametrize(
    ("came", "taken"),
    [
        (Taken(1, 0), {1: Taken(1, 0)}),
        (Taken(2, 1), {1: Taken(2, 1)}),
        # Nothing is expected on the third line any more, nothing of this product on the second: the fourth is next.
        (Taken(4, 0), {1: Taken(3, 0), 4: Taken(1, 0)}),
        (Taken(2, 2), {1: Taken(2, 1), 4: Taken(0, 1)}),
        (Taken(0, 5), {1: Taken(0, 3), 4: Taken(0, 2)}),
        (Taken(4, 1), {1: Taken(3, 0), 4: Taken(1, 1)}),
    ],
)
def test_a_product_on_several_lines_fills_them_in_order_with_what_is_fit_first(
    came: Taken, taken: dict[int, Taken]
) -> None:
    returned = sent_back(line(1, restocked=1, scrapped=1), line(2, MUG), line(3, restocked=5), line(4, quantity=2))
    assert of_lines(returned.plan_inspection(of({TEA: came}))) == taken
    assert list(of_lines(returned.plan_inspection(of({MUG: Taken(1, 0), TEA: came})))) == sorted({2, *taken})


@pytest.mark.parametrize("came", [Taken(4, 0), Taken(0, 4), Taken(3, 1)])
def test_more_than_is_expected_is_refused_with_the_numbers(came: Taken) -> None:
    returned = sent_back(line(1, quantity=2), line(2, MUG), line(3, restocked=3, scrapped=1))
    with pytest.raises(InvalidRequest, match=r"^product 10: 4 inspected, but only 3 expected$") as caught:
        returned.plan_inspection(of({MUG: Taken(1, 0), TEA: came}))
    assert caught.value.details == {"product_id": TEA, "quantity": 4, "expected": 3}


def test_what_is_not_on_the_return_is_refused() -> None:
    with pytest.raises(InvalidRequest, match=r"^product 30 isn't on return R-1$") as caught:
        sent_back(line(1), line(2, MUG)).plan_inspection(of({TEA: Taken(1, 0), POT: Taken(0, 1)}))
    assert caught.value.details == {"product_id": POT}


@pytest.mark.parametrize("status", [S.INSPECTED, S.CANCELLED])
def test_nothing_is_inspected_that_is_not_expected_any_more(status: ReturnStatus) -> None:
    # The status is what is said, even of an inspection that would be wrong in any.
    with pytest.raises(InvalidState) as caught:
        sent_back(line(1), status=status).plan_inspection(of({POT: Taken(9, 0)}))
    assert caught.value.details == {"status": status.value, "command": "inspect"}


def test_it_is_inspected_once_nothing_is_expected_whether_it_was_fit_or_not() -> None:
    returned = sent_back(line(1, restocked=3), line(2, MUG, restocked=5), line(3, MUG, scrapped=4))
    assert returned.after_inspection(on({1: Taken(2, 0)})) is S.EXPECTED
    assert returned.after_inspection(on({1: Taken(1, 0), 3: Taken(0, 1)})) is S.EXPECTED
    assert returned.after_inspection(on({1: Taken(1, 1), 3: Taken(1, 0)})) is S.INSPECTED
    assert returned.after_inspection(on({1: Taken(0, 2), 3: Taken(0, 1)})) is S.INSPECTED


def test_closed_short_it_is_inspected_with_what_came_and_cancelled_if_nothing_did() -> None:
    assert sent_back(line(1), line(2, scrapped=1)).after_close_short() is S.INSPECTED
    assert sent_back(line(1, restocked=1), line(2)).after_close_short() is S.INSPECTED
    assert sent_back(line(1), line(2)).after_close_short() is S.CANCELLED


@pytest.mark.parametrize("status", [S.INSPECTED, S.CANCELLED])
def test_what_has_ended_is_not_closed_short(status: ReturnStatus) -> None:
    with pytest.raises(InvalidState) as caught:
        sent_back(line(1), status=status).after_close_short()
    assert caught.value.details == {"status": status.value, "command": "close_short"}


@st.composite
def _inspections(draw: st.DrawFn) -> tuple[list[ReturnedLine], dict[int, Taken]]:
    """A return's lines, and what was found of its products, which may be a few units more than are expected."""
    lines = []
    for number in range(1, draw(st.integers(1, 6)) + 1):
        done = draw(st.integers(0, 3)), draw(st.integers(0, 3))
        lines.append(line(number, draw(st.sampled_from([TEA, MUG])), sum(done) + draw(st.integers(0, 4)) or 1, *done))
    found = {}
    for product_id in sorted({each.product_id for each in lines}):
        came = draw(st.integers(0, _expected(lines, product_id) + 2))
        fit = draw(st.integers(0, came))
        found[product_id] = Taken(fit, came - fit)
    return lines, {product_id: units for product_id, units in found.items() if any(units)}


def _expected(lines: list[ReturnedLine], product_id: int) -> int:
    return sum(each.expected for each in lines if each.product_id == product_id)


@given(_inspections())
def test_an_inspection_is_refused_or_all_of_it_is_on_lines_that_expect_it(
    inspected: tuple[list[ReturnedLine], dict[int, Taken]],
) -> None:
    lines, found = inspected
    returned = sent_back(*lines)
    if any(units.units > _expected(lines, product_id) for product_id, units in found.items()):
        with pytest.raises(InvalidRequest):
            returned.plan_inspection(of(found))
        return
    taken = returned.plan_inspection(of(found))
    by_number, shares = {each.line_number: each for each in lines}, of_lines(taken)
    assert all(min(share) >= 0 and 0 < share.units <= by_number[each].expected for each, share in shares.items())
    no_unit_is_lost(shares, found, {number: each.product_id for number, each in by_number.items()})
    everything = sum(units.units for units in found.values()) == sum(each.expected for each in lines)
    assert returned.after_inspection(taken) is (S.INSPECTED if everything else S.EXPECTED)


def of_lot(number: int, lot_number: str | None, quantity: int) -> ReturnedLine:
    return ReturnedLine(number, TEA, quantity, 0, 0, lot_number)


A, B, UNREAD = ReturnedUnits(TEA, "A"), ReturnedUnits(TEA, "B"), ReturnedUnits(TEA)


@pytest.mark.parametrize(
    ("found", "taken"),
    [
        # A lot goes to its own line, then to those that say none, whatever their order.
        ({B: Taken(2, 0), A: Taken(3, 1)}, {(1, "A"): Taken(0, 1), (1, "B"): Taken(2, 0), (2, "A"): Taken(3, 0)}),
        # What can't be read goes to lines that say no lot first, and leaves the others to their lots.
        ({UNREAD: Taken(0, 4), A: Taken(3, 0)}, {(1, None): Taken(0, 4), (2, "A"): Taken(3, 0)}),
        ({UNREAD: Taken(0, 5)}, {(1, None): Taken(0, 4), (2, None): Taken(0, 1)}),
    ],
)
def test_a_lot_goes_to_the_line_that_expects_it(
    found: dict[ReturnedUnits, Taken], taken: dict[ReturnShare, Taken]
) -> None:
    returned = sent_back(of_lot(1, None, 4), of_lot(2, "A", 3))
    assert returned.plan_inspection(found) == {ReturnShare(*each): units for each, units in taken.items()}


def test_a_lot_that_no_line_expects_is_refused() -> None:
    returned = sent_back(of_lot(1, "A", 4), of_lot(2, "A", 3))
    with pytest.raises(InvalidRequest, match=r"^lot B of product 10 isn't on return R-1, which expects A$") as caught:
        returned.plan_inspection({B: Taken(1, 0)})
    assert caught.value.details == {"product_id": TEA, "lot_number": "B"}
    with pytest.raises(InvalidRequest, match=r"^product 10: 5 of lot B inspected, but only 4 expected$"):
        sent_back(of_lot(1, None, 4), of_lot(2, "A", 3)).plan_inspection({B: Taken(3, 2)})


@pytest.mark.parametrize(
    ("of_product", "of_lots", "made"),
    [
        (Balance(3, 4, 5), [], 0),
        (Balance(5, 7, 5), [], 2),
        (Balance(5, 5, 5), [Balance(5, 5, 5)], 0),
        # Another lot than those that were shipped, or more of one.
        (Balance(5, 5, 5), [Balance(2, 2, 0), Balance(3, 3, 5)], 2),
        (Balance(5, 5, 5), [Balance(4, 4, 3), Balance(1, 1, 2)], 1),
        (Balance(0, 5, 5), [Balance(0, 5, 0)], 0),
        # Two were shipped before the product was tracked: they may be of any lot.
        (Balance(5, 5, 5), [Balance(3, 3, 0), Balance(2, 2, 3)], 1),
        (Balance(5, 5, 0), [Balance(5, 5, 0)], 5),
    ],
)
def test_what_comes_back_beyond_what_was_shipped_is_made(
    of_product: Balance, of_lots: list[Balance], made: int
) -> None:
    assert made_by_returns(of_product, of_lots) == made
