"""Whether a worker gets work, and whether the database serves it: nothing about either stays unseen."""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from sqlalchemy import Engine
from temporalio.client import Client
from temporalio.common import WorkerDeploymentVersion

from activities.standing import NoWork, Routing, Watch, standing
from database.migrate import AnotherSchema, upgrade
from database.sessions import Database, connect
from tests.activities.test_older_workers import newer_version
from tests.support.shop import new_reference
from tests.support.versions import set_current
from worker import Settings, working

V1, V2 = WorkerDeploymentVersion("stock", "v1"), WorkerDeploymentVersion("stock", "v2")
V2_IS_CURRENT = "workers of version v2 of stock get the work of task queue q"
WITHOUT_VERSION = (
    "; this one, without a version, gets none: set STOCKKEEPER_BUILD_ID, or give the queue back with "
    "`temporal worker deployment set-current-version --deployment-name stock --unversioned`"
)
NOT_CURRENT = (
    "; this one, of v1, none until "
    "`temporal worker deployment set-current-version --deployment-name stock --build-id v1`"
)


@pytest.mark.parametrize(
    ("version", "routing", "gets_work", "text"),
    [
        (None, Routing(None), True, "workers without a version get the work of task queue q"),
        (None, Routing(None, V1), True, "workers without a version get the work of task queue q"),
        (None, Routing(V2), False, V2_IS_CURRENT + WITHOUT_VERSION),
        (V2, Routing(V2), True, V2_IS_CURRENT),
        (V1, Routing(V2, V1), True, f"{V2_IS_CURRENT}, and workers of version v1 of stock a part of it"),
        (
            V1,
            Routing(V2),
            False,
            f"{V2_IS_CURRENT}{NOT_CURRENT}",
        ),
        (
            V1,
            Routing(None),
            False,
            f"workers without a version get the work of task queue q{NOT_CURRENT}",
        ),
    ],
)
def test_what_a_worker_can_expect_is_said_with_what_to_do(
    version: WorkerDeploymentVersion | None, routing: Routing, gets_work: bool, text: str
) -> None:
    found = standing("q", version, routing)
    assert (found.gets_work, found.text) == (gets_work, text)


@pytest.fixture
async def versioned(our_client: Client, database: Database, settings: Settings) -> AsyncIterator[Settings]:
    """The settings of a worker with a version, which works on a task queue of its own."""
    queue = new_reference("queue")
    settings = settings.model_copy(update={"task_queue": queue, "build_id": "v2", "deployment_name": queue})
    async with working(our_client, database, settings):
        yield settings


def watch(client: Client, database: Database, settings: Settings, *, of_version: bool) -> Watch:
    """The watch of a worker on this task queue."""
    return Watch(client, database.engine, settings.task_queue, settings.version if of_version else None)


def _said(caplog: pytest.LogCaptureFixture) -> list[tuple[str, int, str]]:
    """What was logged of what a worker can expect; a worker beside this test may log too."""
    return [each for each in caplog.record_tuples if each[0] == "stockkeeper"]


async def test_a_worker_without_a_version_is_refused_or_told_when_a_version_is_current(
    versioned: Settings, our_client: Client, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "stockkeeper")
    queue = versioned.task_queue
    without, of_version = (watch(our_client, database, versioned, of_version=each) for each in (False, True))
    waits = (
        f"workers without a version get the work of task queue {queue}; this one, of v2, none until "
        f"`temporal worker deployment set-current-version --deployment-name {queue} --build-id v2`"
    )
    current = f"workers of version v2 of {queue} get the work of task queue {queue}"
    starved = current + WITHOUT_VERSION.replace("name stock ", f"name {queue} ")

    await without.begin()
    await of_version.begin()
    await without.look_again()
    assert _said(caplog) == [("stockkeeper", logging.WARNING, waits)]

    await set_current(our_client, queue, queue, "v2")
    caplog.clear()
    for _ in range(2):
        await without.look_again()
        await of_version.look_again()
    assert _said(caplog) == [
        ("stockkeeper", logging.ERROR, starved),
        ("stockkeeper", logging.INFO, current),
        ("stockkeeper", logging.ERROR, starved),
    ]
    with pytest.raises(NoWork) as refused:
        await watch(our_client, database, versioned, of_version=False).begin()
    assert str(refused.value) == starved

    await set_current(our_client, queue, queue, "")
    caplog.clear()
    await without.look_again()
    await of_version.look_again()
    given_back = f"workers without a version get the work of task queue {queue}"
    assert _said(caplog) == [("stockkeeper", logging.INFO, given_back), ("stockkeeper", logging.WARNING, waits)]


async def test_a_running_worker_ends_when_the_database_serves_it_no_more(our_client: Client, empty: Engine) -> None:
    upgrade(empty)
    stop = asyncio.Event()
    working = asyncio.create_task(
        Watch(our_client, empty, new_reference("queue"), None).until(stop, every=timedelta(milliseconds=20))
    )
    newer_version(empty, serves_older_workers=True)
    newer_version(empty, serves_older_workers=False, revision="9999")
    with pytest.raises(AnotherSchema, match="migration 9999 doesn't serve older workers, so start the newer version"):
        await working


async def test_a_server_that_does_not_answer_keeps_no_worker_from_stopping(our_client: Client) -> None:
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.setblocking(False)
        engine = connect(f"postgresql://nobody@127.0.0.1:{silent.getsockname()[1]}/nowhere")
        working = asyncio.create_task(Watch(our_client, engine, new_reference("queue"), None).until(stop))
        connection, _ = await loop.sock_accept(silent)
        stop.set()
        await working
        connection.close()
