"""What came, product by product."""

from stockkeeper.domain.receipt import Delivered, Taken, delivered_by_product, spread

TEA, MUG = 10, 20


def test_the_same_product_on_two_lines_of_a_receipt_counts_together() -> None:
    lines = [Delivered(MUG, 1, 0), Delivered(TEA, 2, 1), Delivered(MUG, 0, 4), Delivered(TEA, 3, 0)]
    assert delivered_by_product(lines) == {MUG: Taken(1, 4), TEA: Taken(5, 1)}
    assert delivered_by_product([]) == {}


def test_what_came_is_what_is_fit_and_what_is_not() -> None:
    assert Taken(5, 2).units == 7


def test_lines_are_filled_in_order_first_with_what_is_accepted() -> None:
    awaited = {3: 2, 1: 0, 4: 5}
    assert spread(Taken(1, 3), awaited) == {3: Taken(1, 1), 4: Taken(0, 2)}
    assert spread(Taken(4, 3), awaited) == {3: Taken(2, 0), 4: Taken(2, 3)}
    assert list(spread(Taken(3, 0), awaited)) == [3, 4]
    assert spread(Taken(0, 0), awaited) == {}
