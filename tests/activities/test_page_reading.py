"""Pages of files that are read in a process beside the worker's."""

import os
import signal
from collections.abc import Iterator
from typing import cast

import psutil
import pytest

from activities.niceness import BULK_NICENESS
from activities.page_reading import READ_AT_ONCE, PageReading, read_page
from stockkeeper.contracts.import_file import encode_row, pack_rows
from stockkeeper.domain.errors import InvalidRequest
from stockkeeper.domain.import_file import ImportKind

COLUMNS = ["sku", "warehouse", "day", "quantity"]
DEMAND = ImportKind.DEMAND


def page(*, last_day: str = "2020-01-01") -> str:
    """A page of three thousand rows, too large to be read where it is."""
    rows = [[os.urandom(8).hex(), "W", "2020-01-01", "7"] for _ in range(3_000)]
    rows[-1][2] = last_day
    packed = pack_rows([encode_row(2 + number, cells) for number, cells in enumerate(rows)])
    assert len(packed) > READ_AT_ONCE
    return packed


def child() -> psutil.Process:
    """The process that reads."""
    [found] = [each for each in psutil.Process().children() if "activities.page_reader" in each.cmdline()]
    return found


@pytest.fixture
def reading() -> Iterator[PageReading]:
    """Pages read here; its child process is ended."""
    made = PageReading()
    yield made
    made.close()


def test_a_large_page_is_read_by_a_child_that_gives_way_and_ends_with_its_reader() -> None:
    reading, asked = PageReading(), page()
    assert reading.read(DEMAND, COLUMNS, asked) == read_page(DEMAND, COLUMNS, asked)
    reader = child()
    assert reader.nice() == min(psutil.Process().nice() + BULK_NICENESS, 19)
    # The next one, by the same.
    assert reading.read(DEMAND, COLUMNS, asked).row_count == 3_000
    assert child() == reader
    del reading
    assert not reader.is_running()


def test_what_the_child_refuses_is_refused_with_the_same_words(reading: PageReading) -> None:
    asked = page(last_day="never")
    with pytest.raises(InvalidRequest) as refused:
        reading.read(DEMAND, COLUMNS, asked)
    with pytest.raises(InvalidRequest) as here:
        read_page(DEMAND, COLUMNS, asked)
    assert (refused.value.message, refused.value.details) == (here.value.message, here.value.details)
    errors = cast("list[dict[str, object]]", refused.value.details["errors"])
    assert [(each["line"], each["column"]) for each in errors] == [(3_001, "day")]
    # It reads on.
    assert reading.read(DEMAND, COLUMNS, page()).row_count == 3_000


def test_a_child_that_was_killed_is_begun_again(reading: PageReading) -> None:
    asked = page()
    reading.read(DEMAND, COLUMNS, asked)
    first = child()
    first.send_signal(signal.SIGKILL)
    assert reading.read(DEMAND, COLUMNS, asked).row_count == 3_000
    assert child().pid != first.pid


def test_a_small_page_is_read_where_it_is(reading: PageReading) -> None:
    small = pack_rows([encode_row(2, ["A", "W", "2020-01-01", "7"])])
    assert reading.read(DEMAND, COLUMNS, small).row_count == 1
    assert not [each for each in psutil.Process().children() if "activities.page_reader" in each.cmdline()]
