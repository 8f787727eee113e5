"""`stockkeeper schedule`: what happens by itself is seen, paused with a reason, resumed and triggered."""

import json
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleHandle,
    ScheduleSpec,
    ScheduleState,
)

from starter.schedules import set_up_schedules
from stockkeeper import Connection
from tests.support.commands import Command
from tests.support.schedules import NOBODY, SCHEDULES, forget_schedules
from tests.support.wire import Json, eventually


class Schedules:
    """The namespace's schedules, for a queue where nobody works: what they begin, begins and waits."""

    def __init__(self, client: Client, command: Command) -> None:
        self._client = client
        self._command = command

    async def make_paused(self) -> None:
        """Make them as an earlier version might have, and paused, so that they begin nothing by themselves."""
        for name in SCHEDULES:
            earlier = ScheduleActionStartWorkflow("Earlier", id=name, task_queue=NOBODY)
            state = ScheduleState(paused=True, note="ann: stocktaking")
            await self._client.create_schedule(name, Schedule(action=earlier, spec=ScheduleSpec(), state=state))

    async def set_up(self) -> list[str]:
        """Bring them up to date; which are new."""
        return await set_up_schedules(Connection(self._client, NOBODY))

    def handle(self, name: str) -> ScheduleHandle:
        """One of them."""
        return self._client.get_schedule_handle(name)

    async def told(self, *arguments: str) -> str:
        """What a command prints."""
        done = await self._command("schedule", *arguments)
        assert (done.exit_code, done.stderr) == (0, "")
        return done.stdout

    async def listed(self) -> list[Json]:
        """All of them, for programs."""
        return list(json.loads(await self.told("list", "--json")))

    async def row(self, name: str) -> list[str]:
        """What is printed beside one of them."""
        [line] = [line for line in (await self.told("list")).splitlines() if line.startswith(f"{name} ")]
        return re.split(r"\s{2,}", line.strip())[1:]


@pytest.fixture
async def schedules(our_client: Client, command: Command) -> AsyncIterator[Schedules]:
    """All of them, paused."""
    schedules = Schedules(our_client, command)
    await forget_schedules(our_client)
    await schedules.make_paused()
    assert await schedules.set_up() == []
    yield schedules
    await forget_schedules(our_client)


async def test_a_pause_outlives_a_setup_and_is_shown_with_its_reason_until_it_ends(schedules: Schedules) -> None:
    assert await schedules.listed() == [
        {
            "schedule_id": name,
            "paused": True,
            "note": "ann: stocktaking",
            "last_at": None,
            "last_workflow_id": None,
            "next_at": None,
        }
        for name in SCHEDULES
    ]
    hourly, daily = (
        "orders items below their reorder point, every hour",
        "sets reorder points from demand, every day at 02:30 UTC",
    )
    assert await schedules.row("reorder-hourly") == [hourly, "never", "paused: ann: stocktaking"]

    for name in SCHEDULES:
        resumed = await schedules.told("resume", name, "--performed-by", "bob")
        assert resumed == f"schedule {name} runs again\n"
    rows = await schedules.listed()
    assert [(row["paused"], row["note"]) for row in rows] == [(False, "resumed by bob")] * len(SCHEDULES)
    first, second, third, fourth, fifth = [datetime.fromisoformat(row["next_at"]).astimezone(UTC) for row in rows]
    # Some minutes of chance are in both, so that not everybody's schedules begin at the same second.
    assert first < datetime.now(UTC) + timedelta(hours=1, minutes=1)
    assert (second.hour, second.minute in range(30, 36)) == (2, True)
    assert (third < datetime.now(UTC) + timedelta(hours=1, minutes=1), third.minute in {5, 6}) == (True, True)
    assert (fourth < datetime.now(UTC) + timedelta(hours=1, minutes=1), fourth.minute in {1, 2}) == (True, True)
    assert (fifth.hour, fifth.minute in range(30, 36)) == (3, True)
    shown = await schedules.row("replenishment-plan-daily")
    assert (shown[0], shown[-1]) == (daily, f"{second:%Y-%m-%d %H:%M} UTC")
    counting = "starts each warehouse's count of the day, from 05:00 there"
    assert (await schedules.row("cycle-count-daily"))[0] == counting

    paused = await schedules.told("pause", "reorder-hourly", "--reason", "moving house", "--performed-by", "cid")
    assert paused == "schedule reorder-hourly is paused\n"
    assert (await schedules.row("reorder-hourly"))[-1] == "paused: cid: moving house"
    assert [row["paused"] for row in await schedules.listed()] == [True, *[False] * (len(SCHEDULES) - 1)]


async def test_a_paused_schedule_runs_when_it_is_triggered_and_not_beside_itself(
    schedules: Schedules, plain_client: Client
) -> None:
    asked = await schedules.told("trigger", "reorder-hourly")
    assert asked == "schedule reorder-hourly was asked to run\n"
    [hourly, *_] = await eventually(schedules.listed, lambda rows: rows[0]["last_at"] is not None)
    assert hourly["paused"]
    run = plain_client.get_workflow_handle(hourly["last_workflow_id"])
    described = await run.describe()
    assert (described.workflow_type, described.task_queue, described.close_time) == ("ReorderWorkflow", NOBODY, None)
    assert (await schedules.row("reorder-hourly"))[
        1
    ] == f"{datetime.fromisoformat(hourly['last_at']):%Y-%m-%d %H:%M} UTC"

    async def skipped() -> int:
        return (await schedules.handle("reorder-hourly").describe()).info.num_actions_skipped_overlap

    await schedules.told("trigger", "reorder-hourly")
    assert await eventually(skipped, bool) == 1
    assert (await schedules.listed())[0]["last_workflow_id"] == run.id
    await run.terminate()


async def test_what_is_no_schedule_is_refused_in_one_line(schedules: Schedules, command: Command) -> None:
    before = await schedules.listed()
    for arguments in (("pause", "weekly", "--reason", "r"), ("resume", "weekly"), ("trigger", "weekly")):
        done = await command("schedule", *arguments)
        assert (done.exit_code, done.stdout, done.stderr) == (1, "", "NotFound: schedule weekly doesn't exist\n")
    assert await schedules.listed() == before


async def test_schedules_that_nobody_has_made_are_missed_in_one_line(our_client: Client, command: Command) -> None:
    await forget_schedules(our_client)
    listed = await command("schedule", "list")
    assert (listed.exit_code, listed.stdout) == (1, "")
    assert listed.stderr == "NotFound: schedule reorder-hourly doesn't exist; `stockkeeper setup` makes it\n"
