"""The name that was probably meant."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stockkeeper.domain.names import did_you_mean, nearest

SKUS = ["TEA-100", "TEA-110", "MUG-RED", "MUG-BLUE", "0001", "Hamburg"]


@pytest.mark.parametrize(
    ("wanted", "meant"),
    [
        ("MUG-RDE", "MUG-RED"),
        ("mugred", "MUG-RED"),
        ("TEA_100", "TEA-100"),
        ("1", "0001"),
        ("01", "0001"),
        ("Hambrug", "Hamburg"),
        ("KETTLE", None),
        ("2", None),
        ("-", None),
    ],
)
def test_the_nearest_name_is_found(wanted: str, meant: str | None) -> None:
    assert nearest(wanted, SKUS) == meant


def test_a_sentence_suggests_what_there_is() -> None:
    assert did_you_mean({}) == ""
    assert did_you_mean({"MUG-RDE": "MUG-RED"}) == "; did you mean MUG-RED?"
    assert did_you_mean({"1": "0001", "TEA": "TEA-100"}) == "; did you mean 0001 for 1, TEA-100 for TEA?"


@given(st.lists(st.text(max_size=8), max_size=6), st.text(max_size=8))
def test_only_a_name_that_there_is_is_suggested(names: list[str], wanted: str) -> None:
    assert nearest(wanted, names) in {None, *names}
    if wanted.strip("_0") and wanted in names and wanted.isalnum():
        found = nearest(wanted, names)
        assert found is not None
