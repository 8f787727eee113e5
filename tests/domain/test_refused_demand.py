"""What was refused is demand, up to what the item sells on its busiest day."""

import numpy as np

from stockkeeper.domain.refused_demand import with_refused


def test_what_was_refused_counts_on_its_day_and_no_more_than_the_busiest_day_has_sold() -> None:
    sold = np.array([[4.0, 0, 7], [1, 0, 0], [0, 0, 0]])
    refused = np.array([[2.0, 0, 5], [0, 1_000_000, 0], [0, 3, 0]])
    assert with_refused(sold, refused).tolist() == [[6, 0, 12], [1, 1, 0], [0, 0, 0]]


def test_without_days_there_is_no_demand() -> None:
    assert with_refused(np.zeros((2, 0)), np.zeros((2, 0))).shape == (2, 0)
