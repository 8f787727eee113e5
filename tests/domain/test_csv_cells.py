"""Cells that a spreadsheet would run as a formula, and the way back."""

import csv

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stockkeeper.contracts.csv_cells import as_it_was, csv_line, inert


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1+A1", "@SUM(A1)", "\t=1", '=cmd|" /C calc"!A0', "\r=1"])
def test_a_text_that_begins_a_formula_is_made_inert(text: str) -> None:
    assert inert(text) == f"'{text}"
    assert as_it_was(f"'{text}") == text


def test_numbers_and_other_texts_stay() -> None:
    assert csv_line(["TEA-100", -3, None, 2.5, "O'Brien", "'quoted'", "a=b"]) == "TEA-100,-3,,2.5,O'Brien,'quoted',a=b"
    assert csv_line(["=1", 'say "tea", twice']) == '\'=1,"say ""tea"", twice"'


TEXTS = st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=8) | st.sampled_from(["=1", "-1", "@x"])


@given(st.lists(TEXTS.filter(lambda text: not text.startswith("'")), min_size=1))
def test_every_cell_comes_back_as_it_was(cells: list[str]) -> None:
    [read] = csv.reader([csv_line(cells)], strict=True)
    assert [as_it_was(cell) for cell in read] == cells
    assert not any(cell.startswith(("=", "+", "-", "@")) for cell in read)
