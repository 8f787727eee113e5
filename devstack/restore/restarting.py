"""Starting runs again: those that Temporal has lost, and those that are behind their documents."""

import asyncio
import json
import uuid
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from importlib import import_module
from typing import Any

from temporalio.api.common.v1 import Payload, Payloads, WorkflowType
from temporalio.api.enums.v1 import WorkflowIdConflictPolicy, WorkflowIdReusePolicy
from temporalio.api.history.v1 import WorkflowExecutionStartedEventAttributes
from temporalio.api.sdk.v1 import UserMetadata
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import StartWorkflowExecutionRequest
from temporalio.client import Client

from database.sessions import Database
from devstack.restore.gaps import STARTED_BY, Gap
from devstack.restore.repeating import in_run
from stockkeeper.contracts.messages import Message
from stockkeeper.contracts.processes import DOCUMENTS

_AT_ONCE = 20
"""Starts under way at a time."""


class Starts:
    """Starts runs on behalf of a person.

    Args:
        client: Temporal.
        database: The database.
        task_queue: The workers' task queue.
        person: Who lets them be started.
    """

    def __init__(self, client: Client, database: Database, task_queue: str, person: str) -> None:
        self._client = client
        self._database = database
        self._task_queue = task_queue
        self._person = person

    async def start_missing(self, gaps: Sequence[Gap]) -> None:
        """Start a run for each document that is open and has none."""
        await self._each(gaps, self._start)

    async def replace(self, gaps: Sequence[Gap]) -> None:
        """End each run that is behind, and start another with the same request, in one step of Temporal."""
        await self._each(gaps, self._replace)

    async def _each(self, gaps: Sequence[Gap], carry_out: Callable[[Gap], Awaitable[None]]) -> None:
        free = asyncio.Semaphore(_AT_ONCE)

        async def in_turn(gap: Gap) -> None:
            async with free:
                await carry_out(gap)

        await asyncio.gather(*map(in_turn, gaps))

    async def _start(self, gap: Gap) -> None:
        if gap.document is None:
            return
        kind, number = gap.document
        process = DOCUMENTS[kind]
        request = await asyncio.to_thread(self._request, kind, number)
        summary = f"{process.name} {number}, started again after a restore by {self._person}"[:_SUMMARY]
        request_payload, summary_payload = await self._client.data_converter.encode([request, summary])
        await self._send(
            workflow_id=gap.workflow_id,
            workflow_type=WorkflowType(name=process.workflow_type),
            input=Payloads(payloads=[request_payload]),
            user_metadata=UserMetadata(summary=summary_payload),
            workflow_id_conflict_policy=WorkflowIdConflictPolicy.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
        )

    def _request(self, kind: str, number: str) -> Message:
        start_again = import_module(f"activities.{kind}").start_again

        def read() -> Message:
            with self._database.snapshot() as connection:
                start: Message = start_again(connection, number, datetime.now(UTC), self._person)
            return start

        return in_run(DOCUMENTS[kind].id_of(number), "", "show_document").run(read)

    async def _replace(self, gap: Gap) -> None:
        if gap.run is None:
            return
        started: WorkflowExecutionStartedEventAttributes = gap.run.started.workflow_execution_started_event_attributes
        await self._send(
            workflow_id=gap.workflow_id,
            workflow_type=started.workflow_type,
            input=await self._first_request(started.input),
            workflow_task_timeout=started.workflow_task_timeout,
            memo=started.memo,
            search_attributes=started.search_attributes,
            user_metadata=gap.run.started.user_metadata,
            workflow_id_conflict_policy=WorkflowIdConflictPolicy.WORKFLOW_ID_CONFLICT_POLICY_TERMINATE_EXISTING,
        )

    async def _first_request(self, given: Payloads) -> Payloads:
        """The request of the first run, without what another run has handed on, and without its latest start."""
        first, codec = given.payloads[:1], self._client.data_converter.payload_codec
        [plain] = await codec.decode(first) if codec else first
        content = json.loads(plain.data)
        if not isinstance(content, dict) or content.get("not_after") is None:
            return Payloads(payloads=first)
        # It was in time when it was held or began to wait; the run that finds it begins later.
        later = Payload(metadata=plain.metadata, data=json.dumps(content | {"not_after": None}).encode())
        return Payloads(payloads=await codec.encode([later]) if codec else [later])

    async def _send(self, **start: Any) -> None:
        await self._client.workflow_service.start_workflow_execution(
            StartWorkflowExecutionRequest(
                namespace=self._client.namespace,
                task_queue=TaskQueue(name=self._task_queue),
                identity=f"{STARTED_BY}{self._person}",
                request_id=str(uuid.uuid4()),
                workflow_id_reuse_policy=WorkflowIdReusePolicy.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
                **start,
            )
        )


_SUMMARY = 400
"""Bytes that a summary may have."""
