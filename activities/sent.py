"""When Temporal received a message, and from whom: read from the history, which a run doesn't see of itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from temporalio import activity
from temporalio.api.enums.v1 import EventType, WorkflowTaskFailedCause
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from stockkeeper.contracts.identity import IdentifyStep

_SIGNALED = EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED
_ADMITTED = EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ADMITTED
_ACCEPTED = EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED
_RESET = WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_RESET_WORKFLOW
_RESETS_FOLLOWED = 10


@dataclass(frozen=True)
class Sent:
    """The record of a message.

    Attributes:
        at: When Temporal recorded it.
        by_workflow: Whether another workflow of the namespace has sent it.
    """

    at: datetime
    by_workflow: bool


async def sent_by(client: Client, step: IdentifyStep) -> Sent | None:
    """The record of the signal or update that a step is about; None: there is none.

    A reset records signals and updates anew, under the time of the reset. So these are looked for in the run that was
    reset, where the same ones came first.

    An update has a record of its own before it is accepted only after a reset: Temporal keeps none of one that waits.
    """
    info = activity.info()
    if info.workflow_id is None or info.workflow_run_id is None:
        return None
    events = await _events(client, info.workflow_id, info.workflow_run_id)
    event = _found(events, step)
    for _ in range(_RESETS_FOLLOWED):
        if event is None:
            return None
        reset = _reset_before(events, event)
        if reset is None:
            break
        before = await _events(client, info.workflow_id, reset.workflow_task_failed_event_attributes.base_run_id)
        first = _same(event, events, reset, before)
        if first is None:
            break
        events, event = before, first
    if event is None or (event.event_type == _ADMITTED):
        return None
    by_workflow = event.workflow_execution_signaled_event_attributes.HasField("external_workflow_execution")
    return Sent(event.event_time.ToDatetime(tzinfo=UTC), by_workflow)


async def _events(client: Client, workflow_id: str, run_id: str) -> list[HistoryEvent]:
    """The events of a run; none if Temporal doesn't keep it any more."""
    run = client.get_workflow_handle(workflow_id, run_id=run_id)
    try:
        return [event async for event in run.fetch_history_events()]
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return []
        raise


def _found(events: Sequence[HistoryEvent], step: IdentifyStep) -> HistoryEvent | None:
    if step.signal:
        signals = [event for event in events if event.event_type == _SIGNALED]
        return signals[step.signal - 1] if step.signal <= len(signals) else None
    return next((event for event in events if step.update_id and _update_id(event) == step.update_id), None)


def _update_id(event: HistoryEvent) -> str | None:
    if event.event_type == _ADMITTED:
        return event.workflow_execution_update_admitted_event_attributes.request.meta.update_id
    if event.event_type == _ACCEPTED:
        return event.workflow_execution_update_accepted_event_attributes.accepted_request.meta.update_id
    return None


def _reset_before(events: Sequence[HistoryEvent], event: HistoryEvent) -> HistoryEvent | None:
    """The latest reset that an event came after."""
    resets = [
        each
        for each in events
        if each.event_id < event.event_id and each.workflow_task_failed_event_attributes.cause == _RESET
    ]
    return resets[-1] if resets else None


def _same(
    event: HistoryEvent, events: Sequence[HistoryEvent], reset: HistoryEvent, before: Sequence[HistoryEvent]
) -> HistoryEvent | None:
    """The event of the run that was reset of which this one is the repetition; None: it is new."""
    since = [each for each in before if each.event_id >= reset.event_id]
    if (update_id := _update_id(event)) is not None:
        return next((each for each in since if _update_id(each) == update_id), None)
    # Equal signals are told apart by their order.
    equal = [each for each in since if each.event_type == _SIGNALED and _are_equal(each, event)]
    place = sum(
        1
        for each in events
        if reset.event_id < each.event_id < event.event_id and each.event_type == _SIGNALED and _are_equal(each, event)
    )
    return equal[place] if place < len(equal) else None


def _are_equal(one: HistoryEvent, other: HistoryEvent) -> bool:
    a, b = one.workflow_execution_signaled_event_attributes, other.workflow_execution_signaled_event_attributes
    return (a.signal_name, a.input, a.header) == (b.signal_name, b.input, b.header)
