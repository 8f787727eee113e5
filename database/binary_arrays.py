"""Arrays as PostgreSQL takes them in binary: for statements that are given thousands of numbers in each column.

Numbers as text have to be written here digit by digit, and read digit by digit by the server. In binary each of them is
a length and its bytes, the most significant first; a few copies of whole columns put them there.
"""

import struct
import sys
from array import array
from collections.abc import Callable, Sequence
from typing import Any

from database.pipeline import floats, numbers

_HEADER = struct.Struct(">iiIii")
"""Dimensions, whether there are nulls, the type of an element, how many there are, and the number of the first."""
_LENGTH_BYTES = 4
_BIGINT, _INTEGER, _DOUBLE = 20, 23, 701
"""Of `pg_type`: the built-in types have these numbers in every database."""
NONE_AT_ALL = "{}"
"""What `unnest` fills up with nulls, beside longer arrays."""


def bigints(values: Sequence[int | None]) -> bytes | str:
    """An array of whole numbers, to be cast to ``bigint[]``."""
    return _array("q", _BIGINT, values, numbers)


def integers(values: Sequence[int | None]) -> bytes | str:
    """An array of whole numbers, to be cast to ``integer[]``."""
    return _array("i", _INTEGER, values, numbers)


def doubles(values: Sequence[float | None]) -> bytes | str:
    """An array of floats, to be cast to ``double precision[]``."""
    return _array("d", _DOUBLE, values, floats)


def _array(kind: str, of_type: int, values: Sequence[Any], as_text: Callable[[Sequence[Any]], str]) -> bytes | str:
    """In binary; as text if some are null, and empty if all are."""
    if None in values:
        return as_text(values) if any(each is not None for each in values) else NONE_AT_ALL
    given = array(kind, values)
    if sys.byteorder == "little":
        given.byteswap()
    raw, size = given.tobytes(), given.itemsize
    each = _LENGTH_BYTES + size
    elements = bytearray(each * len(given))
    elements[_LENGTH_BYTES - 1 :: each] = bytes([size]) * len(given)
    for at in range(size):
        elements[_LENGTH_BYTES + at :: each] = raw[at::size]
    return _HEADER.pack(1, 0, of_type, len(given), 1) + bytes(elements)
