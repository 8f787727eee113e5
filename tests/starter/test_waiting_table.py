"""The table of the orders that wait, on a screen of 80 columns."""

import io
from datetime import UTC, date, datetime

from starter.cli.output import table
from starter.cli.reservation import WAITING_COLUMNS, waiting_cells
from starter.cli.screen import Screen
from stockkeeper.contracts.waiting import WaitingShown


def test_the_orders_that_wait_fit_80_columns_with_the_day_of_their_turn() -> None:
    first = WaitingShown(
        wait_id=1,
        reference_id="1043",
        product_id=7,
        sku="TEA-100",
        warehouse_id=1,
        warehouse="Hamburg",
        quantity=400,
        position=1,
        missing=120,
        waiting_since=datetime(2026, 11, 23, 14, 30, tzinfo=UTC),
        waiting_until=datetime(2026, 11, 30, 14, 30, tzinfo=UTC),
        available_on=date(2026, 12, 1),
        performed_by="shop",
        workflow_id="reservation-1043",
    )
    change = {"reference_id": "1044", "warehouse": None, "position": 2, "missing": 130, "available_on": None}
    file = io.StringIO()
    rows = [waiting_cells(each) for each in (first, first.model_copy(update=change))]
    Screen(file=file, width=80, highlight=False).print(table(WAITING_COLUMNS, rows))
    head, _, *lines = [line.rstrip() for line in file.getvalue().splitlines()]
    assert [head, *lines] == [
        "order  product  where    wanted  no.  short  since       until       turn by",
        "1043   TEA-100  Hamburg     400    1    120  2026-11-23  2026-11-30  2026-12-01",
        "                                             14:30 UTC   14:30 UTC",
        "1044   TEA-100  any         400    2    130  2026-11-23  2026-11-30",
        "                                             14:30 UTC   14:30 UTC",
    ]
