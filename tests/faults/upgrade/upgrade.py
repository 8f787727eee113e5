"""v1 to v2 and back to v1: open holds, orders meanwhile, a database that v2 has migrated, and nothing that fails."""

import asyncio
import functools
import itertools
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Engine, text
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client, WorkflowHistory

from database.migrations.common import write_down
from devstack.stack import StackInfo
from stockkeeper.domain.stock import ItemKey
from tests.faults.upgrade.next_version import work
from tests.faults.workplace import FORKS, WorkerProcess, workers_environment
from tests.support.reservation import Orders
from tests.support.shop import Shop, new_reference
from tests.support.versions import set_current
from tests.support.wire import Json, eventually, few_at_once

V1, V2 = "v1", "v2"
ON_HAND = 1_000_000
NEWER_REVISION = "9999"
_DAY = 24 * 60

# What a version may do to a database that serves the version before: a table, and columns that needn't be written.
_MIGRATION = """
    CREATE TABLE of_the_next_version (noted text);
    ALTER TABLE reservations ADD COLUMN of_the_next_version text;
    ALTER TABLE inventory_items ADD COLUMN of_the_next_version integer NOT NULL DEFAULT 0;
"""
_NOT_COMPLETED = {
    EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED: "failed",
    EventType.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT: "timed out",
}


@dataclass
class Stretch:
    """What was done from one switch to the next.

    Attributes:
        current: The version that was current.
        since: When it became that.
        commands: Holds, extensions and shipments, each with the answer that it should have.
        slowest: Seconds of the slowest answer.
        tasks: Workflow tasks that each version has completed.
        last_of_another: Seconds from the switch to the last task that the version before has completed.
    """

    current: str
    since: datetime
    commands: int = 0
    slowest: float = 0
    tasks: Counter[str] = field(default_factory=Counter)
    last_of_another: float = 0


@dataclass
class Figures:
    """What was seen.

    Attributes:
        open_holds: Holds that were open all the while.
        shipped: Orders that were held and shipped meanwhile.
        changed: Runs that have each part of the change of v2.
        stretches: From each switch to the next.
        not_completed: Workflow tasks that failed or timed out.
    """

    open_holds: int
    shipped: int = 0
    changed: Counter[str] = field(default_factory=Counter)
    stretches: list[Stretch] = field(default_factory=list)
    not_completed: Counter[str] = field(default_factory=Counter)


class Upgrade:
    """One upgrade and its way back.

    Args:
        stack: Where Temporal and the database are.
        engine: The database, as its owner.
        client: A plain client.
        logs: Takes the workers' logs.
        senders: Commands under way at any time.
    """

    def __init__(self, stack: StackInfo, engine: Engine, client: Client, logs: Path, *, senders: int = 20) -> None:
        self._stack = stack
        self._engine = engine
        self._client = client
        self._logs = logs
        self._senders = senders
        self._queue = new_reference("queue")
        self._orders = Orders(client, self._queue)
        self._workers: list[WorkerProcess] = []
        self._references: list[str] = []
        self._held: Iterator[str] = iter(())
        self._changed = ""
        self._log = logs
        shop = Shop(engine)
        self._items = {"held": shop.item(ON_HAND), "sold": shop.item(ON_HAND)}
        self.figures = Figures(0)

    async def run(self, open_holds: int, commands: int) -> Figures:
        """Hold, upgrade and go back under load, and read what every run did.

        Args:
            open_holds: Holds that stay open.
            commands: At least so many are answered after each switch, and before the first.
        """
        try:
            first = self._start(V1)
            await self._switch(V1)
            holds = [new_reference() for _ in range(open_holds)]
            await few_at_once(
                *(functools.partial(self._hold, each, self._items["held"]) for each in holds), lanes=self._senders
            )
            self.figures.open_holds = len(holds)
            self._held = itertools.cycle(holds)
            second = await self._under_load(commands, self._upgrade)
            await _stopped(first)
            await self._under_load(commands, self._go_back)
            await _stopped(second)
            async with self._load():
                await _more(commands, self.figures.stretches[-1])
        finally:
            for worker in self._workers:
                worker.kill()
                await worker.wait()
        await few_at_once(*(functools.partial(self._read, each) for each in self._references), lanes=self._senders)
        return self.figures

    def levels(self) -> dict[str, tuple[int, int]]:
        """On hand and reserved of the item of the open holds, and of the item of the others."""
        query = text("""
            SELECT quantity_on_hand, quantity_reserved FROM inventory_items
            WHERE warehouse_id = :warehouse AND product_id = :product
        """)
        found: dict[str, tuple[int, int]] = {}
        with self._engine.connect() as connection:
            for name, (warehouse, product) in self._items.items():
                on_hand, reserved = connection.execute(query, {"warehouse": warehouse, "product": product}).one()
                found[name] = (on_hand, reserved)
        return found

    async def a_changed_run(self) -> WorkflowHistory:
        """The history of a run that has the change of v2."""
        return await self._orders.handle(self._changed).fetch_history()

    async def open_runs(self, expected: int) -> int:
        """The runs that are open, once Temporal's list has caught up."""
        query = f'TaskQueue="{self._queue}" AND ExecutionStatus="Running"'

        async def count() -> int:
            return (await self._client.count_workflows(query)).count

        return await eventually(count, lambda found: found == expected)

    async def without_a_version(self) -> tuple[int, str]:
        """Status and last line of a worker that has no version, where one is current."""
        worker = self._start("")
        return await worker.wait(), self._log.read_text().splitlines()[-1]

    async def _upgrade(self) -> WorkerProcess:
        await asyncio.to_thread(self._migrate)
        worker = self._start(V2)
        await self._switch(V2)
        return worker

    async def _go_back(self) -> WorkerProcess:
        # A new process, on the database that v2 has migrated.
        worker = self._start(V1)
        await self._switch(V1)
        return worker

    def _migrate(self) -> None:
        with self._engine.begin() as connection:
            connection.execute(text(_MIGRATION))
            write_down(connection, NEWER_REVISION, serves_older_workers=True)
            connection.execute(text("UPDATE alembic_version SET version_num = :it"), {"it": NEWER_REVISION})

    def _start(self, build_id: str) -> WorkerProcess:
        environment = workers_environment(
            self._stack.database_url, self._stack.temporal_address, self._stack.namespace, self._queue
        )
        if build_id:
            environment |= {"STOCKKEEPER_BUILD_ID": build_id, "STOCKKEEPER_DEPLOYMENT_NAME": self._queue}
        self._log = self._logs / f"worker-{len(self._workers)}.log"
        process = FORKS.Process(target=work, args=(environment, self._log), kwargs={"begins": build_id == V2})
        process.start()
        self._workers.append(WorkerProcess(process))
        return self._workers[-1]

    async def _switch(self, build_id: str) -> None:
        since = await set_current(self._client, self._queue, self._queue, build_id)
        self.figures.stretches.append(Stretch(build_id, since))

    async def _under_load(self, commands: int, switch: Callable[[], Awaitable[WorkerProcess]]) -> WorkerProcess:
        """Send commands, switch meanwhile, and send on until there were as many after the switch."""
        async with self._load():
            await _more(commands, self.figures.stretches[-1])
            begun = await switch()
            await _more(commands, self.figures.stretches[-1])
        return begun

    @asynccontextmanager
    async def _load(self) -> AsyncIterator[None]:
        is_over = asyncio.Event()
        async with asyncio.TaskGroup() as senders:
            for _ in range(self._senders):
                senders.create_task(self._send(is_over))
            yield
            is_over.set()

    async def _send(self, is_over: asyncio.Event) -> None:
        """An open hold is extended, and an order held and shipped, again and again."""
        while not is_over.is_set():
            await self._answered(self._orders.extend(next(self._held), _DAY), "ACTIVE")
            reference = new_reference()
            await self._hold(reference, self._items["sold"])
            await self._answered(self._orders.fulfill(reference), "FULFILLED")
            self.figures.shipped += 1

    async def _hold(self, reference: str, item: ItemKey) -> None:
        self._references.append(reference)
        await self._answered(self._orders.reserve(reference, (item, 1), ttl_minutes=_DAY), "ACTIVE")

    async def _answered(self, command: Awaitable[Json], status: str) -> None:
        began = time.monotonic()
        state = await command
        assert state["status"] == status, state
        stretch = self.figures.stretches[-1]
        stretch.commands += 1
        stretch.slowest = max(stretch.slowest, time.monotonic() - began)

    async def _read(self, reference: str) -> None:
        """Count the tasks of a run, and what it has of the change."""
        async for event in self._orders.handle(reference).fetch_history_events():
            if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED:
                self._count(event)
            elif event.event_type in _NOT_COMPLETED:
                self.figures.not_completed[_NOT_COMPLETED[event.event_type]] += 1
            elif event.event_type == EventType.EVENT_TYPE_MARKER_RECORDED:
                self.figures.changed.update(patches := _patches(event))
                if patches:
                    self._changed = reference

    def _count(self, event: HistoryEvent) -> None:
        at = event.event_time.ToDatetime(UTC)
        by = event.workflow_task_completed_event_attributes.deployment_version.build_id
        first, *later = self.figures.stretches
        stretch = next((each for each in reversed(later) if each.since <= at), first)
        stretch.tasks[by] += 1
        if by != stretch.current:
            stretch.last_of_another = max(stretch.last_of_another, (at - stretch.since).total_seconds())


async def _more(commands: int, stretch: Stretch) -> None:
    enough = stretch.commands + commands
    while stretch.commands < enough:  # noqa: ASYNC110 - the senders go on however long it takes
        await asyncio.sleep(0.02)


async def _stopped(worker: WorkerProcess) -> None:
    """Stop a worker in good order."""
    worker.terminate()
    assert await worker.wait() == 0


def _patches(event: HistoryEvent) -> list[str]:
    attributes = event.marker_recorded_event_attributes
    if attributes.marker_name != "core_patch":
        return []
    return [json.loads(each.data)["id"] for each in attributes.details["patch-data"].payloads]
