"""Where the time of an answer went is told by the times of its run's history."""

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent

from benchmarks.where_holds_wait import Hold, parts_of

STARTED = EventType.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED
SCHEDULED = EventType.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED
TAKEN = EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED
TIMED_OUT = EventType.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT
DONE = EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
ACCEPTED = EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED


def history(*events: tuple["EventType.ValueType", int]) -> list[HistoryEvent]:
    """Events, each with the milliseconds after the hundredth second at which it came."""
    return [
        HistoryEvent(event_type=kind, event_time=Timestamp(seconds=100 + at // 1000, nanos=at % 1000 * 1_000_000))
        for kind, at in events
    ]


def test_an_answer_is_taken_apart_into_its_four_waits() -> None:
    events = history((STARTED, 40), (SCHEDULED, 40), (TAKEN, 70), (DONE, 270), (ACCEPTED, 270))
    # The fulfilment comes later, and isn't the answer's.
    events += history((SCHEDULED, 900), (TAKEN, 910), (DONE, 950))
    assert parts_of(Hold(100.0, 0.3, None), events) == pytest.approx((0.04, 0.03, 0.2, 0.03))


def test_a_task_that_was_begun_in_vain_belongs_to_the_wait_for_a_worker() -> None:
    events = history(
        (STARTED, 10), (SCHEDULED, 10), (TAKEN, 20), (TIMED_OUT, 10_020), (SCHEDULED, 10_020), (TAKEN, 10_050)
    )
    events += history((DONE, 10_150), (ACCEPTED, 10_150))
    assert parts_of(Hold(100.0, 10.2, None), events) == pytest.approx((0.01, 10.04, 0.1, 0.05))
