"""The schedules: what Stockkeeper does by itself, and when.

They belong to the namespace. Setting them up again brings them to what this version has, and keeps a pause: whoever
paused one had a reason.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from temporalio.client import (
    Client,
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
from stockkeeper.contracts import cycle_count_plan, reorder, replenishment_plan, stock_audit
from stockkeeper.contracts.cycle_count_plan import CycleCountPlanRequest
from stockkeeper.contracts.errors import NotFound
from stockkeeper.contracts.reorder import ReorderRequest
from stockkeeper.contracts.replenishment_plan import ReplenishmentPlanRequest
from stockkeeper.contracts.stock_audit import StockAuditRequest


@dataclass(frozen=True)
class _Planned:
    """One schedule as this version has it."""

    schedule_id: str
    told: str
    schedule: Schedule


def _policy() -> SchedulePolicy:
    # One run at a time, and the next one sees what it would have seen. After an outage the runs of the last hours are
    # made up for by one; older ones would only repeat it.
    return SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP, catchup_window=timedelta(hours=6))


def _wanted(task_queue: str) -> list[_Planned]:
    hourly = _Planned(
        reorder.SCHEDULE,
        "orders what is below its reorder point, every hour",
        Schedule(
            action=ScheduleActionStartWorkflow(
                reorder.WORKFLOW_TYPE,
                ReorderRequest(),
                id=reorder.SCHEDULE,
                task_queue=task_queue,
                static_summary="the hourly look at what is below its reorder point",
            ),
            spec=ScheduleSpec(intervals=[ScheduleIntervalSpec(every=timedelta(hours=1))], jitter=timedelta(minutes=1)),
            policy=_policy(),
        ),
    )
    daily = _Planned(
        replenishment_plan.SCHEDULE,
        "sets reorder points from demand, every day at 02:30 UTC",
        Schedule(
            action=ScheduleActionStartWorkflow(
                replenishment_plan.WORKFLOW_TYPE,
                ReplenishmentPlanRequest(),
                id=replenishment_plan.SCHEDULE,
                task_queue=task_queue,
                static_summary="the daily planning of reorder points",
            ),
            spec=ScheduleSpec(
                calendars=[ScheduleCalendarSpec(hour=[ScheduleRange(2)], minute=[ScheduleRange(30)])],
                jitter=timedelta(minutes=5),
            ),
            policy=_policy(),
        ),
    )
    counting = _Planned(
        cycle_count_plan.SCHEDULE,
        f"starts each warehouse's count of the day, from {cycle_count_plan.FROM_HOUR:02}:00 there",
        Schedule(
            action=ScheduleActionStartWorkflow(
                cycle_count_plan.WORKFLOW_TYPE,
                CycleCountPlanRequest(from_hour=cycle_count_plan.FROM_HOUR),
                id=cycle_count_plan.SCHEDULE,
                task_queue=task_queue,
                static_summary="the look at which warehouses begin their day, and what is due there",
            ),
            # A day begins at another hour in each timezone: it looks every hour, and a warehouse has one count a day.
            spec=ScheduleSpec(
                calendars=[ScheduleCalendarSpec(hour=[ScheduleRange(0, 23)], minute=[ScheduleRange(5)])],
                jitter=timedelta(minutes=1),
            ),
            policy=_policy(),
        ),
    )
    nightly = _Planned(
        stock_audit.SCHEDULE,
        "proves that the books agree, every day at 03:30 UTC",
        Schedule(
            action=ScheduleActionStartWorkflow(
                stock_audit.WORKFLOW_TYPE,
                StockAuditRequest(),
                id=stock_audit.SCHEDULE,
                task_queue=task_queue,
                static_summary="the nightly audit",
            ),
            spec=ScheduleSpec(
                calendars=[ScheduleCalendarSpec(hour=[ScheduleRange(3)], minute=[ScheduleRange(30)])],
                jitter=timedelta(minutes=5),
            ),
            policy=_policy(),
        ),
    )
    return [hourly, daily, counting, nightly]


async def set_up_schedules(client: Client, *, task_queue: str) -> list[str]:
    """Make the schedules, or bring them to what this version has; a pause and its note stay.

    Args:
        client: The namespace.
        task_queue: Where their runs are worked on.

    Returns:
        The ids of those that are new.
    """
    added = []
    for planned in _wanted(task_queue):
        async with answer(f"schedule {planned.schedule_id}"):
            try:
                await client.create_schedule(planned.schedule_id, planned.schedule)
            except ScheduleAlreadyRunningError:
                await _bring_up_to_date(client.get_schedule_handle(planned.schedule_id), planned.schedule)
            else:
                added.append(planned.schedule_id)
    return added


async def _bring_up_to_date(handle: ScheduleHandle, wanted: Schedule) -> None:
    def keep_the_pause(found: ScheduleUpdateInput) -> ScheduleUpdate:
        return ScheduleUpdate(schedule=replace(wanted, state=found.description.schedule.state))

    await handle.update(keep_the_pause)


@dataclass(frozen=True)
class ScheduleShown:
    """A schedule as people see it.

    Attributes:
        next_at: When it runs next; None while it is paused.
        last_at: When it ran last.
        last_workflow_id: That run's id.
    """

    schedule_id: str
    told: str
    paused: bool
    note: str
    next_at: datetime | None
    last_at: datetime | None
    last_workflow_id: str | None


async def schedules(client: Client, *, task_queue: str) -> list[ScheduleShown]:
    """The schedules, in order.

    Raises:
        NotFound: One of them hasn't been set up.
        Unreachable: Nobody answers.
    """
    return [await _shown(client, planned) for planned in _wanted(task_queue)]


async def _shown(client: Client, planned: _Planned) -> ScheduleShown:
    handle = _handle(client, planned.schedule_id)
    try:
        async with answer(f"schedule {planned.schedule_id}"):
            found = await handle.describe()
    except NotFound as error:
        raise NotFound(f"{error}; `stockkeeper setup` makes it") from None
    recent: Sequence[object] = found.info.recent_actions
    last = found.info.recent_actions[-1] if recent else None
    paused = found.schedule.state.paused
    return ScheduleShown(
        schedule_id=planned.schedule_id,
        told=planned.told,
        paused=paused,
        note=found.schedule.state.note or "",
        next_at=None if paused else next(iter(found.info.next_action_times), None),
        last_at=last.started_at if last else None,
        last_workflow_id=getattr(last.action, "workflow_id", None) if last else None,
    )


async def pause_schedule(client: Client, schedule_id: str, *, note: str) -> None:
    """Let it run no more until it is resumed.

    Raises:
        NotFound: There is no such schedule.
        Unreachable: Nobody answers.
    """
    async with answer(f"schedule {schedule_id}"):
        await _handle(client, schedule_id).pause(note=note)


async def resume_schedule(client: Client, schedule_id: str, *, note: str) -> None:
    """Let it run again.

    Raises:
        NotFound: There is no such schedule.
        Unreachable: Nobody answers.
    """
    async with answer(f"schedule {schedule_id}"):
        await _handle(client, schedule_id).unpause(note=note)


async def trigger_schedule(client: Client, schedule_id: str) -> None:
    """Let it run now, paused or not; not beside a run of its own that is under way.

    Raises:
        NotFound: There is no such schedule.
        Unreachable: Nobody answers.
    """
    async with answer(f"schedule {schedule_id}"):
        await _handle(client, schedule_id).trigger()


def _handle(client: Client, schedule_id: str) -> ScheduleHandle:
    return client.get_schedule_handle(schedule_id)
