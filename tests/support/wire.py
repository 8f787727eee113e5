"""A foreign service: it has a Temporal client and the contract, speaks plain JSON, and knows none of our code."""

import asyncio
import base64
import contextlib
import json
import time
import uuid
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar, TypeVar

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.sdk.v1 import WorkflowMetadata
from temporalio.client import (
    Client,
    WithStartWorkflowOperation,
    WorkflowExecutionStatus,
    WorkflowFailureError,
    WorkflowHandle,
    WorkflowUpdateFailedError,
)
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError

from stockkeeper.domain.stock import ItemKey
from tests.support.shop import new_reference

ANSWER_SECONDS = 90.0
"""Nothing may hang: an answer that takes longer than this, on a busy machine, is a failure."""

_TAKES_NO_UPDATES = "Workflow Task in failed state"

Json = Any
Handle = WorkflowHandle[Any, Any]


def line(item: ItemKey, quantity: int) -> dict[str, Json]:
    """A line of a request: units of a product from a warehouse."""
    return {"product_id": item.product_id, "warehouse_id": item.warehouse_id, "quantity": quantity}


@dataclass(frozen=True)
class Refusal:
    """What a caller of any language sees of a clear no."""

    type: str
    details: Json
    message: str


async def answer(call: Awaitable[Any]) -> Json:
    """What the call answers; it does so in time."""
    return await asyncio.wait_for(call, ANSWER_SECONDS)


async def taken(call: Callable[[], Awaitable[Any]]) -> Json:
    """What an update answers, once the run takes updates: it takes none while a task of it was lost with its worker."""

    async def send() -> Json:
        while True:
            try:
                return await call()
            except RPCError as error:
                if _TAKES_NO_UPDATES not in error.message:
                    raise
            await asyncio.sleep(0.1)

    return await answer(send())


async def refusal(call: Awaitable[Any]) -> Refusal:
    """What the call is refused with; it is, and in time."""
    with pytest.raises((WorkflowUpdateFailedError, WorkflowFailureError)) as caught:
        await answer(call)
    cause = caught.value.cause
    assert isinstance(cause, ApplicationError), repr(cause)
    return Refusal(cause.type or "", cause.details[0] if cause.details else None, cause.message)


class Caller:
    """A service's side of one kind of process: its runs go by the caller's own names."""

    workflow_type: ClassVar[str]
    prefix: ClassVar[str]
    answer_to_start: ClassVar[str]

    def __init__(self, client: Client, task_queue: str, task_timeout: timedelta | None = None) -> None:
        self.client = client
        self.task_queue = task_queue
        self.task_timeout = task_timeout

    def handle(self, reference: str, run_id: str | None = None) -> Handle:
        """The run for a reference."""
        return self.client.get_workflow_handle(f"{self.prefix}{reference}", run_id=run_id)

    async def ask_raw(
        self,
        reference: str,
        payload: Sequence[Json],
        *,
        update_id: str | None = None,
        reuse: WorkflowIDReusePolicy = WorkflowIDReusePolicy.ALLOW_DUPLICATE,
        command: tuple[str, Json] | None = None,
    ) -> Json:
        """Start and answer in one call, with whatever arguments; or start and command."""
        update_id = update_id or str(uuid.uuid4())

        async def send() -> Json:
            start: WithStartWorkflowOperation[Any, Any] = WithStartWorkflowOperation(
                self.workflow_type,
                args=list(payload),
                id=f"{self.prefix}{reference}",
                task_queue=self.task_queue,
                task_timeout=self.task_timeout,
                id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                id_reuse_policy=reuse,
            )
            try:
                return await self.client.execute_update_with_start_workflow(
                    command[0] if command else self.answer_to_start,
                    args=[command[1]] if command else [],
                    start_workflow_operation=start,
                    id=update_id,
                )
            finally:
                # The start has an outcome of its own, which somebody has to take.
                with contextlib.suppress(Exception):
                    await asyncio.wait_for(start.workflow_handle(), ANSWER_SECONDS)

        return await taken(send)

    async def first_update(self, workflow_id: str, request: Json, name: str, *payload: Json) -> Json:
        """Start a new run under this workflow id and send it an update, in one call; the update's answer."""
        start: WithStartWorkflowOperation[Any, Any] = WithStartWorkflowOperation(
            self.workflow_type,
            request,
            id=workflow_id,
            task_queue=self.task_queue,
            id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
        )
        update = self.client.execute_update_with_start_workflow
        return await answer(update(name, args=list(payload), start_workflow_operation=start))

    async def start(self, reference: str, payload: Sequence[Json]) -> Handle:
        """Start without waiting for an answer."""
        return await self.client.start_workflow(
            self.workflow_type,
            args=list(payload),
            id=f"{self.prefix}{reference}",
            task_queue=self.task_queue,
            task_timeout=self.task_timeout,
        )

    async def update(self, reference: str, name: str, *payload: Json, update_id: str | None = None) -> Json:
        """A command as an update, with whatever arguments."""
        update_id = update_id or str(uuid.uuid4())
        update = self.handle(reference).execute_update
        return await taken(lambda: update(name, args=list(payload), id=update_id))

    async def signal(self, reference: str, name: str, *payload: Json) -> None:
        """A command as a signal, or any other signal."""
        await self.handle(reference).signal(name, args=list(payload))

    async def state(self, reference: str) -> Json:
        """What the query answers."""
        return await answer(self.handle(reference).query("state"))

    async def result(self, reference: str) -> Json:
        """What the run returns, once it has closed."""
        return await answer(self.handle(reference).result())

    async def status(self, reference: str) -> WorkflowExecutionStatus | None:
        """Where the run stands."""
        return (await self.handle(reference).describe()).status

    async def pending(self, reference: str, *, failed: bool = False) -> list[str]:
        """Names of the activities that are scheduled and not done, as an operator sees them.

        Args:
            reference: The caller's name for the run.
            failed: Only those that have been tried in vain.
        """
        pending = (await self.handle(reference).describe()).raw_description.pending_activities
        return [each.activity_type.name for each in pending if each.HasField("last_failure") or not failed]

    async def waits_for(self, reference: str, step: str) -> None:
        """Return once the step is pending; a notice may be on its way beside it."""
        await eventually(lambda: self.pending(reference), lambda steps: step in steps)

    async def noted(self, reference: str, count: int) -> list[str]:
        """The notes once there are as many, without their times."""
        state = await eventually(lambda: self.state(reference), lambda state: len(state["notes"]) >= count)
        assert all(note[19:25] == " UTC: " for note in state["notes"])
        assert len(state["notes"]) == count
        return [note[25:] for note in state["notes"]]

    async def found(self, query: str) -> list[str]:
        """The references of the runs that a search finds, sorted."""
        return sorted([run.id.removeprefix(self.prefix) async for run in self.client.list_workflows(query)])

    async def metadata(self, reference: str) -> WorkflowMetadata:
        """What the run tells of itself in the Temporal UI."""
        query = self.handle(reference).query("__temporal_workflow_metadata", result_type=WorkflowMetadata)
        metadata = await answer(query)
        assert isinstance(metadata, WorkflowMetadata)
        return metadata

    async def history(
        self, reference: str, *kinds: "EventType.ValueType", run_id: str | None = None
    ) -> list[HistoryEvent]:
        """The events of these kinds, in order; of the latest run unless told otherwise."""
        events = self.handle(reference, run_id).fetch_history_events()
        return [event async for event in events if event.event_type in kinds]

    async def summaries(self, reference: str, kind: "EventType.ValueType", run_id: str | None = None) -> list[str]:
        """What the Temporal UI shows beside the events of a kind."""
        converter = self.client.data_converter.payload_converter
        return [
            converter.from_payload(event.user_metadata.summary, str)
            for event in await self.history(reference, kind, run_id=run_id)
        ]

    async def quiet(self, reference: str, notices: int = 0) -> Json:
        """The state once there are as many notices, and none of them is under way any more."""
        return await eventually(
            lambda: self.state(reference),
            lambda state: (
                len(state["notices"]) >= notices and all(each["outcome"] != "PENDING" for each in state["notices"])
            ),
        )

    async def told(self, reference: str, *titles: tuple[str, str]) -> None:
        """Exactly these notices went out, as ``(audience, title)`` in order; all but the supplier's only to the log."""
        state = await self.quiet(reference, len(titles))
        assert [(each["audience"], each["title"]) for each in state["notices"]] == list(titles)
        reached = [each["outcome"] for each in state["notices"]]
        assert reached == ["SENT" if audience == "SUPPLIER" else "LOGGED" for audience, _ in titles]

    async def bodies(self, reference: str) -> list[str]:
        """What its notices say, in the order in which they were sent."""
        scheduled = await self.history(reference, EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED)
        asked = [event.activity_task_scheduled_event_attributes for event in scheduled]
        notices = [each.input.payloads[0].data for each in asked if each.activity_type.name == "send_notice"]
        return [json.loads(notice)["body"] for notice in notices]

    async def accepted(self, reference: str, count: int) -> None:
        """Return once the run has let so many updates in, whether or not it has answered them."""
        accepted = EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED
        await eventually(lambda: self.history(reference, accepted), lambda events: len(events) == count)


class RunCaller(Caller):
    """A service's side of a process that runs once for one warehouse or all; a run may go by any workflow id."""

    prefix = ""
    name: ClassVar[str]
    """The first part of the names of its runs."""
    request: ClassVar[dict[str, Json]] = {}
    """Fields of every start."""

    async def begin(self, warehouse_id: int | None, **other: Json) -> str:
        """Start a run for one warehouse, or for all; its workflow id."""
        workflow_id = new_reference(self.name)
        await self.start(workflow_id, [self.request | {"warehouse_id": warehouse_id} | other])
        return workflow_id

    async def run(self, warehouse_id: int | None, **other: Json) -> Json:
        """Start a run for one warehouse, or for all; its result."""
        return await self.result(await self.begin(warehouse_id, **other))


def texts(value: Json) -> Iterator[str]:
    """Every string and number of a history as JSON, what is in payloads among them."""
    if isinstance(value, dict):
        if "encoding" in value.get("metadata", {}):
            yield base64.b64decode(value.get("data", "")).decode()
        else:
            for each in value.values():
                yield from texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from texts(each)
    else:
        yield str(value)


def cells(details: str) -> list[list[str]]:
    """The rows of the tables in a run's details, heads and rulers among them."""
    # Words of a head aren't parted into two lines.
    rows = [row.replace("\u00a0", " ") for row in details.splitlines() if row.startswith("|")]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]


def less_notices(state: Json) -> Json:
    """A state without its notices, which go out in the background."""
    return {name: value for name, value in state.items() if name != "notices"}


T = TypeVar("T")


async def eventually(probe: Callable[[], Awaitable[T]], holds: Callable[[T], bool]) -> T:
    """Ask until it is so; what it was then.

    A question is a task for Temporal and for a worker: the longer the wait has been, the fewer are asked.
    """
    time_of = asyncio.get_running_loop().time
    began = time_of()
    while not holds(seen := await probe()):
        waited = time_of() - began
        assert waited < ANSWER_SECONDS, f"still {seen!r}"
        await asyncio.sleep(min(max(0.02, waited / 4), 0.25))
    return seen


async def at_once(*calls: Coroutine[Any, Any, T]) -> list[T]:
    """All together; if one fails the others are stopped, so that nothing goes on behind the next test's back."""
    async with asyncio.TaskGroup() as tasks:
        begun = [tasks.create_task(call) for call in calls]
    return [task.result() for task in begun]


async def few_at_once(*calls: Callable[[], Awaitable[T]], lanes: int = 10) -> list[T]:
    """The same for very many calls that needn't race: so many at a time."""
    free = asyncio.Semaphore(lanes)

    async def when_it_is_its_turn(call: Callable[[], Awaitable[T]]) -> T:
        async with free:
            return await call()

    return await at_once(*(when_it_is_its_turn(call) for call in calls))


async def until(instant: datetime) -> None:
    """Wait for an instant, which is all that a deadline can be waited for by."""
    await asyncio.sleep(max(0.0, instant.timestamp() - time.time()))
