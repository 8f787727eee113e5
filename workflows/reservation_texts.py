"""Texts about a reservation in the Temporal UI."""

from collections.abc import Sequence

from stockkeeper.contracts.messages import utc
from stockkeeper.contracts.reservation import HeldLineState, ReservationState
from stockkeeper.domain.reservation import ReservationStatus
from workflows.details import details, table


def details_of(state: ReservationState, held: Sequence[HeldLineState] = ()) -> str:
    """The run in a few lines of Markdown: what it holds, until when, and the next step."""
    of = f"{state.reference_type.lower()} {state.reference_id}"
    until = f" until {utc(state.expires_at)}" if state.expires_at else ""
    text = {
        ReservationStatus.ACTIVE: f"Stock is held for {of}{until}. Next: `fulfill`, `release`, `cancel` or `extend`; "
        "otherwise it is released at the deadline.",
        ReservationStatus.FULFILLED: f"Everything has left for {of}.",
        ReservationStatus.CANCELLED: f"Cancelled: nothing is held for {of} any more.",
        ReservationStatus.EXPIRED: f"The deadline came: nothing is held for {of} any more.",
        ReservationStatus.REJECTED: f"Out of stock: nothing was held for {of}.",
    }
    rows: list[tuple[object, ...]] = [
        (line.sku, line.warehouse, line.quantity, line.quantity_fulfilled) for line in held
    ] or [
        # Nothing is held, so SKUs and names are unknown.
        (f"product {line.product_id}", f"warehouse {line.warehouse_id}", line.quantity, 0)
        for line in state.lines
    ]
    columns = ["product", "warehouse", "#ordered", "#shipped"]
    if any(line.quantity_released for line in held):
        columns.append("#given up")
        rows = [(*row, line.quantity_released) for row, line in zip(rows, held, strict=True)]
    lines = table(columns, rows)
    return details(state.status, text.get(state.status, ""), lines, state.notes)
