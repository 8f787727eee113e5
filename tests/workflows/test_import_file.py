"""An import that nobody finishes ends by itself, an hour after it last heard of its file."""

import shutil
import sysconfig
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta

import pytest
from sqlalchemy import Engine, text
from temporalio.api.enums.v1 import EventType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest
from temporalio.testing import WorkflowEnvironment

from contracts import search_attributes
from contracts.converter import DATA_CONVERTER
from contracts.import_file import encode_row, pack_rows
from database.sessions import Database
from tests.imports import new_name
from tests.wire import Handle, answer
from worker import Settings, build_worker

MINUTE = timedelta(minutes=1)


@pytest.fixture
async def hours(database: Database, settings: Settings) -> AsyncIterator[WorkflowEnvironment]:
    """A Temporal whose hours take no time, with a worker of its own."""
    program = shutil.which("temporal-test-server", path=sysconfig.get_path("scripts"))
    assert program is not None
    async with AsyncExitStack() as running:
        environment = await running.enter_async_context(
            await WorkflowEnvironment.start_time_skipping(
                test_server_existing_path=program, data_converter=DATA_CONVERTER
            )
        )
        with_attributes = AddSearchAttributesRequest(namespace="default", search_attributes=search_attributes.TYPES)
        await environment.client.operator_service.add_search_attributes(with_attributes)
        await running.enter_async_context(build_worker(environment.client, database, settings))
        yield environment


async def _begin(hours: WorkflowEnvironment, settings: Settings) -> Handle:
    digest = new_name("x").encode().hex()[-16:]
    request = {
        "kind": "suppliers",
        "file_name": "a.csv",
        "digest": digest,
        "columns": ["name"],
        "performed_by": "importer",
    }
    return await hours.client.start_workflow(
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
    hours: WorkflowEnvironment, settings: Settings, engine: Engine
) -> None:
    handle = await _begin(hours, settings)
    await _send_page(handle, 0)
    await hours.sleep(59 * MINUTE)
    assert (await handle.query("state"))["status"] == "LOADING"
    # A page in the last minute is heard of, and the hour begins anew.
    await _send_page(handle, 1)
    await hours.sleep(59 * MINUTE)
    assert (await handle.query("state"))["status"] == "LOADING"
    assert _pages(engine, handle) == 2
    state = await answer(handle.result())
    assert (state["status"], state["pages"], state["inserted"]) == ("ABANDONED", 2, 0)
    assert [note.partition(": ")[2] for note in state["notes"]] == ["abandoned: nothing came for 1:00:00"]
    assert _pages(engine, handle) == 0
    kinds = [event.event_type async for event in handle.fetch_history_events()]
    assert kinds.count(EventType.EVENT_TYPE_TIMER_STARTED) == 2
