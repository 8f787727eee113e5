"""A client as services have it: plain JSON, and the same again until there is a definite answer."""

import asyncio
import contextlib
import itertools
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest, SignalWorkflowExecutionRequest
from temporalio.client import (
    Client,
    WithStartWorkflowOperation,
    WorkflowFailureError,
    WorkflowQueryFailedError,
    WorkflowQueryRejectedError,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import ApplicationError, CancelledError, TerminatedError, WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from tests.faults.simulation.model.outcome import Answered, NotRunning, Outcome, Refused, Sent
from tests.faults.simulation.script import Command, How, Intervention, Json, Look, Operate, Result, Send

_AGAIN_SECONDS, _AGAIN_SECONDS_AT_MOST = 0.1, 2.0
_TASK_COMPLETED = EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
_ACCEPTED, _COMPLETED = (
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_COMPLETED,
)
_RESET_WITHIN_SECONDS = 15.0
_ONE_RUN = WorkflowIDReusePolicy.REJECT_DUPLICATE
_REUSE = dict.fromkeys(("ReorderWorkflow", "ReplenishmentPlanWorkflow", "StockAuditWorkflow"), _ONE_RUN)
"""A run that does its work once more if the answer to its start is lost, and it has ended before the next try."""
_TOO_EARLY = "TOO EARLY"
_SILENT = "didn't answer in time"
"""Said of an order over several databases that isn't held because one is away: the same may be tried again."""
BRISK = timedelta(seconds=5)
"""How long Temporal waits for a worker that has died with a task, instead of ten seconds."""


class Stuck(Exception):
    """No definite answer within the patience."""


class _TooEarly(Exception):
    """A run has no task yet to which it could be reset."""


class Delivery:
    """Carries commands to the server, and brings what comes of them.

    Attributes:
        sent: Commands by way, each counted once.
        again: Tries beyond the first, by what went wrong with the one before.
        in_flight: Steps that nothing has come of yet; each is set once it has its outcome.
        begun: How many steps have been taken up.
        while_one_was_away: Answered commands for warehouses of one database while another one was away.
    """

    def __init__(
        self,
        clients: Sequence[Client],
        task_queue: str,
        *,
        patience: float = 90.0,
        answer_within: float = 10.0,
        task_timeout: timedelta = BRISK,
    ) -> None:
        """Connect nothing.

        Args:
            clients: Plain clients, each with a connection of its own; lanes share them in turn.
            task_queue: Where the workers are.
            patience: Seconds until a command without an answer is stuck.
            answer_within: Seconds that one try waits for its answer.
            task_timeout: How long Temporal waits for a worker that has a workflow task of a run that is started here.
        """
        self._clients = itertools.cycle(clients)
        self._task_queue = task_queue
        self._patience = patience
        self._answer_within = answer_within
        self._task_timeout = task_timeout
        self.sent: Counter[str] = Counter()
        self.again: Counter[str] = Counter()
        self.in_flight: set[asyncio.Event] = set()
        self.begun = 0
        self.while_one_was_away = 0
        self._answered: list[tuple[int, str]] = []
        self._answers = asyncio.Condition()
        self._keys: set[str] = set()

    def client(self) -> Client:
        """The client of one more lane."""
        return next(self._clients)

    async def answered_since(self, begun: int, databases: Sequence[str], at_least: int) -> int:
        """Commands with an answer that were sent after so many steps, each for warehouses of one of these databases.

        Args:
            begun: So many steps.
            databases: Their task queues.
            at_least: So many are waited for.
        """

        def count() -> int:
            return sum(number > begun and queue in databases for number, queue in self._answered)

        async with self._answers:
            await self._answers.wait_for(lambda: count() >= at_least)
        return count()

    async def carry_out(self, client: Client, step: Send | Result | Look | Operate, kept_in: str = "") -> Outcome:
        """What comes of a step.

        Args:
            client: The lane's.
            step: What is to be carried out.
            kept_in: The one of several databases that keeps all warehouses of its lane; empty: there is no such one.

        Raises:
            Stuck: Nothing did.
        """
        self.begun += 1
        number = self.begun
        self.sent[step.command.how if isinstance(step, Send) else type(step).__name__.lower()] += 1
        self.in_flight.add(answered := asyncio.Event())
        try:
            outcome = await self._until_definite(client, step)
            if kept_in and isinstance(outcome, Answered | Refused):
                async with self._answers:
                    self._answered.append((number, kept_in))
                    self._answers.notify_all()
            return outcome
        finally:
            self.in_flight.discard(answered)
            answered.set()

    async def _until_definite(self, client: Client, step: Send | Result | Look | Operate) -> Outcome:
        deadline = asyncio.get_running_loop().time() + self._patience
        is_again = isinstance(step, Send) and bool(step.command.key) and step.command.key in self._keys
        if isinstance(step, Send):
            self._keys.add(step.command.key)
        pause = _AGAIN_SECONDS
        while True:
            outcome, problem = await self._once(client, step)
            if isinstance(step, Send) and isinstance(outcome, Refused):
                step, problem = _to_try_again(step, outcome)
                outcome = None if problem else outcome
            if is_again and isinstance(outcome, NotRunning) and isinstance(step, Send):
                outcome, problem = await self._after_the_end(client, step, outcome)
            if outcome is not None and not _is_early(step, outcome):
                return outcome
            waited = self._patience + asyncio.get_running_loop().time() - deadline
            if problem.startswith(_TOO_EARLY) and waited > _RESET_WITHIN_SECONDS:
                self.again["RESET LEFT OUT"] += 1
                return Sent()
            if asyncio.get_running_loop().time() > deadline:
                if outcome is not None:
                    return outcome
                raise Stuck(f"no definite answer in {self._patience:g} s; last: {problem}")
            if problem:
                self.again[problem.partition(":")[0]] += 1
                is_again = True
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, _AGAIN_SECONDS_AT_MOST)

    async def _after_the_end(self, client: Client, step: Send, outcome: NotRunning) -> tuple[Outcome | None, str]:
        """What came of a command whose earlier try may have ended the run; nobody else ends it."""
        if step.expected.differs(outcome) is None:
            return outcome, ""
        if step.command.how is How.SIGNAL and step.expected.differs(Sent()) is None:
            return Sent(), ""
        if step.command.how is How.UPDATE:
            return await self._once(client, Look(step.command.workflow_id, step.expected))
        return outcome, ""

    async def _once(self, client: Client, step: Send | Result | Look | Operate) -> tuple[Outcome | None, str]:
        """One try: what came of it, or else what went wrong."""
        try:
            async with asyncio.timeout(self._answer_within):
                return await self._try(client, step), ""
        except TimeoutError:
            return None, "TIMEOUT: no answer in time"
        except _TooEarly:
            return None, f"{_TOO_EARLY}: no task is done that has no update"
        except WorkflowQueryFailedError as error:
            return None, f"QUERY: {error}"
        except WorkflowUpdateRPCTimeoutOrCancelledError as error:
            if (task := asyncio.current_task()) is not None and task.cancelling():
                raise asyncio.CancelledError from error  # Nobody waits for it any more.
            return None, f"TIMEOUT: {error}"
        except RPCError as error:
            if _is_not_running(error):
                return NotRunning(error.message), ""
            return None, f"{error.status.name}: {error.message}"
        except (WorkflowUpdateFailedError, WorkflowFailureError) as error:
            return _refused(error), ""

    async def _try(self, client: Client, step: Send | Result | Look | Operate) -> Outcome:
        match step:
            case Send(command):
                return await self._send(client, command)
            case Result(workflow_id):
                return Answered(await client.get_workflow_handle(workflow_id).result())
            case Look(workflow_id):
                try:
                    return Answered(await client.get_workflow_handle(workflow_id).query("state"))
                except WorkflowQueryRejectedError as error:
                    return NotRunning(str(error))
            case Operate():
                return await _operate(client, step)

    async def _send(self, client: Client, command: Command) -> Outcome:
        match command.how:
            case How.START:
                return await self._start(client, command)
            case How.ASK:
                return await self._ask(client, command)
            case How.UPDATE:
                handle = client.get_workflow_handle(command.workflow_id)
                return Answered(
                    await handle.execute_update(command.name, args=list(command.payload), id=command.key or None)
                )
            case How.SIGNAL:
                converter = client.data_converter.payload_converter
                request = SignalWorkflowExecutionRequest(
                    namespace=client.namespace,
                    workflow_execution=WorkflowExecution(workflow_id=command.workflow_id),
                    signal_name=command.name,
                    request_id=command.key,
                )
                request.input.payloads.extend(converter.to_payloads(command.payload))
                await client.workflow_service.signal_workflow_execution(request)
                return Sent()

    async def _start(self, client: Client, command: Command) -> Outcome:
        with contextlib.suppress(WorkflowAlreadyStartedError):  # By an earlier try, or by the same start before.
            await client.start_workflow(
                command.workflow_type,
                command.start,
                id=command.workflow_id,
                task_queue=command.task_queue or self._task_queue,
                task_timeout=self._task_timeout,
                id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                id_reuse_policy=_REUSE.get(command.workflow_type, WorkflowIDReusePolicy.ALLOW_DUPLICATE),
            )
        return Sent()

    async def _ask(self, client: Client, command: Command) -> Outcome:
        start: WithStartWorkflowOperation[Any, Any] = WithStartWorkflowOperation(
            command.workflow_type,
            command.start,
            id=command.workflow_id,
            task_queue=command.task_queue or self._task_queue,
            task_timeout=self._task_timeout,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        )
        try:
            return Answered(
                await client.execute_update_with_start_workflow(
                    command.name, args=list(command.payload), start_workflow_operation=start, id=command.key or None
                )
            )
        finally:
            # The start has an outcome of its own, which somebody has to take.
            await _taken(start.workflow_handle)


async def _taken(handle: Callable[[], Awaitable[Any]]) -> None:
    with contextlib.suppress(Exception, asyncio.CancelledError):
        await asyncio.wait_for(handle(), 1)


async def _last_task(events: AsyncIterator[HistoryEvent]) -> int | None:
    """The end of the last workflow task that is done, if an operator may reset a run to it (docs/operations.md).

    Temporal refuses every task of a run for which it has admitted an update again, if the worker is lost before the
    update is completed. So none may be under way, and none may have come with that task.
    """
    done, under_way, with_the_last = None, set[str](), False
    async for event in events:
        if event.event_type == _TASK_COMPLETED:
            done, with_the_last = event.event_id, False
        elif event.event_type == _ACCEPTED:
            under_way.add(event.workflow_execution_update_accepted_event_attributes.protocol_instance_id)
            with_the_last = True
        elif event.event_type == _COMPLETED:
            under_way.discard(event.workflow_execution_update_completed_event_attributes.meta.update_id)
            with_the_last = True
    return None if under_way or with_the_last else done


async def _operate(client: Client, step: Operate) -> Outcome:
    handle = client.get_workflow_handle(step.workflow_id)
    match step.intervention:
        case Intervention.TERMINATE:
            await handle.terminate("the simulation's operator")
        case Intervention.CANCEL:
            await handle.cancel()
        case Intervention.RESET:
            run_id = (await handle.describe()).run_id
            events = client.get_workflow_handle(step.workflow_id, run_id=run_id).fetch_history_events()
            if (done := await _last_task(events)) is None:
                # One without an update comes: it is for an order that waits, and to any other nothing.
                if step.workflow_id.startswith("reservation-"):
                    await handle.signal("stock_came")
                raise _TooEarly
            await client.workflow_service.reset_workflow_execution(
                ResetWorkflowExecutionRequest(
                    namespace=client.namespace,
                    workflow_execution=WorkflowExecution(workflow_id=step.workflow_id, run_id=run_id),
                    reason="the simulation's operator",
                    workflow_task_finish_event_id=done,
                    # A second try of the same reset is the same reset.
                    request_id=step.key,
                )
            )
    return Sent()


def _is_early(step: Send | Result | Look | Operate, outcome: Outcome) -> bool:
    """Whether to look again."""
    return isinstance(step, Look) and step.patience and step.expected.differs(outcome) is not None


def _to_try_again(step: Send, refused: Refused) -> tuple[Send, str]:
    """A start that doesn't count where there are several databases, and why; empty: it counts."""
    if refused.type == "WarehouseElsewhere":
        there = replace(step.command, task_queue=refused.details["task_queue"])
        return replace(step, command=there), "ELSEWHERE"
    if refused.type == "InvalidState" and _SILENT in refused.message:
        return step, "A DATABASE SILENT"
    return step, ""


def _is_not_running(error: RPCError) -> bool:
    # A server that has just been started may not know its namespace yet.
    return error.status is RPCStatusCode.NOT_FOUND and "amespace" not in error.message


def _refused(error: WorkflowUpdateFailedError | WorkflowFailureError) -> Outcome:
    cause = error.cause
    if isinstance(cause, ApplicationError):
        if cause.type == "AcceptedUpdateCompletedWorkflow":
            return NotRunning(cause.message)
        return Refused(cause.type or "", _details(cause), cause.message)
    if isinstance(cause, CancelledError | TerminatedError):
        return Refused(type(cause).__name__, None, str(cause))
    return Refused(type(cause).__name__, None, repr(cause))


def _details(cause: ApplicationError) -> Json:
    return cause.details[0] if cause.details else None
