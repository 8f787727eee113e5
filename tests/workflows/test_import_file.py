"""An import that nobody finishes ends by itself, an hour after it last heard of its file."""

from datetime import timedelta

from sqlalchemy import Engine, text
from temporalio.api.enums.v1 import EventType
from temporalio.testing import WorkflowEnvironment

from stockkeeper.contracts.import_file import encode_row, pack_rows
from tests.support.import_file import new_name
from tests.support.wire import Handle, answer
from worker import Settings

MINUTE = timedelta(minutes=1)


async def _begin(skipping: WorkflowEnvironment, settings: Settings) -> Handle:
    digest = new_name("x").encode().hex()[-16:]
    request = {
        "kind": "suppliers",
        "file_name": "a.csv",
        "digest": digest,
        "columns": ["name"],
        "performed_by": "importer",
    }
    return await skipping.client.start_workflow(
        "ImportWorkflow", request, id=f"import-suppliers-{digest}", task_queue=settings.task_queue
    )


async def _send_page(handle: Handle, page: int) -> None:
    rows = pack_rows([encode_row(page + 2, [new_name("supplier")])])
    await answer(handle.execute_update("add_page", {"performed_by": "importer", "page": page, "rows": rows}))


def _pages(engine: Engine, handle: Handle) -> int:
    with engine.connect() as connection:
        query = text("SELECT count(*) FROM import_pages WHERE import_id = :id")
        return int(connection.execute(query, {"id": handle.id}).scalar_one())


async def test_an_import_that_hears_nothing_for_an_hour_is_abandoned(
    skipping: WorkflowEnvironment, settings: Settings, engine: Engine
) -> None:
    handle = await _begin(skipping, settings)
    await _send_page(handle, 0)
    await skipping.sleep(59 * MINUTE)
    assert (await handle.query("state"))["status"] == "LOADING"
    # A page in the last minute is heard of, and the hour begins anew.
    await _send_page(handle, 1)
    await skipping.sleep(59 * MINUTE)
    assert (await handle.query("state"))["status"] == "LOADING"
    assert _pages(engine, handle) == 2
    state = await answer(handle.result())
    assert (state["status"], state["pages"], state["inserted"]) == ("ABANDONED", 2, 0)
    assert [note.partition(": ")[2] for note in state["notes"]] == ["abandoned: no page came for 60 minutes"]
    assert _pages(engine, handle) == 0
    kinds = [event.event_type async for event in handle.fetch_history_events()]
    assert kinds.count(EventType.EVENT_TYPE_TIMER_STARTED) == 2
