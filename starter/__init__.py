"""Stockkeeper for Python services: reserve stock, order it, move it, and command what was started.

    from starter import Line, Stockkeeper, InsufficientStock

    stock = await Stockkeeper.connect()
    hold = await stock.reserve("1042", [Line(product_id=7, warehouse_id=1, quantity=2)], performed_by="checkout")
    await hold.fulfill(performed_by="packing")

Needs temporalio and pydantic, and nothing else.
"""

from contracts.adjustment import AdjustmentLine, AdjustmentState
from contracts.customer_return import InspectedLine, ReturnLine, ReturnState
from contracts.cycle_count import CycleCountState, RootCause
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
from contracts.ledger import LevelThen, Movement
from contracts.purchase_order import ApprovalPolicy, ApprovalTier, PurchaseOrderState, ReceiptLine
from contracts.purchase_order import PurchaseOrderLine as OrderLine
from contracts.reservation import FulfillLine, ReservationState
from contracts.reservation import ReservationLine as Line
from contracts.transfer import ArrivedLine, TransferLine, TransferState
from starter.adjustment import Adjustment, AdjustmentAwaitingApproval
from starter.client import Stockkeeper
from starter.customer_return import CustomerReturn
from starter.cycle_count import CycleCount
from starter.purchase_order import AwaitingApproval, PurchaseOrder
from starter.reservation import Hold
from starter.transfer import Transfer

__all__ = [
    "Adjustment",
    "AdjustmentAwaitingApproval",
    "AdjustmentLine",
    "AdjustmentState",
    "ApprovalPolicy",
    "ApprovalTier",
    "ArrivedLine",
    "AwaitingApproval",
    "CustomerReturn",
    "CycleCount",
    "CycleCountState",
    "DomainError",
    "FulfillLine",
    "Hold",
    "InspectedLine",
    "InsufficientStock",
    "InvalidRequest",
    "InvalidState",
    "LevelThen",
    "Line",
    "Movement",
    "NotFound",
    "NotPermitted",
    "OperationConflict",
    "OrderLine",
    "PurchaseOrder",
    "PurchaseOrderState",
    "ReceiptLine",
    "ReservationState",
    "ReturnLine",
    "ReturnState",
    "RootCause",
    "Shortage",
    "Stockkeeper",
    "StockkeeperError",
    "Transfer",
    "TransferLine",
    "TransferState",
    "UnknownProduct",
    "UnknownSupplier",
    "UnknownWarehouse",
    "Unreachable",
]
