"""What came, product by product."""

from domain.receipt import Delivered, Taken, delivered_by_product

TEA, MUG = 10, 20


def test_the_same_product_on_two_lines_of_a_receipt_counts_together() -> None:
    lines = [Delivered(MUG, 1, 0), Delivered(TEA, 2, 1), Delivered(MUG, 0, 4), Delivered(TEA, 3, 0)]
    assert delivered_by_product(lines) == {MUG: Taken(1, 4), TEA: Taken(5, 1)}
    assert delivered_by_product([]) == {}


def test_what_came_is_what_is_fit_and_what_is_not() -> None:
    assert Taken(5, 2).units == 7
