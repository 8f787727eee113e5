"""What `stockkeeper plan explain` says of the next weeks."""

from datetime import date
from typing import Any

import pytest

from starter.cli.plan_questions import ahead
from stockkeeper.contracts.order_promising import DayBasis
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


@pytest.mark.parametrize(
    ("order_by", "falls_below", "said"),
    [
        (date(2026, 12, 3), date(2026, 12, 3), "order by 2026-12-03"),
        (
            date(2026, 12, 1),
            date(2026, 12, 3),
            "order by 2026-12-01, the last review day of its supplier before it falls below its point on 2026-12-03",
        ),
        (
            TODAY,
            date(2026, 12, 3),
            "order by 2026-11-29, the last review day of its supplier before it falls below its point on 2026-12-03",
        ),
        (
            date(2026, 12, 8),
            date(2026, 12, 3),
            (
                "order on 2026-12-08, the next review day of its supplier: there is none until it falls below its "
                "point on 2026-12-03"
            ),
        ),
        (date(2026, 12, 1), TODAY, "order on 2026-12-01, the next review day of its supplier (it is below its point)"),
    ],
)
def test_the_day_by_which_to_order_is_a_review_day_of_the_supplier(
    order_by: date, falls_below: date, said: str
) -> None:
    shown: dict[str, Any] = {"quantity_available": 0, "order_by": order_by, "falls_below": falls_below}
    found = PlanExplained.model_construct(**shown, today=TODAY, runs_out=None, arrivals=[])
    assert [line.replace("[bold]", "").replace("[/bold]", "") for line in ahead(found)] == ["available 0", said]


@pytest.mark.parametrize(
    ("day", "basis", "said"),
    [
        (date(2026, 12, 6), DayBasis.AGREED, "expected on 2026-12-06 (agreed)"),
        (date(2026, 12, 6), None, "expected on 2026-12-06"),
        (None, None, "no day is known"),
    ],
)
def test_a_day_says_what_it_is_known_by(day: date | None, basis: DayBasis | None, said: str) -> None:
    coming = ArrivalAhead(document="PO-72", quantity=600, expected_on=day, basis=basis)
    shown: dict[str, Any] = {"quantity_available": 0, "order_by": None, "runs_out": None}
    found = PlanExplained.model_construct(**shown, arrivals=[coming])
    assert list(ahead(found)) == ["available 0", f"on its way: 600 units with PO-72, {said}"]
