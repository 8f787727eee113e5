"""Versions of workers and of workflows: who gets a task, and what a run that another version has changed needs."""

from concurrent.futures import ThreadPoolExecutor

from temporalio.api.enums.v1 import EventType
from temporalio.client import Client
from temporalio.common import VersioningBehavior, WorkerDeploymentVersion
from temporalio.worker import Replayer, Worker, WorkerDeploymentConfig
from temporalio.workflow import NondeterminismError

from tests.relied_on.conftest import until
from tests.relied_on.probes import ACTIVITIES, RUNNER, After, Before, Waits
from tests.support.versions import set_current
from tests.support.wire import Handle

QUEUE = "versions"
CHANGES = "changed-versions"


def _worker(client: Client, threads: ThreadPoolExecutor, build_id: str | None) -> Worker:
    deployment = None
    if build_id is not None:
        deployment = WorkerDeploymentConfig(
            version=WorkerDeploymentVersion(QUEUE, build_id),
            use_worker_versioning=True,
            default_versioning_behavior=VersioningBehavior.AUTO_UPGRADE,
        )
    return Worker(
        client,
        task_queue=QUEUE,
        workflows=[Waits],
        activities=ACTIVITIES,
        activity_executor=threads,
        workflow_runner=RUNNER,
        deployment_config=deployment,
    )


async def _versions(client: Client, workflow_id: str) -> list[str]:
    """The version that completed each workflow task; empty: a worker without one."""
    return [
        event.workflow_task_completed_event_attributes.deployment_version.build_id
        async for event in client.get_workflow_handle(workflow_id).fetch_history_events()
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
    ]


async def _moves(client: Client, version: str) -> list[str]:
    """Give the run a task until this version has taken one, which the server needs a moment for; all so far."""
    handle = client.get_workflow_handle("moves")

    async def has_moved() -> bool:
        before = len(await _versions(client, "moves"))
        await handle.signal("number", 1)
        await until(lambda: _is_longer(client, before))
        return (await _versions(client, "moves"))[-1] == version

    await until(has_moved)
    return await _versions(client, "moves")


async def _is_longer(client: Client, tasks: int) -> bool:
    return len(await _versions(client, "moves")) > tasks


async def test_a_current_version_gets_all_tasks_and_runs_move_to_it_and_back(plain_client: Client) -> None:
    with ThreadPoolExecutor(4) as threads:
        async with _worker(plain_client, threads, None), _worker(plain_client, threads, "v1"):
            handle = await plain_client.start_workflow(Waits.run, id="moves", task_queue=QUEUE)
            assert set(await _moves(plain_client, "")) == {""}
            await set_current(plain_client, QUEUE, QUEUE, "v1")
            moved = len(await _moves(plain_client, "v1"))
            for _ in range(3):
                await _moves(plain_client, "v1")
            # The worker without a version is there all the while, and gets nothing.
            assert set((await _versions(plain_client, "moves"))[moved:]) == {"v1"}
            async with _worker(plain_client, threads, "v2"):
                await set_current(plain_client, QUEUE, QUEUE, "v2")
                await _moves(plain_client, "v2")
                await set_current(plain_client, QUEUE, QUEUE, "v1")
                await _moves(plain_client, "v1")
        await handle.terminate()


async def _changes(client: Client, workflow_id: str, *, first_begins: bool, then_begins: bool) -> Handle:
    """A run that one worker begins and another one ends; each may begin the patch, or only understand it."""
    async with _changed(client, begins=first_begins):
        handle = await client.start_workflow("Changes", id=workflow_id, task_queue=CHANGES)
        await until(lambda: _has_begun(client, workflow_id))
    async with _changed(client, begins=then_begins):
        await handle.signal("end")
        await handle.result()
    return handle


async def _has_begun(client: Client, workflow_id: str) -> bool:
    return bool(await _versions(client, workflow_id))


def _changed(client: Client, *, begins: bool) -> Worker:
    return Worker(
        client,
        task_queue=CHANGES,
        workflows=[After],
        workflow_runner=RUNNER,
        patch_activation_callback=lambda _: begins,
    )


async def test_a_patch_that_a_worker_does_not_begin_is_understood_where_another_has_begun_it(
    plain_client: Client,
) -> None:
    begun = await _changes(plain_client, "begun", first_begins=True, then_begins=False)
    not_begun = await _changes(plain_client, "not-begun", first_begins=False, then_begins=True)
    assert (await begun.result(), await not_begun.result()) == ([True, False], [False, True])


async def test_a_patch_that_the_code_has_never_heard_of_fails_the_run_that_has_it(plain_client: Client) -> None:
    run = await _changes(plain_client, "unheard-of", first_begins=True, then_begins=True)
    history = await run.fetch_history()
    replayed = await Replayer(workflows=[Before], workflow_runner=RUNNER).replay_workflow(
        history, raise_on_replay_failure=False
    )
    assert isinstance(replayed.replay_failure, NondeterminismError)
