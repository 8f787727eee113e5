"""Tells attempts at a step through the task queue that those in the workflow's task have failed.

Temporal counts the two apart, and the one that succeeds says that the step has recovered (`activities.step_log`).
"""

from typing import Any

from temporalio import workflow
from temporalio.worker import (
    Interceptor,
    StartActivityInput,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
    WorkflowOutboundInterceptor,
)

from stockkeeper.contracts.outage import FAILED_BEFORE
from workflows.waits import under_way


class TellsOfFailuresBefore(Interceptor):
    """Adds a header to the steps whose attempts in the workflow's task have failed."""

    def workflow_interceptor_class(self, input: WorkflowInterceptorClassInput) -> type[WorkflowInboundInterceptor]:  # noqa: A002 - the SDK's name
        """Put it around every run."""
        del input
        return _Inbound


class _Inbound(WorkflowInboundInterceptor):
    def init(self, outbound: WorkflowOutboundInterceptor) -> None:
        super().init(_Outbound(outbound))


class _Outbound(WorkflowOutboundInterceptor):
    def start_activity(self, input: StartActivityInput) -> workflow.ActivityHandle[Any]:  # noqa: A002 - the SDK's name
        if under_way().have_failed(input.activity):
            input.headers = {**input.headers, FAILED_BEFORE: workflow.payload_converter().to_payload(True)}  # noqa: FBT003
        return super().start_activity(input)
