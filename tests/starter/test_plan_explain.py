"""What `stockkeeper plan explain` says of the next weeks."""

from datetime import date
from typing import Any

import pytest

from starter.cli.plan_questions import ahead
from stockkeeper.contracts.plan_questions import ArrivalAhead, PlanExplained

TODAY = date(2026, 11, 29)


@pytest.mark.parametrize(
    ("expected_on", "order_by", "said"),
    [
        (None, date(2030, 1, 25), "order by 2030-01-25, if what has no day yet comes in time"),
        (date(2026, 12, 6), date(2030, 1, 25), "order by 2030-01-25"),
        (None, TODAY, "order by 2026-11-29 (it is below its point)"),
    ],
)
def test_the_day_by_which_to_order_says_what_it_counts_on(expected_on: date | None, order_by: date, said: str) -> None:
    coming: dict[str, Any] = {"document": "PO-72", "quantity": 600, "expected_on": expected_on}
    shown: dict[str, Any] = {"quantity_available": 0, "order_by": order_by, "today": TODAY, "runs_out": None}
    found = PlanExplained.model_construct(**shown, arrivals=[ArrivalAhead.model_construct(**coming)])
    assert [line.replace("[bold]", "").replace("[/bold]", "") for line in ahead(found)][2] == said
