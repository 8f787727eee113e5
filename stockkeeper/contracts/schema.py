"""The contract for other languages, as JSON Schema: `python -m stockkeeper.contracts.schema` prints it.

`schema.json` beside this file is its last output. A test compares the two, so that a change which breaks a caller shows
up in a review as a changed file.
"""

import json
import sys
from typing import Any

from pydantic.json_schema import models_json_schema

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
from stockkeeper.contracts.errors import DomainError
from stockkeeper.contracts.giving_way import GiveWay
from stockkeeper.contracts.policies import TASK_QUEUE
from stockkeeper.contracts.search_attributes import TYPES

_PROCESSES: dict[str, dict[str, Any]] = {
    reservation.WORKFLOW_TYPE: {
        "workflow_id": reservation.workflow_id("{reference_id}"),
        "start": reservation.ReservationRequest,
        "commands": {
            "fulfill": reservation.Fulfill,
            "cancel": reservation.Cancel,
            "extend": reservation.Extend,
            "give_way": GiveWay,
        },
        "updates_without_payload": ["reserved"],
        "state": reservation.ReservationState,
    },
    purchase_order.WORKFLOW_TYPE: {
        "workflow_id": purchase_order.workflow_id("{po_number}"),
        "start": purchase_order.PurchaseOrderRequest,
        "commands": {
            "approve": purchase_order.Approve,
            "reject": purchase_order.Reject,
            "confirm": purchase_order.Confirm,
            "receive": purchase_order.Receive,
            "close_short": purchase_order.CloseShort,
            "cancel": purchase_order.CancelOrder,
        },
        "updates_without_payload": ["drafted"],
        "state": purchase_order.PurchaseOrderState,
    },
    transfer.WORKFLOW_TYPE: {
        "workflow_id": transfer.workflow_id("{transfer_number}"),
        "start": transfer.TransferRequest,
        "commands": {
            "dispatch": transfer.Dispatch,
            "receive": transfer.ReceiveTransferred,
            "write_off": transfer.WriteOff,
            "cancel": transfer.CancelTransfer,
            "give_way": GiveWay,
        },
        "updates_without_payload": ["held"],
        "state": transfer.TransferState,
    },
    customer_return.WORKFLOW_TYPE: {
        "workflow_id": customer_return.workflow_id("{return_number}"),
        "start": customer_return.ReturnRequest,
        "commands": {
            "inspect": customer_return.Inspect,
            "close_short": customer_return.CloseReturnShort,
        },
        "updates_without_payload": ["registered"],
        "state": customer_return.ReturnState,
    },
    adjustment.WORKFLOW_TYPE: {
        "workflow_id": adjustment.workflow_id("{adjustment_number}"),
        "start": adjustment.AdjustmentRequest,
        "commands": {
            "approve": adjustment.ApproveAdjustment,
            "reject": adjustment.RejectAdjustment,
            "cancel": adjustment.CancelAdjustment,
        },
        "updates_without_payload": ["submitted"],
        "state": adjustment.AdjustmentState,
    },
    reorder.WORKFLOW_TYPE: {
        "workflow_id": "reorder-hourly of the schedule, reorder-at-once, or any",
        "start": reorder.ReorderRequest,
        "commands": {},
        "updates_without_payload": [],
        "state": reorder.ReorderState,
    },
    replenishment_plan.WORKFLOW_TYPE: {
        "workflow_id": "replenishment-plan-daily of the schedule, or any",
        "start": replenishment_plan.ReplenishmentPlanRequest,
        "commands": {},
        "updates_without_payload": [],
        "state": replenishment_plan.PlanState,
    },
    cycle_count_plan.WORKFLOW_TYPE: {
        "workflow_id": "cycle-count-daily of the schedule, or any",
        "start": cycle_count_plan.CycleCountPlanRequest,
        "commands": {},
        "updates_without_payload": [],
        "state": cycle_count_plan.CycleCountPlanState,
    },
    cycle_count.WORKFLOW_TYPE: {
        "workflow_id": cycle_count.workflow_id("{count_number}"),
        "start": cycle_count.CycleCountRequest,
        "commands": {
            "record": cycle_count.Record,
            "approve_variance": cycle_count.ApproveVariance,
            "cancel": cycle_count.CancelCount,
        },
        "updates_without_payload": ["opened"],
        "state": cycle_count.CycleCountState,
    },
    stock_audit.WORKFLOW_TYPE: {
        "workflow_id": "stock-audit-nightly of the schedule, or any",
        "start": stock_audit.StockAuditRequest,
        "commands": {},
        "updates_without_payload": [],
        "state": stock_audit.StockAuditState,
    },
    import_file.WORKFLOW_TYPE: {
        "workflow_id": "import-{kind}-{digest}",
        "start": import_file.ImportRequest,
        "commands": {
            "add_page": import_file.AddPage,
            "finish": import_file.Finish,
        },
        "updates_without_payload": ["opened"],
        "state": import_file.ImportState,
    },
}


def generate() -> dict[str, Any]:
    """The whole contract: one entry for each workflow type, and the schemas that they refer to."""
    models = {
        model
        for process in _PROCESSES.values()
        for model in (process["start"], process["state"], *process["commands"].values())
    }
    received = [process["start"] for process in _PROCESSES.values()]
    received += [model for process in _PROCESSES.values() for model in process["commands"].values()]
    modes = [(model, "validation" if model in received else "serialization") for model in models]
    modes.sort(key=lambda pair: pair[0].__name__)
    references, definitions = models_json_schema(modes, ref_template="#/$defs/{model}")  # type: ignore[arg-type]
    reference_of = {model: reference for (model, _), reference in references.items()}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Stockkeeper: the wire contract",
        "task_queue": TASK_QUEUE,
        "search_attributes": sorted(TYPES),
        "errors": sorted(name for name in DomainError.codes if not name.startswith("_")),
        "workflows": {
            name: {
                "workflow_id": process["workflow_id"],
                "start": reference_of[process["start"]],
                "commands": {command: reference_of[model] for command, model in process["commands"].items()},
                "updates_without_payload": process["updates_without_payload"],
                "state": reference_of[process["state"]],
            }
            for name, process in _PROCESSES.items()
        },
        **definitions,
    }


if __name__ == "__main__":
    json.dump(generate(), sys.stdout, indent=2, sort_keys=True)
    sys.stdout.write("\n")
