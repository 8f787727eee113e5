"""Arrays in binary are read by PostgreSQL as the numbers that were given."""

import math

import pytest
from sqlalchemy import Engine

from database.binary_arrays import NONE_AT_ALL, bigints, doubles, integers
from database.pipeline import Statement, send, words

FLOATS = [0.0, -0.0, 1 / 3, 5e-324, 1.7976931348623157e308, math.inf, -2.5]
"""To the last digit, and at the ends."""


@pytest.mark.parametrize(
    ("given", "as_array", "type_"),
    [
        ([1, -1, 0, 2**63 - 1, -(2**63), 255, 256], bigints, "bigint"),
        ([1, -1, 0, 2**31 - 1, -(2**31), 255, 256], integers, "integer"),
        (FLOATS, doubles, "double precision"),
        ([1, None, 3], bigints, "bigint"),
        ([None, 2], integers, "integer"),
        ([0.1, None], doubles, "double precision"),
        (["lumpy", None, 'a "b" \\', "lumpy", ""], words, "text"),
    ],
)
def test_an_array_is_read_as_it_was_given(engine: Engine, given: list, as_array, type_: str) -> None:  # type: ignore[no-untyped-def, type-arg]
    with engine.begin() as connection:
        [[(read,)]] = send(connection, [Statement(f"SELECT CAST(%s AS {type_}[])", (as_array(given),))])
    assert read == given
    assert [math.copysign(1, each) for each in read if isinstance(each, float)] == [
        math.copysign(1, each) for each in given if isinstance(each, float)
    ]


def test_columns_of_nulls_are_as_long_as_the_others(engine: Engine) -> None:
    assert doubles([None, None]) == NONE_AT_ALL
    text = "SELECT * FROM unnest(CAST(%s AS bigint[]), CAST(%s AS double precision[])) AS given (a, b)"
    with engine.begin() as connection:
        [rows] = send(connection, [Statement(text, (bigints([1, 2]), doubles([None, None])))])
    assert rows == [(1, None), (2, None)]


def test_binary_and_text_go_together(engine: Engine) -> None:
    text = "SELECT CAST(%s AS text), CAST(%s AS integer[]), CAST(%s AS double precision)"
    with engine.begin() as connection:
        [rows] = send(connection, [Statement(text, ("a", integers([]), 0.1))])
    assert rows == [("a", [], 0.1)]
