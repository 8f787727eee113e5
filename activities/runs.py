"""Runs as Temporal has them, for the audit, which compares them with the database. These steps talk to Temporal only.

A list of runs may be some moments old; a description of one run isn't. So the list only saves most descriptions.

Both are asked for by the service itself and not by the SDK, whose version 1.35 can't read the status of a paused run. A
run that an operator has paused is running, as far as the database is concerned: it goes on some day.
"""

import base64
from collections.abc import Sequence

from temporalio import activity
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import WorkflowExecutionStatus
from temporalio.api.workflow.v1 import WorkflowExecutionInfo
from temporalio.api.workflowservice.v1 import (
    DescribeNamespaceRequest,
    DescribeNamespaceResponse,
    DescribeWorkflowExecutionRequest,
    ListWorkflowExecutionsRequest,
)
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from stockkeeper.contracts import order_in_parts, reservation, search_attributes
from stockkeeper.contracts.stock_audit import (
    RUNS_A_PAGE,
    AskRetention,
    FindHolders,
    FindRunning,
    FoundHolders,
    FoundRunning,
    Retention,
    RunActivities,
)
from stockkeeper.domain.reservation import ReservationStatus

_OPEN = "CloseTime IS NULL"
"""Runs that haven't ended, paused ones among them."""
_RUNNING = (
    WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_RUNNING,
    WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_PAUSED,
)


class Runs(RunActivities):
    """`RunActivities` by the worker's own client.

    Args:
        of_queue: Only reservations of this task queue hold stock in the worker's database; None: all do.
        elsewhere: The task queues of the other databases, where there are any.
    """

    def __init__(self, of_queue: str | None = None, elsewhere: Sequence[str] = ()) -> None:
        self._of_queue = of_queue
        self._elsewhere = elsewhere

    @activity.defn(name="find_running")
    async def find_running(self, question: FindRunning) -> FoundRunning:
        """Workflow ids without a running execution."""
        client = activity.client()
        listed: set[str] = set()
        if question.by_list and question.workflow_ids:
            names = ", ".join(f'"{_quoted(name)}"' for name in question.workflow_ids)
            listed = await _all_of(client, f"{_OPEN} AND WorkflowId IN ({names})")
        return FoundRunning(
            not_running=[
                name for name in question.workflow_ids if name not in listed and not await _is_running(client, name)
            ]
        )

    @activity.defn(name="find_holders")
    async def find_holders(self, question: FindHolders) -> FoundHolders:
        """Running reservations whose status says that they hold stock."""
        types = [reservation.WORKFLOW_TYPE, *([order_in_parts.WORKFLOW_TYPE] if self._elsewhere else [])]
        named = ", ".join(f'"{each}"' for each in types)
        query = (
            f'WorkflowType IN ({named}) AND {_OPEN} AND {search_attributes.STATUS.name}="{ReservationStatus.ACTIVE}"'
        )
        token = base64.b64decode(question.next_page) if question.next_page else b""
        runs, following = await _page_of(activity.client(), query, token)
        prefix, found = reservation.PROCESS.id_of(""), dict[str, list[str]]()
        for run in runs:
            if self._of_queue is None or run.task_queue == self._of_queue:
                found.setdefault(run.type.name, []).append(run.execution.workflow_id.removeprefix(prefix))
        return FoundHolders(
            references=found.get(reservation.WORKFLOW_TYPE, []),
            in_parts=found.get(order_in_parts.WORKFLOW_TYPE, []),
            elsewhere=[*self._elsewhere],
            next_page=base64.b64encode(following).decode() if following else None,
        )

    @activity.defn(name="ask_retention")
    async def ask_retention(self, question: AskRetention) -> Retention:
        """How long the namespace keeps a closed run; None where the worker may not read that."""
        del question
        client = activity.client()
        try:
            described = await client.workflow_service.describe_namespace(
                DescribeNamespaceRequest(namespace=client.namespace)
            )
        except RPCError as error:
            if error.status in (RPCStatusCode.PERMISSION_DENIED, RPCStatusCode.UNIMPLEMENTED):
                return Retention(seconds=None)
            raise
        return retention_of(described)


def retention_of(described: DescribeNamespaceResponse) -> Retention:
    """The retention in a namespace's description; zero or less counts as unknown."""
    seconds = described.config.workflow_execution_retention_ttl.ToTimedelta().total_seconds()
    return Retention(seconds=seconds if seconds > 0 else None)


async def _is_running(client: Client, workflow_id: str) -> bool:
    activity.heartbeat()  # Many of them may take their time.
    try:
        described = await client.workflow_service.describe_workflow_execution(
            DescribeWorkflowExecutionRequest(
                namespace=client.namespace, execution=WorkflowExecution(workflow_id=workflow_id)
            )
        )
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return False
        raise
    return described.workflow_execution_info.status in _RUNNING


async def _all_of(client: Client, query: str) -> set[str]:
    """The workflow ids of all runs that a query finds."""
    runs, following = await _page_of(client, query, b"")
    found = {run.execution.workflow_id for run in runs}
    while following:
        runs, following = await _page_of(client, query, following)
        found.update(run.execution.workflow_id for run in runs)
    return found


async def _page_of(client: Client, query: str, token: bytes) -> tuple[Sequence[WorkflowExecutionInfo], bytes]:
    """Runs that a query finds, and the token of the page after these; empty: this was the last."""
    page = await client.workflow_service.list_workflow_executions(
        ListWorkflowExecutionsRequest(
            namespace=client.namespace, query=query, page_size=RUNS_A_PAGE, next_page_token=token
        )
    )
    return page.executions, page.next_page_token


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
