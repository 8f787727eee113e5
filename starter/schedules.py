"""The schedules: the runs that Stockkeeper starts by itself, and when.

They belong to the namespace. Setting them up again updates them to this version and keeps a pause with its note.
"""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from temporalio.client import (
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleCalendarSpec,
    ScheduleHandle,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleRange,
    ScheduleSpec,
    ScheduleUpdate,
    ScheduleUpdateInput,
)

from stockkeeper.client.calls import answer
from stockkeeper.client.connection import Connection
from stockkeeper.contracts import cycle_count_plan, lot_expiry, reorder, replenishment_plan, stock_audit
from stockkeeper.contracts.cycle_count_plan import CycleCountPlanRequest
from stockkeeper.contracts.errors import NotFound
from stockkeeper.contracts.lot_expiry import LotExpiryRequest
from stockkeeper.contracts.messages import Message
from stockkeeper.contracts.process import ProcessSpec
from stockkeeper.contracts.reorder import ReorderRequest
from stockkeeper.contracts.replenishment_plan import ReplenishmentPlanRequest
from stockkeeper.contracts.settings import suffix_of
from stockkeeper.contracts.stock_audit import StockAuditRequest


@dataclass(frozen=True)
class _Planned:
    """One schedule of this version.

    Attributes:
        schedule_id: Its id, and that of its runs.
        described: What it does and when, for people.
        summary: The line that an operator reads beside a run.
        process: The process that it starts.
        request: The start.
        spec: When.
        task_queue: The task queue of its runs.
    """

    schedule_id: str
    described: str
    summary: str
    process: ProcessSpec
    request: Message
    spec: ScheduleSpec
    task_queue: str = ""


# The next run sees everything that an overlapping one would have seen. After an outage one run makes up for those of
# the last hours; older ones would only repeat it.
_POLICY = SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP, catchup_window=timedelta(hours=6))
_PLANS: Sequence[_Planned] = (
    _Planned(
        reorder.SCHEDULE,
        "orders items below their reorder point, every hour",
        "the hourly reorder of items below their reorder point",
        reorder.PROCESS,
        ReorderRequest(),
        ScheduleSpec(intervals=[ScheduleIntervalSpec(every=timedelta(hours=1))], jitter=timedelta(minutes=1)),
    ),
    _Planned(
        replenishment_plan.SCHEDULE,
        "sets reorder points from demand, every day at 02:30 UTC",
        "the daily planning of reorder points",
        replenishment_plan.PROCESS,
        ReplenishmentPlanRequest(),
        ScheduleSpec(
            calendars=[ScheduleCalendarSpec(hour=[ScheduleRange(2)], minute=[ScheduleRange(30)])],
            jitter=timedelta(minutes=5),
        ),
    ),
    _Planned(
        cycle_count_plan.SCHEDULE,
        f"starts each warehouse's count of the day, from {cycle_count_plan.FROM_HOUR:02}:00 there",
        "the hourly check for warehouses that begin their day, and for counts due there",
        cycle_count_plan.PROCESS,
        CycleCountPlanRequest(from_hour=cycle_count_plan.FROM_HOUR),
        # A day begins at another hour in each timezone: the run looks every hour, and a warehouse has one count a day.
        ScheduleSpec(
            calendars=[ScheduleCalendarSpec(hour=[ScheduleRange(0, 23)], minute=[ScheduleRange(5)])],
            jitter=timedelta(minutes=1),
        ),
    ),
    _Planned(
        lot_expiry.SCHEDULE,
        "exchanges held lots that have expired, and tells of those that will, every hour",
        "the hourly look at lots that expire",
        lot_expiry.PROCESS,
        LotExpiryRequest(),
        # A day ends at another hour in each timezone: the run looks every hour, just after it has begun.
        ScheduleSpec(
            calendars=[ScheduleCalendarSpec(hour=[ScheduleRange(0, 23)], minute=[ScheduleRange(1)])],
            jitter=timedelta(minutes=1),
        ),
    ),
    _Planned(
        stock_audit.SCHEDULE,
        "proves that stock, ledger and documents agree, every day at 03:30 UTC",
        "the nightly audit",
        stock_audit.PROCESS,
        StockAuditRequest(),
        ScheduleSpec(
            calendars=[ScheduleCalendarSpec(hour=[ScheduleRange(3)], minute=[ScheduleRange(30)])],
            jitter=timedelta(minutes=5),
        ),
    ),
)


def _plans(connection: Connection) -> list[_Planned]:
    """The schedules of each database, with its task queue."""
    if connection.databases is None:
        return [replace(planned, task_queue=connection.task_queue) for planned in _PLANS]
    queues = connection.databases.queues
    return [
        replace(planned, schedule_id=planned.schedule_id + suffix_of(queue, queues), task_queue=queue)
        for queue in queues
        for planned in _PLANS
    ]


def _schedule(planned: _Planned) -> Schedule:
    return Schedule(
        action=ScheduleActionStartWorkflow(
            planned.process.workflow_type,
            planned.request,
            id=planned.schedule_id,
            task_queue=planned.task_queue,
            static_summary=planned.summary,
        ),
        spec=planned.spec,
        policy=_POLICY,
    )


async def set_up_schedules(connection: Connection) -> list[str]:
    """Create the schedules, or update them to this version; a pause and its note stay.

    Args:
        connection: The namespace, and the task queue of their runs.

    Returns:
        The ids of those that are new.
    """
    added = []
    for planned in _plans(connection):
        schedule = _schedule(planned)
        async with _answer(connection, planned.schedule_id):
            try:
                await connection.client.create_schedule(planned.schedule_id, schedule)
            except ScheduleAlreadyRunningError:
                await _bring_up_to_date(_handle(connection, planned.schedule_id), schedule)
            else:
                added.append(planned.schedule_id)
    return added


async def _bring_up_to_date(handle: ScheduleHandle, wanted: Schedule) -> None:
    def keep_the_pause(found: ScheduleUpdateInput) -> ScheduleUpdate:
        return ScheduleUpdate(schedule=replace(wanted, state=found.description.schedule.state))

    await handle.update(keep_the_pause)


@dataclass(frozen=True)
class ScheduleShown:
    """A schedule and its runs.

    Attributes:
        schedule_id: Its id.
        described: What it does and when, for people.
        paused: Whether it is paused.
        note: The note of the pause or of its end.
        next_at: When it runs next; None while it is paused.
        last_at: When it ran last.
        last_workflow_id: That run's id.
        task_queue: The task queue of its runs.
    """

    schedule_id: str
    described: str
    paused: bool
    note: str
    next_at: datetime | None
    last_at: datetime | None
    last_workflow_id: str | None
    task_queue: str


async def schedules(connection: Connection) -> list[ScheduleShown]:
    """The schedules, in order.

    Raises:
        NotFound: One of them hasn't been set up.
        Unreachable: Temporal doesn't answer.
    """
    return [await _shown(connection, planned) for planned in _plans(connection)]


async def schedules_there(connection: Connection) -> tuple[list[ScheduleShown], list[str]]:
    """The schedules that have been set up, and the names of those that haven't, both in order.

    Raises:
        Unreachable: Temporal doesn't answer.
    """
    there, missing = [], []
    for planned in _plans(connection):
        try:
            there.append(await _shown(connection, planned))
        except NotFound:
            missing.append(planned.schedule_id)
    return there, missing


async def _shown(connection: Connection, planned: _Planned) -> ScheduleShown:
    handle = _handle(connection, planned.schedule_id)
    try:
        async with _answer(connection, planned.schedule_id):
            found = await handle.describe()
    except NotFound as error:
        raise NotFound(f"{error}; `stockkeeper setup` makes it") from None
    action = found.schedule.action
    recent: Sequence[object] = found.info.recent_actions
    last = found.info.recent_actions[-1] if recent else None
    paused = found.schedule.state.paused
    return ScheduleShown(
        schedule_id=planned.schedule_id,
        described=planned.described,
        paused=paused,
        note=found.schedule.state.note or "",
        next_at=None if paused else next(iter(found.info.next_action_times), None),
        last_at=last.started_at if last else None,
        last_workflow_id=getattr(last.action, "workflow_id", None) if last else None,
        task_queue=action.task_queue if isinstance(action, ScheduleActionStartWorkflow) else "",
    )


async def pause_schedule(connection: Connection, schedule_id: str, *, note: str) -> None:
    """Pause a schedule until it is resumed.

    Raises:
        NotFound: There is no such schedule.
        Unreachable: Temporal doesn't answer.
    """
    async with _answer(connection, schedule_id):
        await _handle(connection, schedule_id).pause(note=note)


async def resume_schedule(connection: Connection, schedule_id: str, *, note: str) -> None:
    """Resume a paused schedule.

    Raises:
        NotFound: There is no such schedule.
        Unreachable: Temporal doesn't answer.
    """
    async with _answer(connection, schedule_id):
        await _handle(connection, schedule_id).unpause(note=note)


async def trigger_schedule(connection: Connection, schedule_id: str) -> None:
    """Run a schedule now, paused or not, unless a run of it is under way.

    Raises:
        NotFound: There is no such schedule.
        Unreachable: Temporal doesn't answer.
    """
    async with _answer(connection, schedule_id):
        await _handle(connection, schedule_id).trigger()


def _handle(connection: Connection, schedule_id: str) -> ScheduleHandle:
    return connection.client.get_schedule_handle(schedule_id)


def _answer(connection: Connection, schedule_id: str) -> AbstractAsyncContextManager[None]:
    return answer(f"schedule {schedule_id}", connection.answer_within)
