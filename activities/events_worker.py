"""The worker of those who read events: on a task queue of its own, where they may wait (ADR 0093)."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from temporalio.client import Client
from temporalio.worker import PollerBehaviorSimpleMaximum, Worker

from stockkeeper.contracts.policies import events_queue

FOLLOWERS = 1000
"""Questions that wait at a time. Each costs a coroutine and a heartbeat every few seconds, and no thread."""

POLLS = 2
"""Calls that wait for questions: one hands over hundreds a second."""


def events_worker(
    client: Client, task_queue: str, answering: Sequence[Callable[..., Any]], common: Mapping[str, Any]
) -> Worker:
    """The worker of questions for events, and of what sends them to subscribers.

    Args:
        client: Temporal.
        task_queue: The task queue on which everything is started.
        answering: The activities.
        common: The settings that all workers of the process share.
    """
    return Worker(
        client,
        task_queue=events_queue(task_queue),
        max_concurrent_activities=FOLLOWERS,
        activity_task_poller_behavior=PollerBehaviorSimpleMaximum(POLLS),
        **{**common, "activities": answering},
    )
