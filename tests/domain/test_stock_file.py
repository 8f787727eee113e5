"""What a row of a stock file does to its item."""

import dataclasses
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stockkeeper.contracts.messages import MAX_LINES
from stockkeeper.domain.stock import ItemKey
from stockkeeper.domain.stock_file import (
    LINES_OF_AN_ADJUSTMENT,
    Effect,
    FileAdjustment,
    RowLot,
    StockRow,
    adjustment_number,
    adjustments_of,
    skipped_because,
)

ITEM = ItemKey(1, 10)
NEVER_MOVED = StockRow(
    line=2,
    item=ITEM,
    quantity=9,
    expected=None,
    on_hand=0,
    has_moved=False,
    in_use=False,
    said_by_this_file=False,
)
STOCKED = dataclasses.replace(NEVER_MOVED, on_hand=5, has_moved=True, in_use=True)


@pytest.mark.parametrize(
    ("row", "effect"),
    [
        (NEVER_MOVED, Effect.OPENED),
        (dataclasses.replace(NEVER_MOVED, quantity=0), Effect.UNCHANGED),
        (dataclasses.replace(NEVER_MOVED, expected=12), Effect.OPENED),
        # Stock that one person makes in a warehouse that is in use is an adjustment, also of a new item.
        (dataclasses.replace(NEVER_MOVED, in_use=True), Effect.ADJUSTED),
        (STOCKED, Effect.ADJUSTED),
        (dataclasses.replace(STOCKED, quantity=5), Effect.UNCHANGED),
        (dataclasses.replace(STOCKED, said_by_this_file=True), Effect.UNCHANGED),
        (dataclasses.replace(STOCKED, expected=5), Effect.ADJUSTED),
        (dataclasses.replace(STOCKED, expected=6), Effect.CHANGED_SINCE),
        # Not meant to change, whatever is there by now; and brought there already.
        (dataclasses.replace(STOCKED, expected=9), Effect.UNCHANGED),
        (dataclasses.replace(STOCKED, expected=6, on_hand=9), Effect.UNCHANGED),
        (dataclasses.replace(STOCKED, waits="A-1"), Effect.WAITING),
        (dataclasses.replace(STOCKED, waits="A-1", quantity=5), Effect.UNCHANGED),
        (dataclasses.replace(STOCKED, waits="A-1", said_by_this_file=True), Effect.UNCHANGED),
    ],
)
def test_a_row_opens_adjusts_or_leaves_alone(row: StockRow, effect: Effect) -> None:
    assert row.effect is effect


def test_a_skipped_row_says_why() -> None:
    row = dataclasses.replace(STOCKED, expected=6)
    assert skipped_because(row) == "skipped: 6 on hand when the file was made, 5 now"
    assert skipped_because(dataclasses.replace(STOCKED, waits="A-1")) == (
        "skipped: adjustment A-1 of it waits for approval; decide it, and send the file again"
    )


def test_differences_go_by_warehouse_in_parts_that_an_adjustment_takes() -> None:
    assert LINES_OF_AN_ADJUSTMENT == MAX_LINES
    rows = [dataclasses.replace(STOCKED, item=ItemKey(2, product)) for product in range(1, 1_002)]
    assert adjustments_of([*rows, dataclasses.replace(STOCKED, quantity=3)]) == [
        FileAdjustment(1, 1, [(10, -2)]),
        FileAdjustment(2, 1, [(product, 4) for product in range(1, 1_001)]),
        FileAdjustment(2, 2, [(1_001, 4)]),
    ]


def test_differences_of_lots_are_lines_of_their_own() -> None:
    lot = RowLot("A", date(2026, 6, 4))
    rows = [dataclasses.replace(STOCKED, lot=lot), dataclasses.replace(STOCKED, item=ItemKey(1, 11), quantity=4)]
    assert adjustments_of(rows) == [FileAdjustment(1, 1, [(10, 4), (11, -1)], [lot, None])]


def test_the_number_tells_file_and_warehouse() -> None:
    one = FileAdjustment(3, 1, [])
    assert adjustment_number("import-stock-0f5b8c1d2e3a4b5c", 1, one) == "file-0f5b8c1d2e3a4b5c-3"
    assert adjustment_number("import-stock-0f5b8c1d2e3a4b5c", 2, one) == "file-0f5b8c1d2e3a4b5c-2-3"
    assert adjustment_number("import-stock-0f5b8c1d2e3a4b5c", 1, dataclasses.replace(one, part=2)) == (
        "file-0f5b8c1d2e3a4b5c-3-part-2"
    )


@given(
    st.builds(
        StockRow,
        line=st.just(2),
        item=st.just(ITEM),
        quantity=st.integers(0, 3),
        expected=st.none() | st.integers(0, 3),
        on_hand=st.integers(0, 3),
        has_moved=st.booleans(),
        in_use=st.booleans(),
        said_by_this_file=st.booleans(),
    )
)
def test_what_changes_ends_at_the_files_quantity(row: StockRow) -> None:
    if row.effect in {Effect.OPENED, Effect.ADJUSTED}:
        assert row.difference != 0
        assert row.on_hand + row.difference == row.quantity
    if row.effect is Effect.OPENED:
        assert not row.has_moved
        assert not row.in_use
