"""The processes: the one list of them, from which everything that is one per process is derived."""

from stockkeeper.contracts import (
    adjustment,
    customer_return,
    cycle_count,
    cycle_count_plan,
    import_file,
    inspection,
    lot_expiry,
    purchase_order,
    recall,
    reorder,
    replenishment_plan,
    reservation,
    stock_audit,
    transfer,
)
from stockkeeper.contracts.process import ProcessSpec

PROCESSES: tuple[ProcessSpec, ...] = (
    reservation.PROCESS,
    purchase_order.PROCESS,
    transfer.PROCESS,
    reorder.PROCESS,
    replenishment_plan.PROCESS,
    cycle_count.PROCESS,
    cycle_count_plan.PROCESS,
    customer_return.PROCESS,
    adjustment.PROCESS,
    inspection.PROCESS,
    recall.PROCESS,
    lot_expiry.PROCESS,
    import_file.PROCESS,
    stock_audit.PROCESS,
)
"""In the order of the demo's scenes: the audit comes last and checks everything that the others have booked."""

DOCUMENTS: dict[str, ProcessSpec] = {process.kind: process for process in PROCESSES if process.stored}
"""The processes whose documents have rows of their own: lists, and what is shown of one, come from these."""

AUDITED: dict[str, ProcessSpec] = {process.kind: process for process in PROCESSES if process.finding is not None}
"""The processes whose documents the audit compares with their movements, in the order in which it does."""
