"""The errors, for packages that only import the contract: see `stockkeeper.domain.errors` for the tree."""

from stockkeeper.domain.conflicts import already_exists, of_operation
from stockkeeper.domain.errors import (
    DomainError,
    EventsForgotten,
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
    WarehouseElsewhere,
    WarehouseMoving,
)

__all__ = [
    "DomainError",
    "EventsForgotten",
    "InsufficientStock",
    "InvalidRequest",
    "InvalidState",
    "NotFound",
    "NotPermitted",
    "OperationConflict",
    "Shortage",
    "StockkeeperError",
    "UnknownProduct",
    "UnknownSupplier",
    "UnknownWarehouse",
    "Unreachable",
    "WarehouseElsewhere",
    "WarehouseMoving",
    "already_exists",
    "of_operation",
]
