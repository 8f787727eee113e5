"""Spans of steps and questions as workers carry them out. Imported only by a process that makes traces."""

from typing import Any

from opentelemetry.trace import Span, SpanKind, StatusCode, get_tracer
from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from activities.step_log import operation_of_payload
from stockkeeper.contracts.tracing import (
    ACTIVITY_ID,
    ATTEMPT,
    ERROR_TYPE,
    OPERATION_ID,
    RUN_ID,
    SCOPE,
    WORKFLOW_ID,
)


class TracedSteps(Interceptor):
    """Makes a span of each attempt at an activity, in the trace of its caller."""

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:  # noqa: A002 - the SDK's name
        """Put it around every activity."""
        return _Traced(next)


class _Traced(ActivityInboundInterceptor):
    async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: A002 - the SDK's name
        info = activity.info()
        attributes = {
            WORKFLOW_ID: info.workflow_id,
            RUN_ID: info.workflow_run_id,
            ACTIVITY_ID: info.activity_id,
            ATTEMPT: info.attempt,
            OPERATION_ID: operation_of_payload(input.args),
        }
        with get_tracer(SCOPE).start_as_current_span(
            f"RunActivity:{info.activity_type}",
            kind=SpanKind.SERVER,
            attributes={name: value for name, value in attributes.items() if value is not None},
            # A message may have a person's name in it.
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                return await super().execute_activity(input)
            except Exception as error:
                _mark(span, error)
                raise


def _mark(span: Span, error: Exception) -> None:
    """Let an attempt have failed; one that is refused has an answer, and no failure."""
    kind = (error.type if isinstance(error, ApplicationError) else None) or type(error).__name__
    span.set_attribute(ERROR_TYPE, kind)
    if not isinstance(error, ApplicationError) or error.category is not ApplicationErrorCategory.BENIGN:
        span.set_status(StatusCode.ERROR, kind)
