"""The state of a document repeats the database's answer, field by field, under the same names."""

import pytest
from pydantic import BaseModel

from stockkeeper.contracts.adjustment import AdjustmentState, StoredAdjustment
from stockkeeper.contracts.customer_return import ReturnState, StoredReturn
from stockkeeper.contracts.cycle_count import CycleCountState, StoredCount
from stockkeeper.contracts.purchase_order import StoredPurchaseOrder
from stockkeeper.contracts.purchase_order_state import PurchaseOrderState
from stockkeeper.contracts.recall import RecallState, StoredRecall
from stockkeeper.contracts.reservation import Holding, ReservationState
from stockkeeper.contracts.transfer import StoredTransfer
from stockkeeper.contracts.transfer_state import TransferState


@pytest.mark.parametrize(
    ("state", "stored", "of_the_run"),
    [
        (PurchaseOrderState, StoredPurchaseOrder, {"approve_by", "notices", "notes"}),
        (TransferState, StoredTransfer, {"shortages", "notices", "notes"}),
        (ReturnState, StoredReturn, {"notes"}),
        (AdjustmentState, StoredAdjustment, {"approve_by", "shortages", "notices", "notes"}),
        (RecallState, StoredRecall, {"product_id", "lot_number", "databases", "notices", "notes"}),
        (CycleCountState, StoredCount, {"notices", "notes"}),
        (ReservationState, Holding, {"reference_type", "reference_id", "notes"}),
    ],
)
def test_all_other_fields_of_the_state_come_from_the_database(
    state: type[BaseModel], stored: type[BaseModel], of_the_run: set[str]
) -> None:
    assert {*state.model_fields} - {*stored.model_fields} == of_the_run
