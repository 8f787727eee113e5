"""The processes: the one list of them, from which everything that is one per process is derived."""

from stockkeeper.contracts import (
    adjustment,
    customer_return,
    cycle_count,
    cycle_count_plan,
    import_file,
    purchase_order,
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
    customer_return.PROCESS,
    adjustment.PROCESS,
    reorder.PROCESS,
    replenishment_plan.PROCESS,
    cycle_count_plan.PROCESS,
    cycle_count.PROCESS,
    stock_audit.PROCESS,
    import_file.PROCESS,
)
"""In the order in which people meet them."""
