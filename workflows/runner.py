"""Runs workflows, and gives a task back that would be recorded in an order in which it can't be replayed.

A worker that gets a query of a run that it doesn't know replays the run for it: with all events that there are, also
those that no workflow task has brought to a worker yet. The task that comes next brings only what is newer, such as an
update; but a later replay gets all of these events at once, and the SDK begins with signals and updates and goes on
with the results of activities and with timers. So its commands are recorded in one order and replayed in another: the
task is refused as not deterministic, and the run stands still for ever, on every worker. Seen with temporalio 1.35.0
(``findings/update-after-a-query.sh``).

Such a task is failed before anything is recorded. The worker then forgets the run, and gets the task again with the
whole history at once; effects happen once, whatever it had begun (``database/operations.py``).
"""

import logging
from typing import TYPE_CHECKING, Any

from temporalio.bridge.proto.workflow_activation import WorkflowActivation, WorkflowActivationJob
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion
from temporalio.worker import UnsandboxedWorkflowRunner, WorkflowInstance, WorkflowInstanceDetails, WorkflowRunner
from temporalio.workflow import Info

if TYPE_CHECKING:
    from temporalio.workflow import _Definition

_log = logging.getLogger("stockkeeper.runs")

_FROM_EVENTS = frozenset(
    {
        "signal_workflow",
        "fire_timer",
        "resolve_activity",
        "resolve_child_workflow_execution_start",
        "resolve_child_workflow_execution",
        "resolve_signal_external_workflow",
        "cancel_workflow",
    }
)
_LOCAL = "the result of a local activity"
_ASIDE = frozenset({"query_workflow", "remove_from_cache"})
"""What is no part of a task."""
_RECORDED = frozenset({"upsert_workflow_search_attributes", "modify_workflow_properties", "schedule_activity"})
"""Commands each of which becomes an event, whatever else the task asks for."""
_BETWEEN_TASKS = 3
"""Events from one task's start to the next one's at least: it is completed, and another one scheduled and started."""
_AGAIN = "a query has brought events before their task did: the task comes again, with the whole history"


class RecordableRunner(WorkflowRunner):
    """Runs workflows outside the sandbox, and fails tasks that couldn't be replayed."""

    def __init__(self) -> None:
        self._runner = UnsandboxedWorkflowRunner()

    def prepare_workflow(self, defn: "_Definition") -> None:
        """Load a workflow."""
        self._runner.prepare_workflow(defn)

    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        """Begin a run, or its replay."""
        return _Recordable(self._runner.create_instance(det))


class _Recordable(WorkflowInstance):
    """A run on a worker.

    What was carried out is recorded once its task is completed, and the history is longer by that and by its commands
    when the next task begins. If it isn't, what was carried out had come with a query.
    """

    def __init__(self, run: WorkflowInstance) -> None:
        self._run = run
        self._length = 0
        self._of_events = False
        self._commands = 0
        self._local: set[int] = set()

    def activate(self, act: WorkflowActivation) -> WorkflowActivationCompletion:
        """Go on with the run."""
        jobs = {_kind_of(job) for job in act.jobs}
        if jobs <= _ASIDE:
            return self._run.activate(act)
        if self._length < act.history_length < self._length_of_the_next():
            _log.warning("workflow %s: %s", self.get_info().workflow_id, _AGAIN)
            failed = WorkflowActivationCompletion(run_id=act.run_id)
            failed.failed.failure.message = _AGAIN
            return failed
        completion = self._run.activate(act)
        if act.history_length > self._length:
            self._length = act.history_length
            self._of_events = not act.is_replaying and bool(jobs & _FROM_EVENTS)
            self._commands = 0
        self._local -= {job.resolve_activity.seq for job in act.jobs if _kind_of(job) == _LOCAL}
        for command in completion.successful.commands:
            kind = command.WhichOneof("variant")
            self._commands += kind in _RECORDED
            if kind == "schedule_local_activity":
                self._local.add(command.schedule_local_activity.seq)
        return completion

    def _length_of_the_next(self) -> int:
        """The events that there are at the start of the next task, at least."""
        if not self._of_events:
            return 0
        # A task that takes long because of a local activity goes on in another, maybe before its commands are recorded.
        return self._length + _BETWEEN_TASKS + (0 if self._local else self._commands)

    def get_serialization_context(self, command_info: Any) -> Any:
        """As of the run."""
        return self._run.get_serialization_context(command_info)

    def get_external_store_context(self, command_info: Any) -> Any:
        """As of the run."""
        return self._run.get_external_store_context(command_info)

    def get_info(self) -> Info:
        """As of the run."""
        return self._run.get_info()

    def get_thread_id(self) -> int | None:
        """As of the run."""
        return self._run.get_thread_id()


def _kind_of(job: WorkflowActivationJob) -> str:
    kind = str(job.WhichOneof("variant"))
    return _LOCAL if kind == "resolve_activity" and job.resolve_activity.is_local else kind
