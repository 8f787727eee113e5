"""Stockkeeper for Python services: reserve stock, order it, move it, count it, and ask for it.

    from stockkeeper import InsufficientStock, Line, Stockkeeper

    stock = await Stockkeeper.connect()
    hold = await stock.reserve("1042", [Line("TEA-100", "Hamburg", quantity=2)], performed_by="checkout")
    await hold.fulfill(performed_by="packing")

Needs temporalio and pydantic, and nothing else.
"""

from stockkeeper.client.adjustment import Adjustment, AdjustmentAwaitingApproval
from stockkeeper.client.connection import Connection
from stockkeeper.client.customer_return import CustomerReturn
from stockkeeper.client.cycle_count import CycleCount
from stockkeeper.client.inbox import InboxItem
from stockkeeper.client.inspection import Inspection
from stockkeeper.client.lines import ArrivalLine, DeliveryLine, InspectionLine, Line, LotLine, OrderLine, ShelfLine
from stockkeeper.client.purchase_order import AwaitingApproval, PurchaseOrder
from stockkeeper.client.recall import Recall
from stockkeeper.client.reservation import Hold
from stockkeeper.client.runs import Listed
from stockkeeper.client.stockkeeper import Stockkeeper
from stockkeeper.client.transfer import Transfer
from stockkeeper.contracts.adjustment import AdjustmentState, AdjustmentStatus
from stockkeeper.contracts.count_questions import Accuracy, Variance
from stockkeeper.contracts.customer_return import ReturnState, ReturnStatus
from stockkeeper.contracts.cycle_count import CountStatus, CycleCountState, RootCause
from stockkeeper.contracts.errors import (
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
from stockkeeper.contracts.event import Event
from stockkeeper.contracts.inspection import InspectionState, InspectionStatus, StockState
from stockkeeper.contracts.ledger import LevelThen, Movement
from stockkeeper.contracts.lot_questions import LotHold, LotShown, LotStatus
from stockkeeper.contracts.order_promising import DeliveryPromise, PromisedLine
from stockkeeper.contracts.plan_questions import PlanAccuracy, PlanExplained
from stockkeeper.contracts.purchase_order_state import (
    ApprovalPolicy,
    ApprovalTier,
    PurchaseOrderState,
    PurchaseOrderStatus,
)
from stockkeeper.contracts.recall import RecallState, RecallStatus
from stockkeeper.contracts.replenishment_plan import ItemPlan
from stockkeeper.contracts.reservation import ReservationState, ReservationStatus
from stockkeeper.contracts.stock import InTransit, StockLevel
from stockkeeper.contracts.transfer_state import TransferState, TransferStatus

__all__ = [
    "Accuracy",
    "Adjustment",
    "AdjustmentAwaitingApproval",
    "AdjustmentState",
    "AdjustmentStatus",
    "ApprovalPolicy",
    "ApprovalTier",
    "ArrivalLine",
    "AwaitingApproval",
    "Connection",
    "CountStatus",
    "CustomerReturn",
    "CycleCount",
    "CycleCountState",
    "DeliveryLine",
    "DeliveryPromise",
    "DomainError",
    "Event",
    "EventsForgotten",
    "Hold",
    "InTransit",
    "InboxItem",
    "Inspection",
    "InspectionLine",
    "InspectionState",
    "InspectionStatus",
    "InsufficientStock",
    "InvalidRequest",
    "InvalidState",
    "ItemPlan",
    "LevelThen",
    "Line",
    "Listed",
    "LotHold",
    "LotLine",
    "LotShown",
    "LotStatus",
    "Movement",
    "NotFound",
    "NotPermitted",
    "OperationConflict",
    "OrderLine",
    "PlanAccuracy",
    "PlanExplained",
    "PromisedLine",
    "PurchaseOrder",
    "PurchaseOrderState",
    "PurchaseOrderStatus",
    "Recall",
    "RecallState",
    "RecallStatus",
    "ReservationState",
    "ReservationStatus",
    "ReturnState",
    "ReturnStatus",
    "RootCause",
    "ShelfLine",
    "Shortage",
    "StockLevel",
    "StockState",
    "Stockkeeper",
    "StockkeeperError",
    "Transfer",
    "TransferState",
    "TransferStatus",
    "UnknownProduct",
    "UnknownSupplier",
    "UnknownWarehouse",
    "Unreachable",
    "Variance",
    "WarehouseElsewhere",
    "WarehouseMoving",
]
