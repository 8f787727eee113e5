"""Tables of lots fit 80 columns, a row for each lot."""

import io
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime

import pytest

from starter.cli.lot import EXPIRING, LISTED, expiring, listed
from starter.cli.output import table
from starter.cli.screen import Screen
from stockkeeper.contracts.lot_questions import LotShown, LotStatus

LOT = LotShown.model_validate(
    dict.fromkeys(LotShown.model_fields)
    | {
        "product_id": 1,
        "sku": "YOG-400-VAN",
        "name": "Yoghurt, vanilla",
        "warehouse_id": 1,
        "warehouse": "Hamburg Main",
    }
    | {"lot_number": "L2411-0017", "expires_on": date(2026, 12, 15), "days_left": 15, "status": LotStatus.AVAILABLE}
    | {"quantity_on_hand": 1_200, "quantity_reserved": 240, "quantity_unavailable": 60, "quantity_free": 900}
    | {"may_leave": True, "came_at": datetime(2026, 11, 1, tzinfo=UTC)}
)


def _printed(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    file = io.StringIO()
    Screen(file=file, width=80, highlight=False).print(table(columns, rows))
    return [line.rstrip() for line in file.getvalue().splitlines()]


@pytest.mark.parametrize(("columns", "row"), [(LISTED, listed), (EXPIRING, expiring)], ids=["lot list", "lot expiring"])
def test_a_row_of_lots_fits_80_columns(columns: Sequence[str], row: Callable[[LotShown], list[str]]) -> None:
    lines = _printed(columns, [row(LOT)])
    assert max(map(len, lines)) <= 80
    [first] = [line for line in lines if "L2411-0017" in line]
    # Not a block, in which each cell has a line of its own.
    assert "2026-12-15" in first
    assert "YOG-400-VAN" in first


@pytest.mark.parametrize(
    ("change", "last_day", "free"),
    [
        ({}, "2026-12-15 15 days left", "900"),
        ({"days_left": 1}, "2026-12-15 1 day left", "900"),
        ({"days_left": -1, "may_leave": False}, "2026-12-15 over for 1 day", "900, may not leave"),
        ({"status": LotStatus.BLOCKED, "may_leave": False}, "2026-12-15 15 days left", "900, BLOCKED"),
        ({"expires_on": None, "days_left": None}, "", "900"),
    ],
)
def test_a_row_says_how_many_days_are_left_and_why_free_units_stay(
    change: dict[str, object], last_day: str, free: str
) -> None:
    row = listed(LOT.model_copy(update=change))
    assert (row[3], row[6]) == (last_day, free)
