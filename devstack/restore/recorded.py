"""The steps that runs have asked for, read from their histories.

A history has the results of local activities and not what they were asked. So it is replayed by the workflow itself,
as a worker does that has lost the run from its cache, and what it asks is written down.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from temporalio import workflow
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowHistory
from temporalio.common import HeaderCodecBehavior
from temporalio.worker import (
    Interceptor,
    Replayer,
    StartActivityInput,
    StartLocalActivityInput,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
    WorkflowOutboundInterceptor,
)
from temporalio.workflow import ActivityHandle

from devstack.restore.runs import Run, histories_of
from stockkeeper.contracts.identity import IdentifyStep
from stockkeeper.contracts.messages import Step
from worker import REPLAYED_WITH, WORKFLOW_RUNNER, WORKFLOWS

_COMPLETED = EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED


@dataclass
class RecordedStep:
    """One step that a run has asked for.

    Attributes:
        activity: The activity's name.
        step: Its input.
        done_at: The workflow's time when it was carried out; None: it is still under way, or was refused.
        answer: What it answered then.
    """

    activity: str
    step: Step
    done_at: datetime | None = None
    answer: Any = None

    @property
    def operation_id(self) -> str:
        """The operation by which it takes effect once."""
        return self.step.operation_id


@dataclass
class ReadRun:
    """A run with its steps.

    Attributes:
        run: The run.
        started: The first event of its history.
        is_taken_up: Whether a worker has carried out a task of it.
        steps: What it has asked for, in order.
        unreadable: Why the history can't be replayed; None: it can.
    """

    run: Run
    started: Any
    is_taken_up: bool = True
    steps: list[RecordedStep] = field(default_factory=list)
    unreadable: str | None = None


class _Watching(Interceptor):
    """Writes down the steps of each run that is replayed, by the run's id."""

    def __init__(self) -> None:
        self.steps: dict[str, list[RecordedStep]] = {}

    def workflow_interceptor_class(self, input: WorkflowInterceptorClassInput) -> type[WorkflowInboundInterceptor]:  # noqa: A002 - the SDK's name
        """What stands between a run and the SDK."""
        del input
        steps = self.steps

        class Inbound(WorkflowInboundInterceptor):
            def init(self, outbound: WorkflowOutboundInterceptor) -> None:
                super().init(_Outbound(outbound, steps))

        return Inbound


class _Outbound(WorkflowOutboundInterceptor):
    """What a run asks for, on its way out."""

    def __init__(self, following: WorkflowOutboundInterceptor, steps: dict[str, list[RecordedStep]]) -> None:
        super().__init__(following)
        self._steps = steps

    def start_activity(self, input: StartActivityInput) -> ActivityHandle[Any]:  # noqa: A002 - the SDK's name
        """A step through the task queue."""
        return self._noted(input.activity, input.args, super().start_activity(input))

    def start_local_activity(self, input: StartLocalActivityInput) -> ActivityHandle[Any]:  # noqa: A002
        """A step within a workflow task."""
        return self._noted(input.activity, input.args, super().start_local_activity(input))

    def _noted(self, activity: str, args: Sequence[Any], handle: ActivityHandle[Any]) -> ActivityHandle[Any]:
        # Whose message it is changes nothing in the database.
        if not args or not isinstance(args[0], Step) or isinstance(args[0], IdentifyStep):
            return handle
        recorded = RecordedStep(activity, args[0])
        self._steps.setdefault(workflow.info().run_id, []).append(recorded)

        def done(_: object) -> None:
            if not handle.cancelled() and handle.exception() is None:
                recorded.done_at, recorded.answer = workflow.now(), handle.result()

        handle.add_done_callback(done)
        return handle


async def read(client: Client, runs: Sequence[Run]) -> list[ReadRun]:
    """Read the histories of these runs, in order."""
    watching = _Watching()
    replayer = Replayer(
        workflows=WORKFLOWS,
        data_converter=client.data_converter,
        header_codec_behavior=HeaderCodecBehavior.CODEC,
        workflow_runner=WORKFLOW_RUNNER,
        interceptors=[*REPLAYED_WITH, watching],
        namespace=client.namespace,
    )
    started: dict[str, Any] = {}
    taken_up: dict[str, bool] = {}

    async def histories() -> AsyncIterator[WorkflowHistory]:
        async for history in histories_of(client, runs):
            started[history.run_id] = history.events[0]
            taken_up[history.run_id] = any(event.event_type == _COMPLETED for event in history.events)
            yield history

    unreadable: dict[str, str] = {}
    async with replayer.workflow_replay_iterator(histories()) as replayed:
        async for each in replayed:
            if each.replay_failure is not None:
                unreadable[each.history.run_id] = f"{type(each.replay_failure).__name__}: {each.replay_failure}"
    return [
        ReadRun(
            run,
            started[run.run_id],
            taken_up[run.run_id],
            watching.steps.get(run.run_id, []),
            unreadable.get(run.run_id),
        )
        for run in runs
    ]
