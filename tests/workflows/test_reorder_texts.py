"""A reorder run in the Temporal UI: what waits for a day on which its supplier takes orders."""

from datetime import date

from stockkeeper.contracts.reorder import ReorderState, WaitingState
from stockkeeper.domain.reorder import ReorderStatus
from workflows.reorder_texts import details_of


def test_items_that_wait_are_named_with_their_day() -> None:
    waiting = WaitingState(
        supplier_id=3,
        supplier="Weser Ceramics",
        warehouse_id=7,
        warehouse="Hamburg",
        items=2,
        review_days="tue,fri",
        order_on=date(2026, 12, 1),
    )
    state = ReorderState(status=ReorderStatus.DONE, items_below=2, waiting=[waiting], items_waiting=2)
    assert [line.replace("\u2003", "") for line in details_of(state, {}).splitlines() if line] == [
        (
            "**DONE** · 2 items below the reorder point, 0 of them on order or on the way already; 0 purchase orders "
            "drafted; 0 items can't be ordered. Waiting for a day on which the supplier takes orders: 2 items."
        ),
        "|waiting|warehouse|items|ordered\u00a0on|",
        "|---|---|---:|---|",
        "|Weser Ceramics|Hamburg|2|2026-12-01 (tue,fri)|",
    ]
    assert "aiting" not in details_of(ReorderState(status=ReorderStatus.DONE), {})
