"""Every timeout and retry policy, by name, with its reason."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from temporalio.common import RetryPolicy

TASK_QUEUE = "stockkeeper"
"""The task queue unless the settings have another one."""


def bulk_queue(task_queue: str) -> str:
    """The task queue of bulk work: of plans, audits and files (ADR 0076).

    Args:
        task_queue: The one on which everything is started.
    """
    return f"{task_queue}-bulk"


def events_queue(task_queue: str) -> str:
    """The task queue of those who read events, and wait there for the next one (ADR 0093).

    Args:
        task_queue: The one on which everything is started.
    """
    return f"{task_queue}-events"


BULK_TAKEN_WITHIN = timedelta(minutes=10)
"""How long a step waits on the queue of bulk work. Then it goes by the other one: no worker serves bulk work, or those
that do have had longer steps than this."""

MOVES_ARE_READ_AFTER = timedelta(seconds=2)
"""How old a worker's knowledge may be that no warehouse moves to another database (ADR 0085)."""
MOVE_IS_KNOWN_AFTER = timedelta(seconds=6)
"""How long a move is announced before anything leaves: until every worker has read of it, and a slow one once more."""

LOCAL_ATTEMPTS = 3

LOCAL_WRITE: dict[str, Any] = {
    # A transaction on a few locked rows takes milliseconds. It may wait for a hot row, which the database itself
    # gives up on after five seconds (lock_timeout), so ten is an attempt that got lost.
    "start_to_close_timeout": timedelta(seconds=10),
    # A deadlock victim or a dropped connection succeeds at once; anything longer isn't for a workflow task to wait for.
    "retry_policy": RetryPolicy(
        initial_interval=timedelta(milliseconds=20),
        backoff_coefficient=4,
        maximum_attempts=LOCAL_ATTEMPTS,
    ),
}
"""The hot path: a locked write inside the workflow task, which spares the caller a trip through the task queue."""

LOCKED_WRITE: dict[str, Any] = {
    "start_to_close_timeout": timedelta(seconds=30),
    # Every activity that has such a limit sends a sign of life every few seconds (`activities.edge`), so a worker that
    # was killed is missed before the attempt's time is over: its command waits ten seconds and not thirty.
    "heartbeat_timeout": timedelta(seconds=10),
    # For ever, because the effect is owed: the database being away is no reason to lose it. The operator sees the
    # attempts and the last error under "pending activities".
    "retry_policy": RetryPolicy(
        initial_interval=timedelta(milliseconds=200),
        backoff_coefficient=2,
        maximum_interval=timedelta(seconds=30),
    ),
}
"""A locked write through the task queue: for what isn't urgent, and for the hot path when the database is away."""

HOLD_A_PART_WITHIN = timedelta(seconds=20)
"""How long the hold of an order's lines in one of several databases is waited for. The lines in the others are held
meanwhile, and nobody else can buy them: no longer than a shopper waits. Only this is given up: what follows is owed."""
HOLD_A_PART_ANSWERS = 3 / 4
"""The share of a caller's patience after which it is given up, so that the caller still hears that nothing is held."""
FIND_A_PART_WITHIN = timedelta(minutes=1)
"""The same for an order that was held before: nothing of it is given up, and it is asked for again and again."""

BULK_WRITE: dict[str, Any] = {
    # One transaction over a whole file: a million rows take minutes; an attempt may take an hour.
    "start_to_close_timeout": timedelta(hours=1),
    # A worker that was killed is missed soon, and not after the hour.
    "heartbeat_timeout": timedelta(seconds=30),
    "retry_policy": RetryPolicy(
        initial_interval=timedelta(seconds=1), backoff_coefficient=2, maximum_interval=timedelta(minutes=1)
    ),
}
"""A write that is as large as a person's file."""

NOTICE: dict[str, Any] = {
    # A mail server may take its time.
    "start_to_close_timeout": timedelta(minutes=1),
    # A worker that was killed is missed sooner: the run of a document ends once its notices have gone out.
    "heartbeat_timeout": timedelta(seconds=10),
    # Long enough for a mail server that is down over a weekend, and for a night without a worker. A process that has
    # ended stays open meanwhile, with the pending notice and its last error for the operator to see.
    "schedule_to_close_timeout": timedelta(days=3),
    "retry_policy": RetryPolicy(
        initial_interval=timedelta(seconds=1), backoff_coefficient=2, maximum_interval=timedelta(minutes=5)
    ),
}
"""A notice to people outside: worth a few attempts, and nothing waits for it."""

MOVING: dict[str, Any] = BULK_WRITE | {
    # One whose worker was killed holds up commands, too.
    "heartbeat_timeout": timedelta(seconds=10),
    # One that is being tried holds up commands; the next attempt comes while their callers still wait.
    "retry_policy": RetryPolicy(
        initial_interval=timedelta(milliseconds=500), backoff_coefficient=2, maximum_interval=timedelta(seconds=5)
    ),
}
"""A step of a warehouse's move to another database: it goes through all rows of a warehouse, and is owed."""

DELIVERY: dict[str, Any] = {
    # It waits for events for an hour, and delivers a page after that.
    "start_to_close_timeout": timedelta(hours=2),
    # A worker that was killed is missed soon; what it reported as taken isn't sent again. A command that interrupts it
    # is heard of with the next heartbeat.
    "heartbeat_timeout": timedelta(seconds=10),
    # For ever, because the events are owed. That a receiver doesn't take them is an answer and no failure of this.
    "retry_policy": RetryPolicy(
        initial_interval=timedelta(seconds=1), backoff_coefficient=2, maximum_interval=timedelta(minutes=1)
    ),
}
"""Events on their way to a subscriber (ADR 0094)."""

PLANNING: dict[str, Any] = BULK_WRITE | {
    # A page of items takes a second or so; the first rollup of a large ledger takes minutes. For a day: then the next
    # run comes, and a person should look at this one.
    "schedule_to_close_timeout": timedelta(days=1),
}
"""A page of planning, or the demand of a day."""

COUNT_LIST: dict[str, Any] = PLANNING | {
    # While a run waits for one warehouse's list, no other run begins, and the others aren't counted.
    "schedule_to_close_timeout": timedelta(minutes=30),
}
"""Items due to be counted in one warehouse, and the demand that decides about them."""

REORDER: dict[str, Any] = LOCKED_WRITE | {
    # A step that fails for so long needs a person, and must not keep the next run from trying: it sees what this one
    # has left.
    "schedule_to_close_timeout": timedelta(minutes=30),
}
"""A step of a reorder run."""

LOOKS_AGAIN: Sequence[timedelta] = (timedelta(), timedelta(seconds=1), timedelta(seconds=14))
"""When a run that seems to hold nothing is looked at again, counted from the last look: it may just be ending, and most
are over at once."""

SHORT_NOTICE: dict[str, Any] = NOTICE | {
    # The run's orders send notices of their own; while a run waits for a mail server, no other one begins.
    "schedule_to_close_timeout": timedelta(minutes=15),
}
"""A notice of a run that another one follows soon."""

ASK: dict[str, Any] = {
    "start_to_close_timeout": timedelta(seconds=10),
    # The hourly run comes anyway: who asks needn't stay open for longer than this.
    "schedule_to_close_timeout": timedelta(minutes=10),
    "retry_policy": RetryPolicy(
        initial_interval=timedelta(milliseconds=500), backoff_coefficient=2, maximum_interval=timedelta(seconds=30)
    ),
}
"""A signal from one process to another."""

READ: dict[str, Any] = {
    # A person waits for the answer.
    "start_to_close_timeout": timedelta(seconds=15),
    "schedule_to_close_timeout": timedelta(seconds=30),
    "retry_policy": RetryPolicy(initial_interval=timedelta(milliseconds=200), maximum_attempts=5),
}
"""A question to the database that changes nothing."""

EVENTS_WAIT = timedelta(seconds=20)
"""How long a question for events may wait for the next one: as long as calls through proxies commonly may."""

READ_EVENTS: dict[str, Any] = {
    # It waits, and then reads a page.
    "start_to_close_timeout": EVENTS_WAIT + READ["start_to_close_timeout"],
    # A worker that was killed is missed within this time, and another one goes on; its followers have missed nothing.
    "heartbeat_timeout": timedelta(seconds=10),
    # Who follows asks again in any case. The rest of a wait that nobody hears any more takes a slot for no longer.
    "schedule_to_close_timeout": EVENTS_WAIT + READ["schedule_to_close_timeout"],
    "retry_policy": RetryPolicy(
        initial_interval=timedelta(milliseconds=200), backoff_coefficient=2, maximum_interval=timedelta(seconds=5)
    ),
}
"""A question for events, which may wait for the next one."""
