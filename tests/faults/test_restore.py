"""Both stores are restored to different moments under load: what doesn't fit is found, mended, and nothing is lost."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from temporalio.api.workflow.v1 import WorkflowExecutionInfo
from temporalio.client import Client

from devstack.restore import runs
from devstack.stack import StackInfo
from stockkeeper.contracts.reservation import PROCESS
from tests.faults.restore.drill import Copies, fits, go_on, live_and_copy, restored
from tests.faults.restore.life import documents_of, kinds_of
from tests.faults.restore.place import Backup
from tests.support.shop import new_reference
from tests.support.wire import eventually


@pytest.fixture(scope="module")
async def copies(stack: StackInfo, tmp_path_factory: pytest.TempPathFactory) -> Copies:
    """Two backups of each store."""
    return await live_and_copy(stack.database_url, tmp_path_factory.mktemp("drill"), each=1)


def orders(*turns: str) -> set[str]:
    """The workflows of these orders."""
    return {f"reservation-{turn}-0" for turn in turns}


async def test_an_older_database_gets_back_what_temporal_knows(
    copies: Copies, stack: StackInfo, tmp_path: Path
) -> None:
    backup = Backup(copies.earlier.database, copies.later.temporal)
    async with restored(stack.database_url, tmp_path, backup) as mended:
        assert set(kinds_of(mended.found)) == {"STEP_LOST"}
        assert fits(mended.mended), mended.mended
        assert mended.place.picture() == copies.truth
        async with mended.place.worker():
            await go_on(copies.life, mended.place)
        mended.place.require_books()


async def test_an_older_temporal_gets_runs_for_what_the_database_knows(
    copies: Copies, stack: StackInfo, tmp_path: Path
) -> None:
    backup = Backup(copies.later.database, copies.earlier.temporal)
    async with restored(stack.database_url, tmp_path, backup) as mended:
        assert set(kinds_of(mended.found)) == {"RUN_BEHIND", "RUN_MISSING"}
        assert set(documents_of(mended.found, "RUN_MISSING")) == orders("new", "waits-too") | {
            "reservation-of-a-new-product",
            "purchase-order-drafted-0",
            "transfer-held-too-0",
            "cycle-count-counted-too-0",
            "return-comes-too-0",
            "adjustment-missing-0",
            "inspection-looked-at-too-0",
            "recall-stopped-too-0",
        }
        # Those two may have gone on by themselves before the earlier copy.
        behind = set(documents_of(mended.found, "RUN_BEHIND")) - orders("ends", "waits")
        assert behind == orders("shipped", "parts", "signals", "cancelled", "extended", "promised", "served") | {
            "purchase-order-part-0",
            "purchase-order-approved-0",
            "purchase-order-serves-0",
            "transfer-held-0",
            "transfer-on-its-way-0",
            "cycle-count-counted-0",
            "return-comes-0",
            "adjustment-broken-0",
            "inspection-looked-at-0",
            "recall-stopped-0",
        }
        assert fits(mended.mended), mended.mended
        assert mended.place.picture() == copies.truth
        async with mended.place.worker():
            await go_on(copies.life, mended.place)
        mended.place.require_books()


async def test_a_run_that_has_ended_since_it_was_listed_is_not_open(
    plain_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    workflow_id = PROCESS.id_of(new_reference())
    handle = await plain_client.start_workflow(PROCESS.workflow_type, id=workflow_id, task_queue="nobody-works-here")

    async def look() -> list[WorkflowExecutionInfo]:
        return [
            found async for found in runs.listed(plain_client, f'CloseTime IS NULL AND WorkflowId = "{workflow_id}"')
        ]

    old_list = await eventually(look, lambda found: len(found) == 1)

    async def listed(_client: Client, _condition: str) -> AsyncIterator[WorkflowExecutionInfo]:
        for found in old_list:
            yield found

    monkeypatch.setattr(runs, "listed", listed)
    [run] = await runs.listed_as_open(plain_client)
    assert (run.workflow_id, run.run_id, run.is_open) == (workflow_id, handle.result_run_id, True)
    await handle.terminate()
    [run] = await runs.listed_as_open(plain_client)
    assert (run.workflow_id, run.run_id, run.is_open) == (workflow_id, handle.result_run_id, False)
