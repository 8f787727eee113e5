"""Every import that was ever recorded is still understood."""

from pathlib import Path

import pytest
from temporalio.worker import Replayer

from contracts.converter import DATA_CONVERTER
from tests.replay.record import HISTORIES, load
from tests.replay.record_import_file import ENDINGS
from worker import SANDBOX, WORKFLOWS

RECORDED = sorted(HISTORIES.glob("import_file_*.json"))


def test_there_is_a_history_of_each_way_that_an_import_can_go() -> None:
    assert [path.name for path in RECORDED] == sorted(f"import_file_{name}.json" for name in ENDINGS)


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
async def test_a_recorded_run_is_replayed(path: Path) -> None:
    replayer = Replayer(workflows=WORKFLOWS, data_converter=DATA_CONVERTER, workflow_runner=SANDBOX)
    await replayer.replay_workflow(load(path))


def test_no_history_names_the_machine_that_it_comes_from() -> None:
    assert [path.name for path in RECORDED if '"worker"' not in path.read_text() or "@" in path.read_text()] == []
