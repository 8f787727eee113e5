"""Spans of runs and of their commands, made once however often a run is replayed.

They are beside the SDK's plugin, which carries the context of a call into the run and out of it again, and makes ids
that are the same in every replay. Its own spans of runs aren't made: they end with the run, which may be in months, and
until then a trace has steps without a parent. Here the span of a run is an instant, its beginning; that of a command or
a signal lasts from its arrival to its answer.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from opentelemetry.context import attach
from opentelemetry.trace import Span, SpanKind, StatusCode, get_tracer, set_span_in_context
from temporalio import workflow
from temporalio.worker import (
    ExecuteWorkflowInput,
    HandleSignalInput,
    HandleUpdateInput,
    Interceptor,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
)

from stockkeeper.contracts.tracing import ERROR_TYPE, RUN_ID, SCOPE, WORKFLOW_ID
from stockkeeper.domain.errors import DomainError

_NAME_LENGTH = 80


class TracedRuns(Interceptor):
    """Makes the spans of a worker's runs. The process's tracer provider has to be safe for replays."""

    def workflow_interceptor_class(self, input: WorkflowInterceptorClassInput) -> type[WorkflowInboundInterceptor]:  # noqa: A002 - the SDK's name
        """Put it around every run."""
        del input
        return _TracedRun


class _TracedRun(WorkflowInboundInterceptor):
    async def execute_workflow(self, input: ExecuteWorkflowInput) -> Any:  # noqa: A002 - the SDK's name
        run = _begin(f"RunWorkflow:{workflow.info().workflow_type}")
        run.end()
        with _within(run):
            return await super().execute_workflow(input)

    async def handle_signal(self, input: HandleSignalInput) -> None:  # noqa: A002 - the SDK's name
        with _until_it_is_done(f"HandleSignal:{input.signal}"):
            await super().handle_signal(input)

    async def handle_update_handler(self, input: HandleUpdateInput) -> Any:  # noqa: A002 - the SDK's name
        with _until_it_is_done(f"HandleUpdate:{input.update}"):
            return await super().handle_update_handler(input)


def _begin(name: str) -> Span:
    info = workflow.info()
    return get_tracer(SCOPE).start_span(
        name[:_NAME_LENGTH],
        kind=SpanKind.SERVER,
        attributes={WORKFLOW_ID: info.workflow_id, RUN_ID: info.run_id},
    )


@contextmanager
def _within(span: Span) -> Iterator[None]:
    """Make what follows belong to a span.

    A run that a process leaves behind at its end is closed by the garbage collector, in any context; OpenTelemetry
    would log an error of that.
    """
    token = attach(set_span_in_context(span))
    try:
        yield
    finally:
        with suppress(ValueError):
            token.var.reset(token)


@contextmanager
def _until_it_is_done(name: str) -> Iterator[None]:
    handling = _begin(name)
    # Messages of errors stay out: they may have anybody's name in them.
    with _within(handling):
        try:
            yield
        except DomainError as refusal:
            handling.set_attribute(ERROR_TYPE, refusal.code)
            handling.end()
            raise
        except Exception as error:
            # Any other error fails the workflow's task, which is tried again, and with it this.
            if workflow.is_failure_exception(error):
                handling.set_attribute(ERROR_TYPE, type(error).__name__)
                handling.set_status(StatusCode.ERROR, type(error).__name__)
                handling.end()
            raise
        else:
            handling.end()
