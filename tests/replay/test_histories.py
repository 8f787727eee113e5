"""Every way that a run can go was recorded, and is still understood where all that a replay can't repeat is refused.

`test_fingerprints.py` replays them the way they run in production.
"""

import base64
import json
import re
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from temporalio import workflow
from temporalio.client import WorkflowHistory
from temporalio.common import RawValue
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner, WorkflowRunner
from temporalio.workflow import NondeterminismError

from stockkeeper.contracts.converter import DATA_CONVERTER
from stockkeeper.domain.adjustment import ADJUSTMENT, AdjustmentStatus
from stockkeeper.domain.customer_return import RETURN, ReturnStatus
from stockkeeper.domain.cycle_count import COUNT_LINE, CountStatus
from stockkeeper.domain.cycle_count_plan import CountPlanStatus
from stockkeeper.domain.event_subscriber import SubscriberStatus
from stockkeeper.domain.import_file import IMPORT, ImportStatus
from stockkeeper.domain.inspection import INSPECTION, InspectionStatus
from stockkeeper.domain.lot_expiry import LotExpiryStatus
from stockkeeper.domain.purchase_order import PURCHASE_ORDER, PurchaseOrderStatus
from stockkeeper.domain.recall import RECALL, RecallStatus
from stockkeeper.domain.reorder import ReorderStatus
from stockkeeper.domain.replenishment import PlanStatus
from stockkeeper.domain.reservation import RESERVATION, ReservationStatus
from stockkeeper.domain.stock_audit import AuditStatus
from stockkeeper.domain.transfer import TRANSFER, TransferStatus
from tests.replay.adjustment import AdjustmentScenes
from tests.replay.customer_return import ReturnScenes
from tests.replay.cycle_count import CycleCountScenes
from tests.replay.cycle_count_plan import CycleCountPlanScenes
from tests.replay.fingerprint import RECORDED
from tests.replay.import_file import ImportScenes
from tests.replay.inspection import InspectionScenes
from tests.replay.lot_expiry import LotExpiryScenes
from tests.replay.purchase_order import PurchaseOrderScenes
from tests.replay.recall import RecallScenes
from tests.replay.record import PROCESSES
from tests.replay.recording import load, without_names
from tests.replay.reorder import ReorderScenes
from tests.replay.replenishment_plan import ReplenishmentPlanScenes
from tests.replay.reservation import ReservationScenes
from tests.replay.sandbox import SANDBOX, ReadsTheClock
from tests.replay.stock_audit import StockAuditScenes
from tests.replay.transfer import TransferScenes
from tests.support.wire import Json, texts
from worker import REPLAYED_WITH, WORKFLOWS

UNDER_WAY = "under way"
FOLLOWED = "followed by another run"

# How the histories end: by a status, by the error that fails the run, or not at all yet.
ENDINGS: Mapping[str, Mapping[str, int]] = {
    "reservation": {
        UNDER_WAY: 2,
        FOLLOWED: 1,
        "FULFILLED": 10,
        "CANCELLED": 16,
        "EXPIRED": 3,
        "REJECTED": 5,
        "InvalidRequest": 1,
        "UnknownProduct": 4,
    },
    "order_in_parts": {UNDER_WAY: 1, "FULFILLED": 2, "CANCELLED": 2, "EXPIRED": 1, "REJECTED": 1},
    "event_subscriber": {UNDER_WAY: 1, "ENDED": 5, "InvalidRequest": 1},
    "import_file": {"IMPORTED": 5, "REFUSED": 1, "ABANDONED": 1, "InvalidRequest": 2},
    "purchase_order": {
        UNDER_WAY: 2,
        "RECEIVED": 14,
        "CANCELLED": 10,
        "InvalidRequest": 1,
        "UnknownSupplier": 2,
    },
    "transfer": {
        UNDER_WAY: 2,
        "RECEIVED": 15,
        "CANCELLED": 9,
        "REJECTED": 2,
        "InvalidRequest": 1,
        "UnknownProduct": 2,
    },
    "customer_return": {
        UNDER_WAY: 1,
        "INSPECTED": 11,
        "CANCELLED": 3,
        "InvalidRequest": 1,
        "UnknownProduct": 2,
    },
    "adjustment": {
        UNDER_WAY: 2,
        "POSTED": 13,
        "REJECTED": 3,
        "CANCELLED": 4,
        "InvalidRequest": 1,
        "UnknownProduct": 2,
    },
    "inspection": {
        UNDER_WAY: 2,
        "DONE": 8,
        "REJECTED": 1,
        "InvalidRequest": 1,
        "UnknownProduct": 1,
    },
    "recall": {
        UNDER_WAY: 1,
        "RELEASED": 4,
        "CLOSED": 5,
        "InvalidRequest": 1,
        "UnknownProduct": 2,
    },
    "reorder": {"DONE": 11, "InvalidRequest": 1, "UnknownWarehouse": 2},
    "replenishment_plan": {"DONE": 5, "InvalidRequest": 1, "UnknownWarehouse": 2},
    "cycle_count": {UNDER_WAY: 2, "POSTED": 13, "CANCELLED": 5, "InvalidRequest": 1, "UnknownProduct": 2},
    "cycle_count_plan": {"DONE": 7, "InvalidRequest": 1, "UnknownWarehouse": 2},
    "lot_expiry": {"DONE": 7, "InvalidRequest": 1, "UnknownWarehouse": 1},
    "stock_audit": {"DONE": 7, "STOPPED": 2, "InvalidRequest": 1, "UnknownWarehouse": 2},
}
FINAL: Mapping[str, set[str]] = {
    "reservation": {status for status in ReservationStatus if RESERVATION.is_final(status)},
    "order_in_parts": {status for status in ReservationStatus if RESERVATION.is_final(status)},
    "event_subscriber": {SubscriberStatus.ENDED},
    "import_file": {status for status in ImportStatus if IMPORT.is_final(status)},
    "purchase_order": {status for status in PurchaseOrderStatus if PURCHASE_ORDER.is_final(status)},
    "transfer": {status for status in TransferStatus if TRANSFER.is_final(status)},
    "customer_return": {status for status in ReturnStatus if RETURN.is_final(status)},
    "adjustment": {status for status in AdjustmentStatus if ADJUSTMENT.is_final(status)},
    "inspection": {status for status in InspectionStatus if INSPECTION.is_final(status)},
    "recall": {status for status in RecallStatus if RECALL.is_final(status)},
    "reorder": {ReorderStatus.DONE},
    "replenishment_plan": {PlanStatus.DONE},
    "cycle_count": {status for status in CountStatus if COUNT_LINE.is_final(status)},
    "cycle_count_plan": {CountPlanStatus.DONE},
    "lot_expiry": {LotExpiryStatus.DONE},
    "stock_audit": {AuditStatus.DONE, AuditStatus.STOPPED},
}
# A start that was wrong in itself did nothing, nor does a run that only ends: there is nothing to do otherwise.
DID_NOTHING = {
    ReservationScenes.path("invalid"),
    ReservationScenes.path("named_unknown_product"),
    ReservationScenes.path("named_rejected"),
    ImportScenes.path("failed"),
    PurchaseOrderScenes.path("invalid"),
    TransferScenes.path("invalid"),
    ReturnScenes.path("invalid"),
    AdjustmentScenes.path("invalid"),
    InspectionScenes.path("invalid"),
    RecallScenes.path("invalid"),
    ReorderScenes.path("invalid"),
    ReplenishmentPlanScenes.path("invalid"),
    CycleCountScenes.path("invalid"),
    CycleCountPlanScenes.path("invalid"),
    LotExpiryScenes.path("invalid"),
    StockAuditScenes.path("invalid"),
}


@workflow.defn(dynamic=True)
class Changed:
    """What nobody may do to a workflow that runs: begin with something else."""

    @workflow.run
    async def run(self, payload: Sequence[RawValue]) -> None:
        del payload
        await workflow.sleep(1)


def _replayer(workflows: Sequence[type], runner: WorkflowRunner) -> Replayer:
    return Replayer(
        workflows=workflows,
        data_converter=DATA_CONVERTER,
        workflow_runner=runner,
        interceptors=REPLAYED_WITH,
        # To load a workflow into the sandbox may take seconds on a busy machine, and isn't a deadlock.
        debug_mode=True,
    )


async def _failures(replayer: Replayer) -> Mapping[Path, Exception | None]:
    """What the replay of each history ended with: one worker for all, because each worker loads every workflow."""
    histories = {path: load(path) for path in RECORDED}
    path_of = {history.run_id: path for path, history in histories.items()}

    async def each() -> AsyncIterator[WorkflowHistory]:
        for history in histories.values():
            yield history

    async with replayer.workflow_replay_iterator(each()) as results:
        return {path_of[result.history.run_id]: result.replay_failure async for result in results}


def _events(path: Path) -> list[Json]:
    events: list[Json] = json.loads(path.read_text())["events"]
    return events


def _decoded(payload: Json) -> Json:
    return json.loads(base64.b64decode(payload["data"]))


def _ending(path: Path) -> str:
    last = _events(path)[-1]
    match last["eventType"]:
        case "EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED":
            result = last["workflowExecutionCompletedEventAttributes"]["result"]
            return str(_decoded(result["payloads"][0])["status"])
        case "EVENT_TYPE_WORKFLOW_EXECUTION_FAILED":
            failure = last["workflowExecutionFailedEventAttributes"]["failure"]
            return str(failure["applicationFailureInfo"]["type"])
        case "EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW":
            return FOLLOWED
        case _:
            return UNDER_WAY


def _updates(path: Path) -> Iterator[tuple[str, str]]:
    """The updates that the run let in, each with the run's type."""
    events = _events(path)
    workflow_type = events[0]["workflowExecutionStartedEventAttributes"]["workflowType"]["name"]
    for event in events:
        if accepted := event.get("workflowExecutionUpdateAcceptedEventAttributes"):
            yield workflow_type, accepted["acceptedRequest"]["input"]["name"]


def _of(process: str) -> list[Path]:
    # One process's name may begin with another's.
    longer = tuple(f"{each}_" for each in PROCESSES if each.startswith(f"{process}_"))
    named = [path for path in RECORDED if path.name.startswith(f"{process}_")]
    return [path for path in named if not path.name.startswith(longer)]


def test_there_is_a_history_of_each_scene_and_of_nothing_else() -> None:
    assert sorted(scenes.path(name) for scenes in PROCESSES.values() for name in scenes.names()) == RECORDED
    assert {process: len(_of(process)) for process in PROCESSES} == {
        "reservation": 42,
        "order_in_parts": 7,
        "event_subscriber": 7,
        "import_file": 9,
        "purchase_order": 29,
        "transfer": 31,
        "customer_return": 18,
        "adjustment": 25,
        "inspection": 13,
        "recall": 13,
        "reorder": 14,
        "replenishment_plan": 8,
        "cycle_count": 23,
        "cycle_count_plan": 10,
        "lot_expiry": 9,
        "stock_audit": 12,
    }


@pytest.mark.parametrize("process", PROCESSES)
def test_the_histories_end_in_each_way_that_the_process_can(process: str) -> None:
    assert Counter(map(_ending, _of(process))) == ENDINGS[process]
    assert FINAL[process] <= set(ENDINGS[process])
    under_way = [path for path in _of(process) if _ending(path) == UNDER_WAY]
    assert under_way == sorted(map(PROCESSES[process].path, PROCESSES[process].under_way))


def test_every_command_is_carried_out_in_some_history() -> None:
    known = [workflow._Definition.must_from_class(each) for each in WORKFLOWS]
    # The one without a name refuses all others, which leaves nothing in a history.
    commands = {(definition.name, name) for definition in known for name in definition.updates if name is not None}
    assert {update for path in RECORDED for update in _updates(path)} == commands


@pytest.fixture(scope="module")
async def failures_in_the_sandbox() -> Mapping[Path, Exception | None]:
    """How it fails where everything that a replay can't repeat is refused."""
    return await _failures(_replayer(WORKFLOWS, SANDBOX))


@pytest.fixture(scope="module")
async def failures_of_changed() -> Mapping[Path, Exception | None]:
    """How it fails with a workflow that begins with something else."""
    return await _failures(_replayer([Changed], UnsandboxedWorkflowRunner()))


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_a_recorded_run_is_replayed_in_the_sandbox(
    path: Path, failures_in_the_sandbox: Mapping[Path, Exception | None]
) -> None:
    assert failures_in_the_sandbox[path] is None


async def test_the_sandbox_refuses_a_clock() -> None:
    replayed = await _replayer([ReadsTheClock], SANDBOX).replay_workflow(
        load(ReservationScenes.path(ReservationScenes.names()[0])), raise_on_replay_failure=False
    )
    assert "Cannot access time.time" in str(replayed.replay_failure)


@pytest.mark.parametrize("path", sorted({*RECORDED} - DID_NOTHING), ids=lambda path: path.stem)
def test_a_change_that_cannot_take_over_running_processes_is_found(
    path: Path, failures_of_changed: Mapping[Path, Exception | None]
) -> None:
    assert isinstance(failures_of_changed[path], NondeterminismError)


def test_no_history_is_large() -> None:
    assert {path.name: path.stat().st_size for path in RECORDED if path.stat().st_size > 100_000} == {}


def test_no_history_names_the_machine_that_it_comes_from() -> None:
    named = re.compile(r"\d@|\.py\b|site-packages|/home/|/root/|/tmp/|\bport (?!5432\b)\d")
    found = {(path.name, text) for path in RECORDED for text in texts(_events(path)) if named.search(text)}
    assert found == set()
    recorded: dict[str, Any] = {
        "identity": "12@host",
        "failure": {"stackTrace": "File x.py", "message": 'at "127.0.0.1", port 38337 failed'},
        "workerVersion": {"buildId": "7bed"},
        "queue": {"kind": "TASK_QUEUE_KIND_STICKY", "name": "host-1"},
        "n": [1, "a@b"],
    }
    assert without_names(recorded) == {
        "identity": "worker",
        "failure": {"stackTrace": "", "message": 'at "127.0.0.1", port 5432 failed'},
        "workerVersion": {"buildId": ""},
        "queue": {"kind": "TASK_QUEUE_KIND_STICKY", "name": "sticky"},
        "n": [1, "a@b"],
    }
