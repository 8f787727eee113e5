"""Stockkeeper for Python services: reserve stock, and command what was reserved.

    from starter import Line, Stockkeeper, InsufficientStock

    stock = await Stockkeeper.connect()
    hold = await stock.reserve("1042", [Line(product_id=7, warehouse_id=1, quantity=2)], performed_by="checkout")
    await hold.fulfill(performed_by="packing")

Needs temporalio and pydantic, and nothing else.
"""

from contracts.errors import (
    DomainError,
    InsufficientStock,
    InvalidRequest,
    InvalidState,
    NotFound,
    NotPermitted,
    OperationConflict,
    Shortage,
    StockkeeperError,
    UnknownProduct,
    UnknownSupplier,
    UnknownWarehouse,
    Unreachable,
)
from contracts.reservation import FulfillLine, ReservationState
from contracts.reservation import ReservationLine as Line
from starter.client import Stockkeeper
from starter.reservation import Hold

__all__ = [
    "DomainError",
    "FulfillLine",
    "Hold",
    "InsufficientStock",
    "InvalidRequest",
    "InvalidState",
    "Line",
    "NotFound",
    "NotPermitted",
    "OperationConflict",
    "ReservationState",
    "Shortage",
    "Stockkeeper",
    "StockkeeperError",
    "UnknownProduct",
    "UnknownSupplier",
    "UnknownWarehouse",
    "Unreachable",
]
