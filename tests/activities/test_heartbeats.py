"""Signs of life from beside an activity that waits."""

import asyncio
import dataclasses
import queue
import threading
from datetime import timedelta

import pytest
from temporalio import activity
from temporalio.testing import ActivityEnvironment

from activities import heartbeats
from activities.edge import at_the_edge
from stockkeeper.contracts.import_file import DiscardImportStep


def test_an_activity_that_waits_is_heard_of_until_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeats, "_EVERY_SECONDS", 0.001)
    heard = threading.Semaphore(0)
    environment = ActivityEnvironment()
    environment.on_heartbeat = lambda *details: heard.release()

    def waits() -> None:
        with heartbeats.heartbeats():
            assert heard.acquire(timeout=10)
            assert heard.acquire(timeout=10)

    environment.run(waits)
    assert "heartbeats" not in {thread.name for thread in threading.enumerate()}


def test_what_it_has_reported_goes_on_in_every_later_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeats, "_EVERY_SECONDS", 0.001)
    heard: queue.Queue[tuple[object, ...]] = queue.Queue()
    environment = ActivityEnvironment()
    environment.info = dataclasses.replace(environment.info, heartbeat_details=["by the attempt before"])
    environment.on_heartbeat = lambda *details: heard.put(details)

    def reports() -> None:
        with heartbeats.heartbeats():
            assert heard.get(timeout=10) == ("by the attempt before",)
            heartbeats.report("first", "second")
            while (details := heard.get(timeout=10)) == ("by the attempt before",):
                pass
            assert [details, heard.get(timeout=10), heard.get(timeout=10)] == [("first", "second")] * 3

    environment.run(reports)


def test_they_end_with_an_activity_that_fails() -> None:
    def fails() -> None:
        with heartbeats.heartbeats():
            raise LookupError

    with pytest.raises(LookupError):
        ActivityEnvironment().run(fails)
    assert "heartbeats" not in {thread.name for thread in threading.enumerate()}


@pytest.mark.parametrize(("limit", "threads"), [(timedelta(seconds=10), 1), (None, 0)])
def test_every_activity_sends_them_for_which_temporal_waits(limit: timedelta | None, threads: int) -> None:
    seen: list[int] = []

    @activity.defn(name="waits")
    def waits(step: DiscardImportStep) -> None:
        del step
        seen.append([thread.name for thread in threading.enumerate()].count("heartbeats"))

    environment = ActivityEnvironment()
    environment.info = dataclasses.replace(environment.info, heartbeat_timeout=limit)
    step = {"operation_id": "import-1/discard", "performed_by": "tests", "as_of": "2026-11-29T08:00:00Z"}
    environment.run(at_the_edge(waits), step | {"import_id": "1"})
    assert seen == [threads]


async def test_so_does_one_that_waits_in_the_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeats, "_EVERY_SECONDS", 0.001)
    heard = asyncio.Event()

    @activity.defn(name="waits_in_the_loop")
    async def waits_in_the_loop(step: DiscardImportStep) -> None:
        del step
        await asyncio.wait_for(heard.wait(), 10)

    environment = ActivityEnvironment()
    environment.info = dataclasses.replace(environment.info, heartbeat_timeout=timedelta(seconds=10))
    environment.on_heartbeat = lambda *details: heard.set()
    step = {"operation_id": "import-1/discard", "performed_by": "tests", "as_of": "2026-11-29T08:00:00Z"}
    await environment.run(at_the_edge(waits_in_the_loop), step | {"import_id": "1"})
    assert heard.is_set()
