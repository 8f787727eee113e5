"""Whether a worker asks for tasks is seen by the core's own counters, of a worker that does and of one that doesn't."""

import socket

import pytest
from temporalio.client import Client
from temporalio.runtime import PrometheusConfig, Runtime, TelemetryConfig

from activities import polls
from activities.polls import QUIET_SECONDS, Counters, Polls, Seen, counters_in, read_counters
from database.sessions import Database
from devstack.processes import LOOPBACK, free_port
from devstack.stack import StackInfo
from stockkeeper.contracts.converter import DATA_CONVERTER
from tests.support.shop import new_reference
from tests.support.wire import eventually
from worker import Settings, working

METRICS = r"""# HELP temporal_long_request Count of long-poll request successes by rpc name
# TYPE temporal_long_request counter
temporal_long_request{namespace="default",operation="GetWorkflowExecutionHistory",task_queue="q"} 40
temporal_long_request{namespace="default",operation="PollActivityTaskQueue",task_queue="a \"}\" b"} 7
temporal_long_request{namespace="default",operation="PollWorkflowTaskQueue",task_queue="q"} 9
temporal_long_request{namespace="other",operation="PollWorkflowTaskQueue",task_queue="q"} 2
temporal_long_request_failure{namespace="default",operation="PollWorkflowTaskQueue",task_queue="q"} 100
temporal_worker_task_slots_available{namespace="default",worker_type="ActivityWorker"} 0
temporal_worker_task_slots_available{namespace="default",worker_type="WorkflowWorker"} 99
"""


def test_the_calls_for_tasks_are_told_from_all_others() -> None:
    assert counters_in(METRICS) == Counters(for_workflows=11, for_activities=7, is_busy=True)
    assert counters_in(METRICS.replace('ActivityWorker"} 0', 'ActivityWorker"} 1')) == Counters(11, 7, is_busy=False)
    assert counters_in(METRICS.replace("long_request{", "long_request_total{")) == Counters(11, 7, is_busy=True)
    assert counters_in("") == Counters(0, 0, is_busy=False)


def told(worker: Polls, now: float) -> list[tuple[bool, str]]:
    """What is said at an instant."""
    state = worker.state(now)
    assert [each.name for each in state] == ["workflow_tasks", "activities"]
    return [(each.ok, each.reason) for each in state]


def test_a_worker_whose_calls_go_on_lives_and_one_whose_calls_have_ended_does_not() -> None:
    worker = Polls(now=100)
    # It has just begun, and nobody has looked at the counters yet.
    assert told(worker, 190) == [(True, "asked for workflow tasks 90 s ago"), (True, "asked for activities 90 s ago")]
    worker.seen(Counters(5, 5, is_busy=False), 110)
    worker.seen(Counters(6, 5, is_busy=False), 160)
    worker.seen(Counters(6, 5, is_busy=False), 200)
    assert told(worker, 200) == [(True, "asked for workflow tasks 40 s ago"), (True, "asked for activities 90 s ago")]
    assert told(worker, 201) == [
        (True, "asked for workflow tasks 41 s ago"),
        (False, "hasn't asked for activities for 91 s"),
    ]
    assert told(worker, 251)[0] == (False, "hasn't asked for workflow tasks for 91 s")
    worker.seen(Counters(7, 6, is_busy=False), 252)
    assert told(worker, 253) == [(True, "asked for workflow tasks 1 s ago"), (True, "asked for activities 1 s ago")]


def test_a_worker_whose_slots_are_taken_asks_for_no_activities_and_lives() -> None:
    worker = Polls(now=0)
    worker.seen(Counters(5, 5, is_busy=False), 10)
    worker.seen(Counters(6, 5, is_busy=True), 90)
    assert told(worker, 150) == [
        (True, "asked for workflow tasks 60 s ago"),
        (True, "all slots for activities are taken"),
    ]
    # From then on, since a slot is free.
    worker.seen(Counters(7, 5, is_busy=False), 160)
    assert told(worker, 180)[1] == (True, "asked for activities 90 s ago")
    assert told(worker, 181)[1] == (False, "hasn't asked for activities for 91 s")


def test_counters_that_cannot_be_read_are_the_reason_and_one_time_is_none() -> None:
    worker = Polls(now=0)
    worker.seen(Counters(5, 5, is_busy=False), 10)
    worker.not_seen("its counters can't be read: ConnectionRefusedError")
    assert told(worker, 100) == [(True, "asked for workflow tasks 90 s ago"), (True, "asked for activities 90 s ago")]
    reason = "for 91 s, as far as can be seen: its counters can't be read: ConnectionRefusedError"
    assert told(worker, 101) == [
        (False, f"hasn't asked for workflow tasks {reason}"),
        (False, f"hasn't asked for activities {reason}"),
    ]
    worker.seen(Counters(6, 6, is_busy=False), 102)
    assert told(worker, 200)[0] == (False, "hasn't asked for workflow tasks for 98 s")


async def test_the_counters_of_a_real_worker_move_while_it_works_and_stand_when_it_has_stopped(
    stack: StackInfo, our_client: Client, database: Database, settings: Settings
) -> None:
    del our_client  # It registers the search attributes.
    address = (LOOPBACK, free_port())
    metrics = PrometheusConfig(bind_address=f"{address[0]}:{address[1]}")
    client = await Client.connect(
        stack.temporal_address,
        namespace=stack.namespace,
        data_converter=DATA_CONVERTER,
        runtime=Runtime(telemetry=TelemetryConfig(metrics=metrics)),
    )

    async def counters() -> Counters:
        return read_counters(address)

    queue = new_reference("queue")
    async with working(client, database, settings.model_copy(update={"task_queue": queue})):
        # As many as it has pollers, two of them for bulk work and two for events, and each call is counted when it
        # begins.
        begun = await eventually(counters, lambda seen: (seen.for_workflows, seen.for_activities) == (5, 9))
        assert begun == Counters(5, 9, is_busy=False)
    stopped = read_counters(address)
    worker, for_bulk_work = Polls(now=0), Polls(now=0, for_workflows=False)
    for each in (worker, for_bulk_work):
        each.seen(stopped, 10)
        each.seen(read_counters(address), 10 + QUIET_SECONDS + 1)
    assert for_bulk_work.state(10 + QUIET_SECONDS) == [
        Seen("activities", ok=True, reason="asked for activities 90 s ago")
    ]
    assert worker.state(10 + QUIET_SECONDS + 1) == [
        Seen("workflow_tasks", ok=False, reason="hasn't asked for workflow tasks for 91 s"),
        Seen("activities", ok=False, reason="hasn't asked for activities for 91 s"),
    ]


@pytest.mark.parametrize("answers", [False, True], ids=["nobody", "silence"])
def test_counters_are_not_waited_for(answers: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(polls, "READ_WITHIN_SECONDS", 0.05)
    with socket.create_server((LOOPBACK, 0)) as silent:
        port = silent.getsockname()[1]
        if not answers:
            silent.close()
        with pytest.raises(OSError):  # noqa: PT011 - a refusal or a timeout
            read_counters((LOOPBACK, port))
