"""Takes the tokens of signals and updates to the process that handles them (`workflows.identity`)."""

from typing import Any, cast

from temporalio import workflow
from temporalio.worker import (
    HandleSignalInput,
    HandleUpdateInput,
    Interceptor,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
    WorkflowOutboundInterceptor,
)

from stockkeeper.contracts.identity import WITHOUT, token_of
from stockkeeper.contracts.metrics import UNKNOWN
from stockkeeper.domain.errors import NotPermitted
from workflows.counters import counting_refusals
from workflows.identity import Brought


class BringsIdentity(Interceptor):
    """Takes the tokens of signals and updates to the process that handles them.

    Args:
        required: Whether an update without one is refused.
    """

    def __init__(self, *, required: bool) -> None:
        self._required = required

    def workflow_interceptor_class(self, input: WorkflowInterceptorClassInput) -> type[WorkflowInboundInterceptor]:  # noqa: A002 - the SDK's name
        """Put it around every run."""
        del input
        return _Requiring if self._required else _Bringing


class _Bringing(WorkflowInboundInterceptor):
    def init(self, outbound: WorkflowOutboundInterceptor) -> None:
        super().init(outbound)
        self._signals = 0

    async def handle_signal(self, input: HandleSignalInput) -> None:  # noqa: A002 - the SDK's name
        self._signals += 1
        _bring(Brought(token_of(input.headers), workflow.now(), signal=self._signals))
        await super().handle_signal(input)

    async def handle_update_handler(self, input: HandleUpdateInput) -> Any:  # noqa: A002 - the SDK's name
        _bring(Brought(token_of(input.headers), workflow.now(), update_id=input.id))
        return await super().handle_update_handler(input)


class _Requiring(_Bringing):
    def handle_update_validator(self, input: HandleUpdateInput) -> None:  # noqa: A002 - the SDK's name
        # A replay doesn't validate what was accepted: this may depend on the worker.
        if token_of(input.headers) is None:
            known = workflow.get_update_handler(input.update) is not None
            with counting_refusals(input.update if known else UNKNOWN):
                raise NotPermitted(WITHOUT)
        super().handle_update_validator(input)


def _bring(brought: Brought) -> None:
    """Leave it where the handler takes it at once: nothing else runs in between."""
    cast("Any", workflow.instance()).brought = brought
