"""What plans promised and reached, as people read it."""

import pytest

from starter.cli.plan_questions import _row
from stockkeeper.contracts.plan_questions import PlanAccuracy

JUNE = PlanAccuracy(
    month="2026-06",
    demand_class="lumpy",
    items=40,
    cycles=120,
    cycles_without_stockout=113,
    promised_cycle_service=0.951,
    units=1_980,
    units_refused=20,
    promised_fill_rate=0.987,
)


@pytest.mark.parametrize(
    ("changed", "row"),
    [
        ({}, ["2026-06", "lumpy", "120", "94.2 % (95.1 %)", "1980", "20", "99.0 % (98.7 %)"]),
        # The month isn't over, and nothing has come yet.
        (
            {"cycles": 0, "promised_cycle_service": None, "units": None, "promised_fill_rate": None},
            ["2026-06", "lumpy", "0", "", "", "20", ""],
        ),
        # Plans of an older worker, which promised nothing.
        (
            {"promised_cycle_service": None, "promised_fill_rate": None},
            ["2026-06", "lumpy", "120", "94.2 %", "1980", "20", "99.0 %"],
        ),
        ({"units": 0, "units_refused": 0}, ["2026-06", "lumpy", "120", "94.2 % (95.1 %)", "0", "0", ""]),
    ],
    ids=["over", "going on", "without a promise", "nothing wanted"],
)
def test_reached_is_told_beside_promised(changed: dict[str, object], row: list[str]) -> None:
    assert _row(JUNE.model_copy(update=changed)) == row
