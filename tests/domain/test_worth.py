"""What stock without a counterpart is worth, and which limit it is above."""

from decimal import Decimal

import pytest

from stockkeeper.domain.worth import Limit, Worth, unpaid, worth_of_units

LIMIT = Limit(Decimal("500.00"), 100)
D = Decimal


@pytest.mark.parametrize(
    ("worth", "exceeded"),
    [
        (Worth(), False),
        (Worth(D("500.00"), 100), False),
        (Worth(D("500.000001"), 0), True),
        (Worth(D(0), 101), True),
    ],
)
def test_a_limit_belongs_to_what_one_person_may_do(worth: Worth, *, exceeded: bool) -> None:
    assert LIMIT.is_exceeded_by(worth) is exceeded


@pytest.mark.parametrize(
    ("worth", "words"),
    [
        (Worth(D(5000)), "worth 5,000.00, above the limit of 500.00"),
        (Worth(D(640), 3), "worth 640.00 and 3 units of unknown cost, above the limit of 500.00"),
        (Worth(D(0), 101), "worth 101 units of unknown cost, above the limit of 100 units of unknown cost"),
        (
            Worth(D("1.5"), 101),
            "worth 1.50 and 101 units of unknown cost, above the limit of 100 units of unknown cost",
        ),
    ],
)
def test_a_refusal_names_the_worth_and_the_limit(worth: Worth, words: str) -> None:
    assert LIMIT.why(worth) == words


def test_units_of_unknown_cost_are_counted_apart_and_direction_does_not_matter() -> None:
    assert worth_of_units([(3, D("2.40")), (-3, D("2.40")), (-4, None), (1, None)]) == Worth(D("14.40"), 5)
    assert worth_of_units([]) == Worth()


@pytest.mark.parametrize(
    ("lines", "worth"),
    [
        ([], Worth()),
        # Free goods are stock out of nothing: the whole value of the catalogue, or units of unknown cost.
        ([(50, D(0), D(100))], Worth(D(5000))),
        ([(50, D(0), None)], Worth(D(0), 50)),
        # Cheap goods are, for the part that their price doesn't cover.
        ([(50, D("0.01"), D(100))], Worth(D("4999.50"))),
        ([(50, D("0.01"), None)], Worth()),
        ([(50, D(100), D(100)), (50, D(120), D(100))], Worth()),
        # A line that is too dear doesn't make up for one that is too cheap.
        ([(10, D(0), D(9)), (10, D(20), D(9))], Worth(D(90))),
    ],
)
def test_goods_below_their_cost_are_unpaid(lines: list[tuple[int, Decimal, Decimal | None]], worth: Worth) -> None:
    assert unpaid(lines) == worth
