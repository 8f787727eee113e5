"""Every history that was ever recorded is still understood."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from temporalio import workflow
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner, WorkflowRunner
from temporalio.workflow import NondeterminismError

from contracts.converter import DATA_CONVERTER
from tests.replay.record import HISTORIES, SCENES, load, path_of, without_names
from worker import SANDBOX, WORKFLOWS

RECORDED = sorted(HISTORIES.glob("reservation_*.json"))


@workflow.defn(name="ReservationWorkflow")
class Changed:
    """What nobody may do to a workflow that runs: begin with something else."""

    @workflow.run
    async def run(self, *payload: Any) -> None:
        del payload
        await workflow.sleep(1)


def _replayer(workflows: Sequence[type], runner: WorkflowRunner = SANDBOX) -> Replayer:
    return Replayer(workflows=workflows, data_converter=DATA_CONVERTER, workflow_runner=runner)


def test_there_is_a_history_of_each_way_that_a_reservation_can_go() -> None:
    assert set(RECORDED) == {path_of(scene) for scene in SCENES}
    assert len(RECORDED) == 16


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
async def test_a_recorded_run_is_replayed(path: Path) -> None:
    await _replayer(WORKFLOWS).replay_workflow(load(path))


# A start that was invalid did nothing, so there is nothing to do otherwise.
@pytest.mark.parametrize("path", [each for each in RECORDED if each != path_of("invalid")], ids=lambda path: path.stem)
async def test_a_change_that_cannot_take_over_running_reservations_is_found(path: Path) -> None:
    with pytest.raises((NondeterminismError, RuntimeError)):
        await _replayer([Changed], UnsandboxedWorkflowRunner()).replay_workflow(load(path))


def test_no_history_names_the_machine_that_it_comes_from() -> None:
    for path in HISTORIES.glob("*.json"):
        assert not re.search(r"\d@|\.py\b|site-packages", path.read_text()), path
    recorded = {
        "identity": "12@host",
        "failure": {"stackTrace": "File x.py"},
        "queue": {"kind": "TASK_QUEUE_KIND_STICKY", "name": "host-1"},
        "n": [1, "a@b"],
    }
    assert without_names(recorded) == {
        "identity": "worker",
        "failure": {"stackTrace": ""},
        "queue": {"kind": "TASK_QUEUE_KIND_STICKY", "name": "sticky"},
        "n": [1, "a@b"],
    }
