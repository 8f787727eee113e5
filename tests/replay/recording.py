"""What recording takes, whatever the process: a stage, scenes, and the histories that are kept of them."""

import contextlib
import inspect
import json
import re
import tempfile
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

from pydantic import SecretStr
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowFailureError, WorkflowHistory

from database.migrate import upgrade
from database.sessions import Database, connect
from devstack.stack import running_stack
from starter.namespace import register_search_attributes
from stockkeeper.client.connection import connect_temporal
from tests.support.cycle_count import Counts
from tests.support.outages import Outages
from tests.support.purchase_order import Purchasing
from tests.support.reservation import Orders
from tests.support.shop import Shop
from tests.support.transfer import Transfers
from tests.support.webhooks import WEBHOOK_KEY
from tests.support.wire import Caller, Handle, Json, answer, eventually, refusal
from worker import Settings, build_database, working

HISTORIES = Path(__file__).parent / "histories"
_MEGABYTE = 1024 * 1024
_WORKER_NAME = re.compile(r"\d+@.+")
_PORT = re.compile(r"\bport \d+\b")

Service = TypeVar("Service", bound=Caller)


@dataclass(frozen=True)
class Stage:
    """A stack that scenes are played on.

    Attributes:
        client: As any other service has it, with Temporal's own JSON.
        ours: A worker's client.
    """

    client: Client
    ours: Client
    database: Database
    settings: Settings
    shop: Shop
    outages: Outages

    def caller(self, service: type[Service]) -> Service:
        """A service's side of one kind of process, on the task queue that all scenes use."""
        return service(self.client, self.settings.task_queue)

    def worker(self, task_queue: str | None = None, **told: Any) -> AbstractAsyncContextManager[None]:
        """A worker with these settings, to be entered; on the task queue of all scenes unless they name another."""
        named = {} if task_queue is None else {"task_queue": task_queue}
        return working(self.ours, self.database, self.settings.model_copy(update=named | told))


class Scenes(Generic[Service]):
    """The scenes of one process.

    Each public coroutine is a history; its argument is its own name, from which the reference of its run is made.
    What is kept is the latest run, once it has closed; of a scene that is under way, once it waits for nothing but
    time and people.
    """

    process: ClassVar[str]
    """Beginning of the names of the histories: the name of the scenes' own file."""
    references: ClassVar[str] = "{}"
    """Format that makes a scene's reference of its name."""
    under_way: ClassVar[frozenset[str]] = frozenset()
    """The scenes that end while their run is open, which is where a deployment finds most runs."""
    followed: ClassVar[frozenset[str]] = frozenset()
    """The scenes whose first run is kept, which another one has followed."""

    service: type[Service]
    """The caller's side of the process."""

    def __init_subclass__(cls) -> None:
        cls.process = cls.__module__.rpartition(".")[2]

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._shop = stage.shop
        self._engine = stage.shop.engine
        self._caller = stage.caller(self.service)
        # The other services that scenes meet.
        self._orders = stage.caller(Orders)
        self._purchasing = stage.caller(Purchasing)
        self._transfers = stage.caller(Transfers)
        self._counts = stage.caller(Counts)

    @classmethod
    def names(cls) -> list[str]:
        """The scenes, in the order in which they are written and played."""
        return [
            name
            for name, member in vars(cls).items()
            if inspect.iscoroutinefunction(member) and not name.startswith("_")
        ]

    @classmethod
    def path(cls, scene: str) -> Path:
        """Where a scene's history is."""
        return HISTORIES / f"{cls.process}_{scene}.json"

    def reference_of(self, scene: str) -> str:
        """Reference of a scene's run."""
        return self.references.format(scene)

    async def record(self) -> None:
        """Play every scene, and keep the histories."""
        for scene in self.names():
            await getattr(self, scene)(scene)
            self.path(scene).write_text(await self._history(scene))

    async def _history(self, scene: str) -> str:
        run = self._caller.handle(self.reference_of(scene))
        if scene in self.followed:
            latest = await run.describe()
            run = self._caller.handle(self.reference_of(scene), latest.raw_info.first_run_id)
        elif scene in self.under_way:
            await eventually(lambda: _is_at_rest(run), lambda at_rest: at_rest)
        else:
            with contextlib.suppress(WorkflowFailureError):  # However it ends.
                await answer(run.result())
        history = without_names(json.loads((await run.fetch_history()).to_json()))
        return json.dumps(history, indent=1, sort_keys=True) + "\n"

    async def _run(self, scene: str, **start: Json) -> Json:
        """Start a scene's run with this request; its result."""
        await self._caller.start(self.reference_of(scene), [start])
        return await self._caller.result(self.reference_of(scene))

    async def _begin(self, scene: str, **start: Json) -> str | None:
        """Start a scene's run with this request, without waiting for it; the run's id."""
        return (await self._caller.start(self.reference_of(scene), [start])).first_execution_run_id

    async def _fail(self, scene: str, **start: Json) -> None:
        """Start a scene's run with a request that fails it."""
        await refusal(self._run(scene, **start))

    async def _scheduled(self, reference: str, steps: int = 1) -> None:
        """Wait until a step, or this many, has gone to the task queue."""
        scheduled = EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED
        await eventually(lambda: self._caller.history(reference, scheduled), lambda events: len(events) == steps)

    async def _continue(self, reference: str) -> None:
        """Bring a run to go on in another one, whose history is as short as that of any other.

        Temporal suggests it from 4 MiB on. Signals that are none of its commands make a history long and change
        nothing; each becomes a note.
        """
        noted = len((await self._caller.state(reference))["notes"])
        first = await self._latest_run(reference)
        for number in range(1, 4):
            await self._caller.signal(reference, "chatter", "x" * (3 * _MEGABYTE // 2))
            await self._caller.noted(reference, noted + number)
        await eventually(lambda: self._latest_run(reference), lambda run: run != first)

    async def _latest_run(self, reference: str) -> str | None:
        return (await self._caller.handle(reference).describe()).run_id


async def _is_at_rest(run: Handle) -> bool:
    """Whether it waits for nothing but time and people."""
    described = (await run.describe()).raw_description
    return not described.HasField("pending_workflow_task") and not described.pending_activities


@asynccontextmanager
async def a_stage() -> AsyncIterator[Stage]:
    """A stack of its own, without a worker yet."""
    with tempfile.TemporaryDirectory() as data:
        async with running_stack(Path(data), fast=True, headless=True, environ={}) as stack:
            engine = connect(stack.database_url)
            upgrade(engine)
            ours = await connect_temporal(stack.temporal_address, stack.namespace)
            await register_search_attributes(ours)
            settings = Settings(
                database_url=SecretStr(stack.database_url),
                database_role="stockkeeper_worker",
                task_queue=stack.task_queue,
                webhook_key=SecretStr(WEBHOOK_KEY),
                webhook_allow_http=True,
                webhook_allow_private=True,
            )
            database = build_database(settings)
            yield Stage(
                client=await Client.connect(stack.temporal_address, namespace=stack.namespace),
                ours=ours,
                database=database,
                settings=settings,
                shop=Shop(engine),
                outages=Outages(stack.database_url),
            )
            engine.dispose()
            database.engine.dispose()


def load(path: Path) -> WorkflowHistory:
    """A recorded history, under the workflow id that it had."""
    started = json.loads(path.read_text())["events"][0]["workflowExecutionStartedEventAttributes"]
    return WorkflowHistory.from_json(started["workflowId"], path.read_text())


def without_names(value: Json) -> Json:
    """The history less what names the machine that it was recorded on."""
    if isinstance(value, dict):
        if value.get("kind") == "TASK_QUEUE_KIND_STICKY":
            return value | {"name": "sticky"}
        # Where in which directory an error arose, and what else was loaded there, says nothing to a replay.
        told_nothing = {"stackTrace", "buildId"}
        return {key: "" if key in told_nothing else without_names(each) for key, each in value.items()}
    if isinstance(value, list):
        return [without_names(each) for each in value]
    if isinstance(value, str):
        return "worker" if _WORKER_NAME.fullmatch(value) else _PORT.sub("port 5432", value)
    return value
