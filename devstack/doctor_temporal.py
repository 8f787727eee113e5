"""What the doctor looks at in Temporal."""

import asyncio
import contextlib
import uuid
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from temporalio.api.enums.v1 import TaskQueueType, WorkerVersioningMode
from temporalio.api.taskqueue.v1 import PollerInfo, TaskQueue
from temporalio.api.workflowservice.v1 import (
    DescribeNamespaceRequest,
    DescribeTaskQueueRequest,
    GetSystemInfoRequest,
)
from temporalio.client import Client, WorkflowFailureError
from temporalio.common import WorkerDeploymentVersion
from temporalio.service import RPCError, RPCStatusCode

from activities.standing import Routing, routing_of, standing
from starter.checks import Check, Reading
from starter.namespace import has_standalone_activities, missing_search_attributes
from starter.nexus import find_endpoint
from starter.schedules import ScheduleShown, schedules_there
from stockkeeper.client.connection import Connection
from stockkeeper.contracts import question
from stockkeeper.contracts.errors import StockkeeperError, Unreachable
from stockkeeper.contracts.policies import BULK_TAKEN_WITHIN, bulk_queue, events_queue
from stockkeeper.contracts.question import FIND_ITEMS, QuestionRequest
from stockkeeper.contracts.stock import FindItems

OLDEST = (1, 28)
ANSWERS_WITHIN = timedelta(seconds=10)
"""How long a worker may take to answer the doctor's question. A healthy one needs some hundredths of a second."""
ASKED_WITHIN = timedelta(minutes=2)
"""A worker's poll lasts a minute; the server remembers for five who has polled."""
KEPT_FOR = timedelta(days=7)
"""A shorter retention leaves little time to look at what went wrong."""
_NAMED = 5
_AWAY = {RPCStatusCode.UNAVAILABLE, RPCStatusCode.DEADLINE_EXCEEDED, RPCStatusCode.CANCELLED}

_START = "start a worker (`python worker.py`) with the same TEMPORAL_NAMESPACE and STOCKKEEPER_TASK_QUEUE"
_SETUP = "run `stockkeeper setup`"


async def temporal_checks(
    connect: Callable[[], Awaitable[Connection]], version: WorkerDeploymentVersion | None, endpoint: str | None
) -> list[Check]:
    """Look at Temporal as a worker and a service do; a small run is started, which asks a question.

    Args:
        connect: Connects as the command line does.
        version: The version of the workers, by the settings; None: they have none.
        endpoint: The Nexus endpoint, by the settings; None: other teams' workflows don't call.
    """
    try:
        connection = await connect()
    except StockkeeperError as error:
        # Keys that can't be read are a finding of their own.
        advice = "start Temporal, or correct TEMPORAL_ADDRESS and the other TEMPORAL_ variables"
        advice = advice if isinstance(error, Unreachable) else "correct what `encryption` says"
        return [Check("temporal", ok=False, detail=str(error), advice=advice)]
    client = connection.client
    clock = None
    try:
        worker, clock = await _answer(connection)
    except RPCError as error:
        worker = Check("worker", ok=False, detail=f"no question can be asked: {error.message}")
    return [
        await _seen("temporal", _server(client)),
        *([clock.check("temporal_clock", "Temporal")] if clock else []),
        await _seen("retention", _retention(client)),
        await _seen("search_attributes", _search_attributes(client)),
        await _seen("schedules", _schedules(connection)),
        await _seen("task_queue", _task_queue(connection, version, clock or Reading(timedelta()))),
        await _seen("bulk_queue", _bulk_queue(connection, clock or Reading(timedelta()))),
        await _seen("events_queue", _events_queue(connection, clock or Reading(timedelta()))),
        worker,
        await _seen("standalone_activities", _standalone(client)),
        *([await _seen("nexus_endpoint", nexus_check(client, endpoint, connection.task_queue))] if endpoint else []),
    ]


async def _seen(name: str, looking: Awaitable[Check]) -> Check:
    """The check; or that this account may not look, which is no fault of the installation."""
    try:
        return await looking
    except RPCError as error:
        if error.status in _AWAY:
            return Check(name, ok=False, detail=f"no answer: {error.message}")
        return Check(name, ok=True, detail=f"can't be seen: {error.message}")
    except StockkeeperError as error:
        return Check(name, ok=False, detail=str(error))


async def _server(client: Client) -> Check:
    system = await client.workflow_service.get_system_info(GetSystemInfoRequest())
    address = client.service_client.config.target_host
    found = f"Temporal {system.server_version} at {address}, namespace {client.namespace}"
    return judged_version(system.server_version, found)


def judged_version(version: str, found: str) -> Check:
    """Whether the server is new enough; one that tells no version is taken for that."""
    parts = [int(part) for part in version.split("-", maxsplit=1)[0].split(".")[:2] if part.isdigit()]
    if parts and tuple(parts) < OLDEST:
        needed = ".".join(map(str, OLDEST))
        return Check(
            "temporal",
            ok=False,
            detail=found,
            advice=f"Stockkeeper needs Temporal {needed} or newer: update-with-start isn't known before",
        )
    return Check("temporal", ok=True, detail=found)


async def _retention(client: Client) -> Check:
    described = await client.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace=client.namespace))
    return judged_retention(client.namespace, described.config.workflow_execution_retention_ttl.ToTimedelta())


def judged_retention(namespace: str, kept: timedelta) -> Check:
    """Whether runs that have ended are kept for long enough to look at them."""
    if kept <= timedelta():
        return Check("retention", ok=True, detail="Temporal doesn't say how long it keeps runs that have ended")
    days = kept / timedelta(days=1)
    advice = (
        ""
        if kept >= KEPT_FOR
        else "documents and stock stay, but a run's notes and history are gone by then: "
        f"`temporal operator namespace update --namespace {namespace} --retention 30d`"
    )
    detail = f"runs that have ended are kept for {days:g} day{'' if days == 1 else 's'}"
    return Check("retention", ok=True, detail=detail, advice=advice)


async def _search_attributes(client: Client) -> Check:
    missing = await missing_search_attributes(client)
    if missing:
        detail = f"not registered: {', '.join(missing)}"
        return Check("search_attributes", ok=False, detail=detail, advice=_SETUP)
    return Check("search_attributes", ok=True, detail="all are registered")


async def _schedules(connection: Connection) -> Check:
    there, missing = await schedules_there(connection)
    if connection.databases is not None:
        # Each database has schedules of its own, and their ids say whose.
        others = connection.databases.queues[1:]
        there = [
            each for each in there if each.task_queue not in others or not each.schedule_id.endswith(each.task_queue)
        ]
    return judged_schedules(there, missing, connection.task_queue)


def judged_schedules(there: Sequence[ScheduleShown], missing: Sequence[str], task_queue: str) -> Check:
    """Whether all schedules are there, begin their runs where workers are, and aren't paused."""
    if missing:
        detail = f"missing: {', '.join(missing)}"
        return Check("schedules", ok=False, detail=detail, advice=_SETUP)
    elsewhere = {each.task_queue: each.schedule_id for each in there if each.task_queue != task_queue}
    if elsewhere:
        named = ", ".join(f"{name} on {queue}" for queue, name in elsewhere.items())
        advice = f"set STOCKKEEPER_TASK_QUEUE as the workers have it, and {_SETUP}"
        return Check(
            "schedules", ok=False, detail=f"begin on another task queue than {task_queue}: {named}", advice=advice
        )
    paused = [each for each in there if each.paused]
    if paused:
        named = "; ".join(f"{each.schedule_id} ({each.note})" for each in paused)
        advice = "; ".join(f"`stockkeeper schedule resume {each.schedule_id}`" for each in paused)
        return Check("schedules", ok=True, detail=f"paused: {named}", advice=advice)
    return Check("schedules", ok=True, detail=f"all {len(there)} are there, and none is paused")


@dataclass(frozen=True)
class Poller:
    """A worker that asks a task queue for work."""

    identity: str
    version: WorkerDeploymentVersion | None
    asked_at: datetime


async def _task_queue(connection: Connection, version: WorkerDeploymentVersion | None, clock: Reading) -> Check:
    client, queue = connection.client, connection.task_queue
    kinds = (TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW, TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY)
    for_workflows, for_activities = [await _pollers(client, queue, kind) for kind in kinds]
    routing = await routing_of(client, queue)
    return judged_pollers(queue, for_workflows, for_activities, routing, version, clock.now())


async def _bulk_queue(connection: Connection, clock: Reading) -> Check:
    queue = bulk_queue(connection.task_queue)
    asking = await _pollers(connection.client, queue, TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY)
    return judged_bulk_pollers(queue, connection.task_queue, asking, clock.now())


def judged_bulk_pollers(queue: str, task_queue: str, asking: Iterable[Poller], now: datetime) -> Check:
    """Whether a worker asks for bulk work. Without one it is done late, by the queue of orders: a note."""
    if recent := _recent(asking, now):
        return Check("bulk_queue", ok=True, detail=f"asked for bulk work by {_some(recent)}")
    waits = BULK_TAKEN_WITHIN // timedelta(minutes=1)
    return Check(
        "bulk_queue",
        ok=True,
        detail=f"no worker asks task queue {queue} for bulk work",
        advice="start a worker with STOCKKEEPER_SERVES=all or bulk: until then each step of plans, audits and files "
        f"waits {waits} minutes and then goes by task queue {task_queue}, in the way of orders",
    )


async def _events_queue(connection: Connection, clock: Reading) -> Check:
    queue = events_queue(connection.task_queue)
    asking = await _pollers(connection.client, queue, TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY)
    return judged_events_pollers(queue, asking, clock.now())


def judged_events_pollers(queue: str, asking: Iterable[Poller], now: datetime) -> Check:
    """Whether a worker answers those who follow events. Without one they wait, and orders don't: a note."""
    if recent := _recent(asking, now):
        return Check("events_queue", ok=True, detail=f"asked for questions about events by {_some(recent)}")
    return Check(
        "events_queue",
        ok=True,
        detail=f"no worker asks task queue {queue} for questions about events",
        advice="start a worker of this version with STOCKKEEPER_SERVES=all or orders: until then whoever follows "
        "events hears nothing; nothing is missed afterwards",
    )


def _recent(asking: Iterable[Poller], now: datetime) -> list[str]:
    """Who has asked just now, each once."""
    return sorted({each.identity for each in asking if now - each.asked_at < ASKED_WITHIN})


async def _pollers(client: Client, task_queue: str, kind: "TaskQueueType.ValueType") -> list[Poller]:
    described = await client.workflow_service.describe_task_queue(
        DescribeTaskQueueRequest(
            namespace=client.namespace, task_queue=TaskQueue(name=task_queue), task_queue_type=kind
        )
    )
    return [Poller(each.identity, _version(each), each.last_access_time.ToDatetime(UTC)) for each in described.pollers]


def _version(poller: PollerInfo) -> WorkerDeploymentVersion | None:
    found = poller.deployment_options
    # Also a worker without a version names its build, which isn't one that an operator has given.
    is_versioned = found.worker_versioning_mode == WorkerVersioningMode.WORKER_VERSIONING_MODE_VERSIONED
    return WorkerDeploymentVersion(found.deployment_name, found.build_id) if is_versioned else None


def judged_pollers(
    task_queue: str,
    for_workflows: Iterable[Poller],
    for_activities: Iterable[Poller],
    routing: Routing,
    version: WorkerDeploymentVersion | None,
    now: datetime,
) -> Check:
    """Whether a worker that gets the queue's work asks for it, for both kinds of tasks."""
    recent = [
        {each for each in pollers if now - each.asked_at < ASKED_WITHIN} for pollers in (for_workflows, for_activities)
    ]
    if not all(recent):
        what = "work" if not any(recent) else "activities" if recent[0] else "workflow tasks"
        return Check("task_queue", ok=False, detail=f"no worker asks task queue {task_queue} for {what}", advice=_START)
    served = {routing.current, routing.ramping} if routing.ramping else {routing.current}
    working = [{each.identity for each in pollers if each.version in served} for pollers in recent]
    if not all(working):
        others = _some(sorted({each.identity for each in recent[0] | recent[1]}))
        detail = f"none of the workers that ask for work gets it ({others}): "
        detail += standing(task_queue, version, routing).text
        return Check("task_queue", ok=False, detail=detail, advice=_START)
    detail = f"asked for work by {_some(sorted(working[0] | working[1]))}"
    return Check("task_queue", ok=True, detail=detail)


def _some(identities: Sequence[str]) -> str:
    more = f" and {len(identities) - _NAMED} more" if len(identities) > _NAMED else ""
    return f"{', '.join(identities[:_NAMED])}{more}"


async def _answer(connection: Connection) -> tuple[Check, Reading]:
    """Have a worker answer a question, and read Temporal's clock off the run that asks."""
    client = connection.client
    asked, began = datetime.now(UTC), asyncio.get_running_loop().time()
    handle = await client.start_workflow(
        question.WORKFLOW_TYPE,
        QuestionRequest(question=FIND_ITEMS.name, payload=FindItems().model_dump(mode="json")),
        id=question.workflow_id(f"doctor-{uuid.uuid4()}"),
        task_queue=connection.task_queue,
        execution_timeout=ANSWERS_WITHIN * 3,
        static_summary="the doctor asks whether a worker answers",
    )
    answered = datetime.now(UTC)
    clock = Reading.of((await handle.describe()).start_time, asked=asked, answered=answered)
    try:
        async with asyncio.timeout(ANSWERS_WITHIN.total_seconds()):
            await handle.result()
    except TimeoutError:
        with contextlib.suppress(RPCError):
            await handle.terminate("no worker has answered the doctor")
        detail = f"no worker has answered a question within {ANSWERS_WITHIN.seconds} s"
        return Check("worker", ok=False, detail=detail, advice=_START), clock
    except WorkflowFailureError as error:
        why = error.cause.__cause__ or error.cause
        advice = "see the worker's log: most likely its database is away"
        return Check("worker", ok=False, detail=f"a worker couldn't answer a question: {why}", advice=advice), clock
    took = asyncio.get_running_loop().time() - began
    return Check("worker", ok=True, detail=f"a worker has answered a question in {took * 1000:.0f} ms"), clock


async def _standalone(client: Client) -> Check:
    if await has_standalone_activities(client):
        return Check("standalone_activities", ok=True, detail="on: questions go by them")
    return Check(
        "standalone_activities",
        ok=True,
        detail="off: each question starts a small workflow",
        advice="that works, and costs more; `activity.enableStandalone` in the server's dynamic configuration switches "
        "them on, and Temporal 1.32 has them on by itself",
    )


async def nexus_check(client: Client, endpoint: str, task_queue: str) -> Check:
    """Whether the Nexus endpoint is there, and leads to the workers."""
    leads_to = await find_endpoint(client, endpoint)
    if leads_to is None:
        return Check("nexus_endpoint", ok=False, detail=f"there is no endpoint {endpoint}", advice=_SETUP)
    if (leads_to.namespace, leads_to.task_queue) != (client.namespace, task_queue):
        detail = f"endpoint {endpoint} leads to queue {leads_to.task_queue} of {leads_to.namespace}"
        advice = "choose another STOCKKEEPER_NEXUS_ENDPOINT, or change where this one leads"
        return Check("nexus_endpoint", ok=False, detail=detail, advice=advice)
    return Check("nexus_endpoint", ok=True, detail=f"endpoint {endpoint} leads to the workers")
