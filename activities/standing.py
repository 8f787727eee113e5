"""Whether a worker gets any work, and whether the database still serves it: looked at when it starts, and every minute.

A task queue that has a current version gives its tasks to workers of that version. The others poll on, look healthy,
and get nothing, without an error (ADR 0051). And a database that is migrated while a worker runs may serve it no more
(ADR 0052).
"""

import asyncio
import logging
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client
from temporalio.common import WorkerDeploymentVersion
from temporalio.service import RPCError

from database.migrate import AnotherSchema, require_schema
from stockkeeper.domain.errors import StockkeeperError, Unreachable

EVERY = timedelta(minutes=1)
_WITHIN = timedelta(seconds=10)
_SET_CURRENT = "temporal worker deployment set-current-version --deployment-name"

_log = logging.getLogger("stockkeeper")


class NoWork(StockkeeperError):
    """The task queue gives nothing to this worker; the message says what to do."""


@dataclass(frozen=True)
class Routing:
    """The versions that a task queue gives its tasks to; None: workers without a version.

    Attributes:
        current: The one that gets the tasks.
        ramping: One that gets a part of them.
    """

    current: WorkerDeploymentVersion | None
    ramping: WorkerDeploymentVersion | None = None


@dataclass(frozen=True)
class Standing:
    """What a task queue has for a worker.

    Attributes:
        gets_work: Whether it gives it tasks.
        text: That in a sentence, with what to do if it should be otherwise.
    """

    gets_work: bool
    text: str


def standing(task_queue: str, version: WorkerDeploymentVersion | None, routing: Routing) -> Standing:
    """What a worker of this version, or of none, can expect of the task queue."""
    current = routing.current
    if version == current:
        return Standing(gets_work=True, text=f"{_named(version)} get the work of task queue {task_queue}")
    others = f"{_named(current)} get the work of task queue {task_queue}"
    if version is not None and version == routing.ramping:
        return Standing(gets_work=True, text=f"{others}, and {_named(version)} a part of it")
    if version is not None:
        current_then = f"{_SET_CURRENT} {version.deployment_name} --build-id {version.build_id}"
        return Standing(gets_work=False, text=f"{others}; this one, of {version.build_id}, none until `{current_then}`")
    given_back = f"{_SET_CURRENT} {current.deployment_name if current else ''} --unversioned"
    return Standing(
        gets_work=False,
        text=f"{others}; this one, without a version, gets none: set STOCKKEEPER_BUILD_ID, or give the queue back with "
        f"`{given_back}`",
    )


def _named(version: WorkerDeploymentVersion | None) -> str:
    if version is None:
        return "workers without a version"
    return f"workers of version {version.build_id} of {version.deployment_name}"


async def routing_of(client: Client, task_queue: str) -> Routing:
    """Ask Temporal who gets the tasks of a task queue.

    Raises:
        RPCError: Temporal doesn't answer, or doesn't let this account see it.
    """
    answer = await client.workflow_service.describe_task_queue(
        DescribeTaskQueueRequest(
            namespace=client.namespace,
            task_queue=TaskQueue(name=task_queue),
            task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
        ),
        timeout=_WITHIN,
    )
    versions = (answer.versioning_info.current_deployment_version, answer.versioning_info.ramping_deployment_version)
    current, ramping = (
        WorkerDeploymentVersion(each.deployment_name, each.build_id) if each.build_id else None for each in versions
    )
    return Routing(current, ramping)


class Watch:
    """One worker's look at its standing.

    Args:
        client: Temporal.
        engine: The database.
        task_queue: The worker's task queue.
        version: The worker's version, if it has one.
    """

    def __init__(
        self, client: Client, engine: Engine, task_queue: str, version: WorkerDeploymentVersion | None
    ) -> None:
        self._client = client
        self._engine = engine
        self._task_queue = task_queue
        self._version = version
        self._said: Standing | None = None

    async def begin(self) -> None:
        """Look before the worker begins.

        Raises:
            NoWork: It has no version, and the queue's work is for one that has. A worker with a version may begin
                before it is current: that is how a version is rolled out.
        """
        found = await self._look()
        if found is None:
            return
        if not found.gets_work and self._version is None:
            raise NoWork(found.text)
        if self._version is not None:
            self._say(found)
        self._said = found

    async def until(self, stop: asyncio.Event, every: timedelta = EVERY) -> None:
        """Look again and again until the worker is to stop.

        Raises:
            AnotherSchema: The database doesn't serve this worker any more.
        """
        stopped = asyncio.create_task(stop.wait())
        while not stop.is_set():
            looking = asyncio.create_task(self.look_again())
            # A server that doesn't answer holds up no worker that is to stop.
            await asyncio.wait([looking, stopped], return_when=asyncio.FIRST_COMPLETED)
            if not looking.done():
                looking.cancel()
                return
            try:
                await looking
            except AnotherSchema:
                stopped.cancel()
                raise
            await asyncio.wait([stopped], timeout=every.total_seconds())

    async def look_again(self) -> None:
        """Say what has changed, and each time that a worker without a version gets nothing.

        Raises:
            AnotherSchema: The database doesn't serve this worker any more.
        """
        await self._require_schema()
        found = await self._look()
        if found is None:
            return
        if found != self._said or (self._version is None and not found.gets_work):
            self._say(found)
        self._said = found

    def _say(self, found: Standing) -> None:
        if found.gets_work:
            _log.info("%s", found.text)
        else:
            _log.log(logging.ERROR if self._version is None else logging.WARNING, "%s", found.text)

    async def _look(self) -> Standing | None:
        try:
            routing = await routing_of(self._client, self._task_queue)
        except RPCError as error:
            if self._said is None:
                # Not every account may see it.
                _log.warning("can't see who gets the work of task queue %s: %s", self._task_queue, error.message)
            return None
        return standing(self._task_queue, self._version, routing)

    async def _require_schema(self) -> None:
        try:
            await asyncio.to_thread(require_schema, self._engine)
        except AnotherSchema:
            raise
        except (Unreachable, SQLAlchemyError):
            # The database is away, or all connections are taken: the steps that need it say so.
            return
