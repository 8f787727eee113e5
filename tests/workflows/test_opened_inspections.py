"""An inspection whose run can't be started is told of."""

from stockkeeper.contracts.messages import MAX_LINES
from stockkeeper.contracts.opened_inspection import OpenedInspection, OpenedLine
from stockkeeper.domain.lot import StockState
from workflows.opened_inspections import start_inspections


async def test_more_lines_than_a_start_has_are_noted() -> None:
    lines = [OpenedLine(product_id=1, lot_number=str(number), quantity=1) for number in range(MAX_LINES + 1)]
    opened = OpenedInspection(
        inspection_number="T-1.1",
        warehouse_id=1,
        lines=lines,
        state=StockState.DAMAGED,
        reason="damaged",
        performed_by="dora",
    )
    notes: list[str] = []
    await start_inspections([opened], notes.append)
    assert notes == ["inspection T-1.1 is stored, but its run couldn't be started: open it again"]
