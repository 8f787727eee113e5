"""Whether a worker lives, and whether it is ready to work: what `GET /livez` and `GET /readyz` answer.

Live: it asks for tasks. One that doesn't should be started again, which helps it; an outage of Temporal or of the
database is none of its faults, and a restart doesn't help. Ready: it can carry out what it is given.
"""

import asyncio
import http.client
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client
from temporalio.common import WorkerDeploymentVersion
from temporalio.service import RPCError, RPCStatusCode

from activities.polls import Polls, Seen, read_counters
from activities.standing import routing_of, standing
from activities.trouble import trouble_of
from database.migrate import AnotherSchema, require_schema
from stockkeeper.domain.errors import Unreachable

ANSWER_WITHIN_SECONDS = 3.0
"""How long a probe waits for a server. A healthy one answers in some thousandths of a second."""
FRESH_SECONDS = 2.0
"""How long an answer is good for other probes, so that many of them ask no more than one."""
_COUNT_EVERY_SECONDS = 10.0
_REFUSALS = {RPCStatusCode.PERMISSION_DENIED, RPCStatusCode.UNAUTHENTICATED, RPCStatusCode.UNIMPLEMENTED}

Ask = Callable[[], Awaitable[Sequence[Seen]]]


class Look:
    """One look at a server, shared by all who want it at the time.

    Args:
        names: What is seen by it.
        ask: Asks; it may take longer than a probe waits.
    """

    def __init__(self, names: Sequence[str], ask: Ask) -> None:
        self._names = names
        self._ask = ask
        self._asking: asyncio.Task[Sequence[Seen]] | None = None
        self._fresh_until = 0.0

    async def seen(self) -> Sequence[Seen]:
        """What is seen; a server that doesn't answer in time is seen not to."""
        now = asyncio.get_running_loop().time()
        if self._asking is None or (self._asking.done() and now >= self._fresh_until):
            self._asking = asyncio.create_task(self._ask_once())
        await asyncio.wait([self._asking], timeout=ANSWER_WITHIN_SECONDS)
        if self._asking.done():
            return self._asking.result()
        return [Seen(name, ok=False, reason=f"no answer within {ANSWER_WITHIN_SECONDS:g} s") for name in self._names]

    async def _ask_once(self) -> Sequence[Seen]:
        try:
            return await self._ask()
        finally:
            self._fresh_until = asyncio.get_running_loop().time() + FRESH_SECONDS


class Health:
    """The health of one worker.

    Args:
        metrics: Where its core serves its metrics.
        looks: What it needs.
        stop: Set when it is to stop: from then on it isn't ready.
        for_workflows: Whether it carries out workflows, too.
    """

    def __init__(
        self, metrics: tuple[str, int], looks: Sequence[Look], stop: asyncio.Event, *, for_workflows: bool = True
    ) -> None:
        self._metrics = metrics
        self._looks = looks
        self._stop = stop
        self._polls = Polls(asyncio.get_running_loop().time(), for_workflows=for_workflows)

    async def live(self) -> list[Seen]:
        """Whether it asks for tasks."""
        await self._count()
        return self._polls.state(asyncio.get_running_loop().time())

    async def ready(self) -> list[Seen]:
        """Whether it can carry out what it is given."""
        found = await asyncio.gather(*(look.seen() for look in self._looks))
        stops = Seen("worker", ok=False, reason="it is stopping")
        works = Seen("worker", ok=True, reason="it works")
        return [stops if self._stop.is_set() else works, *(each for some in found for each in some)]

    @asynccontextmanager
    async def while_working(self) -> AsyncIterator[None]:
        """Look at the counters again and again, whether or not anybody asks."""

        async def count() -> None:
            while True:
                await self._count()
                await asyncio.sleep(_COUNT_EVERY_SECONDS)

        counting = asyncio.create_task(count())
        try:
            yield
        finally:
            counting.cancel()

    async def _count(self) -> None:
        try:
            counters = await asyncio.to_thread(read_counters, self._metrics)
        except (OSError, http.client.HTTPException) as error:
            self._polls.not_seen(f"its counters can't be read: {type(error).__name__}")
        else:
            self._polls.seen(counters, asyncio.get_running_loop().time())


def database_look(engine: Engine) -> Look:
    """Whether the database answers a new connection, and its schema serves this version.

    Args:
        engine: The worker's role on a pool of its own: the worker's may have all connections in use.
    """
    return Look(["database", "schema"], lambda: asyncio.to_thread(_look_at_database, engine))


def _look_at_database(engine: Engine) -> Sequence[Seen]:
    try:
        with engine.connect() as connection:
            connection.exec_driver_sql("SELECT 1")
        answers = Seen("database", ok=True, reason="it answers")
        return [answers, Seen("schema", ok=True, reason=f"revision {require_schema(engine)} serves this version")]
    except AnotherSchema as error:
        return [answers, Seen("schema", ok=False, reason=str(error))]
    except (DBAPIError, Unreachable) as error:
        trouble = trouble_of(error) if isinstance(error, DBAPIError) else None
        why = trouble.message if trouble else "the database doesn't answer"
        return [Seen("database", ok=False, reason=why), Seen("schema", ok=False, reason="it can't be seen")]
    finally:
        engine.dispose()


def temporal_look(client: Client) -> Look:
    """Whether Temporal answers, and has the namespace."""

    async def ask() -> Sequence[Seen]:
        try:
            await client.workflow_service.describe_namespace(
                DescribeNamespaceRequest(namespace=client.namespace),
                timeout=timedelta(seconds=ANSWER_WITHIN_SECONDS),
            )
        except RPCError as error:
            how = "refuses" if error.status in _REFUSALS else "doesn't answer"
            return [Seen("temporal", ok=False, reason=f"it {how}: {error.message}")]
        return [Seen("temporal", ok=True, reason="it answers")]

    return Look(["temporal"], ask)


def search_attributes_look(missing: Callable[[], Awaitable[Sequence[str]]]) -> Look:
    """Whether the search attributes are registered.

    Args:
        missing: Asks Temporal for those that aren't.
    """

    async def ask() -> Sequence[Seen]:
        try:
            names = await missing()
        except RPCError as error:
            return [_unseen("search_attributes", error)]
        reason = f"{', '.join(names)} not registered: run `stockkeeper setup`" if names else "all are registered"
        return [Seen("search_attributes", ok=not names, reason=reason)]

    return Look(["search_attributes"], ask)


def work_look(client: Client, task_queue: str, version: WorkerDeploymentVersion | None) -> Look:
    """Whether the task queue gives its work to this worker.

    One with a version that isn't current is ready all the same: it waits to be made current.
    """

    async def ask() -> Sequence[Seen]:
        try:
            found = standing(task_queue, version, await routing_of(client, task_queue))
        except RPCError as error:
            return [_unseen("work", error)]
        return [Seen("work", ok=found.gets_work or version is not None, reason=found.text)]

    return Look(["work"], ask)


def _unseen(name: str, error: RPCError) -> Seen:
    # Not every account may look; that is no reason to give up a worker.
    may_not_look = error.status in _REFUSALS
    return Seen(name, ok=may_not_look, reason=f"it can't be seen: {error.message}")
