"""The schedules on a Temporal server: made once, brought up to date, and never against whoever paused one."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine
from temporalio.client import (
    Client,
    ScheduleActionStartWorkflow,
    ScheduleDescription,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleSpec,
    ScheduleUpdate,
    ScheduleUpdateInput,
)

from starter.schedules import (
    ScheduleShown,
    pause_schedule,
    resume_schedule,
    schedules,
    schedules_there,
    set_up_schedules,
    trigger_schedule,
)
from stockkeeper import Connection, NotFound
from stockkeeper.domain.stock import ItemKey
from tests.support.replenishment import Reorders, nobody_else_orders
from tests.support.replenishment_rows import ordered, set_point, supply
from tests.support.rows import locked
from tests.support.schedules import NOBODY, SCHEDULES, forget_schedules
from tests.support.shop import Shop
from tests.support.wire import at_once, eventually

HOURLY, DAILY, COUNTING, EXPIRY, NIGHTLY = SCHEDULES
MINUTES = {HOURLY: (0, 1), COUNTING: (5, 6), EXPIRY: (1, 2)}
NOTE = "nobody orders during the stocktaking"


@pytest.fixture(autouse=True)
async def _none_before_and_none_after(our_client: Client, plain_client: Client, engine: Engine) -> AsyncIterator[None]:
    async with nobody_else_orders(engine, Reorders(plain_client, NOBODY)):
        await forget_schedules(our_client)
        yield
        await forget_schedules(our_client)


async def made(client: Client, task_queue: str = NOBODY) -> None:
    """All of them, paused at once: none begins anything by itself in the middle of a test."""
    await set_up_schedules(Connection(client, task_queue))
    for name in SCHEDULES:
        await pause_schedule(Connection(client), name, note=NOTE)


async def described(client: Client, name: str) -> ScheduleDescription:
    """What the server says of one."""
    return await client.get_schedule_handle(name).describe()


def planned(description: ScheduleDescription) -> dict[str, Any]:
    """What a schedule is, other than whether it is paused."""
    schedule = description.schedule
    action = schedule.action
    assert isinstance(action, ScheduleActionStartWorkflow)
    [argument] = action.args
    return {
        "intervals": [each.every for each in schedule.spec.intervals],
        "calendars": [
            [(each.start, each.end) for each in field]
            for calendar in schedule.spec.calendars
            for field in (calendar.hour, calendar.minute, calendar.second)
        ],
        "jitter": schedule.spec.jitter,
        "overlap": schedule.policy.overlap,
        "catch up": schedule.policy.catchup_window,
        "starts": (action.workflow, action.id, action.task_queue, json.loads(argument.data)),
    }


COMMON = {"overlap": ScheduleOverlapPolicy.SKIP, "catch up": timedelta(hours=6)}
WANTED: dict[str, dict[str, Any]] = {
    HOURLY: COMMON
    | {
        "intervals": [timedelta(hours=1)],
        "calendars": [],
        "jitter": timedelta(minutes=1),
        "starts": ("ReorderWorkflow", HOURLY, NOBODY, {"warehouse_id": None, "dry_run": False}),
    },
    DAILY: COMMON
    | {
        "intervals": [],
        "calendars": [[(2, 2)], [(30, 30)], [(0, 0)]],
        "jitter": timedelta(minutes=5),
        "starts": (
            "ReplenishmentPlanWorkflow",
            DAILY,
            NOBODY,
            {
                "warehouse_id": None,
                "history_days": 90,
                "service_level": 0.95,
                "fill_rate": None,
                "method": None,
                "order_cost": None,
                "holding_cost_rate": None,
                "bulk_factor": None,
                "forecast": None,
            },
        ),
    },
    COUNTING: COMMON
    | {
        "intervals": [],
        # Each hour of the day: somewhere it is morning.
        "calendars": [[(0, 23)], [(5, 5)], [(0, 0)]],
        "jitter": timedelta(minutes=1),
        "starts": ("CycleCountPlanWorkflow", COUNTING, NOBODY, {"warehouse_id": None, "from_hour": 5}),
    },
    EXPIRY: COMMON
    | {
        "intervals": [],
        # Each hour of the day: somewhere midnight has passed.
        "calendars": [[(0, 23)], [(1, 1)], [(0, 0)]],
        "jitter": timedelta(minutes=1),
        "starts": ("LotExpiryWorkflow", EXPIRY, NOBODY, {"warehouse_id": None, "within_days": None}),
    },
    NIGHTLY: COMMON
    | {
        "intervals": [],
        "calendars": [[(3, 3)], [(30, 30)], [(0, 0)]],
        "jitter": timedelta(minutes=5),
        "starts": ("StockAuditWorkflow", NIGHTLY, NOBODY, {"warehouse_id": None}),
    },
}


async def shown(client: Client) -> dict[str, ScheduleShown]:
    """As people see them."""
    return {each.schedule_id: each for each in await schedules(Connection(client, NOBODY))}


async def test_they_are_made_once_and_again_without_a_change(our_client: Client) -> None:
    assert await set_up_schedules(Connection(our_client, NOBODY)) == SCHEDULES
    first = [await described(our_client, name) for name in SCHEDULES]
    assert {each.id: planned(each) for each in first} == WANTED
    assert [(each.schedule.state.paused, each.schedule.state.note) for each in first] == [(False, None)] * len(
        SCHEDULES
    )
    assert await set_up_schedules(Connection(our_client, NOBODY)) == []
    again = [await described(our_client, name) for name in SCHEDULES]
    assert {each.id: planned(each) for each in again} == WANTED
    assert [each.info.created_at for each in again] == [each.info.created_at for each in first]
    for each in again:
        times = each.info.next_action_times
        assert len(times) > 1
        if each.id in MINUTES:
            assert all(moment.minute in MINUTES[each.id] for moment in times)
            assert times[1] - times[0] < timedelta(hours=1, minutes=2)
        else:
            hour = 2 if each.id == DAILY else 3
            assert all(moment.hour == hour and 30 <= moment.minute <= 35 for moment in times)


async def test_several_at_once_make_them_once(our_client: Client) -> None:
    added = await at_once(*(set_up_schedules(Connection(our_client, NOBODY)) for _ in range(4)))
    assert sorted(name for names in added for name in names) == sorted(SCHEDULES)
    assert {name: planned(await described(our_client, name)) for name in SCHEDULES} == WANTED


async def test_what_another_version_has_made_is_brought_up_to_date_and_stays_paused(our_client: Client) -> None:
    await made(our_client, task_queue="another-queue")

    def otherwise(found: ScheduleUpdateInput) -> ScheduleUpdate:
        every = ScheduleSpec(intervals=[ScheduleIntervalSpec(every=timedelta(hours=5))])
        policy = SchedulePolicy(overlap=ScheduleOverlapPolicy.ALLOW_ALL, catchup_window=timedelta(days=300))
        return ScheduleUpdate(schedule=replace(found.description.schedule, spec=every, policy=policy))

    for name in SCHEDULES:
        await our_client.get_schedule_handle(name).update(otherwise)
        before = planned(await described(our_client, name))
        assert (before["intervals"], before["overlap"]) == ([timedelta(hours=5)], ScheduleOverlapPolicy.ALLOW_ALL)
    assert await set_up_schedules(Connection(our_client, NOBODY)) == []
    for name in SCHEDULES:
        now = await described(our_client, name)
        assert (planned(now), now.schedule.state.paused, now.schedule.state.note) == (WANTED[name], True, NOTE)


async def test_one_is_paused_and_resumed_with_a_note(our_client: Client) -> None:
    await made(our_client)
    paused = await shown(our_client)
    assert [(each.paused, each.note, each.next_at, each.last_at) for each in paused.values()] == [
        (True, NOTE, None, None)
    ] * len(SCHEDULES)
    await resume_schedule(Connection(our_client), DAILY, note="counted")
    resumed = await shown(our_client)
    assert (resumed[HOURLY], resumed[DAILY].paused, resumed[DAILY].note) == (paused[HOURLY], False, "counted")
    until = resumed[DAILY].next_at
    assert until is not None
    assert timedelta() < until - datetime.now(UTC) <= timedelta(days=1, minutes=5)
    # Whoever sets up again keeps that, too.
    await set_up_schedules(Connection(our_client, NOBODY))
    again = await shown(our_client)
    assert [(each.paused, each.note) for each in again.values()] == [
        (True, NOTE),
        (False, "counted"),
        *[(True, NOTE)] * (len(SCHEDULES) - 2),
    ]


async def test_those_that_are_there_are_told_from_those_that_are_missing(our_client: Client) -> None:
    assert await schedules_there(Connection(our_client, NOBODY)) == ([], SCHEDULES)
    await made(our_client)
    await our_client.get_schedule_handle(DAILY).delete()
    there, missing = await schedules_there(Connection(our_client, "another-queue"))
    assert missing == [DAILY]
    seen = [(each.schedule_id, each.paused, each.note, each.task_queue) for each in there]
    assert seen == [(name, True, NOTE, NOBODY) for name in SCHEDULES if name != DAILY]


async def test_what_is_not_set_up_cannot_be_commanded(our_client: Client) -> None:
    for call in (
        schedules(Connection(our_client, NOBODY)),
        pause_schedule(Connection(our_client), HOURLY, note=NOTE),
        resume_schedule(Connection(our_client), HOURLY, note=NOTE),
        trigger_schedule(Connection(our_client), HOURLY),
    ):
        with pytest.raises(NotFound, match=HOURLY):
            await call


@pytest.fixture
def low(shop: Shop, engine: Engine) -> ItemKey:
    """An item below its point, with a supplier."""
    item = shop.item(4)
    supply(engine, item, shop.supplier())
    set_point(engine, item, 10)
    return item


async def test_one_that_is_triggered_runs_although_it_is_paused(
    our_client: Client, reorders: Reorders, low: ItemKey, engine: Engine
) -> None:
    await made(our_client, task_queue=reorders.task_queue)
    begun = datetime.now(UTC)
    await trigger_schedule(Connection(our_client), HOURLY)
    ran = await eventually(lambda: shown(our_client), lambda found: found[HOURLY].last_workflow_id is not None)
    last = ran[HOURLY]
    assert str(last.last_workflow_id).startswith(f"{HOURLY}-")
    assert last.last_at is not None
    assert last.last_at > begun - timedelta(seconds=1)
    assert (last.paused, last.note, last.next_at) == (True, NOTE, None)
    state = await reorders.result(str(last.last_workflow_id))
    assert (state["status"], state["warehouse_id"], state["orders_drafted"]) == ("DONE", None, 1)
    [row] = ordered(engine, low.warehouse_id)
    assert row.product_id == low.product_id


async def test_one_that_is_under_way_is_not_begun_a_second_time(
    our_client: Client, reorders: Reorders, low: ItemKey, engine: Engine
) -> None:
    await made(our_client, task_queue=reorders.task_queue)
    async with locked(engine, low) as lock:
        await trigger_schedule(Connection(our_client), HOURLY)
        await lock.has_somebody_waiting()
        await trigger_schedule(Connection(our_client), HOURLY)
        seen = await eventually(
            lambda: described(our_client, HOURLY), lambda found: found.info.num_actions_skipped_overlap == 1
        )
        assert (seen.info.num_actions, len(seen.info.running_actions)) == (1, 1)
    last = (await shown(our_client))[HOURLY].last_workflow_id
    assert (await reorders.result(str(last)))["orders_drafted"] == 1
    assert len(ordered(engine, low.warehouse_id)) == 1
