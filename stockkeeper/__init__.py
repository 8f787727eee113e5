"""Stockkeeper for Python services: reserve stock, order it, move it, and command what was started.

    from stockkeeper import Line, Stockkeeper, InsufficientStock

    stock = await Stockkeeper.connect()
    hold = await stock.reserve("1042", [Line(product_id=7, warehouse_id=1, quantity=2)], performed_by="checkout")
    await hold.fulfill(performed_by="packing")

Needs temporalio and pydantic, and nothing else.
"""

from stockkeeper.client.adjustment import Adjustment, AdjustmentAwaitingApproval
from stockkeeper.client.customer_return import CustomerReturn
from stockkeeper.client.cycle_count import CycleCount
from stockkeeper.client.purchase_order import AwaitingApproval, PurchaseOrder
from stockkeeper.client.reservation import Hold
from stockkeeper.client.stockkeeper import Stockkeeper
from stockkeeper.client.transfer import Transfer
from stockkeeper.contracts.adjustment import AdjustmentLine, AdjustmentState
from stockkeeper.contracts.customer_return import InspectedLine, ReturnLine, ReturnState
from stockkeeper.contracts.cycle_count import CycleCountState, RootCause
from stockkeeper.contracts.errors import (
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
from stockkeeper.contracts.ledger import LevelThen, Movement
from stockkeeper.contracts.purchase_order import ApprovalPolicy, ApprovalTier, PurchaseOrderState, ReceiptLine
from stockkeeper.contracts.purchase_order import PurchaseOrderLine as OrderLine
from stockkeeper.contracts.reservation import FulfillLine, ReservationState
from stockkeeper.contracts.reservation import ReservationLine as Line
from stockkeeper.contracts.transfer import ArrivedLine, TransferLine, TransferState

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
