"""Runs as Temporal has them, for the audit, which compares them with the database. These steps talk to Temporal only.

A list of runs may be some moments old; a description of one run isn't. So the list only saves most descriptions.
"""

import base64

from temporalio import activity
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest, DescribeNamespaceResponse
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from stockkeeper.contracts import reservation, search_attributes
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


class Runs(RunActivities):
    """`RunActivities` by the worker's own client."""

    @activity.defn(name="find_running")
    async def find_running(self, question: FindRunning) -> FoundRunning:
        """Workflow ids without a running execution."""
        client = activity.client()
        listed: set[str] = set()
        if question.by_list and question.workflow_ids:
            names = ", ".join(f'"{_quoted(name)}"' for name in question.workflow_ids)
            query = f'ExecutionStatus="Running" AND WorkflowId IN ({names})'
            listed = {run.id async for run in client.list_workflows(query)}
        return FoundRunning(
            not_running=[
                name for name in question.workflow_ids if name not in listed and not await _is_running(client, name)
            ]
        )

    @activity.defn(name="find_holders")
    async def find_holders(self, question: FindHolders) -> FoundHolders:
        """Running reservations whose status says that they hold stock."""
        query = (
            f'WorkflowType="{reservation.WORKFLOW_TYPE}" AND ExecutionStatus="Running" '
            f'AND {search_attributes.STATUS.name}="{ReservationStatus.ACTIVE}"'
        )
        token = base64.b64decode(question.next_page) if question.next_page else None
        page = activity.client().list_workflows(query, page_size=RUNS_A_PAGE, next_page_token=token)
        await page.fetch_next_page()
        following = page.next_page_token
        return FoundHolders(
            references=[run.id.removeprefix(reservation.PROCESS.id_of("")) for run in page.current_page or ()],
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
        described = await client.get_workflow_handle(workflow_id).describe()
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return False
        raise
    return described.status is WorkflowExecutionStatus.RUNNING


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
